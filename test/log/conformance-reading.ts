/** The part of the conformance suite that is about reading; run by `conformance.ts`. */
import * as assert from 'uvu/assert';
import type { Log } from '../../src/log/log.ts';
import { appendMany, draft } from './drafts.ts';

/** Declares a test that is handed a fresh log. */
export type Law = (sentence: string, body: (log: Log) => unknown) => void;

/** Everything appended can be read, at once and for ever. */
export function reading(law: Law): void {
  law('what is appended can be read at once, before it is durable', async (log) => {
    const records = appendMany(log, 'a', 5);
    assert.equal(await log.read(1, 10), records);
    assert.equal(await log.read(2, 2), records.slice(1, 3));
    await log.whenDurable(5);
    assert.equal(await log.read(1, 10), records);
  });

  law('reading beyond either end gives what there is', async (log) => {
    const records = appendMany(log, 'a', 3);
    assert.equal(await log.read(4, 10), []);
    assert.equal(await log.read(3, 10), records.slice(2));
    assert.equal(await log.read(1, 1), records.slice(0, 1));
    assert.equal(await log.readStream('job.acme.nobody'), []);
  });

  law('a stream is read oldest first, from a version on, up to a limit', async (log) => {
    appendMany(log, 'b', 1);
    const records = appendMany(log, 'a', 4);
    appendMany(log, 'b', 1);
    assert.equal(await log.readStream('job.acme.a'), records);
    assert.equal(await log.readStream('job.acme.a', 3), records.slice(2));
    assert.equal(await log.readStream('job.acme.a', 2, 2), records.slice(1, 3));
    assert.equal(await log.readStream('job.acme.a', 5), []);
  });

  law('old facts read as they were when ten thousand newer ones have come', async (log) => {
    const first = appendMany(log, 'first', 3);
    for (let i = 0; i < 10; i += 1) {
      appendMany(log, `s${i}`, 1_000);
      await log.whenDurable(log.head);
    }
    assert.equal(await log.read(1, 3), first);
    assert.equal(await log.readStream('job.acme.first'), first);
    const all = [...(await log.read(1, 10_000)), ...(await log.read(10_001, 10_000))];
    assert.equal(
      all.map((record) => record.seq),
      Array.from({ length: 10_003 }, (_, i) => i + 1),
    );
    const again = log.append(draft('first', 1, { n: 1 }));
    assert.is(again.duplicate, true);
    assert.equal(again.record, first[1]);
  });

  law('of many facts that wait for the disk none is out of reach meanwhile', async (log) => {
    appendMany(log, 'a', 40_000);
    const looks: Promise<void>[] = [];
    const look = async (seq: number): Promise<void> => {
      const expected = [seq, seq + 1, seq + 2].filter((each) => each <= 40_000);
      const records = await log.read(seq, 3);
      assert.equal(
        records.map((record) => record.seq),
        expected,
      );
    };
    const leave = log.onChange(() => void looks.push(look(log.durable)));
    await log.whenDurable(40_000);
    await Promise.all(looks);
    leave();
    assert.ok(looks.length > 0);
  });

  law('text of any kind comes back as it was', async (log) => {
    const data = {
      text: 'ü €   \u0000 \u{1F680} "\\\n\r \u2028 \uFFFD \ud800',
      nested: { a: [1, null, true, -0.5e-9] },
    };
    log.append(draft('a', 0, data));
    await log.whenDurable(1);
    assert.equal((await log.read(1, 1))[0]!.data, data);
  });
}
