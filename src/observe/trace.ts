/**
 * Traces: one for each job, built when it is asked for or when the job has ended and someone exports.
 *
 * Why OpenTelemetry when the spans come from facts: for what lies behind it. A job's trace joins the trace
 * of the request that brought it (traceparent in), the guest's caller can join the job's (traceparent out), and
 * any exporter of that world is a span processor handed in here. Nothing is registered globally.
 *
 * Why so lazy: making nine spans costs a good part of what the rest of the job costs. Kept are the facts' times;
 * spans are made for those jobs that someone looks at, or that are sampled for export.
 *
 * What a crash costs: a job whose end is durable but whose spans were not yet sent is not exported. Ids are
 * the same whenever a trace is built, so it can be exported again from the log without doubles.
 * Test: `test/observe/trace.test.ts`.
 */
import {
  type Context,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { isEnd } from '../../machines/job.ts';
import { invariant } from '../errors.ts';
import type { Sha256 } from '../events/record.ts';
import { refill } from '../jobs/retention.ts';
import type { Change } from '../jobs/state.ts';
import type { Views, Follower as ViewsFollower } from '../views/views.ts';
import {
  type Course,
  follow,
  type JobSpan,
  type JobTrace,
  jobSpans,
  type TraceIds,
  traceIdsOf,
} from './job-spans.ts';

/** Ended jobs whose traces are kept in memory. */
const endedMax = 1_000;

export interface TracesParts {
  readonly sha256: Sha256;
  /** Where finished spans go, e.g. a BatchSpanProcessor around an OTLP exporter. None: nothing is exported. */
  readonly processors?: readonly SpanProcessor[];
  /** Share of traces that are exported, 0 to 1, chosen by trace id. A traceparent's own flag goes first. */
  readonly ratio?: number;
  /** Version of Berth: what is exported names it. */
  readonly version?: string;
  /** Told of a processor that threw; the controller goes on without that trace. */
  readonly onError?: (error: unknown) => void;
}

export interface Traces {
  /** Follows the jobs of these views, forgetting those of former views. To be called before the first fact is folded. */
  attach(views: Views): void;
  /**
   * Recovery is over, this life writes as `epoch`: jobs that end in it are exported. What an earlier life
   * ended was exported then.
   */
  live(epoch: number): void;
  /** The trace of a job that has not ended, or ended among the last 1,000; null for all others. Who may see it is the caller's to check. */
  traceOf(jobId: string): JobTrace | null;
  /** The traceparent that whoever works on behalf of this job should send; null for unknown jobs. */
  traceparentOf(jobId: string): string | null;
  /** Sends what processors still hold, then ends them. */
  stop(): Promise<void>;
}

interface Ended {
  readonly course: Course;
  readonly epoch: number;
}

/** Traces of one process. */
export function createTraces({
  sha256,
  processors = [],
  ratio = 1,
  version = '',
  onError = () => undefined,
}: TracesParts): Traces {
  invariant(ratio >= 0 && ratio <= 1, `the share of exported traces is ${ratio}, not 0 to 1`);
  const emitter = processors.length > 0 ? new Emitter(processors, version) : null;
  let views: Views | null = null;
  let follower = new Follower();
  const idsOf = (jobId: string, traceparent: string | null): TraceIds =>
    traceIdsOf(jobId, traceparent, sha256);
  const sampled = (ids: TraceIds): boolean =>
    ids.sampled ?? Number.parseInt(ids.traceId.slice(-8), 16) < ratio * 2 ** 32;
  const traceparent = (ids: TraceIds): string =>
    `00-${ids.traceId}-${ids.rootSpanId}-${sampled(ids) ? '01' : '00'}`;
  const exportEnded = (course: Course): void => {
    const ids = idsOf(course.job.context.id, course.trace);
    if (!emitter || !sampled(ids)) return;
    try {
      emitter.emit(jobSpans(course, ids, sha256), ids);
    } catch (error) {
      onError(error);
    }
  };
  return {
    attach(attached) {
      views = attached;
      const own = new Follower(emitter ? exportEnded : null);
      follower = own;
      attached.follow(own);
    },
    live: (epoch) => follower.live(epoch),
    traceOf(jobId) {
      const course = follower.courseOf(jobId);
      if (!course) return null;
      const ids = idsOf(jobId, course.trace);
      const spans = jobSpans(course, ids, sha256);
      return {
        jobId,
        traceId: ids.traceId,
        traceparent: traceparent(ids),
        spans,
        stepsLeftOut: course.leftOut,
      };
    },
    traceparentOf(jobId) {
      const found = views?.job(jobId);
      return found ? traceparent(idsOf(jobId, found.trail.trace)) : null;
    },
    async stop() {
      await emitter?.stop();
    },
  };
}

/** The fold: the course of each open job, and of the last ended ones. */
class Follower implements ViewsFollower {
  readonly name = 'traces';
  readonly #open = new Map<string, Course>();
  /** In the order in which they ended. */
  readonly #ended = new Map<string, Course>();
  /** Ended before it was known whether a former life ended them. */
  #undecided: Ended[] = [];
  #epoch: number | null = null;
  readonly #onEnd: ((course: Course) => void) | null;

  constructor(onEnd: ((course: Course) => void) | null = null) {
    this.#onEnd = onEnd;
  }

  fold({ record, after }: Change): void {
    if (!after) return;
    const { id } = after.context;
    const course = this.#open.get(id) ?? { job: after, trace: record.trace, steps: [], leftOut: 0 };
    follow(course, record, after);
    if (!isEnd(after.state)) {
      this.#open.set(id, course);
      return;
    }
    this.#open.delete(id);
    this.#ended.set(id, course);
    if (this.#ended.size > endedMax) this.#ended.delete(this.#ended.keys().next().value as string);
    if (this.#onEnd) this.#tell({ course, epoch: record.epoch }, this.#onEnd);
  }

  /** Of ended jobs nothing: a trace that was not asked for in time is built from the log, not from memory. */
  snapshot(): unknown {
    return this.#open;
  }

  restore(saved: unknown): void {
    refill(this.#open, saved as Map<string, Course>);
  }

  live(epoch: number): void {
    this.#epoch = epoch;
    const undecided = this.#undecided;
    this.#undecided = [];
    for (const ended of undecided) if (this.#onEnd) this.#tell(ended, this.#onEnd);
  }

  courseOf(id: string): Course | null {
    return this.#open.get(id) ?? this.#ended.get(id) ?? null;
  }

  #tell(ended: Ended, onEnd: (course: Course) => void): void {
    if (this.#epoch === null) {
      this.#undecided.push(ended);
      if (this.#undecided.length > endedMax) this.#undecided.shift();
    } else if (ended.epoch === this.#epoch) onEnd(ended.course);
  }
}

/** Hands finished spans to span processors, through the OpenTelemetry SDK. */
class Emitter {
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  /** What the SDK gets when it asks for random ids. Spans are made in one go, so these are always the right ones. */
  #next = { traceId: '', spanId: '' };

  constructor(processors: readonly SpanProcessor[], version: string) {
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({
        'service.name': 'berth',
        ...(version ? { 'service.version': version } : {}),
      }),
      // Chosen already, by trace id.
      sampler: new AlwaysOnSampler(),
      idGenerator: { generateTraceId: () => this.#next.traceId, generateSpanId: () => this.#next.spanId },
      spanProcessors: [...processors],
    });
    this.#tracer = this.#provider.getTracer('berth');
  }

  /** @param spans the job's span first; all of them have ended */
  emit([root, ...children]: readonly JobSpan[], ids: TraceIds): void {
    invariant(root, 'a trace without a span');
    const job = this.#start(root, ids);
    for (const child of children) this.#start(child, ids).end(hrTime(child.endMs ?? child.startMs));
    if (root.error !== null) job.setStatus({ code: SpanStatusCode.ERROR, message: root.error });
    job.end(hrTime(root.endMs ?? root.startMs));
  }

  async stop(): Promise<void> {
    await this.#provider.shutdown();
  }

  #start({ spanId, parentSpanId, name, startMs, attributes, events }: JobSpan, { traceId }: TraceIds) {
    this.#next = { traceId, spanId };
    const span = this.#tracer.startSpan(
      name,
      { startTime: hrTime(startMs), attributes: { ...attributes } },
      within(traceId, parentSpanId),
    );
    for (const { name: fact, atMs, seq } of events) span.addEvent(fact, { 'berth.seq': seq }, hrTime(atMs));
    return span;
  }
}

/** The context whose span is the parent; without one the span is a root. */
function within(traceId: string, spanId: string | null): Context {
  if (spanId === null) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
}

/** Seconds and nanoseconds since the epoch. A bare number the SDK might take for time since process start. */
const hrTime = (ms: number): [number, number] => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
