/** One seed is one history on the newest Node, too: nothing rests on how an engine orders what it may order as it likes. */
import { execFileSync } from 'node:child_process';
import * as assert from 'uvu/assert';
import { runs, seed, suite } from '../suite.ts';
import { simulateIn } from './children.ts';

const t = suite('simulate: another Node');

t.needing(
  'newest-node',
  'one seed is one history on the newest Node, too',
  async () => {
    const version = execFileSync('newest-node', ['--version'], { encoding: 'utf8' }).trim();
    console.log(`${process.version} beside ${version}`);
    const args = ['--seed', String(seed() >>> 1), '--seeds', String(runs(4)), '--jobs', '60'];
    const [here, there] = await Promise.all([simulateIn(args), simulateIn(args, 'newest-node')]);
    assert.equal([here.hash, here.counts], [there.hash, there.counts]);
  },
  { limitMs: 300_000 },
);

t.run();
