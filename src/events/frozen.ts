/**
 * Plain data with Maps and Sets as JSON and back, order kept.
 *
 * Why not `canonicalJson`: sorting is right for comparing, but the order of a Map can carry meaning. First-fit
 * goes through the GPUs in the order in which they were added, and a restored fleet must have the same.
 *
 * Why Maps of plain values have a mark of their own: nearly all that is frozen are jobs that ended, and a job is
 * plain. What is known to be plain is neither copied when frozen nor walked through when thawed, so a checkpoint
 * costs what `JSON.stringify` and `JSON.parse` cost. Test: `test/events/frozen.test.ts`.
 */

/** Objects without a Map or a Set anywhere inside. They are replaced and never changed, so they stay so. */
const knownPlain = new WeakSet<object>();

/**
 * The value with each Map as `{"%map":[[key,value],…]}`, or `{"%plain":…}` when its values hold no further Map or
 * Set, and each Set as `{"%set":[…]}`. Shares plain parts with `value`.
 */
export function freeze(value: unknown): unknown {
  if (value instanceof Map) {
    const entries = [...value];
    if (entries.every(([, item]) => isPlain(item))) return { '%plain': entries };
    return { '%map': entries.map(([key, item]) => [key, freeze(item)]) };
  }
  if (value instanceof Set) return { '%set': [...value] };
  if (Array.isArray(value)) return value.map(freeze);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, freeze(item)]));
}

/**
 * What `freeze` was given. Each call makes Maps and Sets of its own; plain parts are shared.
 * A member of a job that is called `%map` is text, never an array, so it is no Map.
 */
export function thaw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(thaw);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (only && entries.length === 1 && Array.isArray(only[1])) {
    const [mark, items] = only as [string, [unknown, unknown][]];
    if (mark === '%plain') return new Map(items);
    if (mark === '%map') return new Map(items.map(([key, item]) => [key, thaw(item)]));
    if (mark === '%set') return new Set(items);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, thaw(item)]));
}

function isPlain(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || knownPlain.has(value)) return true;
  if (value instanceof Map || value instanceof Set) return false;
  const plain = Object.values(value).every(isPlain);
  if (plain) knownPlain.add(value);
  return plain;
}
