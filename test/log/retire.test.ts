/** Retiring: old segments are moved aside, never lost, and what is left is still a log that verifies. */
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { retireSegments } from '../../src/log/retire.ts';
import { type RetiredSegment, readRetired } from '../../src/log/retired.ts';
import { readLogFolder, verifyLogFolder } from '../../src/log/scan.ts';
import { seed, suite } from '../suite.ts';
import { begin, grow, type Life, take } from './checkpointed.ts';
import { codeOf, numbers, withFolder } from './drafts.ts';
import { failingDisk } from './faulty-disk.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log retiring');

const nameOf = (seq: number): string => `${String(seq).padStart(20, '0')}.seg`;
const keepNone = (): boolean => false;

/** A life with `checkpoints` checkpoints, ten facts and two segments before each. Still open. */
async function grown(disk: PowerDisk, checkpoints: number): Promise<Life> {
  const life = await begin(disk, { segmentBytesMax: 1_500 });
  for (let i = 0; i < checkpoints; i += 1) {
    for (const half of ['a', 'b']) {
      grow(life, `job${life.log.head}${half}`, 5);
      await life.log.whenDurable(life.log.head);
    }
    await take(life, keepNone);
  }
  grow(life, 'last', 3);
  await life.log.whenDurable(life.log.head);
  return life;
}

const linesOf = async (disk: PowerDisk): Promise<readonly RetiredSegment[]> =>
  (await readRetired('log', disk)).lines;

/** What is wrong with what is left, and how many records of it verify. */
const verified = (disk: PowerDisk) => verifyLogFolder('log', disk, nodeSha256);

t('segments that no start needs are moved, each with a line that says what it was', async () => {
  const disk = new PowerDisk();
  const life = await grown(disk, 3);
  const all = await life.log.read(1, 100);
  const before = new Map(
    (await disk.list('log')).map((name) => [name, Buffer.from(disk.bytes(`log/${name}`))]),
  );
  await life.checkpoints.retire(1_000);
  const lines = await linesOf(disk);
  assert.equal(
    lines.map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq]),
    [
      [1, 5],
      [6, 10],
      [11, 16],
      [17, 21],
    ],
  );
  for (const line of lines) {
    const bytes = Buffer.from(disk.bytes(`log/${line.file}`));
    assert.equal(bytes, before.get(nameOf(line.firstSeq)));
    assert.is(line.bytes, bytes.length);
    assert.is(line.sha256, createHash('sha256').update(bytes).digest('hex'));
    assert.is(line.prev, all[line.firstSeq - 1]!.prev);
    assert.is(line.hash, all[line.lastSeq - 1]!.hash);
    assert.not((await disk.list('log')).includes(nameOf(line.firstSeq)));
  }
  await life.log.close();
});

t('a running log answers for what is left, and says of what is retired that it is', async () => {
  const disk = new PowerDisk();
  const life = await grown(disk, 3);
  const { log } = life;
  const all = await log.read(1, 100);
  assert.is((await log.readStream('controller')).length, 1);
  await life.checkpoints.retire(1_000);
  assert.equal(await log.read(22, 100), all.slice(21));
  assert.equal(await log.read(1, 100), all, 'the newest facts are in memory, wherever their file is');
  for (let i = 0; i < 10; i += 1) {
    grow(life, `many${i}`, 1_000);
    await log.whenDurable(log.head);
  }
  for (const from of [1, 15, 21]) assert.is(await codeOf(() => log.read(from, 100)), 'ERR_NOT_FOUND');
  await take(life, keepNone);
  await log.close();
  const next = await begin(disk);
  assert.is(next.tally.digest, life.tally.digest);
  assert.is(await codeOf(() => next.log.read(1, 100)), 'ERR_NOT_FOUND');
  assert.equal(await next.log.read(22, all.length - 21), all.slice(21));
  await next.log.close();
});

t(
  'nothing goes beyond what is asked for, nor beyond the older of two checkpoints, nor where all is kept',
  async () => {
    for (const [checkpoints, upToSeq, expected] of [
      [0, 1_000, 0],
      [1, 1_000, 0],
      [2, 1_000, 10],
      [3, 1_000, 21],
      [3, 20, 16],
      [3, 9, 5],
      [3, 4, 0],
      [3, 0, 0],
    ] as const) {
      const disk = new PowerDisk();
      const life = await grown(disk, checkpoints);
      await life.checkpoints.retire(upToSeq);
      const what = `${checkpoints} checkpoints, up to ${upToSeq}`;
      assert.is((await linesOf(disk)).at(-1)?.lastSeq ?? 0, expected, what);
      await life.log.close();
      const start = await begin(disk);
      assert.is(start.tally.digest, life.tally.digest, what);
      // A start has proven one checkpoint; the other one must be taken first.
      await start.checkpoints.retire(1_000);
      assert.is((await linesOf(disk)).at(-1)?.lastSeq ?? 0, expected, what);
    }
    const disk = new PowerDisk();
    const options = { dir: 'log', disk, sha256: nodeSha256 };
    const checkpoints = new CheckpointFiles({ ...options, retiring: null });
    const life = { ...(await begin(disk, { checkpoints })), checkpoints };
    for (let i = 0; i < 4; i += 1) {
      grow(life, `job${i}`, 5);
      await take(life, keepNone);
      await checkpoints.retire(1_000);
    }
    assert.equal(await linesOf(disk), []);
  },
);

t('one call moves at most eight segments, the next ones the rest', async () => {
  const disk = new PowerDisk();
  const life = await grown(disk, 7);
  const counts: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    await life.checkpoints.retire(1_000);
    counts.push((await linesOf(disk)).length);
  }
  assert.equal(counts, [8, 12, 12]);
  assert.is((await verified(disk)).damage, null);
});

t('what is left verifies from the digest line on, and reads offline', async () => {
  const disk = new PowerDisk();
  const life = await grown(disk, 3);
  const all = await life.log.read(1, 100);
  await life.checkpoints.retire(1_000);
  await life.log.close();
  const { damage, headHash, headSeq, records } = await verified(disk);
  assert.equal([damage, headHash, headSeq, records], [null, life.log.headHash, all.length, all.length - 21]);
  const read: FactRecord[] = [];
  for await (const batch of readLogFolder('log', disk, nodeSha256)) read.push(...batch);
  assert.equal(read, all.slice(21));
});

t('a log that begins in the middle without the right line does not verify', async () => {
  const disk = new PowerDisk();
  const life = await grown(disk, 3);
  await life.checkpoints.retire(1_000);
  await life.log.close();
  const lines = await linesOf(disk);
  const written = (edit: (line: RetiredSegment, i: number) => RetiredSegment | null): PowerDisk => {
    const copy = disk.copy();
    const text = lines.flatMap((line, i) => edit(line, i) ?? []).map((line) => `${JSON.stringify(line)}\n`);
    copy.put('log/retired.jsonl', Buffer.from(text.join('')));
    return copy;
  };
  assert.is((await verified(written((line) => line))).damage, null);
  const gone = await verified(written(() => null));
  assert.match(gone.damage!.reason, 'the segment begins with seq 22');
  const last = lines.length - 1;
  const otherHash = await verified(
    written((line, i) => (i === last ? { ...line, hash: 'f'.repeat(64) } : line)),
  );
  assert.match(otherHash.damage!.reason, 'the mark follows');
  for (const edit of [
    (line: RetiredSegment, i: number) => (i === 1 ? null : line),
    (line: RetiredSegment, i: number) => (i === 1 ? { ...line, hash: 'f'.repeat(64) } : line),
    (line: RetiredSegment, i: number) => (i === 1 ? { ...line, lastSeq: 9 } : line),
    (line: RetiredSegment, i: number) => (i === 0 ? { ...line, firstSeq: 2 } : line),
  ])
    assert.is(await codeOf(() => verified(written(edit))), 'ERR_LOG_CORRUPT');
});

t(
  'without a checkpoint that fits a start halts and says what helps; with the files put back it reads all',
  async () => {
    const disk = new PowerDisk();
    const life = await grown(disk, 3);
    await life.checkpoints.retire(1_000);
    await life.log.close();
    const error = await begin(disk, { version: 'tally/2' }).catch((thrown) => thrown);
    assert.is(error.code, 'ERR_LOG_CORRUPT');
    assert.match(
      error.message,
      /begins with seq 22.*is of version 'tally\/1'.*put the files of log\/retired back/,
    );
    for (const { file } of await linesOf(disk))
      await disk.rename(`log/${file}`, `log/${file.slice('retired/'.length)}`);
    assert.is((await verified(disk)).records, life.log.head);
    const whole = await begin(disk, { version: 'tally/2' });
    assert.is(whole.from, 0);
    assert.is(whole.tally.digest, life.tally.digest);
    await whole.log.close();
    // Retired again they get no second line.
    const before = await linesOf(disk);
    await retireSegments({ ...retiring, disk, upToSeq: 21 });
    assert.equal(await linesOf(disk), before);
    assert.is((await verified(disk)).records, life.log.head - 21);
  },
);

const retiring = { dir: 'log', sha256: nodeSha256, newDigest: nodeDigest, release: async () => undefined };

t('a segment that does not verify stays where it is', async () => {
  const disk = new PowerDisk();
  const life = await grown(disk, 3);
  const bytes = disk.bytes(`log/${nameOf(6)}`);
  bytes[bytes.length - 300]! ^= 1;
  assert.is(await codeOf(() => life.checkpoints.retire(1_000)), 'ERR_LOG_CORRUPT');
  assert.equal(
    (await linesOf(disk)).map(({ firstSeq }) => firstSeq),
    [1],
  );
  assert.ok((await disk.list('log')).includes(nameOf(6)));
  await life.log.close();
});

t(
  'a crash at any call of retiring leaves a log that starts and verifies, and the next call ends the work',
  async () => {
    const made = new PowerDisk();
    const life = await grown(made, 3);
    await life.log.close();
    const done = made.copy();
    await retireSegments({ ...retiring, disk: done, upToSeq: 21 });
    const expected = await linesOf(done);
    assert.is(expected.length, 4);
    const random = numbers(seed());
    let crashes = 0;
    for (let at = 1, through = false; !through; at += 1) {
      for (const share of [0, 0.6, 1]) {
        for (const power of [false, true]) {
          const inner = made.copy();
          const { disk, calls } = failingDisk(inner, { at, code: 'EIO', share });
          await retireSegments({ ...retiring, disk, upToSeq: 21 }).catch(({ code }) =>
            assert.is(code, 'EIO'),
          );
          through = Object.values(calls).reduce((sum, count) => sum + count, 0) < at;
          if (!through) crashes += 1;
          const found = power ? inner.afterPowerCut(random) : inner;
          const { damage, headSeq } = await verified(found);
          assert.equal([damage, headSeq], [null, life.log.head]);
          const start = await begin(found.copy());
          assert.is(start.tally.digest, life.tally.digest);
          await retireSegments({ ...retiring, disk: found, upToSeq: 21 });
          assert.equal(await linesOf(found), expected);
          for (const { file } of expected)
            assert.equal(found.bytes(`log/${file}`), done.bytes(`log/${file}`));
          assert.equal(await found.list('log'), await done.list('log'));
        }
      }
    }
    assert.ok(crashes > 100, `${crashes} crashes`);
  },
);

t(
  'a line that a failed call has left is on the disk before its segment goes: a power cut in the next call loses neither',
  async () => {
    const made = new PowerDisk();
    const life = await grown(made, 3);
    await life.log.close();
    const random = numbers(seed());
    let cuts = 0;
    for (let first = 1, firstThrough = false; !firstThrough; first += 1) {
      for (let second = 1, secondThrough = false; !secondThrough; second += 1) {
        const inner = made.copy();
        const failAt = async (at: number): Promise<boolean> => {
          const { disk, calls } = failingDisk(inner, { at, code: 'EIO', share: 1 });
          const what = { ...retiring, disk, upToSeq: 10 };
          await retireSegments(what).catch(({ code }) => assert.is(code, 'EIO'));
          return Object.values(calls).reduce((sum, count) => sum + count, 0) < at;
        };
        firstThrough = await failAt(first);
        secondThrough = await failAt(second);
        cuts += 1;
        const { damage, headSeq } = await verified(inner.afterPowerCut(random));
        assert.equal([damage, headSeq], [null, life.log.head], `call ${first}, then call ${second}`);
      }
    }
    assert.ok(cuts > 100, `${cuts} power cuts`);
  },
);

t('the same on a real disk', () =>
  withFolder(async (folder) => {
    const dir = `${folder}/log`;
    const life = await begin(nodeDisk, { dir, segmentBytesMax: 1_500 });
    for (let i = 0; i < 3; i += 1) {
      grow(life, `job${i}`, 8);
      await take(life, keepNone);
    }
    await life.checkpoints.retire(1_000);
    const all = await life.log.read(18, 100);
    await life.log.close();
    const { lines } = await readRetired(dir, nodeDisk);
    assert.is(lines.at(-1)!.lastSeq, 17);
    assert.equal(
      await nodeDisk.list(`${dir}/retired`),
      lines.map(({ firstSeq }) => nameOf(firstSeq)),
    );
    const next = await begin(nodeDisk, { dir });
    assert.equal(await next.log.read(18, 100), all);
    assert.is(next.tally.digest, life.tally.digest);
    await next.log.close();
    assert.is((await verifyLogFolder(dir, nodeDisk, nodeSha256)).damage, null);
  }),
);

t.run();
