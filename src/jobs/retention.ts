/**
 * Retention: which ended jobs the folds still hold.
 *
 * Why forget at all: a fold that keeps every job that ever was grows until it kills its process. What a
 * fold lets go of is not lost, its facts stand in the log; it only is not answered from memory any more,
 * and an idempotency key is good for as long as its job is held.
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
}

export const newRetained = (): Retained => ({ ended: new Map(), names: new Map() });

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

/** Lets go of one job; returns the names that stood for it. */
export function forget({ ended, names }: Retained, id: string): readonly string[] {
  const known = names.get(id) ?? [];
  ended.delete(id);
  names.delete(id);
  return known;
}

/** Puts `entries` into `map`, which is empty: how a fold takes over a saved Map and stays the same object. */
export function refill<K, V>(map: Map<K, V>, entries: Iterable<readonly [K, V]>): void {
  for (const [key, value] of entries) map.set(key, value);
}
