/**
 * The disk as a port: exactly the calls that the file log makes, no more.
 *
 * Why below the log and not beside it: a simulated disk that tears, loses and reorders writes then
 * tests the very code that runs in production. Errors are Node's (`code: 'ENOSPC'` …).
 */
export interface DiskFile {
  /** Bytes in the file. */
  size(): Promise<number>;
  /** Up to `length` bytes at `position`; fewer only at the end. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Synchronous form of `read`, for the rare comparison of a repeated append. */
  readSync(position: number, length: number): Uint8Array;
  /** Writes all bytes at `position`, or rejects; how much of it arrived is then unknown. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** fdatasync(2). After a rejection the pages are lost: never retried on the same file. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Creates the folder and its parents, durably. */
  mkdir(path: string): Promise<void>;
  /** Names in the folder, sorted. */
  list(path: string): Promise<string[]>;
  /** Opens for reading and writing; `create` makes it when it is not there. */
  open(path: string, create: boolean): Promise<DiskFile>;
  /** All bytes of a file, at once: blocks the process; for a repeated append whose first is in a file that is not open. */
  readSync(path: string): Uint8Array;
  rename(from: string, to: string): Promise<void>;
  /** unlink(2); rejects with ENOENT when it is not there. Durable after `syncFolder`. */
  remove(path: string): Promise<void>;
  /** fsync(2) on a folder: makes created, renamed and removed names durable. */
  syncFolder(path: string): Promise<void>;
}
