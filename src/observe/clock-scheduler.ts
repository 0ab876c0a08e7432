/**
 * RxJS on our clock: its timed operators wait on the Clock port instead of `setInterval`.
 *
 * Why: a pipeline that reads the machine's clock by itself can be neither simulated nor tested without
 * sleeping. Handed to `interval` and its like, the same pipeline runs in virtual time.
 * Test: `test/observe/windows.test.ts`.
 */
import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/** An RxJS scheduler that counts on the monotonic clock. */
export function clockScheduler(clock: Clock): SchedulerLike {
  return {
    now: () => clock.monotonicMs(),
    schedule: <T>(work: Work<T>, delayMs = 0, state?: T) =>
      new ClockAction(clock, work).schedule(state, delayMs),
  };
}

/** One piece of work; it may schedule itself again, and unsubscribing calls it off. */
class ClockAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #clock: Clock;
  readonly #work: Work<T>;
  #off: () => void = () => undefined;

  constructor(clock: Clock, work: Work<T>) {
    super(() => this.#off());
    this.#clock = clock;
    this.#work = work;
  }

  schedule(state?: T, delayMs = 0): Subscription {
    if (this.closed) return this;
    this.#off();
    this.#off = this.#clock.after(delayMs, () => this.#work.call(this, state));
    return this;
  }
}
