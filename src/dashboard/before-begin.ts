/**
 * What may be said of a job when the facts that would tell lie before the first one that is here.
 *
 * Why: a page may begin at a checkpoint. "There is no such fact here" and "it never happened" are then two things.
 * Test: `test/dashboard/before-begin.test.ts`.
 */
import type { Job } from '../jobs/state.ts';
import type { PlayedRecord } from './player.ts';

/** What of a model is needed. */
interface Known {
  readonly records: readonly PlayedRecord[];
  recordAt(seq: number): PlayedRecord | undefined;
}

/**
 * Did the attempt with this fence begin in a former life of the controller? What lived in its memory is gone then. False also
 * where that is not known: then the server is to be asked.
 * @param fence  seq of the attempt's reservation
 */
export function isOfFormerLife(known: Known, fence: number): boolean {
  const reserved = known.recordAt(fence);
  return reserved !== undefined && reserved.epoch !== known.records.at(-1)?.epoch;
}

/**
 * How the job left the queue: chosen by the fact of this seq; chosen by one that is not here; without having been chosen, as
 * it was cancelled or had waited for too long; or it never stood there.
 */
export function leftQueue(
  records: readonly PlayedRecord[],
  { context: { attempt, id, times }, state }: Job,
  seq: number,
): { readonly how: 'here'; readonly seq: number } | { readonly how: 'before' | 'never' | 'unchosen' } {
  const left = records.findLast(
    ({ seq: at, subject, type }) => at <= seq && type === 'job.selected' && subject.split('.')[2] === id,
  );
  if (left) return { how: 'here', seq: left.seq };
  if (times.queuedAtMs === null) return { how: 'never' };
  return { how: attempt > 0 || state === 'reserving' ? 'before' : 'unchosen' };
}
