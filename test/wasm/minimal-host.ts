/**
 * The smallest host that can run the sample guests: the other half of `wasm/c/wasi.h`.
 *
 * Why not the product's own host: these tests ask whether the *guests* are right, and must be able to say so when the
 * host is wrong. It is no sandbox, has no limits but the one on output, and runs the guest inside the test's process.
 * It hands over and takes few bytes at a time, for a guest that expects all of them in one call is a wrong guest.
 */

/** What one guest is given. */
export interface GuestInput {
  readonly stdin?: Uint8Array;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Most bytes that one fd_read or fd_write moves. */
  readonly callBytesMax?: number;
  /** More stdout than this throws out of the guest. */
  readonly outputBytesMax?: number;
}

/** How a guest ended, when it didn't throw. */
export interface GuestOutput {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Thrown through the guest by `proc_exit`: WebAssembly has no other way to leave from inside a call. */
class Exit extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

const EBADF = 8;

/**
 * V8's WebAssembly, as far as it is used here.
 * Why not the types of `lib.dom`: they would bring a browser's globals into a Node project.
 */
interface Engine {
  readonly Module: {
    new (bytes: Uint8Array): Module;
    imports(module: Module): readonly { readonly module: string; readonly name: string }[];
    exports(module: Module): readonly { readonly name: string; readonly kind: string }[];
  };
  readonly Instance: new (module: Module, imports: object) => { readonly exports: Exports };
  readonly RuntimeError: new () => Error;
}
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly _start: () => void;
}
/** A compiled module; opaque. */
export interface Module {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module';
}
export const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/** Runs `_start` to its end. Throws what the guest throws: a trap, a full stack, too much output. */
export function runGuest(module: Module, given: GuestInput = {}): GuestOutput {
  const stdin = given.stdin ?? new Uint8Array();
  const callBytesMax = given.callBytesMax ?? 65_536;
  const outputBytesMax = given.outputBytesMax ?? 64 * 2 ** 20;
  const written: Record<number, Buffer[]> = { 1: [], 2: [] };
  let stdinAt = 0;
  let outputBytes = 0;
  let memory: Exports['memory'] | undefined;
  const bytes = () => Buffer.from(memory!.buffer); // anew each time: growth detaches the old buffer

  /** Room of the first span, as far as one call goes. */
  const span = (spans: number) => {
    const at = bytes().readUInt32LE(spans);
    return bytes().subarray(at, at + Math.min(callBytesMax, bytes().readUInt32LE(spans + 4)));
  };
  const sizes = (texts: readonly string[], count: number, total: number) => {
    bytes().writeUInt32LE(texts.length, count);
    bytes().writeUInt32LE(
      texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0),
      total,
    );
    return 0;
  };
  const fill = (texts: readonly string[], pointers: number, room: number) => {
    let at = room;
    for (const [index, text] of texts.entries()) {
      bytes().writeUInt32LE(at, pointers + index * 4);
      at += bytes().write(`${text}\0`, at);
    }
    return 0;
  };

  const args = ['guest.wasm', ...(given.args ?? [])];
  const env = Object.entries(given.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const wasi = {
    fd_read: (fd: number, spans: number, _count: number, done: number) => {
      if (fd !== 0) return EBADF;
      const room = span(spans);
      const piece = stdin.subarray(stdinAt, stdinAt + room.length);
      room.set(piece);
      stdinAt += piece.length;
      bytes().writeUInt32LE(piece.length, done);
      return 0;
    },
    fd_write: (fd: number, spans: number, _count: number, done: number) => {
      const piece = Buffer.from(span(spans));
      outputBytes += piece.length;
      if (outputBytes > outputBytesMax) throw new Error('too much output');
      if (written[fd] === undefined) return EBADF;
      written[fd].push(piece);
      bytes().writeUInt32LE(piece.length, done);
      return 0;
    },
    args_sizes_get: (count: number, total: number) => sizes(args, count, total),
    args_get: (pointers: number, room: number) => fill(args, pointers, room),
    environ_sizes_get: (count: number, total: number) => sizes(env, count, total),
    environ_get: (pointers: number, room: number) => fill(env, pointers, room),
    proc_exit: (code: number) => {
      throw new Exit(code);
    },
  };

  const { exports } = new engine.Instance(module, { wasi_snapshot_preview1: wasi });
  memory = exports.memory;
  let exitCode = 0;
  try {
    exports._start();
  } catch (thrown) {
    if (!(thrown instanceof Exit)) throw thrown;
    exitCode = thrown.exitCode;
  }
  return { exitCode, stdout: Buffer.concat(written[1]!), stderr: Buffer.concat(written[2]!).toString() };
}
