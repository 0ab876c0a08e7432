/**
 * The longest ascending part of a sequence.
 *
 * Why here: of records that stand in disorder, those outside of the longest part that is in order are the fewest that
 * can have been moved. Patience sorting, as in Knuth, The Art of Computer Programming 3, 5.1.4. Test: `test/log/verify.test.ts`.
 */

/** The members of one longest ascending part of `rows`, which are distinct numbers. */
export function ascending(rows: readonly number[]): Set<number> {
  /** For each length, the index of the smallest row that such a part can end with. */
  const ends: number[] = [];
  const before = rows.map((row, i) => {
    let low = 0;
    for (let high = ends.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (rows[ends[middle]!]! < row) low = middle + 1;
      else high = middle;
    }
    ends[low] = i;
    return ends[low - 1] ?? -1;
  });
  const found = new Set<number>();
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i]!) found.add(rows[i]!);
  return found;
}
