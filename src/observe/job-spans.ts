/**
 * The trace of a job, from its facts: one span for the whole, and one for each stretch of its life.
 *
 * Why built from facts and not measured along the way: a span that is open when the process dies is lost,
 * and with it the very trace that someone will ask for. Facts survive, so the trace does; and whoever
 * builds it again, from the log of last year, gets the same spans with the same ids.
 *
 * The stretches, for a reader of the picture: `admit` (is it allowed?) · `wait` (in the queue) · `place`
 * (a slot is being chosen) · `start` (slot held, guest not yet entered) · `run` (until the guest is certainly
 * gone, so stopping is part of it) · `finalise` (slot given back, verdict) · `backoff`. A job with three
 * attempts has three of most. Test: `test/observe/job-spans.test.ts`.
 */
import { isEnd, type JobState } from '../../machines/job.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import type { Job } from '../jobs/state.ts';

export type SpanName = 'job' | 'admit' | 'wait' | 'place' | 'start' | 'run' | 'finalise' | 'backoff';

/** A state's stretch; a state that is not here belongs to whatever stretch came before. */
const stretches: Readonly<Partial<Record<JobState, SpanName>>> = {
  attesting: 'admit',
  queued: 'wait',
  reserving: 'place',
  starting: 'start',
  running: 'run',
  releasing: 'finalise',
  backoff: 'backoff',
};

/** What a trace keeps of one fact. */
export interface Step {
  readonly seq: number;
  readonly type: string;
  /** Wall clock of the fact, ms since the Unix epoch. */
  readonly atMs: number;
  /** State that the fact led to. */
  readonly state: JobState;
  /** Attempts begun by then. */
  readonly attempt: number;
}

/** Facts that a trace keeps of one job; what lies between these and the end is left out and counted. */
export const stepsMax = 512;

/** What is remembered of one job while its trace may be asked for. */
export interface Course {
  job: Job;
  /** Traceparent of the request, as in the log. */
  readonly trace: string | null;
  readonly steps: Step[];
  leftOut: number;
}

export interface JobSpan {
  /** 16 hex digits. */
  readonly spanId: string;
  /** Null only for the job's span when the request named no parent. */
  readonly parentSpanId: string | null;
  readonly name: SpanName;
  readonly startMs: number;
  /** Null while it is under way. */
  readonly endMs: number | null;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** Facts within the span that neither began nor ended it. */
  readonly events: readonly { readonly name: string; readonly atMs: number; readonly seq: number }[];
  /** Why the job did not succeed; null otherwise, and on all spans but the job's. */
  readonly error: string | null;
}

/** The trace of one job as JSON. */
export interface JobTrace {
  readonly jobId: string;
  /** 32 hex digits: the request's own trace, or one that follows from the job's id. */
  readonly traceId: string;
  readonly traceparent: string;
  /** Oldest first; the first is the job's. */
  readonly spans: readonly JobSpan[];
  readonly stepsLeftOut: number;
}

/** Remembers one more fact of the job. */
export function follow(course: Course, record: Pick<FactRecord, 'at' | 'seq' | 'type'>, after: Job): void {
  course.job = after;
  if (course.steps.length >= stepsMax && !isEnd(after.state)) {
    course.leftOut += 1;
    return;
  }
  const { attempt } = after.context;
  course.steps.push({ seq: record.seq, type: record.type, atMs: record.at, state: after.state, attempt });
}

/** Ids of a job's trace. They follow from job id and request, so nobody has to remember them. */
export interface TraceIds {
  readonly traceId: string;
  readonly rootSpanId: string;
  readonly parentSpanId: string | null;
  /** What the request said about sampling; null when it said nothing. */
  readonly sampled: boolean | null;
}

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The ids for this job. A malformed or all-zero traceparent counts as none, as W3C Trace Context wants. */
export function traceIdsOf(jobId: string, trace: string | null, sha256: Sha256): TraceIds {
  const [, traceId, parentSpanId, flags] = traceparentPattern.exec(trace ?? '') ?? [];
  const rootSpanId = sha256(`${jobId} job`).slice(0, 16);
  if (!traceId || !parentSpanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) {
    return { traceId: sha256(`${jobId} trace`).slice(0, 32), rootSpanId, parentSpanId: null, sampled: null };
  }
  return { traceId, rootSpanId, parentSpanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/**
 * All spans of a job so far. Each begins where the one before it ended. No span ends before it begins, also
 * when the wall clock was set back in between.
 */
export function jobSpans(course: Course, ids: TraceIds, sha256: Sha256): readonly JobSpan[] {
  const { job, steps } = course;
  const { id } = job.context;
  const children: OpenSpan[] = [];
  let nowMs = steps[0]?.atMs ?? 0;
  for (const step of steps) {
    nowMs = Math.max(nowMs, step.atMs);
    const open = children.at(-1);
    const name = isEnd(step.state) ? null : (stretches[step.state] ?? open?.name ?? null);
    if (open && name === open.name) {
      open.events.push({ name: factOf(step), atMs: nowMs, seq: step.seq });
      continue;
    }
    if (open) open.endMs = nowMs;
    if (name !== null)
      children.push(openSpan(name, step, nowMs, ids, sha256(`${id} ${step.seq}`).slice(0, 16)));
  }
  return [rootOf(course, ids, isEnd(job.state) ? nowMs : null), ...children];
}

interface OpenSpan extends JobSpan {
  endMs: number | null;
  readonly events: { readonly name: string; readonly atMs: number; readonly seq: number }[];
}

function openSpan(name: SpanName, step: Step, startMs: number, ids: TraceIds, spanId: string): OpenSpan {
  return {
    spanId,
    parentSpanId: ids.rootSpanId,
    name,
    startMs,
    endMs: null,
    attributes: { 'berth.attempt': step.attempt, 'berth.fact': factOf(step), 'berth.seq': step.seq },
    events: [],
    error: null,
  };
}

function rootOf({ job, steps, leftOut }: Course, ids: TraceIds, endMs: number | null): JobSpan {
  const { id, tenant, spec, attempt, cause } = job.context;
  return {
    spanId: ids.rootSpanId,
    parentSpanId: ids.parentSpanId,
    name: 'job',
    startMs: steps[0]?.atMs ?? 0,
    endMs,
    attributes: {
      'berth.job.id': id,
      'berth.tenant': tenant,
      'berth.state': job.state,
      'berth.attempts': attempt,
      ...(spec ? { 'berth.slot.profile': spec.slot, 'berth.slot.gpus': spec.gpus } : {}),
      ...(cause ? { 'berth.cause.code': cause.code } : {}),
      ...(leftOut > 0 ? { 'berth.facts.left_out': leftOut } : {}),
    },
    events: [],
    error: isEnd(job.state) && job.state !== 'succeeded' ? (cause?.message ?? job.state) : null,
  };
}

/** `job.started` → `started` */
const factOf = ({ type }: Step): string => type.slice(type.indexOf('.') + 1);
