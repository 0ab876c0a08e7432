/**
 * The facts of single jobs, and what became of a job with each of them, by the production machine.
 *
 * Why an index: a job view that searched 100,000 records at each move of the slider would be slower than the fold. The index
 * grows with the log, is made once for each log, and forgets itself with it.
 *
 * Pure. Test: `test/dashboard/job-course.test.ts`.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import type { JobFact } from '../../machines/job.ts';
import { newRun, type RunContext, type RunState, runMachine } from '../../machines/run.ts';
import { type Job, jobIdOf, stepJob } from '../jobs/state.ts';
import { type Course, follow } from '../observe/job-spans.ts';
import type { PlayedRecord } from './player.ts';

/** A log by what its facts speak of; each list ascends by seq. */
export interface LogIndex {
  readonly jobs: Map<string, PlayedRecord[]>;
  /** `slot.*` facts, and those that take or free a slot, by GPU. */
  readonly gpus: Map<string, PlayedRecord[]>;
  readonly controller: PlayedRecord[];
  /** Records in it. */
  count: number;
}

const indexes = new WeakMap<readonly PlayedRecord[], LogIndex>();

/** The index of this log, brought up to its last record. The same array is the same log, which only grows. */
export function indexOf(records: readonly PlayedRecord[]): LogIndex {
  let index = indexes.get(records);
  if (!index) {
    index = { jobs: new Map(), gpus: new Map(), controller: [], count: 0 };
    indexes.set(records, index);
  }
  for (; index.count < records.length; index.count += 1) enter(index, records[index.count]!);
  return index;
}

function enter({ jobs, gpus, controller }: LogIndex, record: PlayedRecord): void {
  const { type, subject, data } = record;
  if (type.startsWith('job.')) {
    listIn(jobs, jobIdOf(subject)).push(record);
    if (type !== 'job.reserved' && type !== 'job.released') return;
    for (const gpu of gpusIn(data)) listIn(gpus, gpu).push(record);
  } else if (type.startsWith('slot.')) listIn(gpus, subject.split('.')[1] ?? '').push(record);
  else if (type.startsWith('controller.')) controller.push(record);
}

/** GPUs of the slots in a fact. Facts behind one that can't be folded are here too, and nobody has vouched for them. */
function gpusIn(data: unknown): readonly string[] {
  const { slots } = data as { slots?: unknown };
  if (!Array.isArray(slots)) return [];
  return slots
    .map((slot) => (slot as { gpu?: unknown } | null)?.gpu)
    .filter((gpu) => typeof gpu === 'string');
}

function listIn(lists: Map<string, PlayedRecord[]>, key: string): PlayedRecord[] {
  let list = lists.get(key);
  if (!list) {
    list = [];
    lists.set(key, list);
  }
  return list;
}

/** The facts of one job, oldest first; the same array each time, and it grows. */
export const factsOf = (records: readonly PlayedRecord[], id: string): readonly PlayedRecord[] =>
  indexOf(records).jobs.get(id) ?? none;

const none: readonly PlayedRecord[] = [];

/** One fact, with the job before and after it. */
export interface CourseStep {
  readonly record: PlayedRecord;
  readonly before: Job | null;
  readonly after: Job;
}

const courses = new WeakMap<readonly PlayedRecord[], CourseStep[]>();

/**
 * All steps of a job that the log knows, oldest first; they end where the machine refuses a fact, or can't read it.
 * @param base  the job before the first of these facts; null when that is its submission
 */
export function stepsOf(facts: readonly PlayedRecord[], id: string, base: Job | null): readonly CourseStep[] {
  if (facts.length === 0) return [];
  let steps = courses.get(facts);
  if (!steps) {
    steps = [];
    courses.set(facts, steps);
  }
  while (steps.length < facts.length) {
    const before: Job | null = steps.at(-1)?.after ?? base;
    const record = facts[steps.length]!;
    const after = steppedBy(before, id, record);
    if (!after) break;
    steps.push({ record, before, after });
  }
  return steps;
}

function steppedBy(before: Job | null, id: string, record: PlayedRecord): Job | null {
  try {
    return stepJob(before, id, record);
  } catch {
    return null;
  }
}

/** Those of them that have happened at `seq`. */
export function stepsUpTo(steps: readonly CourseStep[], seq: number): readonly CourseStep[] {
  const next = steps.findIndex(({ record }) => record.seq > seq);
  return next < 0 ? steps : steps.slice(0, next);
}

/** An edge of a statechart that was walked. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  /** Type of the fact, and its seq. */
  readonly fact: string;
  readonly seq: number;
}

/** What the job machine walked. */
export const jobPath = (steps: readonly CourseStep[]): readonly Edge[] =>
  steps.map(({ record, before, after }) => ({
    from: before?.state ?? 'new',
    to: after.state,
    fact: record.type,
    seq: record.seq,
  }));

const runTable = compileTable<RunState, RunContext, JobFact>(runMachine as never);

/** One attempt, with what its machine walked. */
export interface Attempt {
  readonly run: Folded<RunState, RunContext>;
  readonly walked: readonly Edge[];
}

/** The attempts that began in these steps, oldest first. */
export function attemptsOf(steps: readonly CourseStep[]): readonly Attempt[] {
  const attempts: { run: Folded<RunState, RunContext>; walked: Edge[] }[] = [];
  for (const { record } of steps) {
    if (record.type === 'job.reserved')
      attempts.push({ run: { state: runTable.initial, context: newRun }, walked: [] });
    const attempt = attempts.at(-1);
    const { type, seq, at, data } = record;
    const next = attempt && runTable.step(attempt.run, { type, seq, at, data } as unknown as JobFact);
    if (!next) continue;
    attempt.walked.push({ from: attempt.run.state, to: next.state, fact: type, seq });
    attempt.run = next;
  }
  return attempts;
}

/** What `observe/job-spans.ts` makes the trace of; null before the first fact. */
export function courseOf(steps: readonly CourseStep[]): Course | null {
  const [first] = steps;
  if (!first) return null;
  const course: Course = { job: first.after, trace: first.record.trace, steps: [], leftOut: 0 };
  for (const { record, after } of steps) follow(course, record, after);
  return course;
}
