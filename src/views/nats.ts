/**
 * Publication: every durable fact goes to NATS on `berth.v1.evt.<subject>`, in log order, at least once.
 *
 * Why a stream that checks and not just "send": a connection can break between any two facts, and what was
 * on its way may or may not have arrived. So every message carries the number of the message that must
 * stand before it, and the server refuses one whose predecessor is missing. The facts in the stream are
 * therefore always the log's own, without gap or swap, whatever breaks; after any failure we ask
 * the stream for its last message and go on behind it.
 *
 * Why one acknowledgement a batch: when the last message of a batch was accepted, all before it were.
 *
 * Why not the message id of the predecessor, which NATS can check as well: the server forgets it when it
 * restarts and the last message is older than its window for duplicates; it then refuses everything.
 *
 * The log stays the truth: when NATS is down, or holds another log's facts, the controller works on, and
 * `status()` says what is not published and why. Test: `test/views/nats.test.ts`.
 */
import {
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type MsgHdrs,
  type NatsConnection,
  type StreamInfo,
} from 'nats';
import type { Clock } from '../clock.ts';
import type { Controller } from '../controller.ts';
import { BerthError } from '../errors.ts';
import { type FactRecord, sealRecord } from '../events/record.ts';
import { type Logger, NatsLink, type NatsLogin } from '../nats.ts';
import { CursorFile, type Position } from './cursor.ts';
import { checkPayload, eventPrefix, foreign, lastFact, openStream, streamName } from './event-stream.ts';

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

export interface PublicationStatus {
  /** Are facts being published? */
  readonly connected: boolean;
  /** Last fact that the stream is known to hold. */
  readonly publishedSeq: number;
  /** Durable facts that are not yet published. */
  readonly lag: number;
  /** Why nothing is published now; null when all is well. */
  readonly problem: string | null;
}

export interface Publication {
  status(): PublicationStatus;
  /** Waits for what is on its way, notes how far it came, ends the connection. Idempotent. */
  stop(): Promise<void>;
}

const streamBytesMaxDefault = 1024 ** 3;
/** Facts on their way at once: one batch. */
const batchMax = 256;
/** A batch ends at this many bytes, so that big facts don't pile up in memory. */
const batchBytesMax = 1024 * 1024;
/** A batch that isn't acknowledged in this time is asked after, ms. */
const ackMsMax = 5_000;
/** How often a new life is looked for when nothing else happens, ms. */
const lookMs = 250;
const encoder = new TextEncoder();

/**
 * Publishes from now until `stop`. Resolves at once, server or not.
 * Rejects with `ERR_CONFIG` when the address or the login can't be read.
 */
export async function startPublication(parts: PublicationParts): Promise<Publication> {
  const { clock, logger, stateFile } = parts;
  const complain = (error: unknown): void =>
    logger('warn', `${stateFile} can't be written`, { error: String(error) });
  return new Publisher(parts, await CursorFile.open(stateFile, clock, complain));
}

class Publisher implements Publication {
  readonly #parts: PublicationParts;
  readonly #cursor: CursorFile;
  readonly #link: NatsLink;
  #publishedSeq: number;
  /** The stream's own number of its last message. */
  #streamSeq = 0;
  #sending: Promise<void> = Promise.resolve();
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(parts: PublicationParts, cursor: CursorFile) {
    this.#parts = parts;
    this.#cursor = cursor;
    this.#publishedSeq = cursor.position?.seq ?? 0;
    const { clock, logger, login, servers } = parts;
    const serve = (connection: NatsConnection, ready: () => void): Promise<void> =>
      this.#serve(connection, ready);
    this.#link = new NatsLink({
      servers,
      name: 'berth publication',
      clock,
      logger,
      serve,
      ...(login ? { login } : {}),
    });
  }

  status(): PublicationStatus {
    const lag = Math.max(0, (this.#parts.life()?.views.seq ?? 0) - this.#publishedSeq);
    return {
      connected: this.#link.ready,
      publishedSeq: this.#publishedSeq,
      lag,
      problem: this.#link.problem,
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#link.stop(async () => this.#sending);
    await this.#cursor.flush();
  }

  async #serve(connection: NatsConnection, ready: () => void): Promise<void> {
    // Otherwise a wait for news would outlive the connection.
    void connection.closed().then(() => this.#wake());
    const over = (): boolean => this.#stopped || connection.isClosed();
    checkPayload(connection);
    const manager = await connection.jetstreamManager({ checkAPI: false });
    const stream = await openStream(manager, this.#parts.streamBytesMax ?? streamBytesMaxDefault);
    while (!this.#parts.life() && !over()) await this.#idle();
    if (over()) return;
    await this.#resume(manager, stream);
    ready();
    const jetstream = connection.jetstream();
    while (!over()) {
      const batch = await this.#nextBatch();
      if (over()) return;
      if (batch === null || batch.length === 0) {
        await this.#idle(batch !== null);
        continue;
      }
      this.#sending = this.#send(connection, jetstream, batch);
      await this.#sending;
    }
  }

  /** Finds the place from which to go on, or throws ERR_NATS when the stream isn't this log's. */
  async #resume(manager: JetStreamManager, { state }: StreamInfo): Promise<void> {
    this.#streamSeq = state.last_seq;
    const last = state.messages === 0 ? null : await lastFact(manager, state.last_seq);
    const position = last ?? this.#cursor.position;
    const ours = position === null || (await this.#isOurs(position));
    if (!ours && last) throw foreign(last.seq);
    if (!ours)
      this.#parts.logger(
        'warn',
        'the publication cursor is of another log: publishing from the first fact on',
      );
    this.#publishedSeq = ours && position ? position.seq : 0;
  }

  async #isOurs({ seq, hash }: Position): Promise<boolean> {
    const log = this.#parts.life()?.log;
    if (!log || seq > log.durable) return false;
    const [own] = await log.read(seq, 1);
    return own?.hash === hash;
  }

  /** The next facts to publish, none when there are none, null when they can't be read. */
  async #nextBatch(): Promise<readonly FactRecord[] | null> {
    const life = this.#parts.life();
    const waiting = (life?.views.seq ?? 0) - this.#publishedSeq;
    if (!life || waiting <= 0) return [];
    try {
      return await life.log.read(this.#publishedSeq + 1, Math.min(batchMax, waiting));
    } catch {
      // The log of a life that has ended can't be read; the next life has the same facts.
      return null;
    }
  }

  async #send(
    connection: NatsConnection,
    jetstream: JetStreamClient,
    records: readonly FactRecord[],
  ): Promise<void> {
    const messages = messagesOf(records, this.#streamSeq);
    const last = messages.pop()!;
    for (const { subject, bytes, headers } of messages) connection.publish(subject, bytes, { headers });
    const ack = await jetstream.publish(last.subject, last.bytes, {
      headers: last.headers,
      timeout: ackMsMax,
    });
    const expected = this.#streamSeq + messages.length + 1;
    if (ack.duplicate || ack.seq !== expected) {
      throw new BerthError(
        'ERR_NATS',
        `${streamName} took fact ${last.record.seq} as message ${ack.seq}, not as ${expected}`,
      );
    }
    this.#streamSeq = ack.seq;
    this.#publishedSeq = last.record.seq;
    this.#cursor.move({ seq: last.record.seq, hash: last.record.hash });
  }

  /** Until a fact becomes durable, a life ends or begins, the connection breaks or `stop` is called. */
  async #idle(readable = true): Promise<void> {
    const life = this.#parts.life();
    if (this.#stopped || (readable && life && life.views.seq > this.#publishedSeq)) return;
    await new Promise<void>((resume) => {
      const offs: (() => void)[] = [];
      const done = (): void => {
        for (const off of offs) off();
        this.#wake = () => undefined;
        resume();
      };
      this.#wake = done;
      offs.push(this.#parts.clock.after(lookMs, done));
      // Called in the middle of a fold: what follows the promise runs when that turn is over, once for many facts.
      if (life) offs.push(life.views.onChange(done));
    });
  }
}

interface Message {
  readonly record: FactRecord;
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly headers: MsgHdrs;
}

/** The facts as messages, each naming the one that must stand before it in the stream. */
function messagesOf(records: readonly FactRecord[], streamSeq: number): Message[] {
  const messages: Message[] = [];
  let bytesSum = 0;
  for (const record of records) {
    // The very line of the log: a reader can verify the chain from these bytes.
    const bytes = encoder.encode(sealRecord(record, () => record.hash).line);
    const head = headers();
    head.set('Nats-Msg-Id', String(record.seq));
    head.set('Nats-Expected-Stream', streamName);
    head.set('Nats-Expected-Last-Sequence', String(streamSeq + messages.length));
    messages.push({ record, subject: eventPrefix + record.subject, bytes, headers: head });
    bytesSum += bytes.length;
    if (bytesSum >= batchBytesMax) break;
  }
  return messages;
}
