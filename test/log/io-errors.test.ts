/**
 * A disk that fails, below the whole controller: nothing told is lost, the next life recovers, every accepted job ends.
 * Each call to the disk fails once, in two of the five ways, others for another seed; two failures in one history are
 * drawn by chance. All five ways, and all pairs that lie near each other: `io-errors.long.test.ts`.
 */
import * as assert from 'uvu/assert';
import { runs, seed, suite } from '../suite.ts';
import { numbers } from './drafts.ts';
import { failAt, faultKinds, judge, live } from './io-errors.ts';

const t = suite('I/O errors');

t('without a fault the scenario comes to its end in three lives and writes checkpoints', async () => {
  const outcome = await live();
  judge(outcome, 'no fault');
  assert.ok(outcome.calls > 80 && outcome.records.length > 50);
  assert.equal([outcome.lives, outcome.failed.length, outcome.cancelled.size], [3, 0, 1]);
  assert.ok(outcome.records.filter(({ type }) => type === 'controller.checkpointed').length > 2);
});

t(
  'an I/O error at call N, for every N: nothing told is lost, and every accepted job ends',
  async () => {
    const seen = new Map<string, number>();
    const { calls } = await live();
    for (let at = 1; at <= calls; at += 1)
      for (const turn of [0, 2])
        assert.is((await failAt([{ ...faultKinds[(at + seed() + turn) % 5]!, at }], seen)).failed.length, 1);
    for (const call of ['mkdir', 'open', 'write', 'datasync', 'truncate', 'rename', 'remove', 'syncFolder'])
      assert.ok(seen.has(call), `${call} never failed`);
  },
  { limitMs: 300_000 },
);

t(
  'nor do two I/O errors, wherever they come',
  async () => {
    const seen = new Map<string, number>();
    const random = numbers(seed());
    const { calls } = await live();
    const upTo = (count: number): number => Math.floor(random() * count);
    let both = 0;
    for (let i = 0; i < runs(60); i += 1) {
      const at = 1 + upTo(calls);
      const second = at + 1 + upTo(random() < 0.7 ? 20 : calls);
      const [a, b] = [faultKinds[upTo(5)]!, faultKinds[upTo(5)]!];
      const { failed } = await failAt(
        [
          { ...a, at },
          { ...b, at: second },
        ],
        seen,
      );
      if (failed.length === 2) both += 1;
    }
    assert.ok(both > 30, `${both} times both`);
  },
  { limitMs: 300_000 },
);

t.run();
