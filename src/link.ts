/**
 * One connection to a server, kept for ever: dial, serve until it breaks, wait, dial again.
 *
 * Why not a client's own reconnect: it hides the break. What was sent meanwhile waits in a buffer and
 * goes out later, behind the back of the code that counts what arrived. Here a connection has a beginning and
 * an end like everything else, and whoever serves it starts from what the server says it has.
 *
 * Knows no protocol: `nats.ts` dials a real server, `simulate/bus.ts` one that breaks when a seed says so.
 * Tests: `test/views/nats.test.ts`, `test/simulate/bus.test.ts`.
 */
import type { Clock } from './clock.ts';

/** Where sentences for the operator go. */
export type Logger = (
  level: 'error' | 'warn' | 'info' | 'debug',
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** What a link needs to know of a connection. */
export interface Connection {
  /** The server at the other end, for log lines. */
  getServer(): string;
  isClosed(): boolean;
  /** Resolves when the connection has ended, by whomever; with the reason when there is one. */
  closed(): Promise<unknown>;
  /** Ends it. Idempotent. */
  close(): Promise<void>;
}

export interface LinkParts<C extends Connection> {
  /** Shown in log lines. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One try to connect; ends by a limit of its own. */
  readonly dial: () => Promise<C>;
  /** What went wrong, as one line for a person. */
  readonly textOf: (error: unknown) => string;
  /**
   * Serves one connection until it ends or the work on it can't go on; calls `ready` once it does its work.
   * What it throws is told and leads to a new connection.
   */
  readonly serve: (connection: C, ready: () => void) => Promise<void>;
}

/** Between two tries: doubled from the first to the last, ms. Back to the first once a connection has served. */
const backoffMsMin = 100;
const backoffMsMax = 5_000;

export class Link<C extends Connection> {
  readonly #parts: LinkParts<C>;
  readonly #ended: Promise<void>;
  #connection: C | null = null;
  #serving = false;
  #dialling = false;
  #stopped = false;
  #wake: () => void = () => undefined;
  #problem: string | null = null;

  /** Begins to dial; never waits for a server. */
  constructor(parts: LinkParts<C>) {
    this.#parts = parts;
    this.#ended = this.#run();
  }

  /** Is the work being done, on a live connection? */
  get ready(): boolean {
    return this.#serving;
  }

  /** Why it isn't; null while it is, and before the first try has ended. */
  get problem(): string | null {
    return this.#serving ? null : this.#problem;
  }

  /** Ends the connection, after `last` has had it once more, and dials no more. Idempotent. */
  async stop(last?: (connection: C) => Promise<void>): Promise<void> {
    this.#stopped = true;
    this.#wake();
    const connection = this.#connection;
    if (connection) {
      await last?.(connection).catch(() => undefined);
      await connection.close();
    }
    // A dial under way ends by its own limit, and what it brings is closed.
    if (!this.#dialling) await this.#ended;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      const { served, reason } = await this.#once();
      if (this.#stopped) return;
      this.#tell(reason);
      failures = served ? 0 : failures + 1;
      await this.#pause(Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(failures, 10)));
    }
  }

  /** One connection, from dial to end. */
  async #once(): Promise<{ readonly served: boolean; readonly reason: string }> {
    const { dial, logger, name, serve, textOf } = this.#parts;
    let connection: C;
    let served = false;
    this.#dialling = true;
    try {
      connection = await dial();
    } catch (error) {
      return { served, reason: textOf(error) };
    } finally {
      this.#dialling = false;
    }
    const closed = connection.closed();
    const ready = (): void => {
      served = true;
      this.#serving = !connection.isClosed() && !this.#stopped;
      this.#problem = null;
      logger('info', `${name}: connected`, { server: connection.getServer() });
    };
    try {
      if (this.#stopped) return { served, reason: '' };
      this.#connection = connection;
      void closed.then(() => {
        this.#serving = false;
      });
      await serve(connection, ready);
      return {
        served,
        reason: textOf((connection.isClosed() ? await closed : null) ?? 'the connection ended'),
      };
    } catch (error) {
      return { served, reason: textOf(error) };
    } finally {
      this.#serving = false;
      this.#connection = null;
      await connection.close();
    }
  }

  /** Told once, not at each of a thousand tries. */
  #tell(reason: string): void {
    if (reason === this.#problem) return;
    this.#problem = reason;
    this.#parts.logger('warn', `${this.#parts.name}: ${reason}; trying again until it works`);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      const off = this.#parts.clock.after(ms, resume);
      this.#wake = () => {
        off();
        resume();
      };
    });
  }
}
