/** Keys of the slider: by facts, and no more of them than it needs. */
import * as assert from 'uvu/assert';
import { factsOf, isSlidersOwn } from '../../src/dashboard/slider-keys.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: keys of the slider');

t('arrows move by one fact, pages by a tenth of them and at least one', () => {
  assert.equal(
    ['ArrowRight', 'ArrowUp', 'ArrowLeft', 'ArrowDown', 'PageUp', 'PageDown'].map((key) => factsOf(key, 230)),
    [1, 1, -1, -1, 23, -23],
  );
  assert.equal([factsOf('PageUp', 3), factsOf('PageDown', 0)], [1, -1]);
  // These the browser does right: the ends are facts.
  assert.equal([factsOf('Home', 230), factsOf('End', 230), factsOf('n', 230)], [0, 0, 0]);
});

t("while the slider has the focus, the page's other keys are the page's", () => {
  for (const key of ['ArrowRight', 'ArrowDown', 'PageUp', 'Home', 'End']) assert.ok(isSlidersOwn(key), key);
  for (const key of ['n', 'l', '/', '?', ' ', '1', 'Tab', 'toString']) assert.not.ok(isSlidersOwn(key), key);
});

t.run();
