/**
 * The line of waiting jobs: who stands before one, and who stood in it last.
 *
 * Why apart from `scheduler/explain.ts`: that one tells a tenant how many stand before it, and no names; these are for
 * whoever may see all facts. Pure. Test: `test/dashboard/explain.test.ts`.
 */
import type { State } from '../jobs/state.ts';
import type { Queue } from '../scheduler/queue.ts';
import { countUpTo, type PlayedRecord } from './player.ts';

export interface Ahead {
  readonly id: string;
  readonly tenant: string;
  readonly slot: string;
  readonly gpus: number;
  readonly waitSince: number;
}

/** Jobs that began to wait earlier, first come first, `max` at most; and how many there are. */
export function aheadOf(
  queue: Pick<Queue, 'classes'>,
  waitSince: number,
  max: number,
): { readonly jobs: readonly Ahead[]; readonly total: number } {
  const jobs: Ahead[] = [];
  let total = 0;
  for (const { tenant, shape, jobs: waiting } of queue.classes()) {
    let taken = 0;
    // Each class stands in that order.
    for (const { id, waitSince: since } of waiting) {
      if (since >= waitSince) break;
      total += 1;
      if (taken < max) jobs.push({ id, tenant, slot: shape.profile, gpus: shape.gpus, waitSince: since });
      taken += 1;
    }
  }
  jobs.sort((a, b) => a.waitSince - b.waitSince);
  return { jobs: jobs.slice(0, max), total };
}

/** Facts by which a job leaves the line, and what they say of it. */
const leaving: Readonly<Record<string, string>> = {
  'job.selected': 'its turn had come and its slot was free',
  'job.cancelled': 'someone cancelled it',
  'job.expired': 'it waited longer than its limit',
  'job.rejected': 'its attestation was rejected',
};

export interface Left {
  readonly seq: number;
  readonly id: string;
  readonly tenant: string;
  /** In words that follow "because". */
  readonly why: string;
  readonly atMs: number;
}

/** Facts looked through at most, back from where one stands. */
const lookBackMax = 20_000;

/** The last job that left the line at or before `seq`; null when none did lately. */
export function lastLeft(records: readonly PlayedRecord[], seq: number): Left | null {
  const before = countUpTo(records, seq);
  for (let i = before - 1; i >= Math.max(0, before - lookBackMax); i -= 1) {
    const { at, seq: leftSeq, subject, type } = records[i] as PlayedRecord;
    const why = leaving[type];
    if (why === undefined) continue;
    const stream = subject.slice(0, subject.lastIndexOf('.') + 1);
    // A job that was cancelled while it ran had left the line before.
    if (type === 'job.cancelled' && !waitedIn(records, stream, i)) continue;
    const [, tenant = '', id = ''] = stream.split('.');
    return { seq: leftSeq, id, tenant, why, atMs: at };
  }
  return null;
}

/** Facts after which a job waits. */
const entering: ReadonlySet<string> = new Set([
  'job.submitted',
  'job.attested',
  'job.queued',
  'job.selected',
  'job.unplaced',
  'job.retryScheduled',
]);

/** Did the job wait just before the record at `end`? */
function waitedIn(records: readonly PlayedRecord[], stream: string, end: number): boolean {
  for (let i = end - 1; i >= Math.max(0, end - lookBackMax); i -= 1) {
    const { subject, type } = records[i] as PlayedRecord;
    if (subject.startsWith(stream)) return entering.has(type);
  }
  return false;
}

/** Waiting jobs that stand in no class of the queue, by what they wait for. */
export function outsideQueue({ jobs, waiting }: Pick<State, 'jobs' | 'waiting'>): {
  readonly attesting: number;
  readonly reserving: number;
  readonly backoff: number;
} {
  const counts = { attesting: 0, reserving: 0, backoff: 0 };
  if (waiting.total === 0) return counts;
  for (const { state } of jobs.values())
    if (state === 'attesting' || state === 'reserving' || state === 'backoff') counts[state] += 1;
  return counts;
}
