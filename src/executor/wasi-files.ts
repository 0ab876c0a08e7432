/**
 * The descriptor half of the guest's operating system: 0 stdin, 1 stdout, 2 stderr, 3 the model; nothing else
 * can be opened.
 *
 * Why nothing can be opened: escapes from WASI hosts were path tricks (links out of a directory). Without
 * paths there is no trick; a guest that needs data gets it as bytes. Pure.
 * Test: `test/executor/wasi.test.ts`.
 */

/** Parts of one write or read; more is EINVAL. Unbounded lists once hung hosts of other runtimes. */
export const iovecsMax = 1_024;

/** WASI preview 1 error numbers, those used here. */
export const errno = { ok: 0, badf: 8, fault: 21, inval: 28, overflow: 61, spipe: 70 } as const;

/** What the descriptors are made of. */
export interface FileParts {
  readonly stdin: Uint8Array;
  readonly model: Uint8Array | null;
  readonly outputBytesMax: number;
  /** Takes a copy of what the guest wrote to stderr; of one piece at most the last `stderrBytesMax`. */
  readonly onStderr: (bytes: Uint8Array) => void;
  readonly stderrBytesMax: number;
}

/** The guest's memory, through which every pointer of its own making goes. */
export interface GuestMemory {
  /** A view of exactly these bytes, or null when they aren't all inside the memory. */
  view(pointer: number, length: number): DataView | null;
  bytes(pointer: number, length: number): Uint8Array | null;
}

/** Asks for the buffer anew at each call, because growing replaces it. */
export function guestMemory(buffer: () => ArrayBuffer | null): GuestMemory {
  const fits = (pointer: number, length: number): ArrayBuffer | null => {
    const now = buffer();
    return now !== null && (pointer >>> 0) + length <= now.byteLength ? now : null;
  };
  return {
    view(pointer, length) {
      const now = fits(pointer, length);
      return now && new DataView(now, pointer >>> 0, length);
    },
    bytes(pointer, length) {
      const now = fits(pointer, length);
      return now && new Uint8Array(now, pointer >>> 0, length);
    },
  };
}

/** stdout. Doubles instead of keeping pieces: a million writes of one byte must not become a million objects. */
export function growingBuffer(bytesMax: number) {
  let held = new Uint8Array(Math.min(4_096, bytesMax));
  let length = 0;
  return {
    fits: (more: number): boolean => length + more <= bytesMax,
    append(piece: Uint8Array): void {
      if (length + piece.length > held.length) {
        const larger = new Uint8Array(Math.min(bytesMax, Math.max(2 * held.length, length + piece.length)));
        larger.set(held.subarray(0, length));
        held = larger;
      }
      held.set(piece, length);
      length += piece.length;
    },
    bytes: (): Uint8Array => held.subarray(0, length),
  };
}

interface Descriptor {
  readonly source: Uint8Array | null;
  readonly seekable: boolean;
  at: number;
}

/** All functions that `stdio` grants. `outputExceeded` must not return. */
export function descriptorFunctions(
  parts: FileParts,
  memory: GuestMemory,
  output: ReturnType<typeof growingBuffer>,
  outputExceeded: () => never,
): Record<string, (...values: never[]) => number> {
  const open = new Map<number, Descriptor>([
    [0, { source: parts.stdin, seekable: false, at: 0 }],
    [1, { source: null, seekable: false, at: 0 }],
    [2, { source: null, seekable: false, at: 0 }],
  ]);
  if (parts.model !== null) open.set(3, { source: parts.model, seekable: true, at: 0 });

  /** The pieces of an iovec list, or an errno. */
  const pieces = (list: number, count: number): Uint8Array[] | number => {
    if (count >>> 0 > iovecsMax) return errno.inval;
    const view = memory.view(list, 8 * (count >>> 0));
    if (view === null) return errno.fault;
    const found: Uint8Array[] = [];
    for (let index = 0; index < count >>> 0; index++) {
      const piece = memory.bytes(view.getUint32(8 * index, true), view.getUint32(8 * index + 4, true));
      if (piece === null) return errno.fault;
      found.push(piece);
    }
    return found;
  };

  return {
    fd_write(fd: number, list: number, count: number, written: number): number {
      if ((fd !== 1 && fd !== 2) || !open.has(fd)) return errno.badf;
      const found = pieces(list, count);
      if (typeof found === 'number') return found;
      const result = memory.view(written, 4);
      if (result === null) return errno.fault;
      const total = found.reduce((sum, piece) => sum + piece.length, 0);
      if (total >= 2 ** 32) return errno.inval; // overlapping pieces can add up to more than the memory
      if (fd === 1) {
        if (!output.fits(total)) outputExceeded();
        for (const piece of found) output.append(piece);
      } else {
        for (const piece of found) if (piece.length > 0) parts.onStderr(piece.slice(-parts.stderrBytesMax));
      }
      result.setUint32(0, total, true);
      return errno.ok;
    },
    fd_read(fd: number, list: number, count: number, read: number): number {
      const file = open.get(fd);
      if (file === undefined || file.source === null) return errno.badf;
      const found = pieces(list, count);
      if (typeof found === 'number') return found;
      const result = memory.view(read, 4);
      if (result === null) return errno.fault;
      let total = 0;
      for (const piece of found) {
        const from = Math.min(file.at, file.source.length);
        const part = file.source.subarray(from, from + piece.length);
        piece.set(part);
        file.at += part.length;
        total += part.length;
        if (part.length < piece.length) break;
      }
      result.setUint32(0, total, true);
      return errno.ok;
    },
    fd_close: (fd: number) => (open.delete(fd) ? errno.ok : errno.badf),
    ...seekFunctions(open, memory),
    ...statFunctions(open, memory),
    // No directory is ever open, so the guest's search for them ends at once.
    fd_prestat_get: () => errno.badf,
    fd_prestat_dir_name: () => errno.badf,
  };
}

function seekFunctions(open: Map<number, Descriptor>, memory: GuestMemory) {
  return {
    fd_seek(fd: number, offset: bigint, whence: number, result: number): number {
      const file = open.get(fd);
      if (file === undefined) return errno.badf;
      if (!file.seekable || file.source === null) return errno.spipe;
      const view = memory.view(result, 8);
      if (view === null) return errno.fault;
      const bases = [0, file.at, file.source.length];
      const base = bases[whence];
      if (base === undefined) return errno.inval;
      const target = BigInt(base) + offset;
      if (target < 0n) return errno.inval;
      if (target > BigInt(Number.MAX_SAFE_INTEGER)) return errno.overflow;
      file.at = Number(target);
      view.setBigUint64(0, target, true);
      return errno.ok;
    },
    fd_tell(fd: number, result: number): number {
      const file = open.get(fd);
      if (file === undefined) return errno.badf;
      if (!file.seekable) return errno.spipe;
      const view = memory.view(result, 8);
      if (view === null) return errno.fault;
      view.setBigUint64(0, BigInt(file.at), true);
      return errno.ok;
    },
  };
}

/** Rights bits of WASI preview 1: read, write, seek, tell, filestat. */
const rights = {
  read: 1n << 1n,
  seek: 1n << 2n,
  tell: 1n << 5n,
  write: 1n << 6n,
  filestat: 1n << 21n,
} as const;

function statFunctions(open: Map<number, Descriptor>, memory: GuestMemory) {
  const fileType = (file: Descriptor): number => (file.seekable ? 4 : 0); // regular file, or unknown as for a pipe
  return {
    fd_fdstat_get(fd: number, result: number): number {
      const file = open.get(fd);
      if (file === undefined) return errno.badf;
      const view = memory.view(result, 24);
      if (view === null) return errno.fault;
      const direction = file.source === null ? rights.write : rights.read;
      const seeking = file.seekable ? rights.seek | rights.tell : 0n;
      view.setBigUint64(0, BigInt(fileType(file)), true);
      view.setBigUint64(8, direction | seeking | rights.filestat, true);
      view.setBigUint64(16, 0n, true);
      return errno.ok;
    },
    fd_fdstat_set_flags: (fd: number) => (open.has(fd) ? errno.ok : errno.badf),
    fd_filestat_get(fd: number, result: number): number {
      const file = open.get(fd);
      if (file === undefined) return errno.badf;
      const bytes = memory.bytes(result, 64);
      if (bytes === null) return errno.fault;
      bytes.fill(0);
      const view = new DataView(bytes.buffer, bytes.byteOffset, 64);
      view.setUint8(16, fileType(file));
      view.setBigUint64(24, 1n, true);
      view.setBigUint64(32, BigInt(file.seekable && file.source !== null ? file.source.length : 0), true);
      return errno.ok;
    },
  };
}
