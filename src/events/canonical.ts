/**
 * Canonical JSON: keys sorted by code unit, no white space. Equal values give equal bytes.
 *
 * Why: hashes are over bytes, so two writers of the same value must write the same bytes. Records
 * themselves are built presorted (`record.ts`), which is twice as fast; this general form serves
 * digests of specs and state hashes. Test: `test/events/canonical.test.ts`.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * The text of a part that is known already, or null. For values that are replaced and never changed: a state of ten
 * thousand ended jobs is hashed again and again, and only the jobs that moved meanwhile have a new text.
 */
export type KnownText = (value: object) => string | null;

/** Text of `value` with sorted keys. `undefined` members are left out, Maps become sorted objects, Sets sorted arrays. */
export function canonicalJson(value: unknown, known: KnownText = () => null): string {
  return textOf(value, 0, known) ?? 'null';
}

/** Nesting that a fold or a spec never reaches; beyond it the value is not ours. */
const depthMax = 64;

/** Undefined for what JSON has no word for. */
function textOf(value: unknown, depth: number, known: KnownText): string | undefined {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (depth > depthMax) throw new RangeError(`nested deeper than ${depthMax}`);
  const text = known(value);
  if (text !== null) return text;
  if (isFlatSorted(value)) return JSON.stringify(value);
  if (value instanceof Map) {
    const named: ReadonlyMap<string, unknown> = new Map([...value].map(([key, item]) => [String(key), item]));
    return membersText([...named.keys()], (key) => named.get(key), depth, known);
  }
  if (value instanceof Set) return JSON.stringify([...value].map(String).sort());
  if (Array.isArray(value))
    return `[${value.map((item) => textOf(item, depth + 1, known) ?? 'null').join()}]`;
  const named = value as Readonly<Record<string, unknown>>;
  return membersText(Object.keys(named), (key) => named[key], depth, known);
}

/** Whether the engine's own writing of this object or array is the canonical one: nothing nested, keys in order. */
function isFlatSorted(value: object): boolean {
  if (Array.isArray(value)) return value.every(isFlat);
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  let last = '';
  for (const key in value) {
    if (key < last || isDigit(key.charCodeAt(0)) || !isFlat((value as Record<string, unknown>)[key]))
      return false;
    last = key;
  }
  return true;
}

const isFlat = (value: unknown): boolean => value === null || typeof value !== 'object';
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

function membersText(
  keys: readonly string[],
  memberOf: (key: string) => unknown,
  depth: number,
  known: KnownText,
): string {
  const texts: string[] = [];
  for (const key of inOrder(keys)) {
    const text = textOf(memberOf(key), depth + 1, known);
    if (text !== undefined) texts.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${texts.join()}}`;
}

/**
 * Keys that are whole numbers come first, in their own order, as in every JavaScript object; then by code unit. So
 * the text of a text that was read back is the same text.
 */
function inOrder(keys: readonly string[]): string[] {
  const indexes = keys.filter(isIndex).sort((a, b) => Number(a) - Number(b));
  // Without a function to compare with, the engine sorts a hundred thousand names in a fraction of the time.
  return [...indexes, ...keys.filter((key) => !isIndex(key)).sort()];
}

/** 2^32 − 1 and above are no array indexes; engines keep them in the order of insertion. */
const indexMax = 4_294_967_294;

function isIndex(key: string): boolean {
  // Nearly no key begins with a digit: decided by one look.
  if (!isDigit(key.charCodeAt(0)) || key.length > 10) return false;
  const index = Number(key);
  return String(index) === key && index <= indexMax;
}
