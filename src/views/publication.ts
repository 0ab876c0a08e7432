/**
 * Publication: every durable fact goes out to a bus, in log order, at least once.
 *
 * Why a stream that checks and not just "send": a connection can break between any two facts, and what was
 * on its way may or may not have arrived. So every message carries the number of the message that must
 * stand before it, and the bus refuses one whose predecessor is missing. The facts in the stream are
 * therefore always the log's own, without gap or swap, whatever breaks; after any failure we ask
 * the stream for its last message and go on behind it.
 *
 * The rules are here, the bus is a port: `nats.ts` is the real one, `../simulate/bus.ts` breaks in every way that
 * a seed can think of. The log stays the truth: when the bus is down, or holds another log's facts, the controller
 * works on, and `status()` says what is not published and why.
 * Tests: `test/simulate/bus.test.ts`, `test/views/nats.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { Controller } from '../controller.ts';
import { BerthError } from '../errors.ts';
import { type FactRecord, sealRecord } from '../events/record.ts';
import { type Connection, Link, type Logger } from '../link.ts';
import { Cursor, type CursorStore, type Position } from './cursor.ts';
import { foreign, streamName } from './event-stream.ts';

/** One fact on its way. */
export interface BusMessage {
  readonly seq: number;
  /** The fact's own; an adapter may put a prefix before it. */
  readonly subject: string;
  /** The line of the log, byte for byte: a reader can verify the chain from it. */
  readonly bytes: Uint8Array;
}

/** The end of the stream. */
export interface StreamEnd {
  /** The stream's own number of its last message, 0 when there never was one. A purge doesn't reset it. */
  readonly streamSeq: number;
  /** The fact in that message; null when the stream holds none. */
  readonly fact: Position | null;
}

/** One connection to the bus. After it ends, what was sent on it may still arrive, or never. */
export interface BusConnection extends Connection {
  /** Makes sure that the stream is there and keeps the order. Rejects naming what is off. */
  open(): Promise<void>;
  /** What the stream ends with now. Rejects when its last message is no fact. */
  end(): Promise<StreamEnd>;
  /**
   * Sends messages of which the first must become number `after + 1` of the stream, the next `after + 2` …; the
   * stream refuses each whose number isn't the next. Resolves with the number that the last one got, which vouches
   * for all; rejects after a bounded time, and then any number of them, from the first on, may be in the stream.
   */
  append(messages: readonly BusMessage[], after: number): Promise<number>;
}

/** Where facts are published. */
export interface Bus {
  /** One try to connect; ends by a limit of its own. */
  dial(): Promise<BusConnection>;
  /** What went wrong, as one line for a person. */
  textOf(error: unknown): string;
}

/** The present life, as far as publication needs it; null while one ends and the next recovers. */
type Life = () => {
  readonly log: Pick<Controller['log'], 'durable' | 'read'>;
  readonly views: Pick<Controller['views'], 'seq' | 'onChange'>;
} | null;

export interface PublisherParts {
  readonly life: Life;
  readonly bus: Bus;
  readonly store: CursorStore;
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

/** Facts on their way at once: one batch. */
const batchMax = 256;
/** A batch ends at this many bytes, so that big facts don't pile up in memory. */
const batchBytesMax = 1024 * 1024;
/** How often a new life is looked for when nothing else happens, ms. */
const lookMs = 250;
const encoder = new TextEncoder();

/** Publishes from now until `stop`, bus or not. */
export async function publish(parts: PublisherParts): Promise<Publication> {
  const { clock, logger, store } = parts;
  const complain = (error: unknown): void =>
    logger('warn', "the publication cursor can't be written", { error: String(error) });
  return new Publisher(parts, await Cursor.open(store, clock, complain));
}

class Publisher implements Publication {
  readonly #parts: PublisherParts;
  readonly #cursor: Cursor;
  readonly #link: Link<BusConnection>;
  #publishedSeq: number;
  /** The stream's own number of its last message. */
  #streamSeq = 0;
  #sending: Promise<void> = Promise.resolve();
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(parts: PublisherParts, cursor: Cursor) {
    this.#parts = parts;
    this.#cursor = cursor;
    this.#publishedSeq = cursor.position?.seq ?? 0;
    const { bus, clock, logger } = parts;
    this.#link = new Link<BusConnection>({
      name: 'berth publication',
      clock,
      logger,
      dial: () => bus.dial(),
      textOf: (error) => bus.textOf(error),
      serve: (connection, ready) => this.#serve(connection, ready),
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

  async #serve(connection: BusConnection, ready: () => void): Promise<void> {
    // Otherwise a wait for news would outlive the connection.
    void connection.closed().then(() => this.#wake());
    const over = (): boolean => this.#stopped || connection.isClosed();
    await connection.open();
    while (!this.#parts.life() && !over()) await this.#idle();
    if (over()) return;
    await this.#resume(connection);
    ready();
    while (!over()) {
      const batch = await this.#nextBatch();
      if (over()) return;
      if (batch === null || batch.length === 0) {
        await this.#idle(batch !== null);
        continue;
      }
      this.#sending = this.#send(connection, batch);
      await this.#sending;
    }
  }

  /** Finds the place from which to go on, or throws ERR_NATS when the stream isn't this log's. */
  async #resume(connection: BusConnection): Promise<void> {
    const { streamSeq, fact: last } = await connection.end();
    this.#streamSeq = streamSeq;
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
    } catch (error) {
      if (error instanceof BerthError && error.code === 'ERR_NOT_FOUND') throw retired(error);
      // The log of a life that has ended can't be read; the next life has the same facts.
      return null;
    }
  }

  async #send(connection: BusConnection, records: readonly FactRecord[]): Promise<void> {
    const messages = messagesOf(records);
    const last = records[messages.length - 1]!;
    const expected = this.#streamSeq + messages.length;
    const streamSeq = await connection.append(messages, this.#streamSeq);
    if (streamSeq !== expected) {
      throw new BerthError(
        'ERR_NATS',
        `${streamName} took fact ${last.seq} as message ${streamSeq}, not as ${expected}`,
      );
    }
    this.#streamSeq = streamSeq;
    this.#publishedSeq = last.seq;
    this.#cursor.move({ seq: last.seq, hash: last.hash });
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

/** Segments were moved aside before their facts were published: a stream with a gap would be no copy of the log. */
const retired = (cause: BerthError): BerthError =>
  new BerthError('ERR_NATS', `the next fact to publish is not in the log any more: ${cause.message}`, {
    cause,
  });

/** The facts as messages, from the first on, as many as a batch may hold. */
function messagesOf(records: readonly FactRecord[]): BusMessage[] {
  const messages: BusMessage[] = [];
  let bytesSum = 0;
  for (const record of records) {
    const bytes = encoder.encode(sealRecord(record, () => record.hash).line);
    messages.push({ seq: record.seq, subject: record.subject, bytes });
    bytesSum += bytes.length;
    if (bytesSum >= batchBytesMax) break;
  }
  return messages;
}
