/**
 * The way to a clean stop: running jobs end or go back to the queue, and the log says that nothing is held.
 *
 * Why evict and not wait: a job of two hours must not hold up a restart. It goes back to the queue with its place, and
 * costs its tenant neither an attempt nor a loss. Test: `test/controller.test.ts`.
 */
import type { Clock } from './clock.ts';
import type { Command } from './jobs/commands.ts';
import type { Job, State } from './jobs/state.ts';

/** Between two looks at what still runs, ms. */
const lookMs = 20;
/** What a checkpoint may take before the stop goes on without it, ms: it only makes the next start shorter. */
const restMsMax = 1_500;

export interface WindDownParts {
  readonly state: State;
  readonly clock: Clock;
  /** Appends one fact of the controller, durably. */
  readonly note: (
    fact:
      | {
          readonly type: 'controller.draining';
          readonly data: { deadlineMs: number; mode: 'finish' | 'requeue' };
        }
      | { readonly type: 'controller.stopped'; readonly data: { running: number } },
  ) => Promise<void>;
  readonly ask: (command: Command, author: string) => Promise<unknown>;
  /** How long a kill and its report may take, ms. */
  readonly killMsMax: number;
  /** The life can't go on: nothing is waited for any more. */
  readonly isOver: () => boolean;
  /** Called when nothing runs any more and `controller.stopped` is not yet written; waited for `restMsMax` at most. */
  readonly atRest: () => Promise<void>;
}

/** Never waits longer than `deadlineMs` (mode `finish`), the time a kill takes, and `restMsMax`. */
export async function windDown(
  parts: WindDownParts,
  mode: 'finish' | 'requeue',
  deadlineMs: number,
): Promise<void> {
  const { state, clock, note, ask, killMsMax, atRest } = parts;
  const endsAtMs = clock.monotonicMs() + (mode === 'finish' ? deadlineMs : 0);
  await note({ type: 'controller.draining', data: { deadlineMs, mode } });
  await until(parts, () => holding(state).length === 0 || clock.monotonicMs() >= endsAtMs);
  const lastMs = clock.monotonicMs() + killMsMax;
  await until(parts, async () => {
    for (const job of holding(state)) {
      if (job.state !== 'starting' && job.state !== 'running') continue;
      const { id, visit } = job.context;
      await ask({ kind: 'EvictJob', id, visit, reason: 'shutdown' }, 'jobs');
    }
    return holding(state).length === 0 || clock.monotonicMs() >= lastMs;
  });
  let rested = false;
  const restedAtMs = clock.monotonicMs() + restMsMax;
  void atRest().finally(() => {
    rested = true;
  });
  await until(parts, () => rested || clock.monotonicMs() >= restedAtMs);
  await note({ type: 'controller.stopped', data: { running: holding(state).length } });
}

/** Jobs that hold slots now. */
function holding({ fleet, jobs }: State): Job[] {
  const ids = new Set([...fleet.values()].flatMap(({ holdings }) => holdings.map(({ job }) => job)));
  return [...ids].map((id) => jobs.get(id)).filter((job) => job !== undefined);
}

async function until(
  { clock, isOver }: WindDownParts,
  done: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!isOver() && !(await done())) await new Promise<void>((resume) => clock.after(lookMs, resume));
}
