/** Which rows of a long list are in sight. Test: `test/dashboard/row-window.test.ts`. */

/** Height of every row, px; `rows.css` sets the same. */
export const rowPx = 28;
/** Rows drawn above and below those in sight, so that a quick scroll shows no gap. */
export const overscan = 6;

export interface RowWindow {
  /** First row that is drawn, and the one behind the last. */
  readonly first: number;
  readonly end: number;
}

/**
 * Rows to draw. Always some where there are any: when a list becomes shorter than it was scrolled, its end is drawn, which
 * brings its height, and with it the browser's scroll, back to where rows are.
 */
export function rowWindow(rows: number, top: number, height: number): RowWindow {
  const shown = Math.ceil(height / rowPx) + 2 * overscan;
  const first = Math.max(0, Math.min(Math.floor(top / rowPx) - overscan, rows - shown));
  return { first, end: Math.min(rows, first + shown + 1) };
}
