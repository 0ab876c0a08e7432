/**
 * A disk in memory that can lose power.
 *
 * What a real one may do is allowed here: of what was written since the last sync any sectors may have
 * arrived, in any order; a file may be longer than its data; a new name may be gone until its folder is synced.
 */
import type { Disk, DiskFile } from '../../src/log/disk.ts';

const sectorBytes = 512;

interface Content {
  now: Uint8Array;
  /** What survives for sure. */
  safe: Uint8Array;
}

export class PowerDisk implements Disk {
  #names = new Map<string, Content>();
  #safeNames = new Map<string, Content>();
  /** Changing calls left before the power goes. */
  #callsLeft: number;
  calls = 0;

  constructor(callsLeft = Number.MAX_SAFE_INTEGER) {
    this.#callsLeft = callsLeft;
  }

  get hasPower(): boolean {
    return this.#callsLeft > 0;
  }

  async mkdir(): Promise<void> {
    this.#change();
  }

  async list(path: string): Promise<string[]> {
    const inside = [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`));
    const names = inside.map((name) => name.slice(path.length + 1).split('/', 1)[0] as string);
    return [...new Set(names)].sort();
  }

  async open(path: string, create: boolean): Promise<DiskFile> {
    const there = this.#names.get(path);
    if (there) return this.#file(there);
    if (!create) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    this.#change();
    const content: Content = { now: new Uint8Array(0), safe: new Uint8Array(0) };
    this.#names.set(path, content);
    return this.#file(content);
  }

  readSync(path: string): Uint8Array {
    const there = this.#names.get(path);
    if (!there) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return there.now.slice();
  }

  async rename(from: string, to: string): Promise<void> {
    this.#change();
    this.#names.set(to, this.#names.get(from)!);
    this.#names.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.#change();
    if (!this.#names.delete(path)) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  }

  async syncFolder(): Promise<void> {
    this.#change();
    this.#safeNames = new Map(this.#names);
  }

  /** Bytes of a file as a reader sees them now. */
  bytes(path: string): Uint8Array {
    return this.#names.get(path)!.now;
  }

  /** Puts a file there, as if it had always been. */
  put(path: string, bytes: Uint8Array): void {
    const content: Content = { now: bytes, safe: bytes };
    this.#names.set(path, content);
    this.#safeNames.set(path, content);
  }

  /** The same disk at this moment, everything on it safe; what happens to one no longer happens to the other. */
  copy(callsLeft?: number): PowerDisk {
    const other = new PowerDisk(callsLeft);
    for (const [name, { now }] of this.#names) other.put(name, now.slice());
    return other;
  }

  /** The disk as it is found when the power is back. */
  afterPowerCut(random: () => number, callsLeft?: number): PowerDisk {
    const other = new PowerDisk(callsLeft);
    const names = random() < 0.5 ? this.#names : this.#safeNames;
    for (const [name, content] of names) other.put(name, survivors(content, random));
    return other;
  }

  #change(): void {
    if (this.#callsLeft === 0) throw Object.assign(new Error('EIO: no power'), { code: 'EIO' });
    this.#callsLeft -= 1;
    this.calls += 1;
  }

  #file(content: Content): DiskFile {
    return {
      size: async () => content.now.length,
      read: async (position, length) => content.now.slice(position, position + length),
      readSync: (position, length) => content.now.slice(position, position + length),
      write: async (bytes, position) => {
        this.#change();
        const longer = new Uint8Array(Math.max(content.now.length, position + bytes.length));
        longer.set(content.now);
        longer.set(bytes, position);
        content.now = longer;
      },
      datasync: async () => {
        this.#change();
        content.safe = content.now;
      },
      truncate: async (length) => {
        this.#change();
        content.now = content.now.slice(0, length);
      },
      close: async () => undefined,
    };
  }
}

function survivors({ now, safe }: Content, random: () => number): Uint8Array {
  if (now === safe) return safe;
  const shortest = Math.min(now.length, safe.length);
  const length = shortest + Math.round((Math.max(now.length, safe.length) - shortest) * random());
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += sectorBytes) {
    const from = random() < 0.5 ? now : safe;
    bytes.set(from.subarray(at, Math.min(at + sectorBytes, length)), at);
  }
  return bytes;
}
