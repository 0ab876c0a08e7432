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
import {
  descriptorFunctions,
  errno,
  type FileParts,
  type GuestMemory,
  growingBuffer,
  guestMemory,
} from './wasi-files.ts';

export interface WasiParts extends FileParts {
  readonly capabilities: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly seed: string;
  /** The guest's linear memory, asked anew at each call because growing replaces the buffer. */
  readonly memory: () => ArrayBuffer | null;
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
