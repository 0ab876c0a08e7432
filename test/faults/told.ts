/**
 * Holds the log on disk against what clients were told: accepted, shown as ended, promised to be cancelled.
 *
 * Why more than "accepted": whoever was shown a result has acted on it. A controller that shows a fact before it is
 * durable can pass every check of its log and still have lied. Test: `history.test.ts`.
 */
import * as assert from 'uvu/assert';
import { type Judged, judge, recordsOf } from './history.ts';

/** What clients were told. */
export interface Told {
  /** Jobs answered with 202. */
  readonly accepted: ReadonlySet<string>;
  /** Jobs that were shown in an end state, with that state. */
  readonly ended: ReadonlyMap<string, string>;
  /** Jobs whose cancel was answered with 202. */
  readonly cancelled: ReadonlySet<string>;
}

/** Fails unless the history is one that may happen (`judge`), and what clients were told is in it. */
export async function judgeTold(data: string, { accepted, cancelled, ended }: Told): Promise<Judged> {
  const judged = await judge(data, accepted);
  const last = new Map<string, string>();
  for (const { subject, type } of await recordsOf(data))
    if (subject.startsWith('job.')) last.set(subject.split('.')[2] ?? '', type.slice(4));
  for (const [id, end] of ended) assert.is(last.get(id), end, `job ${id} was shown as ${end}`);
  for (const id of cancelled)
    assert.is(last.get(id), 'cancelled', `a cancel of job ${id} was answered with 202`);
  return judged;
}
