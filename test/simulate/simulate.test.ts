/**
 * A random slice of the simulation: the production controller under faults keeps every law, one seed is one history,
 * and a broken law is seen, shown and made small.
 */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { failureOf, simulateIn, simulateMany } from './children.ts';

const t = suite('simulate');
/** Low enough that the seeds after it are whole numbers, too. */
const firstSeed = seed() >>> 1;

/** What every slice of this size meets, whatever its seed; one that did not proves little. */
const wanted: Readonly<Record<string, number>> = {
  recoveries: 50,
  'crashes by power': 5,
  'crashes by kill': 5,
  'crashes in recovery': 3,
  'starts from a checkpoint': 5,
  'lives that failed': 3,
  'torn tails': 3,
  'shutdowns in order': 50,
  'live states compared': 50,
  'whole states compared': 50,
  'requests repeated': 20,
  'foreign ids asked for': 10,
  'guests killed': 50,
  'job.lost': 20,
  'job.overdue': 20,
  'job.succeeded': 300,
  'job.evicted': 1,
  'job.retryScheduled': 10,
  'slot.drained': 5,
  'cancel in queued': 5,
  'cancel in running': 2,
  'crash in queued': 5,
  'crash in running': 5,
  'crash in starting': 1,
  'shutdown in running': 5,
};

const shortOf = (counts: Readonly<Record<string, number>>): string[] =>
  Object.entries(wanted)
    .filter(([name, count]) => (counts[name] ?? 0) < count)
    .map(([name, count]) => `${name}: ${counts[name] ?? 0}, wanted ${count}`);

t(
  'under faults of every kind no law is broken, and every job that was accepted ends',
  async () => {
    const seeds = 60;
    const sum = await simulateMany({
      firstSeed,
      seedsEach: seeds / 2,
      args: ['--jobs', '60'],
      // A seed whose first slice lacks something rare gets more of it.
      more: (sofar) => sofar.seeds < seeds || (sofar.seeds < 4 * seeds && shortOf(sofar.counts).length > 0),
    });
    assert.ok(sum.violation === null, failureOf(sum));
    console.log(
      `${sum.lifecycles} lifecycles, ${sum.facts} facts, ${Math.round(sum.lifecycles / sum.seconds)}/s`,
    );
    assert.equal(shortOf(sum.counts), []);
  },
  { limitMs: 240_000 },
);

t(
  'one seed is one history: two processes end with the same log, another seed with another',
  async () => {
    const args = (from: number) => ['--seed', String(from), '--seeds', '4', '--jobs', '40'];
    const [one, other, third] = await Promise.all([
      simulateIn(args(firstSeed)),
      simulateIn(args(firstSeed)),
      simulateIn(args(firstSeed + 1)),
    ]);
    assert.match(one.hash, /^[0-9a-f]{64}$/);
    assert.equal([one.hash, one.counts], [other.hash, other.counts]);
    assert.is.not(one.hash, third.hash);
  },
  { limitMs: 120_000 },
);

t(
  'a small scenario, crashed at each of its points, keeps every law',
  async () => {
    const sum = await simulateIn([
      '--crash-everywhere',
      '--jobs',
      '1',
      '--seeds',
      '1',
      '--seed',
      String(firstSeed),
    ]);
    assert.ok(sum.violation === null, failureOf(sum));
    assert.ok((sum.counts['crash points tried'] ?? 0) > 30);
    assert.ok((sum.counts['runs'] ?? 0) > (sum.counts['crash points tried'] ?? 0));
  },
  { limitMs: 120_000 },
);

t.run();
