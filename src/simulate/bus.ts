/**
 * A bus that breaks as a seed says: the other end of `../views/publication.ts`, in memory and in virtual time.
 *
 * Why not a real server with a bad network: what goes wrong between two messages (a break in the middle of a batch,
 * an acknowledgement that is lost, a message that arrives after its connection is gone) takes seconds to provoke
 * there and depends on the moment. Here a hundred breaks cost a millisecond and come again with the same seed. What
 * this server checks is what JetStream checks: a message is taken only as the number that it says it will be.
 *
 * One thing is simpler than life: messages of one connection arrive in the order in which they were sent.
 * Test: `test/simulate/bus.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { CursorStore, Position } from '../views/cursor.ts';
import type { Bus, BusConnection, BusMessage, StreamEnd } from '../views/publication.ts';

/** How often what goes wrong, 0…1, and how long things take, ms of virtual time. */
export interface BusFaults {
  /** A dial finds nobody. */
  readonly dialFails: number;
  /** A question for the end of the stream meets a break. */
  readonly asksBreak: number;
  /** The connection breaks while a batch is on its way: the first so many messages arrive, the others don't. */
  readonly breaks: number;
  /** Of breaks: what did not arrive does so later, when another connection may be at work. */
  readonly late: number;
  /** A batch arrives, and its acknowledgement doesn't. */
  readonly losesAck: number;
  /** The network delivers a whole batch once more, later. */
  readonly doubles: number;
  /** A position of the cursor can't be saved. */
  readonly cursorFails: number;
  /** Longest way of a message, and longest time by which one is late. */
  readonly delayMsMax: number;
  readonly lateMsMax: number;
}

/** Nothing goes wrong, and nothing takes time. */
export const calmBus: BusFaults = {
  dialFails: 0,
  asksBreak: 0,
  breaks: 0,
  late: 0,
  losesAck: 0,
  doubles: 0,
  cursorFails: 0,
  delayMsMax: 0,
  lateMsMax: 0,
};

export interface SimulatedBusParts {
  /** Numbers in [0, 1) from the seed. */
  readonly random: () => number;
  /** Virtual time of the world outside; not of a process, whose timers die with it. */
  readonly after: (ms: number, fn: () => void) => unknown;
  readonly faults: BusFaults;
  /** Told of each message in the moment in which the stream takes it: what is told then can't be taken back. */
  readonly onStored?: (message: BusMessage) => void;
}

/** One message in the stream, with the stream's own number. */
export interface StoredMessage extends BusMessage {
  readonly streamSeq: number;
}

/** An unacknowledged batch is given up after this, ms, as with a real server. */
const ackMsMax = 5_000;

export class SimulatedBus {
  readonly #parts: SimulatedBusParts;
  #faults: BusFaults;
  #stored: StoredMessage[] = [];
  #lastSeq = 0;
  #process = new Process();
  /** What happened so far, so that a test can show that it tried something. */
  readonly counts = { breaks: 0, late: 0, acksLost: 0, doubles: 0, refused: 0, stored: 0 };
  readonly #cursor = { position: null as Position | null };

  constructor(parts: SimulatedBusParts) {
    this.#parts = parts;
    this.#faults = parts.faults;
  }

  /** What the stream holds, oldest first. */
  get stored(): readonly StoredMessage[] {
    return this.#stored;
  }

  /** The stream as seen from one process: after the next `crash` it answers nothing any more. */
  bus(): Bus {
    const owner = this.#process;
    const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
    return { dial: () => this.#dial(owner), textOf };
  }

  /** The cursor of one process: after the next `crash` it saves nothing any more. */
  cursor(): CursorStore {
    const owner = this.#process;
    const save = (position: Position): Promise<void> =>
      this.#later(owner, () => {
        if (this.#chance(this.#faults.cursorFails)) throw new Error('EIO: the cursor cannot be saved');
        this.#cursor.position = position;
      });
    return { load: async () => this.#cursor.position, save };
  }

  /** The process at our end dies: it hears nothing any more, and what it sent may still arrive. */
  crash(): void {
    this.#process.isDead = true;
    this.#process = new Process();
  }

  /** The file with the cursor is lost. */
  loseCursor(): void {
    this.#cursor.position = null;
  }

  /** The server dies and comes back: connections break, and of the last messages so many were on no disk. */
  restartServer(lost: number): void {
    this.cut();
    // JetStream acknowledges before it syncs, so acknowledged ones can be among them.
    this.#stored = this.#stored.slice(0, Math.max(1, this.#stored.length - lost));
    this.#lastSeq = this.#stored.at(-1)?.streamSeq ?? this.#lastSeq;
  }

  /** An operator empties the stream; its numbers go on. */
  purge(): void {
    this.#stored = [];
  }

  /** All connections break. */
  cut(): void {
    for (const connection of [...this.#process.connections]) connection.break('the connection was cut');
  }

  /** From now on nothing new goes wrong; what is on its way stays so. */
  calm(): void {
    this.#faults = calmBus;
  }

  #chance(probability: number): boolean {
    return this.#parts.random() < probability;
  }

  #way(): number {
    return this.#parts.random() * this.#faults.delayMsMax;
  }

  /** Does something after the way there; the answer takes the way back, and no dead process hears it. */
  #later<T>(owner: Process, act: () => T): Promise<T> {
    const { after } = this.#parts;
    return new Promise((resolve, reject) => {
      if (owner.isDead) return;
      after(this.#way(), () => {
        if (owner.isDead) return;
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #dial(owner: Process): Promise<BusConnection> {
    return this.#later(owner, () => {
      if (this.#chance(this.#faults.dialFails)) throw new Error('cannot connect: nobody answers');
      const connection: SimulatedConnection = new SimulatedConnection({
        ended: () => void owner.connections.delete(connection),
        end: () => this.#end(owner, connection),
        append: (messages, after) => this.#append(owner, connection, messages, after),
      });
      owner.connections.add(connection);
      return connection;
    });
  }

  #end(owner: Process, connection: SimulatedConnection): Promise<StreamEnd> {
    return this.#later(owner, () => {
      if (this.#chance(this.#faults.asksBreak)) {
        this.counts.breaks += 1;
        connection.break('the connection broke at a question');
      }
      connection.assertOpen();
      const last = this.#stored.at(-1);
      return { streamSeq: this.#lastSeq, fact: last ? positionOf(last) : null };
    });
  }

  #append(
    owner: Process,
    connection: SimulatedConnection,
    messages: readonly BusMessage[],
    after: number,
  ): Promise<number> {
    const { after: inTime, random } = this.#parts;
    if (this.#chance(this.#faults.doubles)) {
      this.counts.doubles += 1;
      inTime(random() * this.#faults.lateMsMax, () => void this.#deliver(messages, after));
    }
    if (this.#chance(this.#faults.breaks)) return this.#break(connection, messages, after);
    const losesAck = this.#chance(this.#faults.losesAck);
    return new Promise((resolve, reject) => {
      const hears = (fn: () => void): void => void (owner.isDead || fn());
      void connection.closed().then((why) => hears(() => reject(new Error(String(why)))));
      inTime(this.#way(), () => {
        const number = this.#deliver(messages, after);
        if (losesAck) {
          this.counts.acksLost += 1;
          inTime(ackMsMax, () => hears(() => reject(new Error('TIMEOUT'))));
          return;
        }
        const answer = (): void => {
          if (number === null) reject(new BerthError('ERR_NATS', 'wrong last sequence'));
          else resolve(number);
        };
        inTime(this.#way(), () => hears(answer));
      });
    });
  }

  /** The first so many messages arrive; the others are lost with the connection, or late. */
  #break(connection: SimulatedConnection, messages: readonly BusMessage[], after: number): Promise<number> {
    const { after: inTime, random } = this.#parts;
    const arrive = Math.floor(random() * (messages.length + 1));
    this.counts.breaks += 1;
    if (this.#chance(this.#faults.late)) {
      this.counts.late += 1;
      const rest = messages.slice(arrive);
      inTime(random() * this.#faults.lateMsMax, () => void this.#deliver(rest, after + arrive));
    }
    this.#deliver(messages.slice(0, arrive), after);
    connection.break('the connection broke');
    return Promise.reject(new Error('the connection broke'));
  }

  /** Messages at the server, in order; the number of the last, null when one of them was refused. */
  #deliver(messages: readonly BusMessage[], after: number): number | null {
    let isWhole = true;
    for (const [at, message] of messages.entries()) {
      if (this.#lastSeq !== after + at) {
        this.counts.refused += 1;
        isWhole = false;
        continue;
      }
      this.#lastSeq += 1;
      this.#stored.push({ ...message, streamSeq: this.#lastSeq });
      this.counts.stored += 1;
      this.#parts.onStored?.(message);
    }
    return isWhole ? after + messages.length : null;
  }
}

/** One life of the process at our end of the bus. */
class Process {
  isDead = false;
  readonly connections = new Set<SimulatedConnection>();
}

interface ConnectionParts extends Pick<BusConnection, 'end' | 'append'> {
  readonly ended: () => void;
}

class SimulatedConnection implements BusConnection {
  readonly #parts: ConnectionParts;
  readonly #closed: Promise<unknown>;
  #resolve!: (why: unknown) => void;
  #isClosed = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  getServer(): string {
    return 'simulated';
  }
  isClosed(): boolean {
    return this.#isClosed;
  }
  closed(): Promise<unknown> {
    return this.#closed;
  }
  async close(): Promise<void> {
    this.break(undefined);
  }
  break(why: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.ended();
    this.#resolve(why);
  }
  assertOpen(): void {
    if (this.#isClosed) throw new Error('the connection is closed');
  }

  async open(): Promise<void> {
    this.assertOpen();
  }
  async end(): Promise<StreamEnd> {
    this.assertOpen();
    return this.#parts.end();
  }
  async append(messages: readonly BusMessage[], after: number): Promise<number> {
    this.assertOpen();
    return this.#parts.append(messages, after);
  }
}

const decoder = new TextDecoder();

function positionOf({ bytes }: StoredMessage): Position {
  const { seq, hash } = JSON.parse(decoder.decode(bytes)) as Position;
  return { seq, hash };
}
