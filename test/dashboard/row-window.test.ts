/** A window over a long list: small, and never beside the rows. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { overscan, rowPx, rowWindow } from '../../src/dashboard/row-window.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('dashboard: window over rows');

const lists = fc.record({
  rows: fc.nat(100_000),
  top: fc.nat(3_000_000),
  height: fc.integer({ min: 1, max: 3_000 }),
});

t('it lies within the list, is small, and is empty only when the list is', () =>
  fc.assert(
    fc.property(lists, ({ rows, top, height }) => {
      const { first, end } = rowWindow(rows, top, height);
      assert.ok(first >= 0 && end <= rows && first <= end);
      assert.is(end > first, rows > 0);
      assert.ok(end - first <= height / rowPx + 2 * overscan + 2);
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('every row that is in sight is in it', () =>
  fc.assert(
    fc.property(lists, ({ rows, top, height }) => {
      // No browser scrolls further than the end.
      const at = Math.min(top, Math.max(0, rows * rowPx - height));
      const { first, end } = rowWindow(rows, at, height);
      assert.ok(first <= Math.floor(at / rowPx));
      assert.ok(end >= Math.min(rows, Math.ceil((at + height) / rowPx)));
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('a list that became shorter than it was scrolled shows its end', () => {
  const { first, end } = rowWindow(4_000, 171_000, 600);
  assert.is(end, 4_000);
  assert.ok(first < 4_000 - 600 / rowPx);
});

t.run();
