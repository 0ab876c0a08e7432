/** One seed is one history on another Node, too: nothing rests on how an engine orders what it may order as it likes. */
import { existsSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { simulateIn } from './children.ts';

const t = suite('simulate: another Node');
const firstSeed = seed() >>> 1;

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
