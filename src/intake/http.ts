/**
 * The HTTP server: sockets, limits and life cycle around the router. The only file that opens a listening socket.
 *
 * Why every number here: a server without limits works until the first client that is slow, greedy or broken. Each
 * limit is met with an answer or a closed connection, never with memory that grows.
 *
 * Stop: no new connections, streams of events end, requests under way get `stopMsMax`, then sockets are cut.
 * Test: `test/intake/http.test.ts`, `test/intake/limits.test.ts`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BerthError } from '../errors.ts';
import { heartbeatMs, Streams } from '../views/stream.ts';
import { problem, problemOf } from './answer.ts';
import { asyncApiText } from './asyncapi.ts';
import { openApiText } from './openapi.ts';
import { type PlaceLimits, Places } from './places.ts';
import { requestOf } from './reading.ts';
import type { Reply, RouteParts } from './route.ts';
import { Router } from './router.ts';
import { routes } from './routes.ts';
import { send } from './sending.ts';

/** Every bound of the server, those of `places.ts` included. The numbers serve a controller of some hundred clients. */
export interface HttpLimits extends PlaceLimits {
  /** Connections at once; the kernel holds back or refuses what comes beyond. */
  readonly connectionsMax: number;
  /** Streams of events at once; beyond it 503. */
  readonly streamsMax: number;
  /** Request line and headers, bytes. */
  readonly headerBytesMax: number;
  /** From the first byte to the last header. */
  readonly headersMsMax: number;
  /** From the first byte to the last of the body: the slowest upload of a blob. */
  readonly requestMsMax: number;
  /** A JSON or signed body. */
  readonly textMsMax: number;
  /** A connection on which nothing moves. Longer than two heartbeats. */
  readonly idleMsMax: number;
  /** A kept connection between two requests. */
  readonly keepAliveMs: number;
  readonly drainMsMax: number;
  readonly lingerMsMax: number;
  readonly lingerBytesMax: number;
  readonly heartbeatMs: number;
  /** What requests under way get when the server stops. */
  readonly stopMsMax: number;
}

const defaultLimits: HttpLimits = {
  connectionsMax: 4_096,
  requestsMax: 1_024,
  ownerRequestsMax: 512,
  probeRequestsMax: 64,
  bodiesMax: 256,
  tenantUploadsMax: 16,
  unsentBytesMax: 128 * 1024 * 1024,
  ownerUnsentBytesMax: 32 * 1024 * 1024,
  streamsMax: 256,
  headerBytesMax: 16 * 1024,
  headersMsMax: 10_000,
  requestMsMax: 300_000,
  textMsMax: 10_000,
  idleMsMax: 60_000,
  keepAliveMs: 5_000,
  drainMsMax: 10_000,
  lingerMsMax: 2_000,
  lingerBytesMax: 256 * 1024 * 1024,
  heartbeatMs,
  stopMsMax: 5_000,
};

export interface HttpParts extends Omit<RouteParts, 'streams' | 'documents'> {
  readonly listen: { readonly host: string; readonly port: number };
  readonly logger: (
    level: 'info' | 'warn' | 'error',
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void;
  readonly limits?: Partial<HttpLimits>;
  /** Takes over a connection that asks to speak another protocol; without it such a connection is cut. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface RunningHttp {
  /** `http://HOST:PORT` as a client on this machine writes it. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Opens the door on `listen`. Rejects with `ERR_CONFIG` when the address can't be had. */
export async function startHttp(parts: HttpParts): Promise<RunningHttp> {
  const http = new HttpDoor(parts, { ...defaultLimits, ...parts.limits });
  return http.listen();
}

class HttpDoor {
  readonly #parts: HttpParts;
  readonly #limits: HttpLimits;
  readonly #router: Router;
  readonly #places: Places;
  readonly #server: Server;
  readonly #streamsEnd = new AbortController();
  /** Requests not yet done, those that hold no place any more included: what a stop waits for. */
  #underWay = 0;
  #count = 0;
  #isStopping = false;
  #onIdle = (): void => undefined;

  constructor(parts: HttpParts, limits: HttpLimits) {
    this.#parts = parts;
    this.#limits = limits;
    const documents = { openapi: once(() => openApiText(routes)), asyncapi: once(asyncApiText) };
    const streams = new Streams({
      clock: parts.clock,
      streamsMax: limits.streamsMax,
      heartbeatMs: limits.heartbeatMs,
    });
    this.#router = new Router(routes, { ...parts, documents, streams });
    this.#places = new Places(limits);
    this.#server = createServer({
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersMsMax,
      requestTimeout: limits.requestMsMax,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: Math.min(limits.headersMsMax, 5_000),
    });
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.timeout = limits.idleMsMax;
    this.#server.on('request', (incoming, response) => void this.#serve(incoming, response, false));
    this.#server.on('checkContinue', (incoming, response) => void this.#serve(incoming, response, true));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('clientError', (error, socket) => refuse(error, socket as Socket, limits));
  }

  listen(): Promise<RunningHttp> {
    const { host, port } = this.#parts.listen;
    return new Promise((resolve, reject) => {
      const name = host.includes(':') ? `[${host}]` : host;
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(new BerthError('ERR_CONFIG', whyDeaf(name, port, cause), { cause })),
      );
      this.#server.listen(port, host, () => {
        const { port: got } = this.#server.address() as AddressInfo;
        resolve({ url: `http://${name}:${got}`, port: got, stop: () => this.#stop() });
      });
    });
  }

  /**
   * Who asks for another protocol than WebSocket is answered in this one, as HTTP wants it: `curl --http2` and Java's
   * client do so at each first request. Node has left the parser by then, so the request is put before it again.
   */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { onUpgrade } = this.#parts;
    if (onUpgrade && request.headers.upgrade?.toLowerCase() === 'websocket') {
      onUpgrade(request, socket, head);
      return;
    }
    socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(request), 'latin1'), head]));
    this.#server.emit('connection', socket);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    // A socket that breaks is no news: whoever reads or writes on it is told so, and these two must not throw.
    incoming.on('error', () => undefined);
    response.on('error', () => undefined);
    const { clock, blobBytesMax } = this.#parts;
    const { textMsMax } = this.#limits;
    this.#count += 1;
    const name = `r${this.#count}`;
    const probe = this.#router.probeOf(incoming.url ?? '');
    const place = this.#places.enter(probe);
    this.#underWay += 1;
    try {
      const given = { clock, textMsMax, blobBytesMax, expectsContinue, place };
      const request = requestOf(incoming, response, given);
      const reply = place.refused
        ? problemOf(place.refused)
        : await this.#answer(() => this.#router.answer(request), incoming, name);
      const isStream = 'frames' in reply;
      // Streams have a bound of their own. A probe's answer is small, and whoever doesn't read theirs must not
      // keep it from the others.
      if (isStream || probe !== null) place.leave();
      if (isStream) this.#underWay -= 1;
      try {
        await send(incoming, response, reply, {
          ...this.#limits,
          clock,
          place,
          isLast: this.#isStopping,
          signal: this.#streamsEnd.signal,
        });
      } finally {
        if (isStream) this.#underWay += 1;
      }
    } catch (error) {
      // The head is out, so the only honest end is a cut.
      this.#log(error, incoming, name);
      response.destroy();
    } finally {
      place.leave();
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle();
    }
  }

  /** The reply, or the problem that says it is our fault; what happened goes to the server's log alone. */
  async #answer(make: () => Promise<Reply>, incoming: IncomingMessage, name: string): Promise<Reply> {
    try {
      return await make();
    } catch (error) {
      if (!incoming.destroyed) this.#log(error, incoming, name);
      return problem('ERR_INTERNAL', `request ${name} failed; the server's log says why`);
    }
  }

  #log(error: unknown, { method, url }: IncomingMessage, name: string): void {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    this.#parts.logger('error', `request ${name} failed: ${message}`, {
      method,
      path: url?.split('?', 1)[0],
      request: name,
      stack,
    });
  }

  async #stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#streamsEnd.abort();
    this.#server.closeIdleConnections();
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        const off = this.#parts.clock.after(this.#limits.stopMsMax, resolve);
        this.#onIdle = () => {
          off();
          resolve();
        };
      });
    }
    this.#server.closeIdleConnections();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The head of a request as it came, but for its wish to leave HTTP/1.1. */
function withoutUpgrade({ method, url, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!/^(connection|upgrade|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Why nobody can be heard at the address, and what to do about it. */
function whyDeaf(host: string, port: number, { code, message }: NodeJS.ErrnoException): string {
  const causes: Readonly<Record<string, string>> = {
    EADDRINUSE: `another program listens there; stop it, or choose another port (${host}:0 takes a free one)`,
    EADDRNOTAVAIL: 'this machine has no such address; 127.0.0.1 is the one that every machine has',
    EACCES: 'this user may not; choose a port above 1023',
    ENOTFOUND: 'no such host is known; write an address, as 127.0.0.1',
  };
  return `--listen ${host}:${port}: ${causes[code ?? ''] ?? `${message}; choose another address`}`;
}

/** Bytes that are no HTTP, too long a head, too slow a client: there is no request to answer, only a socket. */
function refuse(error: NodeJS.ErrnoException, socket: Socket, limits: HttpLimits): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const { status, detail } =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? {
          status: '431 Request Header Fields Too Large',
          detail: `request line and headers have at most ${limits.headerBytesMax} bytes`,
        }
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? { status: '408 Request Timeout', detail: 'the request did not arrive in time' }
        : { status: '400 Bad Request', detail: 'this is not an HTTP/1.1 request' };
  const { body } = problem('ERR_BAD_REQUEST', detail);
  const text = `${JSON.stringify({ ...(body as object), status: Number(status.slice(0, 3)) })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

/** Made when first asked for, then kept. */
function once(make: () => string): () => string {
  let text: string | null = null;
  return () => {
    text ??= make();
    return text;
  };
}
