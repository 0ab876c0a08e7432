/** Kill -9 at random moments under load, many times: too long for every run. */
import { suite } from '../suite.ts';
import { assertSaw, killAtRandom } from './kills.ts';

const kills = 300;
const t = suite('faults/kills, long');

t(
  `${kills} kills at random moments: every job answered with 202 ends exactly once, the chain verifies`,
  async () => {
    // Two controllers side by side: a start is mostly one core's work.
    const half = kills / 2;
    const runs = await Promise.all([killAtRandom(half), killAtRandom(half, 1)]);
    for (const run of runs) assertSaw(run, half);
  },
  { limitMs: 3_500_000 },
);

t.run();
