/**
 * The guest's operating system: WASI preview 1 in memory, 19 functions, nothing behind them.
 *
 * Why our own and not `node:wasi`: Node's lets a guest out of its directory through links and says
 * itself that it is no place for untrusted code. Here there is no file, no directory and no socket to
 * get out to: stdin and the model are byte arrays, stdout is a buffer with a cap. Clock and randomness
 * are virtual unless the job declares the real ones, so that a job can be run again with equal bytes.
 *
 * - `clock:virtual` starts at 0 and goes 1 ms further with each reading, whichever clock is asked.
 * - `random:seeded`: block i (from 0) is SHA-256("berth-random-v1\0" ‖ seed ‖ i as u64 little-endian);
 *   the stream is these blocks one after the other.
 * - Where both kinds are declared, the reproducible one wins.
 *
 * No pointer that a guest makes up can throw out of here: what lies outside its memory is EFAULT.
 * Pure: effects come in as arguments. Test: `test/executor/wasi.test.ts`.
 */
import { grantedFunctions } from '../attestation/capabilities.ts';

/** Parts of one write or read; more is EINVAL. Unbounded lists once hung hosts of other runtimes. */
export const iovecsMax = 1_024;

export interface WasiParts {
  readonly capabilities: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  readonly model: Uint8Array | null;
  readonly seed: string;
  readonly outputBytesMax: number;
  /** The guest's linear memory, asked anew at each call because growing replaces the buffer. */
  readonly memory: () => ArrayBuffer | null;
  /** Takes a copy of what the guest wrote to stderr; of one write at most the last `stderrBytesMax`. */
  readonly onStderr: (bytes: Uint8Array) => void;
  readonly stderrBytesMax: number;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly fillRandom: (bytes: Uint8Array) => void;
  readonly realNs: (clock: 'wall' | 'monotonic') => bigint;
}

/** How the guest asked to end. It stays, even if the guest catches the exception that carries it. */
export type Verdict =
  | { readonly how: 'exit'; readonly exitCode: number }
  | { readonly how: 'outputExceeded' };

/** Leaves the guest's stack. Private to host and runner: no guest error looks like it. */
export class GuestEnded extends Error {}

/** What the import object holds under `wasi_snapshot_preview1`. */
export type HostFunctions = Readonly<Record<string, (...values: never[]) => number>>;

export interface Wasi {
  /** Only the functions of the declared capabilities; without a prototype, so `toString` is no import. */
  readonly functions: HostFunctions;
  readonly stdout: () => Uint8Array;
  readonly verdict: () => Verdict | null;
}

const errno = { ok: 0, badf: 8, fault: 21, inval: 28, overflow: 61, spipe: 70 } as const;

/** A new host for one run. */
export function createWasi(parts: WasiParts): Wasi {
  const memory = guestMemory(parts.memory);
  const output = growingBuffer(parts.outputBytesMax);
  let verdict: Verdict | null = null;
  const end = (as: Verdict): never => {
    verdict ??= as;
    throw new GuestEnded(as.how);
  };
  const all: Record<string, (...values: never[]) => number> = {
    ...descriptorFunctions(parts, memory, output, () => end({ how: 'outputExceeded' })),
    ...stringFunctions('args_get', 'args_sizes_get', ['guest.wasm', ...parts.args], memory),
    ...stringFunctions('environ_get', 'environ_sizes_get', visibleEnvironment(parts), memory),
    ...clockFunctions(parts, memory),
    ...randomFunctions(parts, memory),
    proc_exit: (code: number) => end({ how: 'exit', exitCode: code >>> 0 }),
    sched_yield: () => errno.ok,
  };
  const functions = Object.create(null) as Record<string, (...values: never[]) => number>;
  for (const name of grantedFunctions(parts.capabilities)) {
    const run = all[name];
    if (run === undefined) continue;
    functions[name] = (...values) => {
      // A guest can catch the exception that ended it and go on; it gets no further than its next call.
      if (verdict !== null) throw new GuestEnded(verdict.how);
      return run(...values);
    };
  }
  return { functions, stdout: output.bytes, verdict: () => verdict };
}

interface GuestMemory {
  /** A view of exactly these bytes, or null when they aren't all inside the memory. */
  view(pointer: number, length: number): DataView | null;
  bytes(pointer: number, length: number): Uint8Array | null;
}

function guestMemory(buffer: () => ArrayBuffer | null): GuestMemory {
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
function growingBuffer(bytesMax: number) {
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

function descriptorFunctions(
  parts: WasiParts,
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

function visibleEnvironment(parts: WasiParts): string[] {
  const keys = parts.capabilities
    .filter((capability) => capability.startsWith('env:'))
    .map((capability) => capability.slice(4));
  return [...new Set(keys)]
    .filter((key) => Object.hasOwn(parts.env, key))
    .map((key) => `${key}=${parts.env[key]}`);
}

/** `args_get` and `environ_get` have one layout: a list of pointers and a buffer of strings that end in NUL. */
function stringFunctions(get: string, sizes: string, strings: readonly string[], memory: GuestMemory) {
  const encoded = strings.map((text) => new TextEncoder().encode(`${text}\0`));
  const total = encoded.reduce((sum, text) => sum + text.length, 0);
  return {
    [sizes](count: number, bytes: number): number {
      const counted = memory.view(count, 4);
      const summed = memory.view(bytes, 4);
      if (counted === null || summed === null) return errno.fault;
      counted.setUint32(0, encoded.length, true);
      summed.setUint32(0, total, true);
      return errno.ok;
    },
    [get](list: number, buffer: number): number {
      const pointers = memory.view(list, 4 * encoded.length);
      const target = memory.bytes(buffer, total);
      if (pointers === null || target === null) return errno.fault;
      let at = 0;
      for (const [index, text] of encoded.entries()) {
        pointers.setUint32(4 * index, (buffer >>> 0) + at, true);
        target.set(text, at);
        at += text.length;
      }
      return errno.ok;
    },
  };
}

const clocksMax = 4; // realtime, monotonic, process CPU, thread CPU

function clockFunctions(parts: WasiParts, memory: GuestMemory) {
  const isVirtual = parts.capabilities.includes('clock:virtual');
  let virtualNs = 0n;
  const readNs = (clock: number): bigint => {
    if (!isVirtual) return parts.realNs(clock === 0 ? 'wall' : 'monotonic');
    const now = virtualNs;
    virtualNs += 1_000_000n;
    return now;
  };
  return {
    clock_time_get(clock: number, _precision: bigint, result: number): number {
      if (clock >>> 0 >= clocksMax) return errno.inval;
      const view = memory.view(result, 8);
      if (view === null) return errno.fault;
      view.setBigUint64(0, readNs(clock), true);
      return errno.ok;
    },
    clock_res_get(clock: number, result: number): number {
      if (clock >>> 0 >= clocksMax) return errno.inval;
      const view = memory.view(result, 8);
      if (view === null) return errno.fault;
      view.setBigUint64(0, 1_000_000n, true);
      return errno.ok;
    },
  };
}

function randomFunctions(parts: WasiParts, memory: GuestMemory) {
  const fill = parts.capabilities.includes('random:seeded') ? seededRandom(parts) : parts.fillRandom;
  return {
    random_get(pointer: number, length: number): number {
      const bytes = memory.bytes(pointer, length >>> 0);
      if (bytes === null) return errno.fault;
      fill(bytes);
      return errno.ok;
    },
  };
}

function seededRandom(parts: WasiParts): (bytes: Uint8Array) => void {
  const prefix = new TextEncoder().encode(`berth-random-v1\0${parts.seed}`);
  const message = new Uint8Array(prefix.length + 8);
  message.set(prefix);
  const counter = new DataView(message.buffer, prefix.length, 8);
  let next = 0n;
  let block: Uint8Array = new Uint8Array(0);
  return (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (block.length === 0) {
        counter.setBigUint64(0, next++, true);
        block = parts.sha256(message);
      }
      const part = block.subarray(0, bytes.length - at);
      bytes.set(part, at);
      block = block.subarray(part.length);
      at += part.length;
    }
  };
}
