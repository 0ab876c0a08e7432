/**
 * The disk port on node:fs.
 *
 * Why so thin: everything worth testing lies above it, where a simulated disk can stand in. What is here
 * are the two traps of the system calls: a write may take fewer bytes than it was given, and a new name
 * is durable only when its folder is synced. Test: `test/log/file.test.ts`.
 */
import { constants, readFileSync, readSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';

/** The machine's file system. */
export const nodeDisk: Disk = {
  async mkdir(path) {
    const full = resolve(path);
    const first = await mkdir(full, { recursive: true });
    if (first === undefined) return;
    // Each new folder is a name in its parent: sync from the innermost out to the parent of the first new one.
    for (let folder = full; folder !== dirname(first); folder = dirname(folder))
      await nodeDisk.syncFolder(dirname(folder));
  },
  async list(path) {
    return (await readdir(path)).sort();
  },
  async open(path, create) {
    return nodeFile(await openHandle(path, create));
  },
  readSync: (path) => readFileSync(path),
  rename,
  remove: unlink,
  async syncFolder(path) {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
};

async function openHandle(path: string, create: boolean): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | (create ? constants.O_CREAT : 0), 0o600);
  } catch (error) {
    // A log may be verified by someone who may only read it.
    const { code } = error as NodeJS.ErrnoException;
    if (create || (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM')) throw error;
    return open(path, 'r');
  }
}

function nodeFile(handle: FileHandle): DiskFile {
  return {
    async size() {
      return (await handle.stat()).size;
    },
    async read(position, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
    readSync(position, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const bytesRead = readSync(handle.fd, bytes, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
    async write(bytes, position) {
      let written = 0;
      while (written < bytes.length) {
        const { bytesWritten } = await handle.write(
          bytes,
          written,
          bytes.length - written,
          position + written,
        );
        written += bytesWritten;
      }
    },
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}
