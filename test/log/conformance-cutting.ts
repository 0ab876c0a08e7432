/** The part of the conformance suite that is about cuts; run by `conformance.ts`. */
import * as assert from 'uvu/assert';
import type { Draft, Log } from '../../src/log/log.ts';
import type { Law } from './conformance-reading.ts';
import { appendMany, codeOf, draft } from './drafts.ts';

const ofTenant = (log: Log, data: Draft['data']): Draft => ({
  ...draft('x', log.versionOf('tenant.acme'), data),
  subject: 'tenant.acme.changed',
  type: 'tenant.changed',
});

/** A cut says where the log stands, and forgets nothing but what it was told to forget. */
export function cutting(law: Law): void {
  law('a cut says where the log stands: seq, hash, epoch, and the streams that are kept', async (log) => {
    appendMany(log, 'a', 2);
    appendMany(log, 'b', 1);
    appendMany(log, 'a', 1);
    log.append(ofTenant(log, { n: 0 }));
    await log.whenDurable(5);
    const { group: _, ...base } = log.cutSegment((stream) => stream === 'job.acme.a');
    assert.equal(base, {
      seq: 5,
      hash: log.headHash,
      epoch: log.epoch,
      streams: [
        ['job.acme.a', 3, [1, 2, 4]],
        ['tenant.acme', 1, []],
      ],
    });
    const [next] = appendMany(log, 'a', 1);
    assert.equal([next!.seq, next!.prev, next!.version], [6, base.hash, 4]);
  });

  law('behind a cut all facts are still read by seq', async (log) => {
    const records = [...appendMany(log, 'a', 3), ...appendMany(log, 'b', 2)];
    await log.whenDurable(5);
    log.cutSegment(() => false);
    records.push(...appendMany(log, 'c', 2));
    assert.equal(await log.read(1, 10), records);
    await log.whenDurable(7);
    assert.equal(await log.read(4, 3), records.slice(3, 6));
  });

  law(
    'a stream that is kept is read whole, and knows its retries; a job that is not kept is gone',
    async (log) => {
      const kept = appendMany(log, 'kept', 3);
      appendMany(log, 'gone', 2);
      await log.whenDurable(5);
      log.cutSegment((stream) => stream === 'job.acme.kept');
      assert.equal(await log.readStream('job.acme.kept'), kept);
      assert.equal(log.append(draft('kept', 1, { n: 1 })), { record: kept[1], duplicate: true });
      assert.equal(await log.readStream('job.acme.gone'), []);
      assert.is(log.versionOf('job.acme.gone'), 0);
      assert.is(await codeOf(() => log.append(draft('gone', 1, { n: 1 }))), 'ERR_LOG_CONFLICT');
    },
  );

  law(
    'a stream that is no job goes on at its version; what was before is left out, and no retry is known',
    async (log) => {
      for (let n = 0; n < 3; n += 1) log.append(ofTenant(log, { n }));
      await log.whenDurable(3);
      log.cutSegment(() => false);
      assert.is(log.versionOf('tenant.acme'), 3);
      assert.equal(await log.readStream('tenant.acme'), []);
      const retry = { ...ofTenant(log, { n: 1 }), expectedVersion: 1 };
      assert.is(await codeOf(() => log.append(retry)), 'ERR_LOG_CONFLICT');
      const next = log.append(ofTenant(log, { n: 3 })).record;
      assert.equal([next.seq, next.version], [4, 4]);
      assert.equal(await log.readStream('tenant.acme'), [next]);
      assert.equal(await log.readStream('tenant.acme', 4, 1), [next]);
      assert.equal(await log.readStream('tenant.acme', 2, 2), []);
      assert.equal(await log.readStream('tenant.acme', 5), []);
    },
  );

  law('cutting twice at one place is cutting once, and an empty log can be cut', async (log) => {
    assert.is(log.cutSegment(() => true).seq, 0);
    appendMany(log, 'a', 2);
    await log.whenDurable(2);
    const base = log.cutSegment(() => true);
    assert.equal(
      log.cutSegment(() => true),
      base,
    );
    appendMany(log, 'a', 1);
    await log.whenDurable(3);
    assert.is((await log.read(1, 10)).length, 3);
  });

  law('a log is cut only where it is durable, and not after its end', async (log) => {
    appendMany(log, 'a', 1);
    assert.match(String(await codeOf(() => log.cutSegment(() => true))), 'broken invariant');
    await log.whenDurable(1);
    await log.close();
    assert.is(await codeOf(() => log.cutSegment(() => true)), 'ERR_LOG_FAILED');
  });
}
