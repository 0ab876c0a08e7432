/**
 * The tally: every count that Prometheus is told, as a fold over all durable facts since the log began.
 *
 * Why the whole log and not "since this process started": then one law holds that anyone can check,
 * *each counter equals the number of its facts up to `berth_log_seq`*, and a restart loses no count that
 * nobody had scraped yet. Prometheus copes with both. The price: replay folds this too.
 * Test: `test/observe/metrics.test.ts`.
 */
import { isEnd, type JobState } from '../../machines/job.ts';
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { refill } from '../jobs/retention.ts';
import type { Change } from '../jobs/state.ts';
import type { Follower, Views } from '../views/views.ts';
import { Buckets, waitBounds } from './buckets.ts';
import { measured } from './durations.ts';

/** A number for each label value; several label values are joined by a space, which no label of ours holds. */
export type Counts = Map<string, number>;

export class Tally implements Follower {
  readonly name = 'tally';
  /** Whose changes are counted here. */
  readonly views: Views;
  accepted = 0;
  /** Submissions that the door refused. */
  turnedAway = 0;
  /** Requests of any kind that the door refused, by code. */
  readonly refused: Counts = new Map();
  /** By state and cause code; `none` for `succeeded`. */
  readonly ended: Counts = new Map();
  readonly attested: Counts = new Map();
  /** Slot-seconds, by profile. */
  readonly busySeconds: Counts = new Map();
  /** Jobs that are in each state now; those that ended stay counted when the folds have let go of them. */
  readonly jobs: Counts = new Map();
  lost = 0;
  tornBytes = 0;
  /** The seq that the last checkpoint is of; 0 before the first. */
  checkpointSeq = 0;
  readonly wait = new Buckets(waitBounds);
  readonly dispatch = new Buckets(waitBounds);
  readonly run = new Buckets(waitBounds);

  constructor(views: Views) {
    this.views = views;
    // Empty when attached in time. Attached late, counts begin here, but the jobs that there are must be known.
    for (const { state } of views.state.jobs.values()) count(this.jobs, state);
  }

  snapshot() {
    const { accepted, turnedAway, lost, tornBytes, checkpointSeq } = this;
    const { refused, ended, attested, busySeconds, jobs } = this;
    const numbers = { accepted, turnedAway, lost, tornBytes, checkpointSeq };
    const buckets = {
      wait: this.wait.snapshot(),
      dispatch: this.dispatch.snapshot(),
      run: this.run.snapshot(),
    };
    return { ...numbers, refused, ended, attested, busySeconds, jobs, ...buckets };
  }

  restore(saved: unknown): void {
    const from = saved as ReturnType<Tally['snapshot']>;
    for (const name of ['accepted', 'turnedAway', 'lost', 'tornBytes', 'checkpointSeq'] as const)
      this[name] = from[name];
    for (const name of ['refused', 'ended', 'attested', 'busySeconds', 'jobs'] as const)
      refill(this[name], from[name]);
    for (const name of ['wait', 'dispatch', 'run'] as const) this[name].restore(from[name]);
  }

  fold(change: Change): void {
    const { record, before, after } = change;
    if (!after) {
      this.#foldPlain(record);
      return;
    }
    if (before?.state !== after.state) {
      if (before) count(this.jobs, before.state, -1);
      count(this.jobs, after.state);
    }
    this.#foldDuration(change);
    if (!before) this.accepted += 1;
    else if (record.type === 'job.lost') this.lost += 1;
    const result = attestationOf(before?.state ?? null, record);
    if (result) count(this.attested, result);
    if (isEnd(after.state)) count(this.ended, `${after.state} ${after.context.cause?.code ?? 'none'}`);
  }

  #foldDuration(change: Change): void {
    const found = measured(this.views, change);
    if (!found) return;
    if (found.what === 'held')
      for (const { profile } of found.slots) count(this.busySeconds, profile, found.ms / 1000);
    else this[found.what].observe(found.ms / 1000);
  }

  #foldPlain(record: FactRecord): void {
    if (record.type === 'intake.refused') {
      const { code, count: times } = record.data as FactData<'intake.refused'>;
      count(this.refused, code, times);
      // Identity is checked before the door knows what is wanted: it need not have been a submission.
      if (code !== 'ERR_UNAUTHENTICATED') this.turnedAway += times;
    } else if (record.type === 'controller.recovered') {
      this.tornBytes += (record.data as FactData<'controller.recovered'>).bytes ?? 0;
    } else if (record.type === 'controller.checkpointed')
      this.checkpointSeq = (record.data as FactData<'controller.checkpointed'>).ofSeq;
  }
}

const count = (counts: Counts, label: string, by = 1): void =>
  void counts.set(label, (counts.get(label) ?? 0) + by);

/** The verdict that this fact is, if it is one. */
function attestationOf(from: JobState | null, record: FactRecord): string | null {
  if (record.type === 'job.attested')
    return (record.data as FactData<'job.attested'>).affirms ? 'affirmed' : null;
  if (record.type === 'job.rejected') return 'rejected';
  return record.type === 'job.expired' && from === 'attesting' ? 'expired' : null;
}
