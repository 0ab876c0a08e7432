/**
 * The HTTP client: bearer tokens, time limits, problems as errors, bodies as streams.
 *
 * Why node:http and not fetch: when the server refuses an upload half-way (413), it answers while we are
 * still sending; fetch then reports a broken pipe, node:http delivers the answer. Bodies are streamed both
 * ways, so a large result needs no memory. Test: `test/cli/client.test.ts`.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ErrorCode, errors, type FieldError } from '../errors.ts';
import { type ServerEvent, serverEvents } from '../events/sse.ts';
import { CommandError, usage } from './exit.ts';
import type { TokenSource } from './sign.ts';

/** Silence after which the server is given up, ms; event streams send a heartbeat every 15 s. */
const silenceMsMax = 45_000;
/** Largest JSON answer, bytes. */
const jsonBytesMax = 256 * 1024 * 1024;

export interface Sending {
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** An answer that is a problem: the code, what was wrong, and what helps, in the server's own words. */
export class Problem extends CommandError {
  readonly status: number;

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    options: { next: string; fields: readonly FieldError[] },
  ) {
    super(code, message, options);
    this.status = status;
  }
}

export class Client {
  readonly server: string;
  readonly #base: URL;
  readonly #tokens: TokenSource | null;

  /** `tokens`: null sends no identity. Throws ERR_USAGE when `server` is no http or https URL. */
  constructor(server: string, tokens: TokenSource | null) {
    const base = URL.canParse(server) ? new URL(server) : null;
    if (!base || !/^https?:$/.test(base.protocol)) {
      throw usage(`--server ${server}: must be an http:// or https:// URL`, 'berth config show');
    }
    this.server = server;
    this.#base = base;
    this.#tokens = tokens;
  }

  /** The answer's JSON. Throws Problem, or ERR_UNREACHABLE. */
  async json<T>(method: string, path: string, sending: Sending = {}): Promise<T> {
    return (await this.answer<T>(method, path, sending)).body;
  }

  /** The answer's JSON with its headers. */
  async answer<T>(
    method: string,
    path: string,
    sending: Sending = {},
  ): Promise<{ readonly body: T; readonly status: number; readonly headers: IncomingMessage['headers'] }> {
    const response = await this.open(method, path, {
      ...sending,
      headers: { accept: 'application/json', ...sending.headers },
    });
    const text = await textOf(response, this.server);
    try {
      const body = (text === '' ? null : JSON.parse(text)) as T;
      return { body, status: response.statusCode ?? 0, headers: response.headers };
    } catch (cause) {
      throw notBerth(this.server, `${method} ${path} was not answered with JSON`, cause);
    }
  }

  /** The answer's bytes, piece by piece. Throws Problem before the first. */
  async *bytes(path: string, sending: Sending = {}): AsyncGenerator<Uint8Array> {
    const response = await this.open('GET', path, sending);
    const announced = response.headers['content-length'];
    let received = 0;
    try {
      for await (const chunk of response) {
        received += (chunk as Uint8Array).length;
        yield chunk as Uint8Array;
      }
    } catch (cause) {
      throw broken(this.server, cause);
    }
    if (announced !== undefined && Number(announced) !== received) {
      throw broken(this.server, new Error(`${received} of ${announced} bytes came`));
    }
  }

  /** Server-sent events from after `lastEventId` on, until the server ends the stream or it breaks. */
  async *events(
    path: string,
    options: { lastEventId?: string | undefined; signal?: AbortSignal | undefined },
  ): AsyncGenerator<ServerEvent> {
    const resume = options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId };
    const headers = { accept: 'text/event-stream', ...resume };
    const response = await this.open('GET', path, { headers, signal: options.signal });
    try {
      yield* serverEvents(response);
    } catch (cause) {
      throw broken(this.server, cause);
    } finally {
      response.destroy();
    }
  }

  /** Sends a request and gives the response when its head is here. Throws Problem for 4xx and 5xx. */
  async open(method: string, path: string, sending: Sending = {}): Promise<IncomingMessage> {
    const url = new URL(path.replace(/^\//, ''), `${this.#base.href.replace(/\/$/, '')}/`);
    const authorization = this.#tokens ? { authorization: `Bearer ${await this.#tokens.bearer()}` } : {};
    const headers = {
      'user-agent': 'berth-cli',
      ...authorization,
      ...lengthOf(sending.body),
      ...sending.headers,
    };
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const { signal } = sending;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = send(url, { method, headers, ...(signal ? { signal } : {}) });
      let answered = false;
      request.setTimeout(silenceMsMax, () =>
        request.destroy(new Error(`silent for ${silenceMsMax / 1_000} s`)),
      );
      request.on('response', (incoming) => {
        answered = true;
        resolve(incoming);
      });
      request.on('error', (cause) => {
        // After the head has come, whoever reads the body hears of the break.
        if (!answered) reject(signal?.aborted ? (signal.reason as Error) : broken(this.server, cause));
      });
      void sendBody(request, sending.body);
    });
    if ((response.statusCode ?? 0) < 400) return response;
    const text = await textOf(response, this.server);
    response.destroy();
    throw problemOf(response.statusCode ?? 0, text, this.server);
  }
}

async function sendBody(request: ClientRequest, body: Sending['body']): Promise<void> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    request.end(body);
    return;
  }
  try {
    for await (const chunk of body) {
      if (request.destroyed || request.writableEnded) return;
      if (!request.write(chunk)) await roomIn(request);
    }
    request.end();
  } catch (error) {
    request.destroy(error as Error);
  }
}

/** Waits until more can be written, or until there is no point in it: answered already, or closed. */
function roomIn(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'error', 'response']) request.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error', 'response']) request.on(event, done);
  });
}

const lengthOf = (body: Sending['body']): Record<string, string> =>
  typeof body === 'string' || body instanceof Uint8Array
    ? { 'content-length': String(Buffer.byteLength(body)) }
    : {};

async function textOf(response: IncomingMessage, server: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      bytes += (chunk as Uint8Array).length;
      if (bytes > jsonBytesMax) throw new Error(`the answer is over ${jsonBytesMax} bytes`);
      chunks.push(chunk as Uint8Array);
    }
  } catch (cause) {
    throw broken(server, cause);
  }
  return Buffer.concat(chunks).toString('utf8');
}

interface ProblemBody {
  readonly code?: unknown;
  readonly detail?: unknown;
  /** What `/readyz` says instead of `detail`. */
  readonly reason?: unknown;
  readonly next?: unknown;
  readonly errors?: unknown;
}

/** The error for a problem document; something that is none, from a proxy perhaps, is said to be so. */
export function problemOf(status: number, body: string | ProblemBody, server: string): CommandError {
  const parsed = typeof body === 'string' ? parse(body) : body;
  const { code, detail = parsed?.reason, next } = parsed ?? {};
  if (typeof code !== 'string' || !Object.hasOwn(errors, code)) {
    return notBerth(
      server,
      `status ${status}${typeof code === 'string' ? ` and the unknown code ${code}` : ''}`,
    );
  }
  const known = code as ErrorCode;
  return new Problem(status, known, typeof detail === 'string' ? detail : errors[known].meaning, {
    next: typeof next === 'string' ? next : errors[known].next,
    fields: Array.isArray(parsed?.errors) ? parsed.errors.filter(isField) : [],
  });
}

function parse(text: string): ProblemBody | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}

const isField = (value: unknown): value is FieldError =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<FieldError>).field === 'string' &&
  typeof (value as Partial<FieldError>).message === 'string';

function broken(server: string, cause: unknown): CommandError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason =
    code === 'ECONNREFUSED' ? 'nothing listens there' : code === 'ENOTFOUND' ? 'no such host' : message;
  return new CommandError('ERR_UNREACHABLE', `${server}: ${reason || code}`, {
    cause,
    next: 'npm start, or pass --server URL; berth doctor says what is wrong',
  });
}

const notBerth = (server: string, what: string, cause?: unknown): CommandError =>
  new CommandError('ERR_UNREACHABLE', `${server} does not answer as Berth does: ${what}`, {
    cause,
    next: 'check --server URL with: berth doctor',
  });
