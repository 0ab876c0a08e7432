/** The simulation at length: 200,000 lifecycles under faults, and every state met by everything that can strike it. */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { failureOf, simulateMany } from './children.ts';

const t = suite('simulate: at length');
const firstSeed = seed() >>> 1;
const lifecyclesMin = 200_000;

const waiting = [
  'attesting',
  'queued',
  'reserving',
  'starting',
  'running',
  'stopping',
  'releasing',
  'backoff',
];
/** Every state that a job can be in, struck by everything that can strike it. */
const pairs = ['cancel', 'crash', 'shutdown'].flatMap((what) =>
  waiting.map((state) => `${what} in ${state}`),
);

t(
  `no law is broken in ${lifecyclesMin} lifecycles, and every state was cancelled, crashed and shut down in`,
  async () => {
    const sum = await simulateMany({
      firstSeed,
      seedsEach: 50,
      args: ['--jobs', '100'],
      more: ({ lifecycles }) => lifecycles < lifecyclesMin,
    });
    assert.ok(sum.violation === null, failureOf(sum));
    console.log(
      `${sum.lifecycles} lifecycles, ${sum.facts} facts, ${Math.round(sum.lifecycles / sum.seconds)}/s a core`,
    );
    assert.equal(
      pairs.filter((pair) => (sum.counts[pair] ?? 0) === 0),
      [],
      'never seen',
    );
  },
  { limitMs: 3_500_000 },
);

t.run();
