/** An import is whole or not at all, and what it makes is the exported log. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type FactRecord, sealRecord } from '../../src/events/record.ts';
import type { Disk } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import { type Imported, importLog } from '../../src/log/import.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { retireSegments } from '../../src/log/retire.ts';
import { verifyLogFolder } from '../../src/log/scan.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { suite } from '../suite.ts';
import { appendMany, withFolder } from './drafts.ts';
import { failingDisk } from './faulty-disk.ts';
import { quiet } from './made.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log/import');

async function recordsOf(count: number): Promise<FactRecord[]> {
  const { log } = await openFileLog({ ...quiet, disk: new PowerDisk() });
  for (let i = 0; i < count; i += 1) appendMany(log, `s${i % 3}`, 1);
  return log.read(1, 10_000);
}
const linesOf = (records: readonly FactRecord[]): string[] =>
  records.map((record) => sealRecord(record, nodeSha256).line);

async function* batches(lines: readonly string[]): AsyncGenerator<readonly string[]> {
  for (let at = 0; at < lines.length; at += 7) yield lines.slice(at, at + 7);
}
const into = (data: string, lines: readonly string[], disk: Disk = nodeDisk): Promise<Imported> => {
  const folders = { dir: join(data, 'log'), draftDir: join(data, 'log.import') };
  return importLog({ ...folders, disk, sha256: nodeSha256, lines: batches(lines), segmentBytesMax: 3_000 });
};
const failure = (work: Promise<unknown>): Promise<{ code: string; message: string }> =>
  work.then(
    () => ({ code: 'none', message: '' }),
    (error) => error,
  );
/** Names and bytes of a folder. */
async function contentOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).sort();
  return Promise.all(names.map(async (name) => `${name} ${await readFile(join(folder, name), 'latin1')}`));
}

t('a new log has the very records, verifies, and a controller goes on in the next epoch', () =>
  withFolder(async (data) => {
    const records = await recordsOf(2_500);
    const imported = await into(data, linesOf(records));
    assert.equal(imported, { same: 0, added: 2_500, headSeq: 2_500, headHash: records.at(-1)!.hash });
    const dir = join(data, 'log');
    assert.ok((await readdir(dir)).length >= 3, 'several segments');
    assert.equal((await verifyLog(data)).faults, []);
    assert.is((await verifyLogFolder(dir, nodeDisk, nodeSha256)).damage, null);
    const found: FactRecord[] = [];
    const onRecords = (batch: FactRecord[]): void => void found.push(...batch);
    const { log, cut } = await openFileLog({ dir, disk: nodeDisk, sha256: nodeSha256, onRecords });
    assert.equal([log.epoch, cut], [2, null]);
    assert.equal(found, records);
    appendMany(log, 's0', 1);
    await log.close();
    assert.equal((await verifyLog(data)).faults, []);
  }),
);

t('a log is continued by what the export has more of; the same export again adds nothing', () =>
  withFolder(async (data) => {
    const lines = linesOf(await recordsOf(60));
    for (const [count, same, added] of [
      [20, 0, 20],
      [45, 20, 25],
      [45, 45, 0],
      [30, 30, 0],
      [60, 45, 15],
    ] as const) {
      const imported = await into(data, lines.slice(0, count));
      assert.equal([imported.same, imported.added], [same, added]);
      assert.equal((await verifyLog(data)).faults, []);
    }
    const { log } = await openFileLog({ ...quiet, dir: join(data, 'log'), disk: nodeDisk });
    assert.is(log.head, 60);
    await log.close();
  }),
);

t('an export that parts from the log is refused at the first seq that differs, and nothing is changed', () =>
  withFolder(async (data) => {
    const records = await recordsOf(30);
    await into(data, linesOf(records.slice(0, 20)));
    const before = await contentOf(join(data, 'log'));
    for (const seq of [1, 9, 20]) {
      let prev = records[seq - 1]!.prev;
      const other = records.map((record) => {
        if (record.seq < seq) return sealRecord(record, nodeSha256).line;
        const sealed = sealRecord({ ...record, prev, data: { n: 99 } }, nodeSha256);
        prev = sealed.hash;
        return sealed.line;
      });
      const { code, message } = await failure(into(data, other));
      assert.is(code, 'ERR_LOG_CONFLICT');
      assert.match(message, new RegExp(`part at seq ${seq}:`));
      assert.equal(await contentOf(join(data, 'log')), before);
    }
  }),
);

t('an export that does not verify makes no log, wherever it is spoilt', () =>
  withFolder(async (data) => {
    const lines = linesOf(await recordsOf(30));
    for (const seq of [1, 15, 30]) {
      const spoilt = lines.with(seq - 1, lines[seq - 1]!.replace('"n":', '"m":'));
      const { code, message } = await failure(into(data, spoilt));
      assert.is(code, 'ERR_LOG_CORRUPT');
      assert.match(message, `seq ${seq} of the export`);
      assert.equal(await contentOf(join(data, 'log')), []);
    }
    assert.is((await failure(into(data, lines.slice(3)))).code, 'ERR_LOG_CORRUPT');
  }),
);

t('an empty export is refused, and whatever fails, no draft of it keeps room on the disk', () =>
  withFolder(async (data) => {
    assert.is((await failure(into(data, []))).code, 'ERR_LOG_CORRUPT');
    const lines = linesOf(await recordsOf(2_500));
    const spoilt = lines.with(2_400, lines[2_400]!.replace('"n":', '"m":'));
    assert.is((await failure(into(data, spoilt))).code, 'ERR_LOG_CORRUPT');
    assert.equal(await contentOf(join(data, 'log.import')), []);
    assert.equal(await contentOf(join(data, 'log')), []);
  }),
);

t('what is retired here is compared by its digest line, and counted', () =>
  withFolder(async (data) => {
    const records = await recordsOf(2_500);
    await into(data, linesOf(records));
    const dir = join(data, 'log');
    const place = { dir, disk: nodeDisk, sha256: nodeSha256, newDigest: nodeDigest };
    await retireSegments({ ...place, upToSeq: 1_000, release: async () => undefined });
    const { same, added } = await into(data, linesOf(records));
    assert.equal([same, added], [2_500, 0]);
    // Another log from its very beginning, sound in itself.
    let { prev } = records[0]!;
    const other = records.map((record) => {
      const sealed = sealRecord({ ...record, prev, data: { n: 99 } }, nodeSha256);
      prev = sealed.hash;
      return sealed.line;
    });
    const { code, message } = await failure(into(data, other));
    assert.is(code, 'ERR_LOG_CONFLICT');
    assert.match(message, 'part between seq 1 and seq 1000, which are retired here');
    assert.is((await failure(into(data, other.slice(0, 1_000)))).code, 'ERR_LOG_CONFLICT');
  }),
);

t('a damaged log is not continued, and a folder with other files is not taken for an empty one', () =>
  withFolder(async (data) => {
    const lines = linesOf(await recordsOf(30));
    await into(data, lines.slice(0, 10));
    const dir = join(data, 'log');
    const [name = ''] = await readdir(dir);
    const bytes = await readFile(join(dir, name));
    await writeFile(join(dir, name), bytes.subarray(0, bytes.length - 300));
    assert.is((await failure(into(data, lines))).code, 'ERR_LOG_CORRUPT');
    const other = join(data, 'other');
    await mkdir(join(other, 'log'), { recursive: true });
    await writeFile(join(other, 'log', 'heads.jws'), 'x\n');
    assert.is((await failure(into(other, lines))).code, 'ERR_EXISTS');
  }),
);

t(
  'whatever call to the disk fails, a new log is there wholly or not, and the next import completes it',
  async () => {
    const lines = linesOf(await recordsOf(40));
    let failed = 0;
    for (let at = 1; at <= 14; at += 1) {
      await withFolder(async (data) => {
        const { disk } = failingDisk(nodeDisk, { at, code: 'EIO', share: 0.5 });
        const { code } = await failure(into(data, lines, disk));
        if (code === 'EIO') failed += 1;
        const there = await contentOf(join(data, 'log'));
        if (there.length > 0) assert.is((await verifyLog(data)).headSeq, 40);
        const { headSeq } = await into(data, lines);
        assert.is(headSeq, 40);
        assert.equal((await verifyLog(data)).faults, []);
      });
    }
    assert.ok(failed >= 6, `only ${failed} failed`);
  },
);

t(
  'whatever call fails while a log is continued, what is there is a sound log and loses nothing',
  async () => {
    const lines = linesOf(await recordsOf(2_200));
    let failed = 0;
    for (let at = 1; at <= 14; at += 1) {
      await withFolder(async (data) => {
        await into(data, lines.slice(0, 10));
        const { disk } = failingDisk(nodeDisk, { at, code: 'ENOSPC', share: 0.5 });
        const { code } = await failure(into(data, lines, disk));
        if (code === 'ENOSPC') failed += 1;
        const { faults, headSeq } = await verifyLog(data);
        assert.equal(faults, []);
        assert.ok(headSeq >= 10);
        assert.is((await into(data, lines)).headSeq, 2_200);
        assert.equal((await verifyLog(data)).faults, []);
      });
    }
    assert.ok(failed >= 6, `only ${failed} failed`);
  },
);

t.run();
