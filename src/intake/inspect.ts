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
import type { Clock } from '../clock.ts';
import { type Dialect, statelyDialect, v4Dialect } from '../observe/dialects.ts';
import type { Inspector } from '../observe/inspector.ts';
import { isOwnPage } from './own-page.ts';

const inspectorsMax = 8;
/** Longest message from an inspector, bytes: it only says that it is there. */
const messageBytesMax = 16 * 1024;

/** Pages that may attach besides our own, with the operator's token: the hosted inspector, in the user's own browser. */
const foreignOrigins: ReadonlySet<string> = new Set(['https://stately.ai']);

const dialects: ReadonlyMap<string, Dialect> = new Map([
  ['/inspect', statelyDialect],
  ['/inspect/v4', v4Dialect],
]);

/** What an inspector gets to answer a goodbye, ms. */
const goodbyeMsMax = 500;

export interface InspectParts {
  readonly clock: Clock;
  readonly inspector: Inspector;
  /** Is this the operator's bearer token? */
  readonly isOperator: (token: string) => Promise<boolean>;
  /** In a demo on loopback nobody on this machine needs a token. */
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

  /** Answers an upgrade. Never rejects. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // A caller who leaves while being asked who they are is no fault.
    socket.on('error', () => socket.destroy());
    try {
      const [path = '', query = ''] = (request.url ?? '').split('?', 2);
      const dialect = dialects.get(path);
      const refused = dialect === undefined ? '404 Not Found' : await this.#whyNot(request, query);
      if (dialect === undefined || refused !== null) return refuse(socket, refused ?? '');
      this.#sockets.handleUpgrade(request, socket, head, (peer) => this.#open(peer, socket, dialect));
    } catch {
      // The token could not be judged now, or the handshake is none: either way nobody is let in.
      refuse(socket, '400 Bad Request');
    }
  }

  /** Lets all inspectors go; one that does not answer is cut off. */
  stop(): void {
    this.#parts.inspector.stop();
    for (const peer of this.#sockets.clients) {
      peer.close(1001, 'the controller stops');
      this.#parts.clock.after(goodbyeMsMax, () => peer.terminate());
    }
    this.#sockets.close();
  }

  /** Status of the refusal; null: they may come in. */
  async #whyNot({ headers, socket }: IncomingMessage, query: string): Promise<string | null> {
    const header = (name: string): string | null => {
      const value = headers[name];
      return typeof value === 'string' ? value : null;
    };
    const isForeign = foreignOrigins.has(headers.origin ?? '');
    if (!isLoopbackAddress(socket.remoteAddress) || !(isForeign || isOwnPage(header))) return '403 Forbidden';
    const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    const token = bearer ?? new URLSearchParams(query).get('token');
    const { inspector, isOpen, isOperator } = this.#parts;
    const isAllowed = token === null ? isOpen && !isForeign : await isOperator(token);
    if (!isAllowed) return '401 Unauthorized';
    return inspector.count >= inspectorsMax ? '503 Service Unavailable' : null;
  }

  #open(peer: WebSocket, socket: Duplex, dialect: Dialect): void {
    // Several may have been let in while each was asked who they are.
    if (this.#parts.inspector.count >= inspectorsMax) {
      peer.close(1013, 'too many inspectors');
      return;
    }
    const detach = this.#parts.inspector.attach(
      {
        send: (texts) => {
          socket.cork();
          for (const text of texts) peer.send(text);
          socket.uncork();
        },
        get unreadBytes() {
          return peer.bufferedAmount;
        },
        cut: () => peer.terminate(),
      },
      dialect,
    );
    peer.on('error', () => peer.terminate());
    peer.on('close', detach);
  }
}

/** Says why not, then cuts the connection: no other time limit holds for one that asked to be upgraded. */
function refuse(socket: Duplex, status: string): void {
  socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () =>
    socket.destroy(),
  );
}

const isLoopbackAddress = (address: string | undefined): boolean =>
  /^(127\.|::1$|::ffff:127\.)/.test(address ?? '');
