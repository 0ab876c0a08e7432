/**
 * What every log must do, whichever adapter it is.
 *
 * Why one suite: everything above the port relies on these laws and on nothing else. A third adapter is
 * finished when this passes for it.
 */
import * as assert from 'uvu/assert';
import { genesis, openRecord, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Log, OpenedLog } from '../../src/log/log.ts';
import { suite } from '../suite.ts';
import { cutting } from './conformance-cutting.ts';
import { type Law, reading } from './conformance-reading.ts';
import { appendMany, codeOf, draft } from './drafts.ts';

export interface Subject {
  readonly log: Log;
  /** Closes the log and opens it again; null when the adapter promises nothing beyond the process. */
  readonly reopen: (() => Promise<OpenedLog>) | null;
  /** Releases what the subject holds. */
  readonly end: () => Promise<void>;
}

/** Declares and runs the suite. */
export function logConformance(name: string, open: () => Promise<Subject>): void {
  const t = suite(name);
  const law = (sentence: string, body: (log: Log) => unknown): void =>
    t(sentence, async () => {
      const subject = await open();
      try {
        await body(subject.log);
        await subject.log.close();
      } finally {
        await subject.end();
      }
    });
  placing(law);
  repeating(law);
  reading(law);
  cutting(law);
  waiting(law);
  ending(law);
  reopening(t, open);
  t.run();
}

function placing(law: Law): void {
  law('an empty log stands at seq 0 and at the genesis hash', (log) => {
    assert.is(log.head, 0);
    assert.is(log.durable, 0);
    assert.is(log.headHash, genesis);
    assert.is(log.failure, null);
    assert.ok(log.epoch >= 1);
    assert.ok(log.durability.length > 5);
  });

  law('seq has no gaps, and each record carries the hash of the one before', (log) => {
    const records = [...appendMany(log, 'a', 3), ...appendMany(log, 'b', 2), ...appendMany(log, 'a', 1)];
    let prev = genesis;
    for (const [i, record] of records.entries()) {
      assert.is(record.seq, i + 1);
      assert.is(record.prev, prev);
      assert.is(record.epoch, log.epoch);
      const { line } = sealRecord(record, nodeSha256);
      assert.equal(openRecord(line, { seq: i + 1, prev }, nodeSha256), record);
      prev = record.hash;
    }
    assert.is(log.head, 6);
    assert.is(log.headHash, prev);
  });

  law('a version counts the facts of its stream, and the id is stream and version', (log) => {
    appendMany(log, 'a', 2);
    const [record] = appendMany(log, 'b', 1);
    assert.is(record!.version, 1);
    assert.is(record!.id, 'job.acme.b:1');
    assert.is(log.versionOf('job.acme.a'), 2);
    assert.is(log.versionOf('job.acme.nobody'), 0);
  });

  law('two streams whose names begin alike are two streams', (log) => {
    appendMany(log, 'a', 1);
    appendMany(log, 'a-b', 1);
    assert.is(log.versionOf('job.acme.a'), 1);
    assert.is(log.versionOf('job.acme.a-b'), 1);
    assert.is(log.versionOf('job.acme'), 0);
  });

  law('a draft that would not make a valid line is refused and takes no place', async (log) => {
    appendMany(log, 'a', 1);
    const good = draft('a', 1);
    for (const bad of [
      { ...good, subject: 'job.acme.a".noted', expectedVersion: 0 },
      { ...good, subject: 'job', expectedVersion: 0 },
      { ...good, type: 'job\nnoted' },
      { ...good, author: '' },
      { ...good, at: Number.NaN },
      { ...good, cause: 0.5 },
    ]) {
      assert.match(String(await codeOf(() => log.append(bad))), /broken invariant/);
    }
    const long = draft('a', 1, { text: 'é'.repeat(8 * 1024 * 1024) });
    assert.is(await codeOf(() => log.append(long)), 'ERR_TOO_LARGE');
    assert.is(log.head, 1);
    assert.is(log.append(good).record.seq, 2);
  });
}

function repeating(law: Law): void {
  law('a fact that repeats itself gets the place it has, and nothing is written', (log) => {
    appendMany(log, 'a', 3);
    const again = log.append(draft('a', 1, { n: 1 }));
    assert.is(again.duplicate, true);
    assert.is(again.record.seq, 2);
    assert.is(log.head, 3);
  });

  law('a retry may differ in time, basis and trace: what it says decides', (log) => {
    appendMany(log, 'a', 2);
    const again = log.append({ ...draft('a', 1, { n: 1 }), at: 1, basis: 1, trace: 'other' });
    assert.is(again.duplicate, true);
    assert.is(again.record.at, 1_700_000_000_000);
  });

  law('another fact at a version that is taken is a conflict', async (log) => {
    appendMany(log, 'a', 3);
    assert.is(await codeOf(() => log.append(draft('a', 1, { n: 99 }))), 'ERR_LOG_CONFLICT');
    assert.is(
      await codeOf(() => log.append({ ...draft('a', 1, { n: 1 }), type: 'job.other' })),
      'ERR_LOG_CONFLICT',
    );
    assert.is(log.head, 3);
  });

  law('a version that is not reached yet, or is none, is a conflict', async (log) => {
    appendMany(log, 'a', 1);
    for (const version of [2, 100, -1, 0.5, Number.NaN]) {
      assert.is(await codeOf(() => log.append(draft('a', version))), 'ERR_LOG_CONFLICT');
    }
    assert.is(await codeOf(() => log.append(draft('new', 1))), 'ERR_LOG_CONFLICT');
    assert.is(log.head, 1);
  });

  law('of two writers at one version one wins, and the other is told', async (log) => {
    assert.is(log.append(draft('a', 0, { by: 'one' })).duplicate, false);
    assert.is(await codeOf(() => log.append(draft('a', 0, { by: 'two' }))), 'ERR_LOG_CONFLICT');
  });
}

function waiting(law: Law): void {
  law('durable never passes head, and reaches it', async (log) => {
    for (let i = 0; i < 20; i += 1) {
      const [record] = appendMany(log, 'a', 1);
      assert.ok(log.durable < record!.seq, 'nothing is durable within the append');
      if (i % 3 === 0) await log.whenDurable(record!.seq);
      assert.ok(log.durable <= log.head);
    }
    await log.whenDurable(log.head);
    assert.is(log.durable, 20);
  });

  law('those who wait are answered in the order of what they wait for', async (log) => {
    const order: number[] = [];
    const waits = [5, 2, 9, 2, 7].map((seq) => log.whenDurable(seq).then(() => void order.push(seq)));
    appendMany(log, 'a', 9);
    await Promise.all(waits);
    assert.equal(order, [2, 2, 5, 7, 9]);
    await log.whenDurable(3);
  });

  law(
    'listeners hear of every move of durable, never inside an append, and no more when they have left',
    async (log) => {
      const heard: number[] = [];
      let appending = false;
      const leave = log.onChange(() => {
        assert.not.ok(appending);
        heard.push(log.durable);
      });
      appending = true;
      appendMany(log, 'a', 2);
      appending = false;
      await log.whenDurable(2);
      assert.is(heard.at(-1), 2);
      assert.ok(heard.every((seq, i) => i === 0 || seq > heard[i - 1]!));
      leave();
      appendMany(log, 'a', 1);
      await log.whenDurable(3);
      assert.is(heard.at(-1), 2);
    },
  );

  law('a listener that appends is served like anyone', async (log) => {
    const leave = log.onChange(() => {
      if (log.head < 5) appendMany(log, 'b', 1);
    });
    appendMany(log, 'a', 1);
    await log.whenDurable(5);
    leave();
    assert.is(log.head, 5);
  });
}

function ending(law: Law): void {
  law('close makes all durable, and may be repeated', async (log) => {
    const wait = Promise.all([log.whenDurable(3), log.whenDurable(1)]);
    appendMany(log, 'a', 3);
    await Promise.all([log.close(), log.close()]);
    await wait;
    assert.is(log.durable, 3);
    await log.close();
  });

  law('after close nothing is appended, and who waits for more is told', async (log) => {
    appendMany(log, 'a', 1);
    const wait = codeOf(() => log.whenDurable(2));
    await log.close();
    assert.is(await wait, 'ERR_LOG_FAILED');
    assert.is(await codeOf(() => log.append(draft('a', 1))), 'ERR_LOG_FAILED');
    assert.is(await codeOf(() => log.whenDurable(2)), 'ERR_LOG_FAILED');
    await log.whenDurable(1);
    assert.is(log.head, 1);
  });
}

function reopening(t: ReturnType<typeof suite>, open: () => Promise<Subject>): void {
  t('a log that is opened again has all its facts, a higher epoch, and knows a retry', async () => {
    const { log, reopen, end } = await open();
    try {
      if (reopen === null) return assert.match(log.durability, 'nothing survives');
      const records = [...appendMany(log, 'a', 3), ...appendMany(log, 'b', 2)];
      const { log: again, cut } = await reopen();
      assert.is(cut, null);
      assert.is(again.head, 5);
      assert.is(again.durable, 5);
      assert.is(again.headHash, log.headHash);
      assert.is(again.epoch, log.epoch + 1);
      assert.equal(await again.read(1, 10), records);
      assert.equal(await again.readStream('job.acme.b'), records.slice(3));
      assert.is(again.append(draft('a', 1, { n: 1 })).duplicate, true);
      assert.is(await codeOf(() => again.append(draft('a', 1, { n: 7 }))), 'ERR_LOG_CONFLICT');
      assert.is(again.append(draft('a', 3, { n: 3 })).record.prev, log.headHash);
      await again.close();
    } finally {
      await end();
    }
  });
}
