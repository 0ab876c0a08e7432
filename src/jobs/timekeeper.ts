/**
 * The timekeeper: counts down what facts said would take at most so long, and says when it is over.
 *
 * Why one place: a timer that lives beside its job dies with the process and never comes back; here a
 * deadline is data in the log, and after a restart the rest of it is armed again. Nothing else in the
 * core reads a clock.
 *
 * Why `setBy`: by the time a timer fires, the job may have come round to the same state again. A timer
 * names the fact that set it, and is stale exactly when another fact set the present deadline.
 * Counts on the monotonic clock from the moment of folding, so a jump of the wall clock neither expires
 * nor extends anything. Test: `test/jobs/timekeeper.test.ts`.
 */
import type { Deadline } from '../../machines/job.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from './actor.ts';
import type { Command } from './commands.ts';
import { refill } from './retention.ts';
import type { Change } from './state.ts';

export class Timekeeper implements Actor {
  readonly name = 'timekeeper';
  readonly reads = 'head';
  readonly #clock: Clock;
  readonly #wake: () => void;
  /** The fold: the deadline of each job that has one. */
  readonly #deadlines = new Map<string, Deadline>();
  /** Armed timers by job, or by what the executor called them; local, never folded. */
  readonly #timers = new Map<string, { readonly setBy: number; readonly off: () => void }>();
  readonly #due: { id: string; setBy: number }[] = [];
  #running = false;

  constructor(parts: { clock: Clock; wake: () => void }) {
    this.#clock = parts.clock;
    this.#wake = parts.wake;
  }

  fold({ after }: Change): void {
    if (!after) return;
    const { id } = after.context;
    // Stopping is the executor's to watch: it kills at once, and only it can see whether the guest is gone.
    const deadline = after.state === 'stopping' ? null : after.context.deadline;
    const known = this.#deadlines.get(id);
    if (deadline?.setBy === known?.setBy) return;
    if (deadline) this.#deadlines.set(id, deadline);
    else this.#deadlines.delete(id);
    if (this.#running) this.#rearm(id, deadline, deadline?.ms ?? 0);
  }

  /** Arms all that is folded: after recovery. What is overdue fires at once; no wait is longer than it was meant to be. */
  start(): void {
    this.#running = true;
    const nowMs = this.#clock.wallMs();
    for (const [id, deadline] of this.#deadlines) {
      const restMs = Math.min(Math.max(deadline.ms - (nowMs - deadline.atMs), 0), deadline.ms);
      this.#rearm(id, deadline, restMs);
    }
  }

  /** Disarms everything. Idempotent. */
  stop(): void {
    this.#running = false;
    for (const { off } of this.#timers.values()) off();
    this.#timers.clear();
  }

  decide(): Command | null {
    for (let due = this.#due.shift(); due; due = this.#due.shift()) {
      // Stale ones end here, uncounted: the job moved on while the timer was on its way.
      if (this.#deadlines.get(due.id)?.setBy === due.setBy) return { kind: 'NoteDeadline', ...due };
    }
    return null;
  }

  /** Said once, whatever the answer: a deadline that nobody acts on must not delay the next. */
  answered(): void {}

  snapshot(): unknown {
    return this.#deadlines;
  }

  restore(saved: unknown): void {
    refill(this.#deadlines, saved as Map<string, Deadline>);
  }

  #rearm(id: string, deadline: Deadline | null, restMs: number): void {
    this.#timers.get(id)?.off();
    this.#timers.delete(id);
    if (!deadline) return;
    const { setBy } = deadline;
    const off = this.#clock.after(restMs, () => {
      this.#timers.delete(id);
      this.#due.push({ id, setBy });
      this.#wake();
    });
    this.#timers.set(id, { setBy, off });
  }
}
