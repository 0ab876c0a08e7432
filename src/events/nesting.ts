/**
 * How deep a JSON text nests, told before it is parsed.
 *
 * Why before: five million opening brackets keep JSON.parse busy for seconds, and the whole controller
 * with it, for they run on one thread. Counting brackets is linear, stops at the limit, and allocates nothing.
 * Test: `test/events/nesting.test.ts`.
 */

/** Does no object or array in `text` lie deeper than `depthMax`? Says nothing about whether it is JSON. */
export function nestingWithin(text: string, depthMax: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (quoted) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) quoted = false;
    } else if (char === 0x22) quoted = true;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > depthMax) return false;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return true;
}
