/**
 * Module bytes lately run, in memory: the same module is run again and again, and reading and hashing it
 * stands between a reserved slot and its guest. Bounded in bytes; the oldest goes first.
 * The bytes were checked against their digest when they were read. Test: `test/executor/module-cache.test.ts`.
 */
export class ModuleCache {
  readonly #bytesMax: number;
  readonly #read: (tenant: string, sha256: string) => Promise<Uint8Array>;
  /** In order of last use. */
  readonly #modules = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(parts: { bytesMax: number; read: (tenant: string, sha256: string) => Promise<Uint8Array> }) {
    this.#bytesMax = parts.bytesMax;
    this.#read = parts.read;
  }

  /** The module's bytes. A tenant is only given what is stored for that tenant. */
  async get(tenant: string, sha256: string): Promise<Uint8Array> {
    const name = `${tenant} ${sha256}`;
    const known = this.#modules.get(name);
    const bytes = known ?? (await this.#read(tenant, sha256));
    this.#keep(name, bytes);
    return bytes;
  }

  #keep(name: string, bytes: Uint8Array): void {
    if (bytes.length > this.#bytesMax) return;
    if (!this.#modules.delete(name)) this.#bytes += bytes.length;
    this.#modules.set(name, bytes);
    for (const [oldest, { length }] of this.#modules) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#modules.delete(oldest);
      this.#bytes -= length;
    }
  }
}
