/** The search for a smaller failing run: it keeps what the failure needs, and nothing else. */
import * as assert from 'uvu/assert';
import { faultKinds, optionsOf } from '../../src/simulate/options.ts';
import { shrink } from '../../src/simulate/shrink.ts';
import { suite } from '../suite.ts';

const t = suite('simulate: shrink');

/** A seed under which both kinds are on. */
function seedWith(...kinds: (typeof faultKinds)[number][]): number {
  for (let seed = 0; seed < 1_000; seed += 1) {
    const { faults } = optionsOf({ seed, jobs: 1, without: [], crashAt: [] });
    if (kinds.every((kind) => faults[kind] > 0)) return seed;
  }
  throw new Error('no such seed');
}

t('what is left breaks the same law, and no single step makes it smaller', async () => {
  const seed = seedWith('cancels', 'hangs');
  const judge = async ({ jobs, without, crashAt }: Parameters<typeof optionsOf>[0]) => {
    const { faults } = optionsOf({ seed, jobs, without, crashAt });
    if (jobs < 7) return null;
    return faults.cancels > 0 && faults.hangs > 0 && crashAt.includes(9) ? 'I5' : 'I2';
  };
  const steps: number[] = [];
  const { choice } = await shrink(
    { seed, jobs: 100, without: [], crashAt: [4, 9] },
    { invariant: 'I5', judge, onBetter: ({ jobs }) => void steps.push(jobs) },
  );
  const { faults } = optionsOf(choice);
  assert.equal(
    faultKinds.filter((kind) => faults[kind] > 0),
    faultKinds.filter((kind) => kind === 'cancels' || kind === 'hangs'),
  );
  assert.equal([choice.jobs, choice.crashAt, choice.seed], [7, [9], seed]);
  assert.ok(steps.length > 3);
});

t('a failure that nothing makes smaller stays as it is, and the search ends', async () => {
  const given = { seed: 1, jobs: 5, without: [], crashAt: [] };
  const { choice, tries } = await shrink(given, {
    invariant: 'I5',
    judge: async () => 'I2',
    onBetter: () => assert.unreachable(),
  });
  assert.equal(choice, given);
  assert.ok(tries > 1);
});

t.run();
