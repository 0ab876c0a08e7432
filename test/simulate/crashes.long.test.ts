/** 100 scenarios, each crashed at every append, every call of the disk, every start and kill of a guest, every reply. */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { failureOf, simulateMany } from './children.ts';

const t = suite('simulate: crashes everywhere');
const scenarios = 100;

t(
  `${scenarios} scenarios keep every law, crashed at each of their points, and again while that is mended`,
  async () => {
    const sum = await simulateMany({
      firstSeed: seed() >>> 1,
      seedsEach: 5,
      args: ['--crash-everywhere', '--jobs', '2'],
      more: ({ seeds }) => seeds < scenarios,
    });
    assert.ok(sum.violation === null, failureOf(sum));
    const { 'crash points tried': points = 0, runs = 0 } = sum.counts;
    console.log(`${sum.seeds} scenarios, ${points} crash points, ${runs} runs, ${sum.lifecycles} lifecycles`);
    assert.ok(sum.seeds >= scenarios && points > 50 * scenarios && runs > points);
  },
  { limitMs: 3_500_000 },
);

t.run();
