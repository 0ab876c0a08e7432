/**
 * The store of blobs, simulated: modules that are always there, results that are there once their put resolves.
 *
 * Why so little: `src/blobs` has tests of its own against a real file system. What matters to the controller is *when*
 * bytes are safe: whatever an `exited` fact names must be found after any crash. Here a put that was under way when the
 * process died has left nothing; the witness asks `has` for every result that a fact names.
 */
import { BerthError } from '../errors.ts';
import type { ResultStore } from '../executor/executor.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import type { Kernel, Mortal } from './kernel.ts';
import type { Faults } from './options.ts';
import type { Random } from './random.ts';

/** The smallest module that passes attestation: exports `_start`, imports nothing. */
const moduleBytes = Uint8Array.from(
  '0061736d 01000000 0104016000 00 03020100 070a01065f7374617274 0000 0a040102000b'
    .replaceAll(' ', '')
    .match(/../g) ?? [],
  (hex) => Number.parseInt(hex, 16),
);
/** Digests that jobs name. The store doesn't hash modules; one of them is spoilt when the options say so. */
export const moduleSha256 = 'a'.repeat(64);
export const spoiltSha256 = 'b'.repeat(64);
/** A module that nobody has put. */
export const missingSha256 = 'c'.repeat(64);

export class SimulatedBlobs {
  /** From now on nothing fails. */
  healed = false;
  readonly #results = new Set<string>();
  readonly #parts: { kernel: Kernel; random: Random; faults: Faults; count: (fault: string) => void };

  constructor(parts: { kernel: Kernel; random: Random; faults: Faults; count: (fault: string) => void }) {
    this.#parts = parts;
  }

  /** Is this result safe? */
  holds(tenant: string, sha256: string): boolean {
    return this.#results.has(`${tenant} ${sha256}`);
  }

  /** The store as one process has it. */
  storeOf(owner: Mortal): ResultStore & { has(tenant: string, sha256: string): Promise<boolean> } {
    const { faults } = this.#parts;
    return {
      has: (_tenant, sha256) => this.#answer(owner, () => sha256 !== missingSha256),
      read: (_tenant, sha256) =>
        this.#answer(owner, () => {
          if (this.#strikes(faults.failedReads, 'failedReads')) throw new Error('EIO: injected read');
          if (sha256 === missingSha256) throw new BerthError('ERR_NOT_FOUND', 'no such blob');
          return moduleBytes;
        }),
      verify: (_tenant, sha256) =>
        this.#answer(owner, () => {
          if (this.#strikes(faults.failedReads, 'failedReads')) throw new Error('EIO: injected read');
          return sha256 === moduleSha256;
        }),
      putBytes: (tenant, bytes) =>
        this.#answer(owner, () => {
          if (this.#strikes(faults.failedPuts, 'failedPuts')) throw new Error('EIO: injected put');
          if (this.#strikes(faults.fullPuts, 'fullPuts'))
            throw new BerthError('ERR_BLOB_QUOTA', 'injected: no space of the tenant is left');
          const sha256 = nodeSha256(String.fromCharCode(...bytes.subarray(0, 64)) + bytes.length);
          this.#results.add(`${tenant} ${sha256}`);
          return { sha256, bytes: bytes.length };
        }),
    };
  }

  #strikes(rate: number, name: string): boolean {
    const struck = this.#parts.random.chance(rate) && !this.healed;
    if (struck) this.#parts.count(name);
    return struck;
  }

  /** Does `work` a little later, unless the process is dead by then. */
  #answer<T>(owner: Mortal, work: () => T): Promise<T> {
    const { kernel, random } = this.#parts;
    return new Promise((resolve, reject) => {
      if (!owner.alive) return;
      const answer = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      };
      kernel.after(random.between(0, 3), answer, owner);
    });
  }
}
