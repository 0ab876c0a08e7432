/** The job's trace as bars over log time: made of its facts in this page, so it needs no collector. */
import { useMemo } from 'preact/hooks';
import { type JobSpan, jobSpans, traceIdsOf } from '../observe/job-spans.ts';
import { Copy } from './copy.tsx';
import { type CourseStep, courseOf } from './job-course.ts';
import type { Model } from './model.ts';
import { placeOf, type Stretch, scaleOf } from './span-scale.ts';
import { clockTime, duration, Empty, Panel } from './ui.tsx';

const meanings: Readonly<Record<JobSpan['name'], string>> = {
  job: 'the whole job',
  admit: 'is it allowed?',
  wait: 'in the queue',
  place: 'a slot is being chosen',
  start: 'slot held, guest not yet entered',
  run: 'until the guest is certainly gone',
  finalise: 'slot given back, verdict',
  backoff: 'pause before the next attempt',
};

export function Spans({
  model,
  steps,
  nowMs,
}: {
  readonly model: Model;
  readonly steps: readonly CourseStep[];
  /** Wall clock of the moment, ms since the Unix epoch. */
  readonly nowMs: number;
}) {
  // Steps are only ever added: with the same number of them the trace is the same, wherever the slider stands.
  const trace = useMemo(() => traceOf(steps, model.sha256), [steps, steps.length]);
  const [root, ...spans] = trace?.spans ?? [];
  if (!trace || !root || spans.length === 0)
    return (
      <Panel title="Spans">
        <Empty>No span has begun in this part of the log.</Empty>
      </Panel>
    );
  const beginMs = spans[0]!.startMs;
  const endMs = root.endMs ?? Math.max(nowMs, steps.at(-1)!.record.at);
  const scale = scaleOf(spans, endMs);
  const here = placeOf(scale, nowMs);
  return (
    <Panel
      title="Spans"
      aside={
        <span>
          {duration(endMs - beginMs)}
          {root.endMs === null ? ' so far' : ''}
        </span>
      }
    >
      <ol class="spans" aria-label="Spans, oldest first">
        {[root, ...spans].map((span) => (
          <Bar
            key={span.spanId}
            span={span}
            scale={scale}
            endMs={endMs}
            nowMs={nowMs}
            here={here}
            beginMs={beginMs}
          />
        ))}
      </ol>
      <p class="soft small">
        Log time {clockTime(beginMs)} to {clockTime(endMs)}; the line is seq {model.moment.seq}. What is
        dashed lies ahead of it.
        {scale.some(({ isShortened }) => isShortened)
          ? ' Waits marked ≈ are drawn shorter than they were.'
          : ''}
      </p>
      <p class="small trace">
        trace <code>{trace.traceId}</code> <Copy text={trace.traceId} what="the trace id" />
        <span class="soft">
          {root.parentSpanId ? `, part of the request's own trace` : ', made from the job id'}
        </span>
      </p>
    </Panel>
  );
}

function traceOf(steps: readonly CourseStep[], sha256: Model['sha256']) {
  const course = courseOf(steps);
  if (!course) return null;
  const ids = traceIdsOf(course.job.context.id, course.trace, sha256);
  return { traceId: ids.traceId, spans: jobSpans(course, ids, sha256) };
}

interface BarProps {
  readonly span: JobSpan;
  readonly scale: readonly Stretch[];
  readonly beginMs: number;
  readonly endMs: number;
  readonly nowMs: number;
  /** Place of the moment, 0 to 1. */
  readonly here: number;
}

function Bar({ span, scale, beginMs, endMs, nowMs, here }: BarProps) {
  const { name, startMs, attributes, events, error } = span;
  const stretch =
    name === 'job'
      ? undefined
      : scale.find((each) => each.fromMs === startMs && each.toMs === (span.endMs ?? endMs));
  const from = stretch?.from ?? placeOf(scale, startMs);
  const to = stretch?.to ?? placeOf(scale, span.endMs ?? endMs);
  const ms = (span.endMs ?? endMs) - startMs;
  const isAhead = startMs > nowMs;
  const isOpen = span.endMs === null;
  const attempt = Number(attributes['berth.attempt'] ?? 0);
  const title = [
    `${name}: ${meanings[name]}`,
    `${clockTime(startMs)}, ${duration(startMs - beginMs)} after the first`,
    ...(attempt > 0 && name !== 'job' ? [`attempt ${attempt}`] : []),
    ...events.map((event) => `${event.name} at +${duration(event.atMs - startMs)}`),
    ...(error ? [error] : []),
  ].join('\n');
  return (
    <li class={isAhead ? 'ahead' : ''} title={title}>
      <span class="name">
        {name}
        {attempt > 1 && name !== 'job' ? <span class="soft"> {attempt}</span> : null}
      </span>
      <span class="track">
        <span
          class={`bar ${name}${error ? ' bad' : ''}${isOpen ? ' open' : ''}`}
          style={{ left: `${from * 100}%`, width: `${(to - from) * 100}%` }}
        />
        <span class="here" style={{ left: `${here * 100}%` }} />
      </span>
      <span class="n">
        {stretch?.isShortened ? '≈ ' : ''}
        {duration(ms)}
        {isOpen ? ' …' : ''}
      </span>
    </li>
  );
}
