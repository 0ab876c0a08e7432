/**
 * A disk that fails at one call, below the whole controller: nothing told is lost, the next life recovers, every accepted
 * job ends. Every day at each fourth call, beginning with another one by the seed; all of them: `io-errors.long.test.ts`.
 */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { failAt, faultKinds, judge, live } from './io-errors.ts';

const t = suite('I/O errors');
const stride = 4;

t('without a fault the scenario comes to its end in three lives', async () => {
  const outcome = await live(null);
  judge(outcome, 'no fault');
  assert.ok(outcome.calls > 60 && outcome.records.length > 40);
  assert.equal([outcome.lives, outcome.failed, outcome.cancelled.size], [3, null, 1]);
});

t(
  'a call that fails, with EIO, a full disk or a short write, loses nothing that was told',
  async () => {
    const seen = new Map<string, number>();
    const { calls } = await live(null);
    for (let at = 1 + (seed() % stride); at <= calls; at += stride) await failAt(at, faultKinds, seen);
    assert.ok((seen.get('write') ?? 0) > 20 && (seen.get('datasync') ?? 0) > 20, JSON.stringify([...seen]));
  },
  { limitMs: 120_000 },
);

t.run();
