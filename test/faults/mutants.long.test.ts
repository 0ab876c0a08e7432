/** All planted bugs are found, whatever seed the hunt begins with; and the tree without a bug breaks no law. */
import { availableParallelism } from 'node:os';
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { type Hunt, hunt } from './mutants/hunt.ts';
import { type Mutant, mutants, planted, remove } from './mutants/mutant.ts';

const t = suite('planted bugs, all');

const lifecyclesMax = 50_000;
/** Of one hunt; the runner ends a file after an hour, and slow hunts must leave time to the others. */
const huntMsMax = 600_000;
const allMsMax = 3_500_000;

const from = (mutant: Mutant | null, firstSeed: number): Promise<Hunt> => {
  const copy = planted(mutant);
  return hunt(copy, { firstSeed, lifecyclesMax, msMax: huntMsMax }).finally(() => remove(copy));
};

t(
  'every planted bug is found from a random seed on, and without one no law is broken',
  async () => {
    const firstSeed = 1 + (seed() % 100_000);
    const waiting: (Mutant | null)[] = [null, ...mutants()];
    const lost: string[] = [];
    let judged = 0;
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const { found, lifecycles } = await from(next, firstSeed);
        judged += 1;
        const name = next?.name ?? 'without a bug';
        console.log(`${name}: ${found?.law ?? 'no law is broken'} after ${lifecycles} lifecycles`);
        if ((found === null) !== (next === null)) lost.push(name);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    assert.ok(judged > 30, `only ${judged} were judged`);
    assert.equal(lost, [], `first seed ${firstSeed}`);
  },
  { limitMs: allMsMax },
);

t.run();
