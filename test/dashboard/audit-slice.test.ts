/** A check goes on in slices, and one that breaks down says so. */
import * as assert from 'uvu/assert';
import { DecisionCheck } from '../../src/dashboard/audit-check.ts';
import { type Check, sliceOf } from '../../src/dashboard/audit-slice.ts';
import { fromTheBeginning } from '../../src/log/replay.ts';
import { suite } from '../suite.ts';
import { goldenRecords } from './logs.ts';

const t = suite('dashboard/audit-slice');

/** A clock that goes on by 1 ms at each look. */
function ticking(): () => number {
  let ms = 0;
  return () => (ms += 1);
}

t('a slice ends with its time, and the check goes on in the next one', () => {
  let steps = 0;
  const check: Check = {
    progress: { done: 0, seq: 0 },
    step: () => {
      steps += 1;
      return steps < 20;
    },
  };
  assert.equal(sliceOf(check, ticking()), { hasMore: true, broke: null });
  assert.ok(steps > 5 && steps < 20, `${steps} steps`);
  assert.equal(sliceOf(check, ticking()), { hasMore: false, broke: null });
  assert.is(steps, 20);
});

t('a record that no check survives ends it with what it broke on, behind the last good one', () => {
  const records = goldenRecords(2);
  const at = records.findIndex(({ type }) => type === 'job.reserved');
  const broken = records.with(at, { ...records[at]!, data: null } as never);
  const check = new DecisionCheck(broken, fromTheBeginning());
  assert.throws(() => new DecisionCheck(broken, fromTheBeginning()).step(records.length));
  const { hasMore, broke } = sliceOf(check, () => 0);
  assert.not.ok(hasMore);
  assert.match(broke ?? '', /null/);
  assert.is(check.progress.seq, records[at]!.seq - 1);
});

t.run();
