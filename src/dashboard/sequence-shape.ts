/**
 * The facts of one job as a sequence diagram: who wrote each, because of which fact, and how long after the one before.
 *
 * Why every arrow ends at the log: actors never call each other. Each reads facts and writes facts, so a diagram with arrows from
 * actor to actor would show calls that nobody made. A dashed arrow out of the log is the fact that was acted on (`cause`),
 * the solid one back is the fact that was written. Test: `test/dashboard/sequence.test.ts`.
 */
import { kindOf } from '../../machines/words.ts';
import type { PlayedRecord } from './player.ts';

/** Lanes, from the door inwards. The log stands before them all. */
const actors = ['intake', 'jobs', 'attestor', 'scheduler', 'slots', 'executor', 'timekeeper'] as const;

/** Facts shown before someone asks for all of them. */
export const rowsFirst = 100;
/** A pause that is drawn as a gap, ms. */
const gapMsMin = 1_000;

export interface SequenceRow {
  readonly seq: number;
  readonly at: number;
  /** Name of the fact, without `job.`. */
  readonly fact: string;
  readonly author: string;
  /** Place of the author among the lanes, from 0. */
  readonly lane: number;
  /** Seq of the fact that was acted on, and its name when it is one of this job's. */
  readonly cause: { readonly seq: number; readonly fact: string | null } | null;
  readonly isFailure: boolean;
  /** Since the fact before, ms; 0 for the first, and when the clock was set back. */
  readonly afterMs: number;
  /** Is the time before it long enough to be drawn? */
  readonly isAfterGap: boolean;
}

export interface SequenceShape {
  /** Names of the lanes; those that wrote nothing are there, too, so that jobs can be compared. */
  readonly lanes: readonly string[];
  /** Ascending by seq. */
  readonly rows: readonly SequenceRow[];
}

/** The diagram of a job's facts, oldest first. */
export function sequenceOf(
  records: readonly Pick<PlayedRecord, 'seq' | 'type' | 'at' | 'author' | 'cause'>[],
): SequenceShape {
  const strangers = records.map(({ author }) => author).filter((author) => !isActor(author));
  const lanes = [...actors, ...new Set(strangers)];
  const names = new Map(records.map(({ seq, type }) => [seq, nameOf(type)]));
  const rows = records.map((record, i): SequenceRow => {
    const { seq, at, type, author, cause } = record;
    const afterMs = Math.max(0, at - (records[i - 1]?.at ?? at));
    return {
      seq,
      at,
      fact: nameOf(type),
      author,
      lane: lanes.indexOf(author),
      cause: cause === null ? null : { seq: cause, fact: names.get(cause) ?? null },
      // Whether a fact is a failure does not depend on the state it came in.
      isFailure: kindOf('job', 'any', nameOf(type)) === 'failure',
      afterMs,
      isAfterGap: afterMs >= gapMsMin,
    };
  });
  return { lanes, rows };
}

const isActor = (author: string): boolean => (actors as readonly string[]).includes(author);

const nameOf = (type: string): string => type.slice(type.indexOf('.') + 1);

/** Which rows are drawn: all, or a window with the row that is looked at in it. `[from, to)`. */
export function windowOf(
  rows: readonly Pick<SequenceRow, 'seq'>[],
  seq: number,
  isAll: boolean,
): readonly [from: number, to: number] {
  if (isAll || rows.length <= rowsFirst) return [0, rows.length];
  const at = rowAt(rows, seq);
  const from = Math.max(0, Math.min(at - Math.floor(rowsFirst / 2), rows.length - rowsFirst));
  return [from, from + rowsFirst];
}

/** Place of the last row at or before `seq`; −1 before the first. */
export function rowAt(rows: readonly Pick<SequenceRow, 'seq'>[], seq: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]!.seq <= seq) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
