/** The log on disk keeps the port's laws, and those that only a disk makes necessary. */
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type FactRecord, genesis, sealRecord } from '../../src/events/record.ts';
import { type FileLogOptions, openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { readLogFolder, verifyLogFolder } from '../../src/log/scan.ts';
import { markLine } from '../../src/log/segment.ts';
import { suite } from '../suite.ts';
import { logConformance } from './conformance.ts';
import { appendMany, codeOf, draft, withFolder } from './drafts.ts';
import { countingDisk } from './faulty-disk.ts';

const open = (dir: string, more: Partial<FileLogOptions> = {}) =>
  openFileLog({ dir, disk: nodeDisk, sha256: nodeSha256, onRecords: () => undefined, ...more });

for (const segmentBytesMax of [64 * 1024 * 1024, 2_000]) {
  logConformance(`log on disk, segments of ${segmentBytesMax} bytes`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'berth-log-'));
    const { log } = await open(dir, { segmentBytesMax });
    const reopen = async () => {
      await log.close();
      return open(dir, { segmentBytesMax });
    };
    return { log, reopen, end: () => rm(dir, { recursive: true, force: true }) };
  });
}

const t = suite('log file');

t('facts that are appended in one turn share one sync', () =>
  withFolder(async (dir) => {
    const { disk, calls } = countingDisk(nodeDisk);
    const { log } = await open(dir, { disk });
    const before = calls.datasync;
    appendMany(log, 'a', 500);
    await log.whenDurable(500);
    assert.is(calls.datasync - before, 1);
    await log.close();
  }),
);

t('facts that come during a flush share the next one', () =>
  withFolder(async (dir) => {
    const { disk, calls } = countingDisk(nodeDisk);
    const { log } = await open(dir, { disk });
    const before = calls.datasync;
    for (let i = 0; i < 200; i += 1) {
      appendMany(log, 'a', 1);
      await Promise.resolve();
    }
    await log.whenDurable(200);
    assert.ok(calls.datasync - before <= 3, `${calls.datasync - before} syncs`);
    await log.close();
  }),
);

t('nothing is written and nothing synced by the append itself', () =>
  withFolder(async (dir) => {
    const { disk, calls } = countingDisk(nodeDisk);
    const { log } = await open(dir, { disk });
    const before = { ...calls };
    appendMany(log, 'a', 3);
    assert.equal(calls, before);
    await log.close();
  }),
);

t('a segment is text, one line a record, under marks that say what one flush wrote', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir);
    appendMany(log, 'a', 2);
    await log.whenDurable(2);
    appendMany(log, 'a', 1);
    await log.close();
    const names = await readdir(dir);
    assert.equal(names, ['00000000000000000001.seg']);
    const lines = (await readFile(join(dir, names[0]!), 'utf8')).split('\n');
    assert.is(lines.length, 7);
    const kinds = lines.map((line) => line.slice(0, 11));
    assert.equal(kinds, [
      '#{"group":1',
      '{"at":17000',
      '{"at":17000',
      '#{"group":2',
      '{"at":17000',
      '#{"closed":',
      '',
    ]);
  }),
);

t('segments roll, each begins with the seq in its name, and all ends are sealed', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir, { segmentBytesMax: 3_000 });
    for (let i = 0; i < 40; i += 1) {
      appendMany(log, 'a', 3);
      await log.whenDurable(log.head);
    }
    await log.close();
    const names = await readdir(dir);
    assert.ok(names.length > 5, `${names.length} segments`);
    for (const name of names) {
      const lines = (await readFile(join(dir, name), 'utf8')).trimEnd().split('\n');
      assert.is((JSON.parse(lines[1]!) as FactRecord).seq, Number(name.slice(0, 20)));
      assert.match(lines.at(-1)!, '#{"closed"');
    }
    const seen: number[] = [];
    const { log: again } = await open(dir, {
      onRecords: (batch) => seen.push(...batch.map(({ seq }) => seq)),
    });
    assert.equal(
      seen,
      Array.from({ length: 120 }, (_, i) => i + 1),
    );
    await again.close();
  }),
);

t('a segment that is missing, at the start or in the middle, halts', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir, { segmentBytesMax: 1_000 });
    for (let i = 0; i < 6; i += 1) {
      appendMany(log, 'a', 3);
      await log.whenDurable(log.head);
    }
    await log.close();
    const names = await readdir(dir);
    assert.ok(names.length >= 4);
    for (const name of [names[0]!, names[2]!]) {
      await copyFile(join(dir, name), join(dir, 'kept'));
      await rm(join(dir, name));
      assert.is(await codeOf(() => open(dir)), 'ERR_LOG_CORRUPT');
      await copyFile(join(dir, 'kept'), join(dir, name));
    }
    await (await open(dir)).log.close();
  }),
);

t('a log without a clean end, all of it written, opens without a cut', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir);
    const records = appendMany(log, 'a', 4);
    await log.whenDurable(4);
    const copy = join(dir, 'copy');
    await nodeDisk.mkdir(copy);
    const name = '00000000000000000001.seg';
    await copyFile(join(dir, name), join(copy, name));
    const { log: again, cut } = await open(copy);
    assert.is(cut, null);
    assert.equal(await again.read(1, 10), records);
    await again.close();
    await log.close();
  }),
);

t('what onRecords throws halts the opening and changes nothing', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir);
    appendMany(log, 'a', 2);
    await log.close();
    const path = join(dir, '00000000000000000001.seg');
    await writeFile(path, '{"torn', { flag: 'a' });
    const before = await readFile(path, 'utf8');
    const onRecords = (): void => {
      throw new Error('illegal fact');
    };
    assert.match(String(await codeOf(() => open(dir, { onRecords }))), 'illegal fact');
    assert.is(await readFile(path, 'utf8'), before);
    assert.equal(await readdir(dir), ['00000000000000000001.seg']);
  }),
);

t('opening and closing without a fact in between adds nothing', () =>
  withFolder(async (dir) => {
    await (await open(dir)).log.close();
    assert.equal(await readdir(dir), []);
    const { log } = await open(dir);
    appendMany(log, 'a', 1);
    await log.close();
    const path = join(dir, '00000000000000000001.seg');
    const { size } = await stat(path);
    await (await open(dir)).log.close();
    assert.is((await stat(path)).size, size);
  }),
);

t('offline, verifying and reading agree with the live log', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir, { segmentBytesMax: 2_000 });
    const records = [...appendMany(log, 'a', 9), ...appendMany(log, 'b', 9)];
    await log.whenDurable(18);
    records.push(...appendMany(log, 'c', 9));
    await log.close();
    const verified = await verifyLogFolder(dir, nodeDisk, nodeSha256);
    assert.equal(verified, { records: 27, headSeq: 27, headHash: log.headHash, damage: null });
    const read: FactRecord[] = [];
    for await (const batch of readLogFolder(dir, nodeDisk, nodeSha256)) read.push(...batch);
    assert.equal(read, records);
    assert.is(
      await codeOf(() => verifyLogFolder(join(dir, 'nowhere'), nodeDisk, nodeSha256)),
      'ERR_NOT_FOUND',
    );
  }),
);

t('bytes that rot after the start are noticed when they are read', () =>
  withFolder(async (dir) => {
    const { log } = await open(dir);
    appendMany(log, 'a', 3);
    await log.close();
    const { log: again } = await open(dir);
    for (let i = 0; i < 9; i += 1) {
      appendMany(again, `b${i}`, 1_000);
      await again.whenDurable(again.head);
    }
    const path = join(dir, '00000000000000000001.seg');
    const bytes = await readFile(path);
    const at = bytes.indexOf('"n":1');
    bytes[at + 4]! ^= 1;
    await writeFile(path, bytes);
    assert.is(await codeOf(() => again.read(2, 1)), 'ERR_LOG_CORRUPT');
    assert.is(await codeOf(() => again.append(draft('a', 1, { n: 1 }))), 'ERR_LOG_CORRUPT');
    await again.close();
  }),
);

t('records whose hashes hold but which break a rule of the log halt a sealed log', () =>
  withFolder(async (dir) => {
    const good = { ...draft('a', 0), seq: 1, id: 'job.acme.a:1', version: 1, epoch: 3, prev: genesis };
    const { hash } = sealRecord(good, nodeSha256);
    const next = { ...good, seq: 2, id: 'job.acme.a:2', version: 2, prev: hash };
    const rules: [RegExp | string, object][] = [
      ['a stale writer', { epoch: 2 }],
      ['has version 3 of job.acme.a, expected 2', { version: 3, id: 'job.acme.a:3' }],
      ['has version 1 of job.acme.a, expected 2', { version: 1, id: 'job.acme.a:1' }],
      ['has id job.acme.b:2', { id: 'job.acme.b:2' }],
      ['has seq 3, expected 2', { seq: 3 }],
      ['does not chain', { prev: genesis }],
      ['no valid subject', { subject: 'job.acme.>' }],
    ];
    for (const [reason, wrong] of [['', {}] as const, ...rules]) {
      const bad = { ...next, ...wrong };
      const second = sealRecord(bad, nodeSha256);
      const first = markLine({ kind: 'group', group: 1, after: 0, prev: genesis, records: 2 }, nodeSha256);
      const last = markLine(
        { kind: 'closed', group: 1, after: 2, prev: second.hash, records: 0 },
        nodeSha256,
      );
      const text = [first, sealRecord(good, nodeSha256).line, second.line, last, ''].join('\n');
      await writeFile(join(dir, '00000000000000000001.seg'), text);
      const { damage } = await verifyLogFolder(dir, nodeDisk, nodeSha256);
      if (reason === '') {
        assert.is(damage, null);
        continue;
      }
      assert.match(damage!.reason, reason);
      assert.is(damage!.seq, 2);
      assert.is(damage!.sealed, true);
      assert.is(await codeOf(() => open(dir)), 'ERR_LOG_CORRUPT');
    }
  }),
);

t.run();
