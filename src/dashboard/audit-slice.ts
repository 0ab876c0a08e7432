/**
 * One slice of a long check: as much as fits between two pictures.
 *
 * Why what it throws is caught: a record can be so broken that the check itself does not survive it. Uncaught, the page would
 * show a bar that never moves, and nobody would learn why. Test: `test/dashboard/audit-slice.test.ts`.
 */
import type { Progress } from './audit-check.ts';

export interface Check {
  readonly progress: Progress;
  /** Checks so many more. False: there is no more to do. */
  step(recordsMax: number): boolean;
}

/** How long one slice may take, ms: a picture has sixteen. */
const sliceMs = 12;
/** Records between two looks at the clock. */
const stepMax = 64;

export interface Slice {
  readonly hasMore: boolean;
  /** What the check broke down with; null while it works. */
  readonly broke: string | null;
}

/** @param nowMs  a clock that only goes on */
export function sliceOf(check: Check, nowMs: () => number): Slice {
  const endMs = nowMs() + sliceMs;
  try {
    let hasMore = true;
    while (hasMore && nowMs() < endMs) hasMore = check.step(stepMax);
    return { hasMore, broke: null };
  } catch (error) {
    return { hasMore: false, broke: error instanceof Error ? error.message : String(error) };
  }
}
