/** Nesting is told before parsing, in linear time, and agrees with what parsing would find. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { nestingWithin } from '../../src/events/nesting.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('nesting');
const depthOf = (value: unknown): number =>
  typeof value !== 'object' || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf));

t('for every JSON value it says exactly whether the value is deeper than the limit', () => {
  let deep = 0;
  void fc.assert(
    fc.property(fc.json({ maxDepth: 8, depthSize: 'max' }), fc.nat({ max: 8 }), (text, max) => {
      const depth = depthOf(JSON.parse(text));
      if (depth > 2) deep += 1;
      assert.is(nestingWithin(text, max), depth <= max);
    }),
    { seed: seed(), numRuns: runs(1_000) },
  );
  assert.ok(deep > 50, `only ${deep} deep values`);
});

t('brackets in strings do not count, behind escapes neither', () => {
  assert.ok(nestingWithin('"[[[["', 0) && nestingWithin('{"a\\"[[[":"]\\\\"}', 1));
  assert.not(nestingWithin('["a\\\\",[[]]]', 2), 'a string ended, the bracket counts');
});

t('five million brackets are refused at once, and so is text that is no JSON', () => {
  const fromMs = performance.now();
  assert.not(nestingWithin('['.repeat(5_000_000), 16));
  assert.not(nestingWithin(`${']'.repeat(10)}${'['.repeat(40)}`, 16));
  assert.ok(performance.now() - fromMs < 1_000);
});

t.run();
