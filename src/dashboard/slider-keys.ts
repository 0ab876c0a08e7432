/**
 * Keys of the slider: how far each moves it, and which of them it needs for itself.
 *
 * Why not the browser's own: it would move by seq, and in a tenant's log the next seq is often no fact. Test:
 * `test/dashboard/slider-keys.test.ts`.
 */

/** The slider's share of the log that one press of Page Up moves by. */
const pageShare = 0.1;

const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
const pages: Readonly<Record<string, number>> = { PageUp: 1, PageDown: -1 };
const ends: readonly string[] = ['Home', 'End'];

/** Facts that this key moves the slider by, of `records` facts in all; 0 when that is not for us to say. */
export function factsOf(key: string, records: number): number {
  const pagesOn = pages[key];
  return pagesOn === undefined ? (steps[key] ?? 0) : pagesOn * Math.max(1, Math.round(pageShare * records));
}

/** Is the key the slider's own while it has the focus? All others are the page's. */
export const isSlidersOwn = (key: string): boolean =>
  Object.hasOwn(steps, key) || Object.hasOwn(pages, key) || ends.includes(key);
