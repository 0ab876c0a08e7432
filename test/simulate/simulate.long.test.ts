/** The simulation at length: 200,000 lifecycles under faults, and the same history on another Node. */
import { existsSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { failureOf, simulateIn, simulateMany } from './children.ts';

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
  { limitMs: 590_000 },
);

/** The newest Node that the machine has beside ours, from the npm package `node`; null when there is none. */
function otherNode(): string | null {
  const path = process.env['BERTH_OTHER_NODE'] ?? 'node_modules/node/bin/node';
  return existsSync(path) ? path : null;
}

const node = otherNode();
const law = 'one seed is one history on another Node, too';
if (node === null) t.skip(law, 'needs another Node: BERTH_OTHER_NODE or the npm package node');
else
  t(
    law,
    async () => {
      const args = ['--seed', String(firstSeed), '--seeds', '20', '--jobs', '60'];
      const [here, there] = await Promise.all([simulateIn(args), simulateIn(args, node)]);
      assert.equal([here.hash, here.counts], [there.hash, there.counts]);
    },
    { limitMs: 300_000 },
  );

t.run();
