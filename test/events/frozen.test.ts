/** Frozen data comes back as it was: Maps and Sets too, in their order. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { freeze, thaw } from '../../src/events/frozen.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('frozen');

const plain = fc.jsonValue({ maxDepth: 3 });

t('what is frozen, written as JSON, read and thawed equals what it was, in its order', () =>
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string(), plain), { maxLength: 8 }),
      fc.array(fc.string(), { maxLength: 8 }),
      plain,
      (entries, members, other) => {
        const value = { map: new Map(entries), set: new Set(members), list: [new Map(entries), other] };
        const back = thaw(JSON.parse(JSON.stringify(freeze(value)))) as typeof value;
        assert.equal([...back.map], [...JSON.parse(JSON.stringify([...value.map]))]);
        assert.equal([...back.set], [...value.set]);
        assert.equal(JSON.stringify(freeze(back)), JSON.stringify(freeze(value)));
      },
    ),
    { seed: seed(), numRuns: runs(300) },
  ),
);

t('two that thaw the same share no Map', () => {
  const frozen = freeze({ jobs: new Map([['a', { state: 'queued' }]]) });
  const [one, two] = [thaw(frozen), thaw(frozen)] as { jobs: Map<string, unknown> }[];
  one?.jobs.set('b', null);
  assert.is(two?.jobs.size, 1);
});

t('text that a tenant calls %map or %set is no Map and no Set', () => {
  const labels = { '%map': 'x' };
  assert.equal(thaw(freeze(labels)), labels);
  assert.equal(thaw(freeze({ '%set': 'x' })), { '%set': 'x' });
});

t.run();
