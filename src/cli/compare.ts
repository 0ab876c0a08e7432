/**
 * The comparison of `berth log replay --diff`: two logs side by side, up to the first record in which they differ.
 *
 * Why by record and not by state: two histories that part and meet again have one state and two explanations. The
 * first difference is where to look; all behind it may follow from it. Test: `test/cli/log-replay.test.ts`.
 */
import type { FactRecord } from '../events/record.ts';
import { membersThatDiffer } from '../log/replay.ts';
import { Refold } from './refold.ts';

type Batches = AsyncIterable<readonly FactRecord[]>;

export interface Compared {
  /** `first` or `second`: that one is the beginning of the other. */
  readonly relation: 'equal' | 'first is a prefix' | 'second is a prefix' | 'differ';
  /** Last seq up to which both are the same; 0 when they have no record in common. */
  readonly upTo: number;
  /** State at `upTo`; null when it can't be folded. */
  readonly stateHash: string | null;
  /** The records at the first difference; null at the end of a log. */
  readonly first: FactRecord | null;
  readonly second: FactRecord | null;
  /** Members in which they differ; links left out when anything else does. */
  readonly differs: readonly string[];
}

/** Reads both logs up to their first difference, or up to `to`. Records that only one still has, before the other's first, are passed over. */
export async function compare(
  first: Batches,
  second: Batches,
  {
    to = Number.MAX_SAFE_INTEGER,
    onSeq = () => undefined,
  }: { to?: number; onSeq?: (seq: number) => void } = {},
): Promise<Compared> {
  const [left, right] = [oneByOne(first), oneByOne(second)];
  const refold = new Refold();
  let seq = 0;
  const found = (
    relation: Compared['relation'],
    one: FactRecord | null,
    other: FactRecord | null,
  ): Compared => {
    const differs = one && other ? differing(one, other) : [];
    const stateHash = refold.seq === seq ? refold.stateHash : null;
    return { relation, upTo: seq, stateHash, first: one, second: other, differs };
  };
  try {
    let one = await next(left, to);
    let other = await next(right, to);
    for (;;) {
      while (one && other && one.seq < other.seq && seq === 0) one = await next(left, to);
      while (one && other && other.seq < one.seq && seq === 0) other = await next(right, to);
      if (!one || !other) break;
      if (one.hash !== other.hash) return found('differ', one, other);
      // Without the first records, or behind one that no rule has a place for, there is no state to tell.
      if (one.seq === refold.seq + 1) refold.feed(one);
      seq = one.seq;
      onSeq(seq);
      one = await next(left, to);
      other = await next(right, to);
    }
    if (one) return found('second is a prefix', one, null);
    return found(other ? 'first is a prefix' : 'equal', null, other);
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
}

async function next(records: AsyncGenerator<FactRecord, undefined>, to: number): Promise<FactRecord | null> {
  const { value } = await records.next();
  return value && value.seq <= to ? value : null;
}

function differing(first: FactRecord, second: FactRecord): string[] {
  const all = membersThatDiffer(first, second);
  // Hashes differ with anything else; they tell something only when nothing else does.
  const telling = all.filter((name) => name !== 'hash' && name !== 'prev');
  return telling.length > 0 ? telling : all;
}

async function* oneByOne(batches: Batches): AsyncGenerator<FactRecord, undefined> {
  for await (const batch of batches) yield* batch;
}
