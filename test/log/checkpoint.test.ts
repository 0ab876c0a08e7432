/** Checkpoints: a start from one is a start from all facts, and what the chain does not vouch for is not used. */
import * as assert from 'uvu/assert';
import type { Checkpoint } from '../../src/log/checkpoint.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import type { Disk } from '../../src/log/disk.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { openLog } from '../../src/log/open.ts';
import { verifyLogFolder } from '../../src/log/scan.ts';
import { suite } from '../suite.ts';
import { begin, grow, note, take, wholeTally } from './checkpointed.ts';
import { codeOf, draft, withFolder } from './drafts.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log checkpoints');

const fileOf = (seq: number): string => `log/checkpoint-${String(seq).padStart(20, '0')}.json`;
const segmentOf = (seq: number): string => `log/${String(seq).padStart(20, '0')}.seg`;

/** A disk that remembers which files were opened. */
function watched(inner: Disk): { disk: Disk; opened: Set<string> } {
  const opened = new Set<string>();
  const disk: Disk = {
    mkdir: (path) => inner.mkdir(path),
    list: (path) => inner.list(path),
    open: (path, create) => {
      opened.add(path);
      return inner.open(path, create);
    },
    readSync: (path) => inner.readSync(path),
    rename: (from, to) => inner.rename(from, to),
    remove: (path) => inner.remove(path),
    syncFolder: (path) => inner.syncFolder(path),
  };
  return { disk, opened };
}

/** A log with checkpoints at 10 and 21, and eleven records behind the last one. */
async function twice(): Promise<{ disk: PowerDisk; digest: string; seqs: readonly number[] }> {
  const disk = new PowerDisk();
  const life = await begin(disk);
  grow(life, 'a', 6);
  grow(life, 'b', 4);
  const first = await take(life);
  grow(life, 'a', 6);
  grow(life, 'c', 4);
  const second = await take(life);
  grow(life, 'b', 10);
  await life.log.close();
  assert.equal([first, second, life.log.head], [10, 21, 32]);
  return { disk, digest: life.tally.digest, seqs: [first, second] };
}

t(
  'a start from a checkpoint reads the records behind it and nothing before, and stands where all facts lead',
  async () => {
    const { disk: inner, digest } = await twice();
    const { disk, opened } = watched(inner);
    const life = await begin(disk);
    assert.is(life.from, 21);
    assert.is(life.found.length, 11);
    assert.is(life.found[0]!.type, 'controller.checkpointed');
    assert.is(life.tally.digest, digest);
    assert.not(opened.has(segmentOf(1)), 'an old segment is not even opened');
    assert.not(opened.has(segmentOf(11)));
    assert.equal(life.troubles, []);
    const whole = await begin(inner.copy(), { version: 'another' });
    assert.is(whole.from, 0);
    assert.is(whole.tally.digest, digest);
    const { log } = life;
    const of = ({ log: { head, headHash, epoch, durable } }: typeof life) => ({
      head,
      headHash,
      epoch,
      durable,
    });
    assert.equal(of(life), of(whole));
    for (const stream of ['job.acme.a', 'job.acme.b', 'job.acme.c', 'controller']) {
      assert.is(log.versionOf(stream), whole.log.versionOf(stream));
      assert.equal(await log.readStream(stream), await whole.log.readStream(stream));
    }
    await whole.log.close();
    await log.close();
  },
);

t('a log goes on behind a checkpoint as if it had been read whole, and verifies', async () => {
  const { disk } = await twice();
  for (let i = 0; i < 3; i += 1) {
    const life = await begin(disk);
    assert.is(life.from > 0, true);
    grow(life, 'b', 3);
    if (i === 1) await take(life);
    await life.log.close();
    const verified = await verifyLogFolder('log', disk, nodeSha256);
    assert.is(verified.damage, null);
    assert.is(verified.headSeq, life.log.head);
    assert.is((await wholeTally((await begin(disk)).log)).digest, life.tally.digest);
  }
});

t('what lies before the checkpoint can be read at any time, and a retry of it is known', async () => {
  const { disk } = await twice();
  const whole = await begin(disk.copy(), { version: 'another' });
  const all = await whole.log.read(1, 100);
  const { log } = await begin(disk);
  const again = log.append(draft('a', 2, { n: 2 }));
  assert.equal(again, { record: all[2], duplicate: true });
  assert.equal(await log.read(1, 100), all);
  for (const from of [1, 9, 10, 11, 21, 22])
    assert.equal(await log.read(from, 3), all.slice(from - 1, from + 2));
  assert.is(await codeOf(() => log.append(draft('a', 2, { n: 7 }))), 'ERR_LOG_CONFLICT');
  await log.close();
  assert.is(await codeOf(() => log.read(1, 3)), 'ERR_LOG_FAILED');
});

t('damage before the checkpoint is found when it is read, and says where', async () => {
  const { disk } = await twice();
  const bytes = disk.bytes(segmentOf(1));
  bytes[bytes.length - 300]! ^= 1;
  const { log } = await begin(disk);
  assert.is((await log.read(11, 5)).length, 5);
  assert.is(await codeOf(() => log.read(1, 20)), 'ERR_LOG_CORRUPT');
  await log.close();
});

/** Changes a checkpoint's file, keeping its shape. */
function edited(disk: PowerDisk, seq: number, edit: (checkpoint: Checkpoint) => unknown): void {
  const checkpoint = JSON.parse(Buffer.from(disk.bytes(fileOf(seq))).toString()) as Checkpoint;
  disk.put(fileOf(seq), Buffer.from(`${JSON.stringify(edit(checkpoint))}\n`));
}

const spoilings: readonly (readonly [string, (disk: PowerDisk, seq: number) => unknown])[] = [
  ['is gone', (disk, seq) => disk.remove(fileOf(seq))],
  ['is empty', (disk, seq) => disk.put(fileOf(seq), new Uint8Array(0))],
  ['is cut short', (disk, seq) => disk.put(fileOf(seq), disk.bytes(fileOf(seq)).slice(0, -9))],
  [
    'has other folds',
    (disk, seq) => edited(disk, seq, (own) => ({ ...own, folds: { tally: { count: seq, digest: 'x' } } })),
  ],
  [
    'has another epoch',
    (disk, seq) => edited(disk, seq, (own) => ({ ...own, base: { ...own.base, epoch: 9 } })),
  ],
  [
    'has another hash',
    (disk, seq) => edited(disk, seq, (own) => ({ ...own, base: { ...own.base, hash: 'f'.repeat(64) } })),
  ],
  [
    'is of another seq',
    (disk, seq) => edited(disk, seq, (own) => ({ ...own, base: { ...own.base, seq: seq - 1 } })),
  ],
  [
    'has no streams',
    (disk, seq) => edited(disk, seq, ({ base: { streams: _, ...base }, ...own }) => ({ ...own, base })),
  ],
  ['is of another version', (disk, seq) => edited(disk, seq, (own) => ({ ...own, version: 'tally/2' }))],
  ['is no object', (disk, seq) => disk.put(fileOf(seq), Buffer.from('null'))],
  ['is no text', (disk, seq) => disk.put(fileOf(seq), new Uint8Array([0xff, 0xfe]))],
];

for (const [what, spoil] of spoilings) {
  t(`a checkpoint that ${what} is passed over for the one before, and two such for all facts`, async () => {
    const { disk, digest, seqs } = await twice();
    for (const [i, expected] of [10, 0].entries()) {
      await spoil(disk, seqs[1 - i]!);
      const life = await begin(disk.copy());
      assert.is(life.from, expected);
      assert.is(life.tally.digest, digest);
      assert.is(life.troubles.length, what === 'is gone' ? 0 : i + 1);
      // The next checkpoint is as good as if nothing had been.
      grow(life, 'd', 2);
      const seq = await take(life);
      await life.log.close();
      const next = await begin(disk.copy());
      assert.is(next.tally.digest, digest);
      assert.is(seq, 34);
    }
  });
}

t('any byte of a checkpoint that is flipped makes it unused', async () => {
  const { disk, digest } = await twice();
  const good = disk.bytes(fileOf(21)).slice();
  for (let at = 0; at < good.length; at += 1) {
    const bytes = good.slice();
    bytes[at]! ^= 1 << (at % 8);
    const copy = disk.copy();
    copy.put(fileOf(21), bytes);
    const life = await begin(copy);
    assert.is(life.from, 10, `byte ${at}`);
    assert.is(life.tally.digest, digest);
  }
  assert.ok(good.length > 300, `${good.length} bytes`);
});

t('a checkpoint whose fact was damaged in the last group goes with it; so does its file', async () => {
  const disk = new PowerDisk();
  const life = await begin(disk);
  grow(life, 'a', 5);
  await take(life);
  grow(life, 'a', 4);
  await take(life);
  const bytes = disk.bytes(segmentOf(11));
  bytes[bytes.length - 100]! ^= 1;
  const next = await begin(disk);
  assert.is(next.from, 5);
  assert.is(next.cut?.fromSeq, 11);
  assert.not((await disk.list('log')).includes(fileOf(10).slice(4)));
  note(next, 'controller.recovered', { fromSeq: 11, bytes: next.cut!.bytes });
  await next.log.whenDurable(next.log.head);
  await next.settled();
  grow(next, 'a', 3);
  assert.is(await take(next), 14);
  await next.log.close();
  assert.is((await begin(disk)).tally.digest, next.tally.digest);
});

t('what was not durable is not trusted: a checkpoint of it is passed over', async () => {
  const { disk } = await twice();
  for (const [trustedSeq, from] of [
    [32, 21],
    [22, 21],
    [21, 10],
    [15, 10],
    [11, 10],
    [10, 0],
    [3, 0],
  ] as const) {
    const copy = disk.copy();
    // Only the last segment can hold what was not durable.
    for (const seq of [22, 11]) if (trustedSeq < seq - 1) await copy.remove(segmentOf(seq));
    const life = await begin(copy, { trustedSeq });
    assert.equal([life.from, life.log.head], [from, trustedSeq]);
    grow(life, 'b', 2);
    await take(life);
    await life.log.close();
    assert.is((await begin(copy)).tally.digest, life.tally.digest);
  }
});

t('the newest two checkpoints stay, and what a crash left of others goes', async () => {
  const { disk } = await twice();
  disk.put(`${fileOf(5)}.draft`, new Uint8Array(9_999).fill(120));
  disk.put(fileOf(7), disk.bytes(fileOf(10)));
  const life = await begin(disk);
  assert.is(life.from, 21);
  grow(life, 'a', 1);
  const seq = await take(life);
  const names = (await disk.list('log')).filter((name) => name.startsWith('checkpoint'));
  assert.equal(
    names.map((name) => `log/${name}`),
    [fileOf(21), fileOf(seq)],
  );
  await life.log.close();
});

t(
  'a report that is still there of a cut before the checkpoint was told then: it is put aside, not told again',
  async () => {
    const { disk } = await twice();
    const report = { fromSeq: 15, bytes: 100, file: 'log/x.torn', ids: [], idCount: 1, cutting: null };
    const text = JSON.stringify(report);
    const whole = `{"report":${text},"check":"${nodeSha256(text).slice(0, 16)}"}\n`;
    disk.put('log/torn.json', Buffer.from(whole));
    const life = await begin(disk);
    assert.is(life.from, 21);
    assert.is(life.cut, null);
    assert.not((await disk.list('log')).includes('torn.json'));
  },
);

t('the same on a real disk: text of any kind, larger than a piece of writing', () =>
  withFolder(async (dir) => {
    const folder = `${dir}/log`;
    const life = await begin(nodeDisk, { dir: folder });
    grow(life, 'a', 3);
    await life.log.whenDurable(3);
    const base = life.log.cutSegment(() => true);
    const long = { text: `x${'\u{1F680}é'.repeat(400_000)}\ud800` };
    const draft = life.checkpoints.draft({
      base,
      version: 'tally/1',
      folds: { tally: { ...life.tally }, long },
    });
    note(life, 'controller.checkpointed', { ofSeq: 3, sha256: draft.sha256, stateHash: '0'.repeat(64) });
    await life.log.whenDurable(4);
    await life.checkpoints.write(draft);
    await life.log.close();
    const seen: unknown[] = [];
    const checkpoints = new CheckpointFiles({
      dir: folder,
      disk: nodeDisk,
      sha256: nodeSha256,
      retiring: null,
    });
    const { log } = await openLog({
      dir: folder,
      disk: nodeDisk,
      sha256: nodeSha256,
      checkpoints,
      version: 'tally/1',
      onCheckpoint: ({ folds }) => void seen.push(folds['long']),
      onRecords: (batch) => void seen.push(batch.length),
    });
    assert.equal(seen, [long, 1]);
    await log.close();
  }),
);

t.run();
