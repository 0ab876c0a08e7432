/** Kill -9 at random moments under load. A hundred of them run in `kills.long.test.ts`. */
import { suite } from '../suite.ts';
import { assertSaw, killAtRandom } from './kills.ts';

const kills = 8;
const t = suite('faults/kills');

t(
  `${kills} kills at random moments: every job answered with 202 ends exactly once, the chain verifies`,
  async () => assertSaw(await killAtRandom(kills), kills),
  { limitMs: 150_000 },
);

t.run();
