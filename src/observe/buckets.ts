/**
 * A histogram that costs next to nothing to feed: counts in a typed array, read only when someone scrapes.
 *
 * Why our own: a million facts a minute each pay for an observation. prom-client's
 * hashes label sets each time, this adds one to an array; what it exposes is the same text.
 * Test: `test/observe/metrics.test.ts`.
 */
export class Buckets {
  /** Upper bounds, inclusive, ascending; the unit is the caller's. */
  readonly bounds: Float64Array;
  /** Observations in each bucket, not cumulated; one more than `bounds` for what is above all. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts one value. What is no finite number is not counted: one NaN would void the sum for ever. */
  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  snapshot(): { readonly counts: readonly number[]; readonly sum: number } {
    return { counts: [...this.#counts], sum: this.#sum };
  }

  /** Takes over what `snapshot` of buckets with the same bounds gave. */
  restore({ counts, sum }: ReturnType<Buckets['snapshot']>): void {
    this.#counts.set(counts);
    this.#sum = sum;
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  /** For each bound, how many values were at most that. */
  cumulated(): number[] {
    let total = 0;
    return [...this.#counts.subarray(0, this.bounds.length)].map((count) => (total += count));
  }
}

/** Bounds for waits and runs, s: 1 ms (facts carry whole milliseconds) to the longest queue waits. */
export const waitBounds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3600,
];
/** Bounds for a write and sync of the log, s: 0.19 ms on a quiet disk, whole seconds on a failing one. */
export const appendBounds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];
