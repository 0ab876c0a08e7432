/**
 * Random histories of a job: mostly facts that the state takes, so that walks come far, and some that it refuses.
 * The machine's own table only helps to choose; what follows from a fact is judged by the tests.
 */
import * as fc from 'fast-check';
import { compileTable, type Folded } from '../../machines/compile.ts';
import { type JobContext, type JobFact, type JobState, jobMachine, newJob } from '../../machines/job.ts';
import { type JobFactType, jobFactTypes } from '../../src/events/facts.ts';
import { fact, spec } from './samples.ts';

export type FoldedJob = Folded<JobState, JobContext>;

export const jobTable = compileTable<JobState, JobContext, JobFact>(jobMachine);

/** A job before its first fact. */
export const unborn: FoldedJob = { state: 'new', context: newJob('j1', 'acme') };

interface Choice {
  readonly pick: number;
  readonly anyFact: boolean;
  readonly mayLeave: boolean;
  readonly whole: number;
  readonly yes: boolean;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  pick: fc.nat(1_000),
  anyFact: fc.nat(9).map((n) => n === 0),
  mayLeave: fc.nat(9).map((n) => n === 0),
  whole: fc.nat(3),
  yes: fc.nat(3).map((n) => n > 0),
});

/** Histories of up to 60 facts, refused ones among them. */
export const anyHistory: fc.Arbitrary<readonly JobFact[]> = fc
  .noBias(fc.array(choice, { minLength: 1, maxLength: 60, size: 'max' }))
  .map((choices) => historyOf(choices));

/** Taken rarely: with even odds most walks would end before they held a slot. */
const leaving: readonly JobFactType[] = [
  'job.rejected',
  'job.expired',
  'job.cancelled',
  'job.cancelRequested',
];

function historyOf(choices: readonly Choice[]): JobFact[] {
  const history: JobFact[] = [];
  let job = unborn;
  // Seq and time move in uneven steps, as they do in a log shared by many jobs.
  let seq = 0;
  let at = 1_000_000;
  for (const each of choices) {
    seq += 1 + each.whole;
    at += each.whole * 7;
    const possible = jobFactTypes.map((type) => factOf(type, seq, at, each));
    const legal = possible.filter((event) => jobTable.step(job, event) !== null);
    const staying = each.mayLeave ? legal : legal.filter(({ type }) => !leaving.includes(type));
    const from = each.anyFact || legal.length === 0 ? possible : staying.length > 0 ? staying : legal;
    const event = from[each.pick % from.length]!;
    job = jobTable.step(job, event) ?? job;
    history.push(event);
  }
  return history;
}

/** A fact with data that varies in all that guards and actions read. */
function factOf(type: JobFactType, seq: number, at: number, { whole, yes }: Choice): JobFact {
  const deadlineMs = whole * 1_000;
  switch (type) {
    case 'job.submitted':
      return fact(type, seq, at, {
        deadlineMs,
        lossesMax: whole % 2,
        spec: { ...spec, attempts: { backoffMs: 10, max: 1 + whole } },
      });
    case 'job.attested':
      return fact(type, seq, at, { affirms: yes });
    case 'job.exited':
      return fact(type, seq, at, { exitCode: yes ? whole : 0 });
    case 'job.overdue':
      return fact(type, seq, at, { deadlineMs, what: yes ? 'run' : 'start' });
    case 'job.lost':
    case 'job.crashed':
      return fact(type, seq, at, { message: `message ${whole}` });
    case 'job.queued':
    case 'job.reserved':
    case 'job.started':
    case 'job.evicted':
    case 'job.cancelRequested':
    case 'job.retryScheduled':
      return fact(type, seq, at, { deadlineMs });
    default:
      return fact(type, seq, at);
  }
}
