/**
 * Where instants of a trace lie on a line, with long waits pulled together.
 *
 * Why: a job that waited ten minutes and ran 300 ms would be one bar and a dot. Only waiting is pulled together, never work,
 * and each such place is marked with what it stands for. Pure. Test: `test/dashboard/span-scale.test.ts`.
 */
import type { JobSpan } from '../observe/job-spans.ts';

/** A stretch of the line. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  /** Place on the line, 0 to 1. */
  readonly from: number;
  readonly to: number;
  /** Drawn shorter than it lasted. */
  readonly isShortened: boolean;
}

const waits: ReadonlySet<string> = new Set(['admit', 'wait', 'backoff']);

/** A wait is shortened when it is longer than all the work together so many times, and longer than `waitMsMin`. */
const timesMax = 2;
const waitMsMin = 1_000;

/** The line on which these spans (without the job's own) are drawn; it ends at `endMs`. */
export function scaleOf(spans: readonly JobSpan[], endMs: number): readonly Stretch[] {
  const lengthOf = ({ startMs, endMs: end }: JobSpan): number => Math.max(0, (end ?? endMs) - startMs);
  const workMs = spans.reduce((sum, span) => sum + (waits.has(span.name) ? 0 : lengthOf(span)), 0);
  const waitMsMax = Math.max(waitMsMin, timesMax * workMs);
  const shown = spans.map((span) => {
    const ms = lengthOf(span);
    const isShortened = waits.has(span.name) && ms > waitMsMax;
    return { span, isShortened, weight: isShortened ? waitMsMax / timesMax : ms };
  });
  const total = shown.reduce((sum, { weight }) => sum + weight, 0) || 1;
  let at = 0;
  return shown.map(({ span, isShortened, weight }) => {
    const from = at / total;
    at += weight;
    return {
      fromMs: span.startMs,
      toMs: Math.max(span.startMs, span.endMs ?? endMs),
      from,
      to: at / total,
      isShortened,
    };
  });
}

/** Where this instant lies, 0 to 1; what lies before or behind the line is at its end. */
export function placeOf(scale: readonly Stretch[], atMs: number): number {
  const first = scale[0];
  if (!first || atMs <= first.fromMs) return 0;
  const stretch = scale.findLast(({ fromMs }) => fromMs <= atMs) ?? first;
  const ms = stretch.toMs - stretch.fromMs;
  const share = ms === 0 ? 1 : Math.min(1, (atMs - stretch.fromMs) / ms);
  return stretch.from + share * (stretch.to - stretch.from);
}
