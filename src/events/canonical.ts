/**
 * Canonical JSON: keys sorted by code unit, no white space. Equal values give equal bytes.
 *
 * Why: hashes are over bytes, so two writers of the same value must write the same bytes. Records
 * themselves are built presorted (`record.ts`), which is twice as fast; this general form serves
 * digests of specs and state hashes. Test: `test/events/canonical.test.ts`.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Text of `value` with sorted keys. `undefined` members are left out, Maps become sorted objects, Sets sorted arrays. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value, 0));
}

/** Nesting that a fold or a spec never reaches; beyond it the value is not ours. */
const depthMax = 64;

function sorted(value: unknown, depth: number): unknown {
  if (depth > depthMax) throw new RangeError(`nested deeper than ${depthMax}`);
  if (value instanceof Map) return sortedMap(value, depth);
  if (value instanceof Set) return [...value].map(String).sort();
  if (Array.isArray(value)) return value.map((item) => sorted(item, depth + 1));
  if (value === null || typeof value !== 'object') return value;
  return fromSortedEntries(Object.entries(value), depth);
}

const sortedMap = (map: Map<unknown, unknown>, depth: number): unknown =>
  fromSortedEntries(
    [...map].map(([key, item]) => [String(key), item]),
    depth,
  );

function fromSortedEntries(entries: [string, unknown][], depth: number): unknown {
  const result: Record<string, unknown> = Object.create(null);
  // Keys that look like whole numbers are moved to the front by every JavaScript engine; a prefix would change
  // the data, so order is defined as "what the engine makes of sorted insertion", the same on all of them.
  for (const [key, item] of entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    result[key] = sorted(item, depth + 1);
  }
  return result;
}
