/**
 * How many jobs are in which state, and what ended of late, at one moment.
 *
 * Why "a minute ago" by the log's own time: a recorded log, or a live one wound back, has no present. The `at` of the fact that
 * is looked at is the clock of everything shown; only a page that follows a log has a present, and there time goes on. Test: `test/dashboard/census.test.ts`.
 */
import type { JobState } from '../../machines/job.ts';
import type { Job, State } from '../jobs/state.ts';

/** What a person tells apart at a glance. */
export const groups = ['waiting', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type Group = (typeof groups)[number];

const groupOfState: Readonly<Record<JobState, Group>> = {
  new: 'waiting',
  attesting: 'waiting',
  queued: 'waiting',
  reserving: 'waiting',
  backoff: 'waiting',
  starting: 'running',
  running: 'running',
  stopping: 'running',
  releasing: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  timedOut: 'failed',
  expired: 'failed',
  rejected: 'failed',
  cancelled: 'cancelled',
};

export const groupOf = (state: JobState): Group => groupOfState[state];

/** What counts as "of late", ms. */
export const lateMs = 60_000;

export interface Census {
  readonly byState: Map<string, number>;
  readonly byGroup: Readonly<Record<Group, number>>;
  /** Ended within `lateMs`, and how many of these failed. */
  readonly ended: number;
  readonly failed: number;
  /** More may have ended: those before the oldest one that is still held are forgotten. */
  readonly isAtLeast: boolean;
}

/** One pass over all jobs that are held. O(jobs). */
export function censusOf({ jobs, controller }: State, nowMs: number): Census {
  const byState = new Map<string, number>();
  const byGroup: Record<Group, number> = { waiting: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  let ended = 0;
  let failed = 0;
  for (const { state, context } of jobs.values()) {
    const group = groupOfState[state];
    byState.set(state, (byState.get(state) ?? 0) + 1);
    byGroup[group] += 1;
    const { endedAtMs } = context.times;
    if (endedAtMs === null || endedAtMs <= nowMs - lateMs) continue;
    ended += 1;
    if (group === 'failed') failed += 1;
  }
  const bound = controller.configured?.retainedMax ?? Number.POSITIVE_INFINITY;
  return { byState, byGroup, ended, failed, isAtLeast: ended > 0 && ended >= bound };
}

/** The jobs that ended last, newest first. */
export function lastEnded({ jobs, retained }: State, max: number): readonly Job[] {
  const ids = [...retained.ended.keys()].slice(-max).reverse();
  return ids.map((id) => jobs.get(id)).filter((job) => job !== undefined);
}

/** What tells the time: the present, where there is one, or else the record of the seq that is looked at. */
interface Dated {
  readonly presentMs?: number | null;
  readonly moment: { readonly seq: number };
  recordAt(seq: number): { readonly at: number } | undefined;
}

/** The controller's time at the moment that is looked at, ms since the Unix epoch; null before the first fact. */
export const nowOf = (model: Dated): number | null =>
  model.presentMs ?? model.recordAt(model.moment.seq)?.at ?? null;

/** How long the job has been in its state, ms; null where the fact that brought it there is not here. */
export function inStateMs(model: Dated, { context }: Job, nowMs: number): number | null {
  const sinceMs = context.times.endedAtMs ?? model.recordAt(context.visit)?.at ?? null;
  // The wall clock that stamps facts may be set back between two of them.
  return sinceMs === null ? null : Math.max(0, nowMs - sinceMs);
}
