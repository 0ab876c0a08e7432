/**
 * `/inspect` and `/inspect/v4`: WebSockets on which inspectors of state machines watch the controller.
 *
 * Why so many refusals: a browser lets any page in the world open a WebSocket to this machine and sends no key with it.
 * So a caller must be on this machine, be no foreign page, and be the operator; what a tenant may see of others is
 * nothing, and a machine's context shows all. What an inspector sends is not obeyed: the log has one writer.
 * Test: `test/observe/inspector.test.ts`, `test/inspect-v4/receiver.test.ts`.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Dialect, statelyDialect, v4Dialect } from '../observe/dialects.ts';
import type { Inspector } from '../observe/inspector.ts';

const inspectorsMax = 8;
/** Longest message from an inspector, bytes: it only says that it is there. */
const messageBytesMax = 16 * 1024;

/** Pages that may attach besides those of this machine: the hosted inspector, in the user's own browser. */
const foreignOrigins: ReadonlySet<string> = new Set(['https://stately.ai']);

export interface InspectParts {
  readonly inspector: Inspector;
  /** Is this the operator's bearer token? */
  readonly isOperator: (token: string) => Promise<boolean>;
  /** In a demo on loopback nobody needs a token. */
  readonly isOpen: boolean;
}

/** Takes over connections that ask to become WebSockets. */
export class InspectDoor {
  readonly #parts: InspectParts;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  });

  constructor(parts: InspectParts) {
    this.#parts = parts;
  }

  /** Answers an upgrade. Never throws. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // A caller who leaves while being asked who they are is no fault.
    socket.on('error', () => socket.destroy());
    const url = new URL(request.url ?? '/', 'http://localhost');
    const dialect = dialectOf(url.pathname);
    const refused = dialect === null ? 'HTTP/1.1 404 Not Found' : await this.#whyNot(request, url);
    if (dialect === null || refused !== null)
      return void socket.end(`${refused}\r\nconnection: close\r\n\r\n`);
    this.#sockets.handleUpgrade(request, socket, head, (peer) => this.#open(peer, dialect));
  }

  /** Lets all inspectors go. */
  stop(): void {
    this.#parts.inspector.stop();
    for (const peer of this.#sockets.clients) peer.close(1001, 'the controller stops');
    this.#sockets.close();
  }

  async #whyNot(request: IncomingMessage, url: URL): Promise<string | null> {
    if (!isLoopbackAddress(request.socket.remoteAddress)) return 'HTTP/1.1 403 Forbidden';
    const { origin } = request.headers;
    if (origin !== undefined && !isOwnOrigin(origin) && !foreignOrigins.has(origin))
      return 'HTTP/1.1 403 Forbidden';
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const token = bearer ?? url.searchParams.get('token');
    const isAllowed = token === null ? this.#parts.isOpen : await this.#parts.isOperator(token);
    if (!isAllowed) return 'HTTP/1.1 401 Unauthorized';
    return this.#parts.inspector.count >= inspectorsMax ? 'HTTP/1.1 503 Service Unavailable' : null;
  }

  #open(peer: WebSocket, dialect: Dialect): void {
    const detach = this.#parts.inspector.attach(
      {
        send: (text) => peer.send(text),
        get unreadBytes() {
          return peer.bufferedAmount;
        },
      },
      dialect,
    );
    peer.on('error', () => peer.terminate());
    peer.on('close', detach);
  }
}

function dialectOf(path: string): Dialect | null {
  if (path === '/inspect') return statelyDialect;
  return path === '/inspect/v4' ? v4Dialect : null;
}

const isLoopbackAddress = (address: string | undefined): boolean =>
  /^(127\.|::1$|::ffff:127\.)/.test(address ?? '');

const isOwnOrigin = (origin: string): boolean =>
  /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin);
