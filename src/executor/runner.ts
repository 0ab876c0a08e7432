/**
 * The process in which guests run: reads a job, instantiates its module, sends back what came of it.
 *
 * Why a process for it: an endless loop, a memory bomb or a bug in the engine takes down the process
 * that it happens in, so it must not be the controller's; and a process can always be killed from
 * outside. This is the only file that instantiates WebAssembly. It gets a fresh instance for each
 * job, one job at a time, from one tenant only, and its environment and file descriptors are empty
 * but for two pipes. The pool bundles it into one file at start, so a new process is ready in ~40 ms.
 *
 * Main thread: jobs. Second thread: the lease (`keeper.ts`).
 * Test: `test/executor/pool.test.ts`, `test/executor/containment.test.ts`.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { read, writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { undeclaredImports, wasiModule } from '../attestation/capabilities.ts';
import { clampMemory, type ModuleImport, parseModule } from '../attestation/wasm-module.ts';
import type { GuestErrorCode } from './backend.ts';
import { plainText } from './death.ts';
import { keepLease } from './keeper.ts';
import { LogThrottle } from './log-throttle.ts';
import {
  crashTextMax,
  fds,
  frameHead,
  logBytesMax,
  type Order,
  orderHeaderBytesMax,
  orderPayloadBytesMax,
  type Reply,
  type RunOrder,
} from './protocol.ts';
import { createWasi, GuestEnded, type Wasi } from './wasi.ts';

/** Compiled modules that are kept, and their summed size: a module compiles in 0.05 ms (28 KB) to 300 ms (59 MB). */
const compiledMax = 16;
const compiledBytesMax = 128 * 1024 * 1024;
/** Linear memory used since the last collection that makes the next one worth its ~2 ms. */
const collectAfterBytes = 64 * 1024 * 1024;

/** A guest that can't go on, told in the words of the contract. */
class Crash extends Error {
  readonly code: GuestErrorCode;
  constructor(code: GuestErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

interface Compiled {
  readonly module: WebAssembly.Module;
  readonly imports: readonly ModuleImport[];
  readonly bytes: number;
}

type Outcome = { readonly reply: Reply; readonly payload: Uint8Array };

/** By module hash and memory cap, least recently used first. */
const compiled = new Map<string, Compiled>();
let usedBytes = 0;
const readAheadBytes = 64 * 1024;

async function serveJobs(): Promise<never> {
  for (;;) {
    const { order, payload } = await readOrder();
    if (order.type !== 'run') throw new Error('a module came that nobody asked for');
    const { reply, payload: result } = await runJob(order, payload);
    send(reply, result);
    usedBytes += payload.length + result.length;
    // The loop gives V8 few chances to see that old memories are garbage; they count against the limit.
    if (usedBytes > collectAfterBytes) {
      usedBytes = 0;
      (globalThis as { gc?: () => void }).gc?.();
    }
  }
}

async function runJob(order: RunOrder, payload: Buffer): Promise<Outcome> {
  const { fence, moduleBytes, inputBytes, modelBytes } = order;
  try {
    const guest =
      compiledModule(order) ??
      compile(order, moduleBytes > 0 ? payload.subarray(0, moduleBytes) : await askModule(fence));
    const input = payload.subarray(moduleBytes, moduleBytes + inputBytes);
    const model = modelBytes < 0 ? null : payload.subarray(moduleBytes + inputBytes);
    return { ...runGuest(order, guest, input, model) };
  } catch (error) {
    const { code, message } = error instanceof Crash ? error : new Crash('ERR_GUEST_LINK', String(error));
    return {
      reply: { type: 'crashed', fence, code, message: plainText(message).slice(0, crashTextMax) },
      payload: new Uint8Array(0),
    };
  }
}

function compiledModule(order: RunOrder): Compiled | null {
  const key = `${order.moduleSha256}:${order.pagesMax}`;
  const found = compiled.get(key);
  if (found === undefined) return null;
  compiled.delete(key);
  compiled.set(key, found);
  return found;
}

async function askModule(fence: number): Promise<Buffer> {
  send({ type: 'need', fence });
  const { order, payload } = await readOrder();
  if (order.type !== 'module' || order.fence !== fence)
    throw new Error('asked for a module, got something else');
  return payload;
}

function compile(order: RunOrder, bytes: Uint8Array): Compiled {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== order.moduleSha256)
    throw new Crash('ERR_GUEST_LINK', `module hashes to ${sha256}, not to ${order.moduleSha256}`);
  const parsed = parseModule(bytes);
  if (!parsed.ok)
    throw new Crash(
      'ERR_GUEST_LINK',
      `${parsed.error.section} section, byte ${parsed.error.offset}: ${parsed.error.message}`,
    );
  const clamped = clampMemory(bytes, order.pagesMax);
  if (!clamped.ok) {
    const code = clamped.error.message.startsWith('wants at least') ? 'ERR_GUEST_MEMORY' : 'ERR_GUEST_LINK';
    throw new Crash(code, `${clamped.error.section} section: ${clamped.error.message}`);
  }
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(clamped.bytes);
  } catch (error) {
    throw new Crash(error instanceof RangeError ? 'ERR_GUEST_MEMORY' : 'ERR_GUEST_LINK', String(error));
  }
  const entry = { module, imports: parsed.module.imports, bytes: bytes.length };
  compiled.set(`${order.moduleSha256}:${order.pagesMax}`, entry);
  let sum = [...compiled.values()].reduce((total, one) => total + one.bytes, 0);
  for (const [key, oldest] of compiled) {
    if (compiled.size <= compiledMax && sum <= compiledBytesMax) break;
    compiled.delete(key);
    sum -= oldest.bytes;
  }
  return entry;
}

function runGuest(order: RunOrder, guest: Compiled, stdin: Uint8Array, model: Uint8Array | null): Outcome {
  const [missing] = undeclaredImports(guest.imports, order.capabilities);
  if (missing !== undefined)
    throw new Crash('ERR_GUEST_LINK', `imports ${missing.module}.${missing.name}, which is not declared`);
  const { fence } = order;
  const log = new LogThrottle(logBytesMax, (piece) => send({ type: 'log', fence }, piece));
  let memory: WebAssembly.Memory | null = null;
  const wasi = createWasi({
    ...order,
    stdin,
    model,
    memory: () => memory?.buffer ?? null,
    onStderr: (bytes) => log.write(bytes, performance.now()),
    stderrBytesMax: logBytesMax,
    sha256: (bytes) => createHash('sha256').update(bytes).digest(),
    fillRandom: (bytes) => void randomFillSync(bytes),
    realNs: (clock) => (clock === 'wall' ? BigInt(Date.now()) * 1_000_000n : process.hrtime.bigint()),
  });
  // Before instantiation, because a module's start function runs inside it.
  send({ type: 'started', fence });
  try {
    const instance = new WebAssembly.Instance(guest.module, hostImports(wasi));
    const { memory: exported, _start: start } = instance.exports;
    if (exported instanceof WebAssembly.Memory) memory = exported;
    if (typeof start !== 'function') throw new Crash('ERR_GUEST_LINK', 'exports no function _start');
    start();
    return exited(fence, wasi);
  } catch (error) {
    if (wasi.verdict() === null) throw crashOf(error, memory, order.pagesMax);
    return exited(fence, wasi);
  } finally {
    log.flush();
    usedBytes += (memory as WebAssembly.Memory | null)?.buffer.byteLength ?? 0;
  }
}

function exited(fence: number, wasi: Wasi): Outcome {
  const verdict = wasi.verdict();
  if (verdict?.how === 'outputExceeded')
    throw new Crash('ERR_GUEST_OUTPUT', 'wrote more to stdout than its limit');
  return { reply: { type: 'exited', fence, exitCode: verdict?.exitCode ?? 0 }, payload: wasi.stdout() };
}

/** Objects without prototypes: the engine looks imports up by property, and `toString` must not be found. */
function hostImports(wasi: Wasi): WebAssembly.Imports {
  return Object.assign(Object.create(null) as WebAssembly.Imports, {
    [wasiModule]: wasi.functions,
  });
}

/** What the engine threw, in the words of the contract. Depends on V8's classes, hardly on its texts. */
function crashOf(error: unknown, memory: WebAssembly.Memory | null, pagesMax: number): Crash {
  if (error instanceof Crash) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof WebAssembly.LinkError || error instanceof WebAssembly.CompileError)
    return new Crash('ERR_GUEST_LINK', text);
  if (error instanceof RangeError) {
    return new Crash(text.includes('call stack') ? 'ERR_GUEST_STACK' : 'ERR_GUEST_MEMORY', text);
  }
  if (error instanceof WebAssembly.RuntimeError) {
    // Best effort: a guest whose allocator got −1 usually gives up with `unreachable`.
    const isFull = memory !== null && pagesMax > 0 && memory.buffer.byteLength >= pagesMax * 65_536;
    return isFull
      ? new Crash('ERR_GUEST_MEMORY', `${text}, with its memory at the limit`)
      : new Crash('ERR_GUEST_TRAP', text);
  }
  if (error instanceof GuestEnded || error instanceof TypeError) return new Crash('ERR_GUEST_LINK', text);
  // What is left was thrown by the guest itself: WebAssembly.Exception.
  return new Crash('ERR_GUEST_TRAP', `uncaught exception: ${text}`);
}

/** Writes at once and waits: while a guest runs no event loop turns, and a slow reader slows the guest. */
function send(reply: Reply, payload: Uint8Array = new Uint8Array(0)): void {
  const head = frameHead(reply, payload.length);
  const parts = payload.length < 16_384 ? [Buffer.concat([head, payload])] : [head, payload];
  for (const part of parts) {
    for (let at = 0; at < part.length; ) at += writeSync(fds.control, part, at);
  }
}

async function readOrder(): Promise<{ order: Order; payload: Buffer }> {
  const sizes = await readExactly(8);
  const headerBytes = sizes.readUInt32LE(0);
  const payloadBytes = sizes.readUInt32LE(4);
  if (headerBytes > orderHeaderBytesMax || payloadBytes > orderPayloadBytesMax)
    throw new Error('frame beyond its limits');
  const order = JSON.parse((await readExactly(headerBytes)).toString()) as Order;
  return { order, payload: await readExactly(payloadBytes) };
}

/** Bytes that were read ahead: a small job comes in one read, and each read costs a trip through the thread pool. */
let ahead: Buffer = Buffer.alloc(0);

async function readExactly(length: number): Promise<Buffer> {
  const wanted = Buffer.alloc(length);
  let at = takeAhead(wanted, 0);
  while (at < length) {
    if (length - at >= readAheadBytes) at += await readSome(wanted, at);
    else {
      const chunk = Buffer.allocUnsafe(readAheadBytes);
      ahead = chunk.subarray(0, await readSome(chunk, 0));
      at += takeAhead(wanted, at);
    }
  }
  return wanted;
}

function takeAhead(target: Buffer, at: number): number {
  const taken = ahead.copy(target, at);
  ahead = ahead.subarray(taken);
  return taken;
}

async function readSome(target: Buffer, at: number): Promise<number> {
  const got = await new Promise<number>((resolve, reject) => {
    read(fds.control, target, at, target.length - at, null, (error, count) =>
      error ? reject(error) : resolve(count),
    );
  });
  if (got === 0) process.exit(0); // the controller closed the pipe
  return got;
}

if (isMainThread) {
  const keeper = new Worker(new URL(import.meta.url), {
    workerData: { leaseMs: Number(process.argv[2]) },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 },
  });
  // Without the second thread nothing would end a looping guest whose controller died.
  keeper.once('error', () => process.exit(70));
  keeper.once('message', () => {
    send({ type: 'hello' });
    void serveJobs().catch(() => process.exit(70));
  });
} else {
  const { leaseMs } = workerData as { leaseMs: number };
  keepLease(fds.lease, leaseMs);
  parentPort?.postMessage('ready');
}
