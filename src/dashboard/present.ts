/**
 * The present of a log that grows: what its controller's clock shows now, as far as it can be known here.
 *
 * Why not this machine's clock: it may be minutes off, and a job would have begun in the future. Each instant that comes from
 * the controller, a fact's `at` or the date of an answer, was its present when it was sent; since then as much time has
 * passed there as here. So the latest of these is the best guess, and never ahead by more than the controller's own clock is set back.
 *
 * Pure but for the clock it is handed. Test: `test/dashboard/present.test.ts`.
 */
export class Present {
  readonly #elapsedMs: () => number;
  /** What was heard, ms since the Unix epoch, and when by our own clock. */
  #heard: { readonly atMs: number; readonly sinceMs: number } | null = null;

  /** @param elapsedMs  a clock that only goes on, ms since whenever */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** Ms since the Unix epoch; null before anything was heard. */
  get nowMs(): number | null {
    return this.#heard && this.#heard.atMs + Math.max(0, this.#elapsedMs() - this.#heard.sinceMs);
  }

  /** The controller's clock showed this when it sent what has just come. */
  hear(atMs: number): void {
    const nowMs = this.nowMs;
    if (nowMs === null || atMs > nowMs) this.#heard = { atMs, sinceMs: this.#elapsedMs() };
  }

  forget(): void {
    this.#heard = null;
  }
}
