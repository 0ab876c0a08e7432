/**
 * Files that are opened when someone reads from them, and closed again when too many are open.
 *
 * Why: a log of years has thousands of segments, a process about a thousand file descriptors. The newest segment,
 * which is written to, stays open; of the others the ones read last are. Test: `test/log/places.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { Disk, DiskFile } from './disk.ts';

/** Old files that are open at once; with each new one the least recently used is closed. */
const openFilesMax = 16;

/** The files of one log. */
export class Handles {
  readonly #disk: Disk;
  /** Open files that may be closed, the least recently used first. */
  readonly #idle = new Set<PooledFile>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** A file that is opened at its first use. What can't be opened rejects that use, with Node's errors. */
  file(path: string): DiskFile {
    return new PooledFile(path, this.#disk, this.#idle, null);
  }

  /** A file that is open and stays so until `letGo`. */
  keep(path: string, open: DiskFile): KeptFile {
    return new PooledFile(path, this.#disk, this.#idle, open);
  }
}

/** A file that is written to. */
export interface KeptFile extends DiskFile {
  /** From now on it is one among those that are read: closed when others are needed. */
  letGo(): void;
}

class PooledFile implements KeptFile {
  readonly #path: string;
  readonly #disk: Disk;
  readonly #idle: Set<PooledFile>;
  #open: DiskFile | null;
  #opening: Promise<DiskFile> | null = null;
  #kept: boolean;
  #users = 0;
  #closed = false;

  constructor(path: string, disk: Disk, idle: Set<PooledFile>, open: DiskFile | null) {
    this.#path = path;
    this.#disk = disk;
    this.#idle = idle;
    this.#open = open;
    this.#kept = open !== null;
  }

  size = (): Promise<number> => this.#with((file) => file.size());
  read = (position: number, length: number): Promise<Uint8Array> =>
    this.#with((file) => file.read(position, length));
  write = (bytes: Uint8Array, position: number): Promise<void> =>
    this.#with((file) => file.write(bytes, position));
  datasync = (): Promise<void> => this.#with((file) => file.datasync());
  truncate = (length: number): Promise<void> => this.#with((file) => file.truncate(length));

  readSync = (position: number, length: number): Uint8Array => {
    this.#refuseClosed();
    if (this.#open !== null) return this.#open.readSync(position, length);
    return this.#disk.readSync(this.#path).subarray(position, position + length);
  };

  letGo(): void {
    this.#kept = false;
    this.#rest();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle.delete(this);
    await this.#shut();
  }

  async #with<T>(use: (file: DiskFile) => Promise<T>): Promise<T> {
    this.#refuseClosed();
    this.#users += 1;
    this.#idle.delete(this);
    try {
      return await use(this.#open ?? (await this.#opened()));
    } finally {
      this.#users -= 1;
      this.#rest();
    }
  }

  #opened(): Promise<DiskFile> {
    this.#opening ??= this.#disk
      .open(this.#path, false)
      .then((file) => {
        this.#open = file;
        return file;
      })
      .finally(() => {
        this.#opening = null;
      });
    return this.#opening;
  }

  /** After a use: stands last in line to be closed, and closes who stands first when the line is full. */
  #rest(): void {
    if (this.#users > 0 || this.#kept || this.#open === null) return;
    if (this.#closed) return void this.#shut();
    this.#idle.add(this);
    if (this.#idle.size <= openFilesMax) return;
    const [oldest] = this.#idle;
    this.#idle.delete(oldest!);
    void oldest!.#shut();
  }

  /** A file that was only read has nothing to lose when it is closed. */
  async #shut(): Promise<void> {
    const file = this.#open;
    this.#open = null;
    await file?.close().catch(() => undefined);
  }

  #refuseClosed(): void {
    if (this.#closed) throw new BerthError('ERR_LOG_FAILED', `${this.#path} is closed`);
  }
}
