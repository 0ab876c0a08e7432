/**
 * What one change says about time: how long a job waited, was being started, ran, held its slots.
 *
 * Why from facts and not from stopwatches: a stopwatch is gone after a crash, and two of them disagree.
 * Each duration here is the difference of two facts' `at`, so it can be computed again from the log, by
 * anyone, and is the same. The price: `at` is the wall clock, so a clock set back while a job runs makes
 * a duration too short; it is never below 0.
 * Test: `test/observe/metrics.test.ts`.
 */
import type { Slot } from '../events/facts.ts';
import type { Change } from '../jobs/state.ts';
import type { Views } from '../views/views.ts';

export type Measured =
  /** One wait in the queue, from `queued` to `reserved`; failed placings are part of it. */
  | { readonly what: 'wait'; readonly ms: number }
  /** From the reserved slot to the started guest: time in which a slot is held and does nothing. */
  | { readonly what: 'dispatch'; readonly ms: number }
  /** From the started guest to the fact that says it is gone, whatever way it went. */
  | { readonly what: 'run'; readonly ms: number }
  /** From `reserved` to `released`. */
  | { readonly what: 'held'; readonly ms: number; readonly slots: readonly Slot[] };

/** The duration that ended with this change, or null. To be asked from a listener of these very views. */
export function measured(views: Views, { record, before, after }: Change): Measured | null {
  if (!before || !after) return null;
  const attempt = views.job(after.context.id)?.trail.attempts.at(-1)?.context;
  const since = (startMs: number): number => Math.max(0, record.at - startMs);
  if (before.state === 'reserving' && after.state === 'starting') {
    return { what: 'wait', ms: since(before.context.times.queuedAtMs ?? record.at) };
  }
  if (!attempt) return null;
  if (before.state === 'starting' && after.state === 'running') {
    return { what: 'dispatch', ms: since(attempt.reservedAtMs) };
  }
  if (before.state !== 'releasing' && after.state === 'releasing') {
    return attempt.startedAtMs === null ? null : { what: 'run', ms: since(attempt.startedAtMs) };
  }
  const { slots } = before.context;
  return slots && !after.context.slots ? { what: 'held', ms: since(attempt.reservedAtMs), slots } : null;
}
