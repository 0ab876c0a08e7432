/** I/O errors at every call of a scenario of the whole controller, and pairs of them. Every day: `io-errors.test.ts`. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { failAt, faultKinds, live } from './io-errors.ts';

const t = suite('I/O errors, every call');
/** Calls after the first fault at which the second one comes: beyond them the recovery is over. */
const apartMax = 24;

t(
  'an I/O error at call N, for every N and of every kind: nothing told is lost, and every accepted job ends',
  async () => {
    const seen = new Map<string, number>();
    const { calls } = await live();
    for (let at = 1; at <= calls; at += 1)
      for (const kind of faultKinds) assert.is((await failAt([{ ...kind, at }], seen)).failed.length, 1);
    console.log(`${calls} calls, failed by name: ${JSON.stringify([...seen])}`);
  },
  { limitMs: 3_500_000 },
);

t(
  'an I/O error at every call, and another at every call of the recovery: nothing told is lost',
  async () => {
    const seen = new Map<string, number>();
    const { calls } = await live();
    let [histories, both] = [0, 0];
    for (let at = 1; at <= calls; at += 1) {
      for (let apart = 1; apart <= apartMax; apart += 1) {
        const [a, b] = [faultKinds[(at + apart) % 5]!, faultKinds[apart % 5]!];
        const { failed } = await failAt(
          [
            { ...a, at },
            { ...b, at: at + apart },
          ],
          seen,
        );
        histories += 1;
        if (failed.length === 2) both += 1;
      }
    }
    console.log(`${calls} calls, ${histories} histories, by call: ${JSON.stringify([...seen])}`);
    assert.ok(both > histories * 0.7, `${both} of ${histories} times both`);
  },
  { limitMs: 3_500_000 },
);

t.run();
