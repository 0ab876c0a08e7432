/**
 * The lives of the controller, one after the other: when one can't go on, the next recovers from the log.
 *
 * Why start over and not repair: after a failed write nobody knows which of the facts in memory are on
 * disk. The one thing that is known, the last durable seq, is handed to the next life; all else is read again.
 * While it can't (a full disk), reads are answered from the former life's views, which only ever held
 * durable facts, and new jobs get a 503. Test: `test/restart.test.ts`.
 */
import type { Clock } from './clock.ts';
import type { Controller } from './controller.ts';
import { BerthError } from './errors.ts';

/** Between two tries to begin a life, ms. */
const retryMs = 1_000;
/** A life that breaks one of our own rules is begun again at most so often; then the process stops. */
const brokenMax = 3;
/** What the end of a life may take beyond its jobs: killing idle runners, sealing the log. */
const closeMsMax = 3_000;

export interface LivesParts {
  /** Begins a life. `trustedSeq`: what the former life of this process knew to be durable; null for the first. */
  readonly begin: (trustedSeq: number | null, onFault: (error: unknown) => void) => Promise<Controller>;
  readonly clock: Clock;
  readonly logger: (
    level: 'error' | 'warn' | 'info' | 'debug',
    message: string,
    fields?: Record<string, unknown>,
  ) => void;
  readonly onBegin: (controller: Controller) => void;
}

export class Lives {
  /** Resolves when no life can be begun any more: corrupt log, broken rules. */
  readonly failed: Promise<Error>;
  #fail: (error: Error) => void = () => undefined;
  readonly #parts: LivesParts;
  #current!: Controller;
  #broken = 0;
  #ended = false;
  /** The life that is about to begin: nobody may let go of the directory before it has, or has failed to. */
  #beginning: Promise<void> = Promise.resolve();

  /** Begins the first life; rejects when it can't. */
  static async start(parts: LivesParts): Promise<Lives> {
    const lives = new Lives(parts);
    await lives.#begin(null);
    return lives;
  }

  private constructor(parts: LivesParts) {
    this.#parts = parts;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** The present life, or the last one while the next can't begin: readable, its gate closed. */
  get current(): Controller {
    return this.#current;
  }

  /**
   * Ends the present life in order and begins no other. A life that doesn't come to its end within `deadlineMs`
   * and `killMsMax`, because the disk under its log hangs, is ended all the same.
   * Throws `ERR_LOG_FAILED` when the log doesn't say that it stopped: what ran will count as lost.
   */
  async drain(mode: 'finish' | 'requeue', deadlineMs: number, killMsMax: number): Promise<void> {
    this.#ended = true;
    const drained = this.#beginning.catch(() => undefined).then(() => this.#current.drain(mode, deadlineMs));
    const inTime = await this.#within(deadlineMs + killMsMax + closeMsMax, drained);
    if (!inTime) await this.#within(closeMsMax, this.#current.end());
    const { failure } = this.#current.log;
    if (inTime && !failure) return;
    const why = failure ? failure.message : 'its disk does not answer';
    throw new BerthError('ERR_LOG_FAILED', `not stopped in order, what ran will count as lost: ${why}`);
  }

  /** Ends the present life at once and begins no other. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#within(
      closeMsMax,
      this.#beginning.catch(() => undefined).then(() => this.#current.end()),
    );
  }

  /** Whether `work` came to its end within `ms`. Rejects as `work` does. */
  async #within(ms: number, work: Promise<void>): Promise<boolean> {
    let off = (): void => undefined;
    const late = new Promise<boolean>((resume) => {
      off = this.#parts.clock.after(ms, () => resume(false));
    });
    return Promise.race([work.then(() => true), late]).finally(() => off());
  }

  async #begin(trustedSeq: number | null): Promise<void> {
    const { begin, logger, onBegin } = this.#parts;
    const early: unknown[] = [];
    let started = false;
    const controller = await begin(trustedSeq, (error) =>
      started ? void this.#onFault(error) : early.push(error),
    );
    started = true;
    this.#current = controller;
    onBegin(controller);
    const { recovered, cut, fromSeq } = controller;
    logger(cut ? 'warn' : 'info', 'recovered', {
      ...recovered,
      epoch: controller.log.epoch,
      ...(fromSeq > 0 ? { fromCheckpoint: fromSeq } : {}),
      ...(cut ? { cut } : {}),
    });
    if (early.length > 0) void this.#onFault(early[0]);
  }

  async #onFault(error: unknown): Promise<void> {
    const { logger } = this.#parts;
    const former = this.#current;
    const { failure } = former.log;
    logger(
      'error',
      failure ? 'the log failed; recovering from it' : 'a rule of ours is broken; recovering from the log',
      {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      },
    );
    if (!failure) this.#broken += 1;
    await former.end();
    if (this.#broken > brokenMax)
      return this.#fail(error instanceof Error ? error : new Error(String(error)));
    // Read after the end: a log that did not fail has flushed what it had, and all of that is sound.
    await this.#beginAgain(former.log.durable);
  }

  async #beginAgain(trustedSeq: number): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!this.#ended) {
      await new Promise<void>((resume) => clock.after(retryMs, resume));
      if (this.#ended) return;
      try {
        this.#beginning = this.#begin(trustedSeq);
        return await this.#beginning;
      } catch (error) {
        logger('error', 'no new life can begin', { error: (error as Error).message });
        if (error instanceof BerthError && error.code === 'ERR_LOG_CORRUPT') return this.#fail(error);
        // A rule of ours that is broken while recovering will be broken the next time too.
        if (!(error instanceof BerthError)) this.#broken += 1;
        if (this.#broken > brokenMax) return this.#fail(error as Error);
      }
    }
  }
}
