/**
 * Replies, written so that no client can make them pile up.
 *
 * Why waiting for `drain`: `write` never refuses, it keeps what the client does not read in our memory. So
 * each piece waits until the one before has left, and a client that takes nothing for a while is let go.
 *
 * Why an early answer lingers: a client that is still sending when we close gets a reset, and often loses the
 * very answer that says why. So the answer goes out whole, and what still comes is read and thrown away, for
 * a bounded time and number of bytes. Test: `test/intake/limits.test.ts`, `test/intake/sse.test.ts`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import type { Answer } from './answer.ts';
import type { BytesReply, EventsReply, Reply, TextReply } from './route.ts';

export interface SendingOptions {
  readonly clock: Clock;
  /** A client that reads nothing for this long is let go. */
  readonly drainMsMax: number;
  /** How long and how much is still read from a client that was answered early. */
  readonly lingerMsMax: number;
  readonly lingerBytesMax: number;
  /** The server is stopping: this connection takes no further request. */
  readonly isLast: boolean;
  /** Aborts when streams of events have to end. */
  readonly signal: AbortSignal;
}

/** For every answer: nothing is guessed, framed, kept or passed on. */
const safeHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Bodies up to this size are simply read to their end, and the connection is kept. */
const smallBytes = 64 * 1024;

/** Sends `reply`. Resolves when it has left or the client is gone; rejects when making it failed. */
export async function send(
  incoming: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  options: SendingOptions,
): Promise<void> {
  if (response.destroyed) return;
  if ('frames' in reply) return sendEvents(incoming, response, reply, options);
  if ('bytes' in reply) return sendBytes(incoming, response, reply, options);
  const { body, type } = bodyOf(reply);
  const lingers = isStillSending(incoming);
  writeHead(response, reply.status, options.isLast || lingers, {
    ...(body === null ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }),
    ...reply.headers,
  });
  if (!lingers || incoming.method === 'HEAD') return void response.end(body ?? undefined);
  if (body !== null) response.write(body);
  await linger(incoming, options);
  response.end();
}

function bodyOf(reply: Answer | TextReply): { body: string | null; type: string } {
  if ('text' in reply) return { body: reply.text, type: reply.type };
  if (reply.body === null || reply.status === 204 || reply.status === 304) return { body: null, type: '' };
  const isProblem = reply.status >= 400 && typeof reply.body === 'object' && 'title' in reply.body;
  return {
    body: `${JSON.stringify(reply.body)}\n`,
    type: isProblem ? 'application/problem+json' : 'application/json',
  };
}

function writeHead(
  response: ServerResponse,
  status: number,
  closes: boolean,
  headers: Record<string, string>,
): void {
  response.writeHead(status, { ...safeHeaders, ...headers, ...(closes ? { connection: 'close' } : {}) });
}

/** Is a body under way that nobody has read, too large to be read just for politeness? */
function isStillSending(incoming: IncomingMessage): boolean {
  if (incoming.complete || incoming.destroyed) return false;
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
  // A client that asked first and was not told to go on sends nothing.
  if (incoming.headers.expect !== undefined && incoming.readableFlowing === null) return false;
  return encoding !== undefined || Number(length ?? 0) > smallBytes;
}

/** Reads and forgets what still comes, until its end or a limit. */
function linger(
  incoming: IncomingMessage,
  { clock, lingerMsMax, lingerBytesMax }: SendingOptions,
): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const count = (chunk: Uint8Array): void => {
      bytes += chunk.length;
      if (bytes > lingerBytesMax) done();
    };
    const done = (): void => {
      off();
      incoming.off('data', count);
      incoming.pause();
      resolve();
    };
    const off = clock.after(lingerMsMax, done);
    incoming.once('end', done).once('close', done).once('error', done);
    incoming.on('data', count).resume();
  });
}

async function sendBytes(
  incoming: IncomingMessage,
  response: ServerResponse,
  { status, bytes, length, headers }: BytesReply,
  options: SendingOptions,
): Promise<void> {
  const head = { 'content-type': 'application/octet-stream', 'content-length': String(length), ...headers };
  writeHead(response, status, options.isLast, head);
  if (incoming.method === 'HEAD') return void response.end();
  for await (const chunk of bytes) {
    if (!(await put(response, chunk, options))) return void response.destroy();
  }
  response.end();
}

async function sendEvents(
  incoming: IncomingMessage,
  response: ServerResponse,
  { frames }: EventsReply,
  options: SendingOptions,
): Promise<void> {
  writeHead(response, 200, true, {
    'content-type': 'text/event-stream; charset=utf-8',
    'x-accel-buffering': 'no',
  });
  if (incoming.method === 'HEAD') return void response.end();
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.flushHeaders();
  for await (const frame of frames(AbortSignal.any([options.signal, gone.signal]))) {
    if (!(await put(response, frame, options))) return void response.destroy();
  }
  response.end();
}

/** Writes one piece and waits until there is room for the next. False when the client is gone or takes nothing. */
function put(
  response: ServerResponse,
  piece: string | Uint8Array,
  { clock, drainMsMax }: SendingOptions,
): Promise<boolean> {
  if (response.destroyed || response.writableEnded) return Promise.resolve(false);
  if (response.write(piece)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const finish = (goesOn: boolean): void => {
      off();
      response.off('drain', onDrain).off('close', onClose);
      resolve(goesOn);
    };
    const onDrain = (): void => finish(true);
    const onClose = (): void => finish(false);
    const off = clock.after(drainMsMax, onClose);
    response.once('drain', onDrain).once('close', onClose);
  });
}
