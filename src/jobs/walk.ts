/**
 * The way that one job took through its machine: for each of its facts, the states before and after.
 *
 * Why folded anew and not kept: the way is in the facts. Whoever draws it folds the few facts of one job again, and nothing
 * has to remember it for ten thousand. Test: `test/jobs/walk.test.ts`.
 */
import { type JobFact, type JobState, newJob } from '../../machines/job.ts';
import type { FactRecord } from '../events/record.ts';
import { type Job, jobTable } from './state.ts';

/** One fact as a step from state to state; the two are equal where a fact stays. */
export interface Step {
  readonly seq: number;
  readonly from: JobState;
  readonly to: JobState;
  /** Its name without `job.`. */
  readonly fact: string;
}

export interface Walk {
  /** `new` before the first fact. */
  readonly state: JobState;
  readonly steps: readonly Step[];
}

/** Folds the facts of one job, oldest first, from its first one on. Throws on a fact that the machine refuses. */
export function walkOf(facts: readonly Pick<FactRecord, 'seq' | 'type' | 'at' | 'data'>[]): Walk {
  // The machine only carries id and tenant along; no rule reads them.
  let job: Job = { state: jobTable.initial, context: newJob('', '') };
  const steps: Step[] = [];
  for (const { seq, type, at, data } of facts) {
    const next = jobTable.step(job, { type, seq, at, data } as JobFact);
    if (!next) throw new Error(`seq ${seq}: ${type} is no way out of ${job.state}`);
    steps.push({ seq, from: job.state, to: next.state, fact: type.slice('job.'.length) });
    job = next;
  }
  return { state: job.state, steps };
}
