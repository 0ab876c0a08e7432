/** An I/O error at every call of a scenario of the whole controller. The slice for every day: `io-errors.test.ts`. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { failAt, faultKinds, live } from './io-errors.ts';

const t = suite('I/O errors, every call');

t(
  'an I/O error at call N, for every N: nothing told is lost, and every accepted job ends',
  async () => {
    const seen = new Map<string, number>();
    const { calls } = await live(null);
    for (let at = 1; at <= calls; at += 1) await failAt(at, faultKinds, seen);
    console.log(`${calls} calls, faults by call: ${JSON.stringify([...seen])}`);
    assert.is(
      [...seen.values()].reduce((sum, count) => sum + count, 0),
      calls * faultKinds.length,
    );
    for (const call of ['mkdir', 'open', 'write', 'datasync', 'syncFolder']) assert.ok(seen.has(call), call);
  },
  { limitMs: 900_000 },
);

t.run();
