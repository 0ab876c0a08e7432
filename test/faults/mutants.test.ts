/** Planted bugs: each patch is one mistake in production code, still fits, and a few of them are found right now. */
import * as assert from 'uvu/assert';
import { runs, seed, suite } from '../suite.ts';
import { hunt } from './mutants/hunt.ts';
import { filesOf, fits, mutants, planted, remove } from './mutants/mutant.ts';
import { caughtInTable, foundInTable } from './mutants/table.ts';

const t = suite('planted bugs');

/** Planted bugs that there must be. */
const mutantsMin = 30;
/** Bugs that the table says are found within so many lifecycles are hunted here; the others in the long run. */
const quickLifecyclesMax = 300;
/** Hunted in one run. */
const huntedEach = runs(2);

t('each patch says what it is, and changes production code alone', () => {
  const all = mutants();
  assert.ok(all.length >= mutantsMin, `only ${all.length} patches`);
  for (const mutant of all) {
    assert.ok(filesOf(mutant).length > 0);
    assert.ok(mutant.text.length > 40, `${mutant.name} does not say what it is`);
  }
});

t('each patch still fits the tree', () => {
  const outdated = mutants().filter((mutant) => !fits(mutant));
  assert.equal(
    outdated.map(({ name }) => name),
    [],
    'renew them',
  );
});

t(
  'the table says of at least thirty bugs that they were found, and of none that a unit test caught it',
  () => {
    const names = mutants().map(({ name }) => name);
    const found = [...foundInTable().keys()].filter((name) => names.includes(name));
    assert.ok(
      found.length >= mutantsMin,
      `only ${found.length}: run test/faults/mutants/run.ts --unit --write`,
    );
    assert.equal(caughtInTable(), []);
  },
);

t(
  'bugs picked at random are found from a random seed on',
  async () => {
    const table = foundInTable();
    const quick = mutants().filter(
      ({ name }) => (table.get(name)?.lifecycles ?? Infinity) <= quickLifecyclesMax,
    );
    assert.ok(quick.length > huntedEach, `only ${quick.length} quick ones`);
    const from = seed() % quick.length;
    for (let i = 0; i < huntedEach; i += 1) {
      // Steps that are prime to nothing in particular, so that neighbours in the alphabet are not always hunted together.
      const mutant = quick[(from + i * 7) % quick.length]!;
      const firstSeed = 1 + (seed() % 100_000);
      const copy = planted(mutant);
      try {
        const { found, lifecycles } = await hunt(copy, { firstSeed, lifecyclesMax: 20_000, msMax: 100_000 });
        console.log(
          `${mutant.name}: ${found?.law ?? 'NOT FOUND'} after ${lifecycles} lifecycles from seed ${firstSeed}`,
        );
        assert.ok(
          found,
          `${mutant.name} is not found from seed ${firstSeed} within ${lifecycles} lifecycles`,
        );
      } finally {
        remove(copy);
      }
    }
  },
  { limitMs: 280_000 },
);

t.run();
