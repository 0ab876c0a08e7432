/**
 * Replies, written so that no client can make them pile up.
 *
 * Why waiting for `drain`: `write` never refuses, it keeps what the client does not read in our memory. So
 * each piece waits until the one before has left, and a client that takes nothing for a while is let go. An
 * answer that was made whole waits in memory all the same, so a large one counts against the bytes that may wait
 * (`places.ts`), and every answer keeps its request's place until it has left.
 *
 * Why an early answer lingers: a client that is still sending when we close gets a reset, and often loses the
 * very answer that says why. So the answer goes out whole, and what still comes is read and thrown away, for
 * a bounded time and number of bytes. It holds no place meanwhile, only its socket. Test: `test/intake/limits.test.ts`, `test/intake/sse.test.ts`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { type Answer, problemOf } from './answer.ts';
import type { Place } from './places.ts';
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
  readonly place: Place;
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

/** Bodies up to this size are simply read to their end, and the connection is kept; answers are sent in one piece. */
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
  let release = (): void => undefined;
  try {
    if (body && body.length > smallBytes) release = options.place.holds(body.length);
  } catch (error) {
    // A problem is small, so it is not refused in its turn.
    return send(incoming, response, problemOf(error), options);
  }
  try {
    const head = body ? { 'content-type': type, 'content-length': String(body.length) } : {};
    await sendWhole(incoming, response, { ...reply, headers: { ...head, ...reply.headers } }, body, options);
  } finally {
    release();
  }
}

/** An answer whose body is all there. Resolves when it has left, or its reader took nothing for too long and was cut. */
async function sendWhole(
  incoming: IncomingMessage,
  response: ServerResponse,
  { status, headers }: Pick<Answer, 'status'> & { readonly headers: Record<string, string> },
  body: Buffer | null,
  options: SendingOptions,
): Promise<void> {
  const lingers = isStillSending(incoming);
  // Someone began to read the body and gave up: nobody will read the rest, so no request can follow it.
  const isGivenUp = incoming.readableFlowing !== null && !incoming.complete;
  writeHead(response, status, options.isLast || lingers || isGivenUp, headers);
  if (!body || incoming.method === 'HEAD') return end(response, options);
  if (body.length <= smallBytes && !lingers) return end(response, options, body);
  for (let at = 0; at < body.length; at += smallBytes) {
    const piece = body.subarray(at, at + smallBytes);
    if (!(await put(response, piece, options))) return void response.destroy();
  }
  if (lingers) {
    options.place.leave();
    await linger(incoming, options);
  }
  return end(response, options);
}

function bodyOf(reply: Answer | TextReply): { body: Buffer | null; type: string } {
  if ('text' in reply) return { body: Buffer.from(reply.text), type: reply.type };
  if (reply.body === null || reply.status === 204 || reply.status === 304) return { body: null, type: '' };
  const isProblem = reply.status >= 400 && typeof reply.body === 'object' && 'title' in reply.body;
  return {
    body: Buffer.from(`${JSON.stringify(reply.body)}\n`),
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
  if (incoming.method === 'HEAD') return end(response, options);
  for await (const chunk of bytes) {
    if (!(await put(response, chunk, options))) return void response.destroy();
  }
  return end(response, options);
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
async function put(
  response: ServerResponse,
  piece: string | Uint8Array,
  options: SendingOptions,
): Promise<boolean> {
  if (response.destroyed || response.writableEnded) return false;
  return response.write(piece) || happens(response, 'drain', options);
}

/** Ends an answer and waits until all of it is with the operating system; cuts it when the client takes nothing. */
async function end(response: ServerResponse, options: SendingOptions, last?: Uint8Array): Promise<void> {
  response.end(last);
  if (response.writableFinished || response.destroyed) return;
  if (!(await happens(response, 'finish', options))) response.destroy();
}

/** Waits for `event`, for as long as a client may take nothing. False when that is over, or the client is gone. */
function happens(
  response: ServerResponse,
  event: 'drain' | 'finish',
  { clock, drainMsMax }: SendingOptions,
): Promise<boolean> {
  const { req } = response;
  if (req.socket.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const settle = (happened: boolean): void => {
      off();
      response.off(event, onEvent).off('close', onClose);
      req.off('close', onClose);
      resolve(happened);
    };
    const onEvent = (): void => settle(true);
    const onClose = (): void => settle(false);
    const off = clock.after(drainMsMax, onClose);
    response.once(event, onEvent).once('close', onClose);
    // An answer that waits behind another on its connection has no socket yet, and is not told that it closed.
    req.once('close', onClose);
  });
}
