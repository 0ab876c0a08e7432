/**
 * Disks that count, fail and lose power, over the disk port.
 *
 * Why over the port: the log under test is the one that runs in production, down to the last byte it writes.
 */
import type { Disk, DiskFile } from '../../src/log/disk.ts';

type Counted = 'open' | 'write' | 'datasync' | 'truncate' | 'rename' | 'remove' | 'syncFolder' | 'mkdir';
/** Calls so far that change something or promise something. */
export type Calls = Record<Counted, number>;

/** Called before each such call, with its number over all of them; may throw, or do part of a write. */
type Before = (
  call: Counted,
  nth: number,
  write?: { file: DiskFile; bytes: Uint8Array; position: number },
) => Promise<void>;

function wrapped(inner: Disk, before: Before): { disk: Disk; calls: Calls } {
  const calls: Calls = {
    open: 0,
    write: 0,
    datasync: 0,
    truncate: 0,
    rename: 0,
    remove: 0,
    syncFolder: 0,
    mkdir: 0,
  };
  let total = 0;
  const count = (
    call: Counted,
    write?: { file: DiskFile; bytes: Uint8Array; position: number },
  ): Promise<void> => {
    calls[call] += 1;
    total += 1;
    return before(call, total, write);
  };
  const wrapFile = (file: DiskFile): DiskFile => ({
    size: () => file.size(),
    read: (position, length) => file.read(position, length),
    readSync: (position, length) => file.readSync(position, length),
    write: (bytes, position) =>
      count('write', { file, bytes, position }).then(() => file.write(bytes, position)),
    datasync: () => count('datasync').then(() => file.datasync()),
    truncate: (length) => count('truncate').then(() => file.truncate(length)),
    close: () => file.close(),
  });
  const disk: Disk = {
    mkdir: (path) => count('mkdir').then(() => inner.mkdir(path)),
    list: (path) => inner.list(path),
    open: (path, create) =>
      (create ? count('open') : Promise.resolve()).then(async () => wrapFile(await inner.open(path, create))),
    readSync: (path) => inner.readSync(path),
    remove: (path) => count('remove').then(() => inner.remove(path)),
    rename: (from, to) => count('rename').then(() => inner.rename(from, to)),
    syncFolder: (path) => count('syncFolder').then(() => inner.syncFolder(path)),
  };
  return { disk, calls };
}

/** Counts the calls, changes nothing. */
export const countingDisk = (inner: Disk): { disk: Disk; calls: Calls } =>
  wrapped(inner, async () => undefined);

/** How call number `at` fails: with this code; a write after a part of its bytes has arrived. */
export interface Fault {
  readonly at: number;
  readonly code: 'ENOSPC' | 'EIO';
  /** Share of a write's bytes that arrive before it fails, 0 … 1. */
  readonly share: number;
}

/**
 * Fails at the one call that `fault` names; works before and, like a disk that has got room again, afterwards.
 * @param onFault  told of that call before its caller is; the caller waits for it
 */
export function failingDisk(
  inner: Disk,
  fault: Fault,
  onFault: (call: string) => Promise<void> = async () => undefined,
): { disk: Disk; calls: Calls } {
  return wrapped(inner, async (call, nth, write) => {
    if (nth !== fault.at) return;
    const { code } = fault;
    if (write)
      await write.file.write(
        write.bytes.subarray(0, Math.floor(write.bytes.length * fault.share)),
        write.position,
      );
    await onFault(call);
    throw Object.assign(new Error(`${code}: injected at ${call}`), { code });
  });
}
