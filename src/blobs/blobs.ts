/**
 * Blobs: modules, inputs and results, named by the SHA-256 of their bytes, in a folder a tenant.
 *
 * Why by content: a fact that names a digest names exactly these bytes, for ever; a blob is written once and
 * never changed, so there is nothing to lock. Why a folder a tenant: ownership is the path, and another
 * tenant's blob can't even be probed for by its digest. The price: the same bytes of two tenants
 * are stored twice. Test: `test/blobs/blobs.test.ts`.
 */
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';
import { tokenPattern } from '../events/subject.ts';
import { absentIsNull, Draft, diskErrors, removeDrafts, statOrNull, syncFolder } from './draft.ts';

export interface BlobsOptions {
  readonly dir: string;
  /** Bytes of one blob. */
  readonly blobBytesMax: number;
  /** Bytes of all blobs of one tenant. */
  readonly tenantBytesMax: number;
}

/** What is stored, by name and length. */
export interface Stored {
  readonly sha256: string;
  readonly bytes: number;
}

/** Digest of no bytes at all: what a guest without output leaves, job after job. */
export const emptyBlob = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const digestPattern = /^[0-9a-f]{64}$/;

/** Opens the store: counts what each tenant has, removes what a crash left half-written. */
export async function openBlobs(options: BlobsOptions): Promise<Blobs> {
  await mkdir(options.dir, { recursive: true });
  const used = new Map<string, number>();
  for (const tenant of await readdir(options.dir)) {
    if (tokenPattern.test(tenant)) used.set(tenant, await countFolder(join(options.dir, tenant)));
  }
  return new Blobs(options, used);
}

export class Blobs {
  readonly #options: BlobsOptions;
  /** Bytes a tenant holds, those that are being written included, so that two uploads can't share the last room. */
  readonly #used: Map<string, number>;
  readonly #folders = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: BlobsOptions, used: Map<string, number>) {
    this.#options = options;
    this.#used = used;
  }

  /** Bytes that a tenant's blobs take. */
  usage(tenant: string): number {
    return this.#used.get(tenant) ?? 0;
  }

  /**
   * Stores what `source` yields, durably: when this resolves, file and name survive a power cut.
   *
   * A blob that is there already is compared and kept, or replaced when the disk has spoilt it; its source
   * is hashed all the same, or anyone could claim bytes they don't have.
   * @param expectedSha256  digest that the bytes must have; null takes them as they come
   * @param source  left early on a refusal; a stream that must live on to carry the reply takes care of that itself
   * Throws: `ERR_TOO_LARGE` as soon as the limit is passed, without reading on; `ERR_BLOB_DIGEST`;
   * `ERR_BLOB_QUOTA`; `ERR_READ_ONLY` when the disk is full. Nothing is left behind by a refusal.
   */
  async put(
    tenant: string,
    expectedSha256: string | null,
    source: AsyncIterable<Uint8Array>,
  ): Promise<Stored> {
    if (expectedSha256 !== null) assertDigest(expectedSha256);
    const folder = await this.#folderOf(tenant);
    const draft = new Draft(folder);
    let added = 0;
    try {
      await diskErrors(draft.create());
      for await (const chunk of source) {
        if (draft.bytes + chunk.length > this.#options.blobBytesMax) throw this.#tooLarge();
        this.#reserve(tenant, chunk.length);
        await diskErrors(draft.write(chunk));
      }
      const sha256 = draft.digest();
      if (expectedSha256 !== null && sha256 !== expectedSha256) {
        throw new BerthError('ERR_BLOB_DIGEST', `the bytes hash to ${sha256}, not to ${expectedSha256}`);
      }
      if (sha256 !== emptyBlob) added = await diskErrors(this.#publish(draft, join(folder, sha256), sha256));
      await diskErrors(syncFolder(folder));
      return { sha256, bytes: draft.bytes };
    } finally {
      this.#reserve(tenant, added - draft.bytes);
      await draft.remove();
    }
  }

  /** Stores bytes that are in memory. Known bytes cost one read; the empty blob costs no disk access at all. */
  async putBytes(tenant: string, bytes: Uint8Array): Promise<Stored> {
    assertTenant(tenant);
    if (bytes.length === 0) return { sha256: emptyBlob, bytes: 0 };
    if (bytes.length > this.#options.blobBytesMax) throw this.#tooLarge();
    const sha256 = hash('sha256', bytes, 'hex');
    const folder = await this.#folderOf(tenant);
    const known = await diskErrors(this.#inTurn(() => keepIfSound(join(folder, sha256), sha256)));
    if (!known) return this.put(tenant, sha256, only(bytes));
    // Whoever stored it first may not have come to sync its name yet.
    await diskErrors(syncFolder(folder));
    return { sha256, bytes: bytes.length };
  }

  async has(tenant: string, sha256: string): Promise<boolean> {
    return (await this.size(tenant, sha256)) !== null;
  }

  /** Bytes of a blob; null when this tenant has none by this name. */
  async size(tenant: string, sha256: string): Promise<number | null> {
    const path = this.#pathOf(tenant, sha256);
    if (sha256 === emptyBlob) return 0;
    return (await statOrNull(path))?.size ?? null;
  }

  /**
   * All bytes of a blob. Throws `ERR_BLOB_MISSING`; `ERR_DIGEST_MISMATCH` when the disk no longer
   * gives what was stored: who asks for a digest must never get other bytes.
   */
  async read(tenant: string, sha256: string): Promise<Uint8Array> {
    const path = this.#pathOf(tenant, sha256);
    if (sha256 === emptyBlob) return new Uint8Array(0);
    const bytes = await absentIsNull(readFile(path));
    if (bytes === null) throw absent(tenant, sha256);
    if (hash('sha256', bytes, 'hex') !== sha256) {
      throw new BerthError('ERR_DIGEST_MISMATCH', `blob ${sha256} of ${tenant} does not hash to its name`);
    }
    return bytes;
  }

  /** Does the disk still give what was stored? Hashed piece by piece, so that a large blob holds up nobody. */
  async verify(tenant: string, sha256: string): Promise<boolean> {
    if (!(await this.has(tenant, sha256))) return false;
    const digest = createHash('sha256');
    for await (const chunk of this.stream(tenant, sha256)) digest.update(chunk);
    return digest.digest('hex') === sha256;
  }

  /** The bytes of a blob piece by piece, for a reply. Not hashed: the receiver knows the digest. Throws `ERR_BLOB_MISSING`. */
  async *stream(tenant: string, sha256: string): AsyncGenerator<Uint8Array> {
    const path = this.#pathOf(tenant, sha256);
    if (sha256 === emptyBlob) return;
    if ((await statOrNull(path)) === null) throw absent(tenant, sha256);
    for await (const chunk of createReadStream(path)) yield chunk as Uint8Array;
  }

  /**
   * Removes blobs that nothing refers to.
   *
   * Why an age too: a blob is stored before the fact that names it, so a young one without a reference is
   * perhaps just about to get it. `olderThanMs` must be longer than any upload-then-submit takes.
   * @returns blobs and bytes removed
   */
  async collect(
    isReferenced: (tenant: string, sha256: string) => boolean,
    olderThanMs: number,
    nowMs: number,
  ): Promise<{ blobs: number; bytes: number }> {
    const removed = { blobs: 0, bytes: 0 };
    for (const tenant of this.#used.keys()) {
      const folder = join(this.#options.dir, tenant);
      for (const sha256 of (await absentIsNull(readdir(folder))) ?? []) {
        if (!digestPattern.test(sha256) || isReferenced(tenant, sha256)) continue;
        const bytes = await this.#inTurn(async () => {
          const found = await statOrNull(join(folder, sha256));
          // The time of the last change of the inode, not of the bytes: a repeated put renews it by chmod.
          if (found === null || nowMs - found.ctimeMs <= olderThanMs || isReferenced(tenant, sha256))
            return null;
          await unlink(join(folder, sha256));
          this.#reserve(tenant, -found.size);
          return found.size;
        });
        if (bytes === null) continue;
        removed.blobs += 1;
        removed.bytes += bytes;
      }
    }
    return removed;
  }

  /** Gives a finished draft its name; returns by how many bytes the tenant's space has grown. */
  async #publish(draft: Draft, path: string, sha256: string): Promise<number> {
    await draft.sync();
    return this.#inTurn(async () => {
      if (await draft.linkTo(path)) return draft.bytes;
      if (await keepIfSound(path, sha256)) return 0;
      const spoilt = (await statOrNull(path))?.size ?? 0;
      await draft.renameTo(path);
      return draft.bytes - spoilt;
    });
  }

  /** One change of names at a time: a blob must not be collected while a put finds it there. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(action);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  #tooLarge(): BerthError {
    return new BerthError('ERR_TOO_LARGE', `a blob has at most ${this.#options.blobBytesMax} bytes`);
  }

  #reserve(tenant: string, bytes: number): void {
    const used = this.usage(tenant) + bytes;
    if (bytes > 0 && used > this.#options.tenantBytesMax) {
      throw new BerthError(
        'ERR_BLOB_QUOTA',
        `${tenant} has at most ${this.#options.tenantBytesMax} bytes of blobs`,
      );
    }
    this.#used.set(tenant, used);
  }

  #pathOf(tenant: string, sha256: string): string {
    assertTenant(tenant);
    assertDigest(sha256);
    return join(this.#options.dir, tenant, sha256);
  }

  async #folderOf(tenant: string): Promise<string> {
    assertTenant(tenant);
    const folder = join(this.#options.dir, tenant);
    if (this.#folders.has(tenant)) return folder;
    await diskErrors(mkdir(folder, { recursive: true }));
    await diskErrors(syncFolder(this.#options.dir));
    this.#folders.add(tenant);
    if (!this.#used.has(tenant)) this.#used.set(tenant, 0);
    return folder;
  }
}

/** Whether the blob is there with the right bytes; if so, it counts as young again for the collection. */
async function keepIfSound(path: string, sha256: string): Promise<boolean> {
  const bytes = await absentIsNull(readFile(path));
  if (bytes === null || hash('sha256', bytes, 'hex') !== sha256) return false;
  await chmod(path, 0o600);
  return true;
}

async function countFolder(folder: string): Promise<number> {
  await removeDrafts(folder);
  let bytes = 0;
  for (const name of await readdir(folder)) {
    if (digestPattern.test(name)) bytes += (await statOrNull(join(folder, name)))?.size ?? 0;
  }
  return bytes;
}

/** Tenant and digest become parts of a path: nothing but plain tokens gets there. */
function assertTenant(tenant: string): void {
  if (!tokenPattern.test(tenant)) throw new BerthError('ERR_BAD_REQUEST', 'not a tenant name');
}

function assertDigest(sha256: string): void {
  if (!digestPattern.test(sha256))
    throw new BerthError('ERR_BAD_REQUEST', 'a digest is 64 characters of 0-9a-f');
}

const absent = (tenant: string, sha256: string): BerthError =>
  new BerthError('ERR_BLOB_MISSING', `${tenant} has no blob ${sha256}`);

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
