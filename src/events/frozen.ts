/**
 * Plain data with Maps and Sets as JSON and back, order kept.
 *
 * Why not `canonicalJson`: sorting is right for comparing, but the order of a Map can carry meaning. First-fit
 * goes through the GPUs in the order in which they were added, and a restored fleet must have the same.
 * Test: `test/events/frozen.test.ts`.
 */

/** The value with each Map as `{"%map":[[key,value],…]}` and each Set as `{"%set":[…]}`. */
export function freeze(value: unknown): unknown {
  if (value instanceof Map) return { '%map': [...value].map(([key, item]) => [key, freeze(item)]) };
  if (value instanceof Set) return { '%set': [...value] };
  if (Array.isArray(value)) return value.map(freeze);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, freeze(item)]));
}

/** What `freeze` was given. A member of a job that is called `%map` is text, never an array, so it is no Map. */
export function thaw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(thaw);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (only && entries.length === 1 && Array.isArray(only[1])) {
    if (only[0] === '%map')
      return new Map(only[1].map(([key, item]: [unknown, unknown]) => [key, thaw(item)]));
    if (only[0] === '%set') return new Set(only[1]);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, thaw(item)]));
}
