/**
 * What pool and runner say to each other, and how it lies on the pipe.
 *
 * Why so strict: the pool reads what a process wrote in which a stranger's code has run. If that code
 * ever breaks out of the WebAssembly engine it owns the pipe, so nothing here trusts a length, a type
 * or an order: every frame has a cap that depends on what may be said now, and the first misstep is
 * the last.
 *
 * Frame: u32 little-endian header bytes · u32 little-endian payload bytes · header, JSON in UTF-8 · payload.
 * Test: `test/executor/protocol.test.ts`.
 */
import type { GuestErrorCode } from './backend.ts';

/** Header cap on the way to the pool. Its longest message is a crash with 512 characters of text. */
export const replyHeaderBytesMax = 4_096;
/** Header cap on the way to the runner: arguments and environment travel in it. */
export const orderHeaderBytesMax = 1024 * 1024;
/** Binary parts of one job (module, input, model): three blobs of 64 MiB. */
export const orderPayloadBytesMax = 3 * 64 * 1024 * 1024;
/** One piece of the guest's stderr, and all of it that is kept. */
export const logBytesMax = 64 * 1024;
export const crashTextMax = 512;

/** File descriptors in the runner. 0 and 1 are /dev/null, 2 is read for the engine's last words. */
export const fds = { control: 3, lease: 4 } as const;

/** One job. Its payload: module bytes (none when the runner should have them), input, model. */
export interface RunOrder {
  readonly type: 'run';
  readonly fence: number;
  readonly seed: string;
  readonly moduleSha256: string;
  readonly pagesMax: number;
  readonly outputBytesMax: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  readonly moduleBytes: number;
  readonly inputBytes: number;
  /** −1: the job has no model. */
  readonly modelBytes: number;
}

/** The module that a `need` asked for; payload: its bytes. */
export interface ModuleOrder {
  readonly type: 'module';
  readonly fence: number;
}

export type Order = RunOrder | ModuleOrder;

/** What a runner may say. Payload: `log` a piece of stderr, `exited` the guest's stdout, others none. */
export type Reply =
  | { readonly type: 'hello' }
  | { readonly type: 'need'; readonly fence: number }
  | { readonly type: 'started'; readonly fence: number }
  | { readonly type: 'log'; readonly fence: number }
  | { readonly type: 'exited'; readonly fence: number; readonly exitCode: number }
  | {
      readonly type: 'crashed';
      readonly fence: number;
      readonly code: GuestErrorCode;
      readonly message: string;
    };

/** Head of a frame, to be followed on the pipe by its payload. */
export function frameHead(header: Order | Reply, payloadBytes: number): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.allocUnsafe(8 + json.length);
  head.writeUInt32LE(json.length, 0);
  head.writeUInt32LE(payloadBytes, 4);
  json.copy(head, 8);
  return head;
}

/** Codes that a runner may report; ERR_GUEST_SANDBOX is the pool's own verdict. */
const reportable: ReadonlySet<unknown> = new Set<GuestErrorCode>([
  'ERR_GUEST_TRAP',
  'ERR_GUEST_STACK',
  'ERR_GUEST_MEMORY',
  'ERR_GUEST_OUTPUT',
  'ERR_GUEST_LINK',
]);

/** Checks one header from a runner, field by field; null when it is not exactly a `Reply`. */
export function readReply(json: string): Reply | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { type, fence, exitCode, code, message, ...more } = value as Record<string, unknown>;
  if (Object.keys(more).length > 0) return null;
  if (type === 'hello') return fence === undefined ? { type } : null;
  if (typeof fence !== 'number' || !Number.isSafeInteger(fence)) return null;
  if (type === 'need' || type === 'started' || type === 'log') return { type, fence };
  if (type === 'exited') {
    const isCode =
      typeof exitCode === 'number' && Number.isInteger(exitCode) && exitCode >= 0 && exitCode < 2 ** 32;
    return isCode ? { type, fence, exitCode } : null;
  }
  if (type !== 'crashed' || !reportable.has(code)) return null;
  if (typeof message !== 'string' || message.length > crashTextMax) return null;
  return { type, fence, code: code as GuestErrorCode, message };
}

/** A misstep on the pipe: the sender is broken or hostile, and nothing more from it is read. */
export class ProtocolError extends Error {}

/** Who takes what a `ReplyReader` has read. */
export interface ReplyTaker {
  /** Called before any payload byte is stored. Returns how many it may have at most. */
  allow(reply: Reply): number;
  take(reply: Reply, payload: Buffer): void;
}

/**
 * Cuts the byte stream from a runner into checked replies. `feed` throws `ProtocolError`.
 *
 * Why it asks before it stores: the sender names the payload's length, and a buffer of that length
 * is only made when such a message may come now and may be that long.
 */
export class ReplyReader {
  readonly #taker: ReplyTaker;
  readonly #head = Buffer.alloc(8 + replyHeaderBytesMax);
  #headBytes = 0;
  #reply: Reply | null = null;
  #payload = Buffer.alloc(0);
  #payloadBytes = 0;

  constructor(taker: ReplyTaker) {
    this.#taker = taker;
  }

  feed(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#reply === null) {
        rest = this.#feedHead(rest);
      } else {
        const taken = rest.copy(this.#payload, this.#payloadBytes);
        this.#payloadBytes += taken;
        rest = rest.subarray(taken);
      }
      if (this.#reply !== null && this.#payloadBytes === this.#payload.length) this.#finish(this.#reply);
    }
  }

  #feedHead(chunk: Buffer): Buffer {
    let rest = chunk;
    const fill = (upTo: number): boolean => {
      const taken = rest.copy(this.#head, this.#headBytes, 0, Math.max(0, upTo - this.#headBytes));
      this.#headBytes += taken;
      rest = rest.subarray(taken);
      return this.#headBytes >= upTo;
    };
    if (!fill(8)) return rest;
    const headerBytes = this.#head.readUInt32LE(0);
    if (headerBytes > replyHeaderBytesMax) throw new ProtocolError(`header of ${headerBytes} bytes`);
    if (!fill(8 + headerBytes)) return rest;
    const reply = readReply(this.#head.toString('utf8', 8, 8 + headerBytes));
    if (reply === null) throw new ProtocolError('not a message of the protocol');
    const payloadBytes = this.#head.readUInt32LE(4);
    const bytesMax = this.#taker.allow(reply);
    if (payloadBytes > bytesMax)
      throw new ProtocolError(`${reply.type} with ${payloadBytes} bytes; ${bytesMax} allowed`);
    this.#reply = reply;
    this.#payload = Buffer.alloc(payloadBytes);
    this.#payloadBytes = 0;
    return rest;
  }

  #finish(reply: Reply): void {
    const payload = this.#payload;
    this.#reply = null;
    this.#headBytes = 0;
    this.#payload = Buffer.alloc(0);
    this.#payloadBytes = 0;
    this.#taker.take(reply, payload);
  }
}
