/** From the Lab to what happened: the job at its first fact, or the fact that tells of a refusal. Test: `test/dashboard/lab-send.test.ts`. */
import { jobIdOf } from '../jobs/state.ts';
import type { Model } from './model.ts';

/** Seq of the job's first fact; null while it is not here. */
export const firstSeqOf = (model: Pick<Model, 'records'>, job: string): number | null =>
  model.records.findLast(({ type, subject }) => type === 'job.submitted' && jobIdOf(subject) === job)?.seq ??
  null;

/** Shows the job as it was at its first fact, or as it is when that is not here yet. */
export function showJob(model: Pick<Model, 'records' | 'go'>, job: string): void {
  model.go({ view: 'job', job, at: firstSeqOf(model, job) });
}
