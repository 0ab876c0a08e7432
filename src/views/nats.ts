/**
 * The bus of `publication.ts` on a real NATS server: each fact on `berth.v1.evt.<subject>`, kept by JetStream.
 *
 * Why one acknowledgement a batch: when the last message of a batch was accepted, all before it were, for each
 * names the stream sequence that must stand before it.
 *
 * Why not the message id of the predecessor, which NATS can check as well: the server forgets it when it
 * restarts and the last message is older than its window for duplicates; it then refuses everything.
 * Test: `test/views/nats.test.ts`.
 */
import { headers, type JetStreamManager, type MsgHdrs, type NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import type { Controller } from '../controller.ts';
import { BerthError } from '../errors.ts';
import type { Logger } from '../link.ts';
import { type NatsLogin, natsDial, natsText } from '../nats.ts';
import { cursorFile } from './cursor-file.ts';
import { checkPayload, eventPrefix, lastFact, openStream, streamName } from './event-stream.ts';
import {
  type BusConnection,
  type BusMessage,
  type Publication,
  publish,
  type StreamEnd,
} from './publication.ts';

export interface PublicationParts {
  /** `nats://[user:password@]host:port`, several with commas between them. */
  readonly servers: string;
  readonly login?: NatsLogin;
  /** The present life; null while one ends and the next recovers. */
  readonly life: () => Pick<Controller, 'log' | 'views'> | null;
  /** Where the cursor is kept: `data/publication.json`. */
  readonly stateFile: string;
  /** Bytes that the stream keeps, when it has to be made; older facts fall off. Default 1 GiB. */
  readonly streamBytesMax?: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

const streamBytesMaxDefault = 1024 ** 3;
/** A batch that isn't acknowledged in this time is asked after, ms. */
const ackMsMax = 5_000;

/**
 * Publishes from now until `stop`. Resolves at once, server or not.
 * Rejects with `ERR_CONFIG` when the address or the login can't be read.
 */
export async function startPublication(parts: PublicationParts): Promise<Publication> {
  const { clock, life, logger, stateFile } = parts;
  const dial = natsDial({ ...parts, name: 'berth publication' });
  const bytesMax = parts.streamBytesMax ?? streamBytesMaxDefault;
  const bus = { dial: async () => new NatsBusConnection(await dial(), bytesMax), textOf: natsText };
  return publish({ bus, clock, life, logger, store: cursorFile(stateFile) });
}

class NatsBusConnection implements BusConnection {
  readonly #connection: NatsConnection;
  readonly #streamBytesMax: number;
  #manager: JetStreamManager | null = null;

  constructor(connection: NatsConnection, streamBytesMax: number) {
    this.#connection = connection;
    this.#streamBytesMax = streamBytesMax;
  }

  getServer(): string {
    return this.#connection.getServer();
  }
  isClosed(): boolean {
    return this.#connection.isClosed();
  }
  closed(): Promise<unknown> {
    return this.#connection.closed();
  }
  close(): Promise<void> {
    return this.#connection.close();
  }

  async open(): Promise<void> {
    checkPayload(this.#connection);
    this.#manager = await this.#connection.jetstreamManager({ checkAPI: false });
    await openStream(this.#manager, this.#streamBytesMax);
  }

  async end(): Promise<StreamEnd> {
    const manager = this.#manager!;
    const { state } = await openStream(manager, this.#streamBytesMax);
    const fact = state.messages === 0 ? null : await lastFact(manager, state.last_seq);
    return { streamSeq: state.last_seq, fact };
  }

  async append(messages: readonly BusMessage[], after: number): Promise<number> {
    const last = messages.at(-1)!;
    for (const [at, message] of messages.slice(0, -1).entries()) {
      const { bytes, subject } = message;
      this.#connection.publish(eventPrefix + subject, bytes, { headers: headersOf(message, after + at) });
    }
    const ack = await this.#connection.jetstream().publish(eventPrefix + last.subject, last.bytes, {
      headers: headersOf(last, after + messages.length - 1),
      timeout: ackMsMax,
    });
    if (ack.duplicate) {
      throw new BerthError('ERR_NATS', `${streamName} had fact ${last.seq} already, as message ${ack.seq}`);
    }
    return ack.seq;
  }
}

/** Names the message that must stand before this one in the stream. */
function headersOf(message: BusMessage, after: number): MsgHdrs {
  const head = headers();
  head.set('Nats-Msg-Id', String(message.seq));
  head.set('Nats-Expected-Stream', streamName);
  head.set('Nats-Expected-Last-Sequence', String(after));
  return head;
}
