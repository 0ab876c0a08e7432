/**
 * A blob while it is written, under a name that no digest can be.
 *
 * Why: a file appears under its digest only when all its bytes are on the disk, so whatever bears such a name is
 * whole. What a crash leaves half-written bears the other name and goes at the next start.
 * Test: `test/blobs/blobs.test.ts`.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, link, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';

const draftPrefix = '.draft-';

/** One blob being written: its bytes so far, and their hash. */
export class Draft {
  bytes = 0;
  readonly #path: string;
  readonly #hash: Hash = createHash('sha256');
  #file: FileHandle | null = null;
  #there = false;

  constructor(folder: string) {
    this.#path = join(folder, `${draftPrefix}${randomBytes(8).toString('hex')}`);
  }

  async create(): Promise<void> {
    this.#file = await open(this.#path, 'wx', 0o600);
    this.#there = true;
  }

  async write(chunk: Uint8Array): Promise<void> {
    // Counted before the write: what was reserved for the chunk is given back even when the write fails.
    this.bytes += chunk.length;
    this.#hash.update(chunk);
    for (let at = 0; at < chunk.length; ) at += (await this.#file!.write(chunk, at)).bytesWritten;
  }

  digest(): string {
    return this.#hash.digest('hex');
  }

  async sync(): Promise<void> {
    await this.#file!.sync();
  }

  /** Gives the file its second name; false when someone has it already. link(2) decides that in one step. */
  async linkTo(path: string): Promise<boolean> {
    try {
      await link(this.#path, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  /** Takes the place of whatever is at `path`. */
  async renameTo(path: string): Promise<void> {
    await rename(this.#path, path);
    this.#there = false;
  }

  /** Closes it and removes the name it was written under. Never throws: what is left goes at the next start. */
  async remove(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    if (this.#there) await unlink(this.#path).catch(() => undefined);
  }
}

/** Removes what a crash left half-written. */
export async function removeDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.startsWith(draftPrefix)) await unlink(join(folder, name));
}

/** Tells an error of the disk in the words of the door: nothing can be stored now, perhaps later. */
export async function diskErrors<T>(action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (cause) {
    if (cause instanceof BerthError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new BerthError('ERR_READ_ONLY', full ? 'the disk is full' : `blobs can't be stored: ${message}`, {
      cause,
    });
  }
}

/** fsync(2) on a folder: makes the names in it durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export const statOrNull = (path: string): Promise<Stats | null> => absentIsNull(stat(path));

export async function absentIsNull<T>(action: Promise<T>): Promise<T | null> {
  try {
    return await action;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
