/**
 * Retention: which ended jobs the folds still hold.
 *
 * Why forget at all: a fold that keeps every job that ever was grows until it kills its process. What a
 * fold lets go of is not lost, its facts stand in the log; it only is not answered from memory any more.
 *
 * Why names outlive their job: a signed request is good for minutes, and a client may repeat itself for as long.
 * Were its token forgotten with its job, in a burst of ten thousand others, the repetition would be a second job.
 *
 * Why by count and as part of the fold: two folds of one log must forget the same jobs at the same seq, so
 * the rule may rest on facts alone. The bound is one, too: `retainedMax` of `controller.configured`.
 * Test: `test/jobs/retention.test.ts`.
 */

export interface Retained {
  /** Ended jobs that are held, with the seq of their last fact, in the order of their ends. */
  readonly ended: Map<string, number>;
  /** For each held job the names (idempotency key, token id) that stand for it. */
  readonly names: Map<string, readonly string[]>;
  /** Names whose job is held no more, with the instant, ms since the epoch, up to which they are remembered; oldest first. */
  readonly orphans: Map<string, number>;
}

/** Names are remembered at least so long after the last fact of their job, ms: twice what a signed request may be good for. */
export const namesMsMin = 600_000;

export const newRetained = (): Retained => ({ ended: new Map(), names: new Map(), orphans: new Map() });

/** The job has ended. */
export function retain({ ended }: Retained, id: string, seq: number): void {
  ended.set(id, seq);
}

/** The oldest ended jobs beyond `max`. */
export function surplusOf({ ended }: Retained, max: number): readonly string[] {
  if (ended.size <= max) return [];
  const surplus: string[] = [];
  for (const id of ended.keys()) {
    if (surplus.length >= ended.size - max) break;
    surplus.push(id);
  }
  return surplus;
}

/** Lets go of one job, whose end was at `endedAtMs`; the names that stood for it stay a while. */
export function forget({ ended, names, orphans }: Retained, id: string, endedAtMs: number): void {
  for (const name of names.get(id) ?? []) orphans.set(name, endedAtMs + namesMsMin);
  ended.delete(id);
  names.delete(id);
}

/** Names that need not be remembered any more at `nowMs`, a fact's own time; they are forgotten here. */
export function expired({ orphans }: Retained, nowMs: number): readonly string[] {
  const gone: string[] = [];
  for (const [name, untilMs] of orphans) {
    if (untilMs > nowMs) break;
    gone.push(name);
  }
  for (const name of gone) orphans.delete(name);
  return gone;
}

/** Puts `entries` into `map`, which is empty: how a fold takes over a saved Map and stays the same object. */
export function refill<K, V>(map: Map<K, V>, entries: Iterable<readonly [K, V]>): void {
  for (const [key, value] of entries) map.set(key, value);
}
