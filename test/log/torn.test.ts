/**
 * Damage of every kind: cut files, flipped bits, lost pages. Nothing wrong is ever taken for a fact,
 * and nothing that was safe is ever cut.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { TailCut } from '../../src/log/log.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { verifyLogFolder } from '../../src/log/scan.ts';
import { runs, seed, suite } from '../suite.ts';
import { appendMany, numbers, withFolder } from './drafts.ts';

const t = suite('torn log');
const first = '00000000000000000001.seg';

interface Outcome {
  readonly records: FactRecord[];
  readonly cut: TailCut | null;
  readonly error: { code?: string; message: string } | null;
}

/** Opens `dir`, closes it again, and says what came of it. */
async function tryOpen(dir: string, trustedSeq?: number): Promise<Outcome> {
  const records: FactRecord[] = [];
  const onRecords = (batch: FactRecord[]): void => void records.push(...batch);
  try {
    const options = { dir, disk: nodeDisk, sha256: nodeSha256, onRecords };
    const { log, cut } = await openFileLog(trustedSeq === undefined ? options : { ...options, trustedSeq });
    assert.is(log.head, records.length);
    await log.close();
    return { records, cut, error: null };
  } catch (error) {
    return { records, cut: null, error: error as Error };
  }
}

/** A log of groups of these sizes, as its bytes stand before and after a clean close. */
async function made(
  dir: string,
  groups: readonly number[],
): Promise<{ open: Buffer; closed: Buffer; records: FactRecord[] }> {
  const options = { dir, disk: nodeDisk, sha256: nodeSha256, onRecords: () => undefined };
  const { log } = await openFileLog(options);
  const records: FactRecord[] = [];
  for (const [i, size] of groups.entries()) {
    records.push(...appendMany(log, `s${i % 2}`, size));
    await log.whenDurable(log.head);
  }
  const open = await readFile(join(dir, first));
  await log.close();
  return { open, closed: await readFile(join(dir, first)), records };
}

/** A fresh folder under `dir` whose only segment has these bytes. */
let copies = 0;
async function copyOf(dir: string, bytes: Uint8Array): Promise<string> {
  copies += 1;
  const copy = join(dir, `copy${copies}`);
  await mkdir(copy);
  await writeFile(join(copy, first), bytes);
  return copy;
}

const lineStart = (bytes: Buffer, seq: number): number => {
  const at = bytes.indexOf(`"seq":${seq},`);
  return bytes.lastIndexOf(10, at) + 1;
};

t('a tail torn at any byte of the last record costs that record and nothing else', () =>
  withFolder(async (dir) => {
    const { open, records } = await made(dir, [2, 3]);
    const from = lineStart(open, 5);
    for (let size = from; size < open.length; size += 1) {
      const copy = await copyOf(dir, open.subarray(0, size));
      const { records: left, cut, error } = await tryOpen(copy);
      assert.is(error, null);
      assert.equal(left, records.slice(0, 4));
      assert.is(cut?.fromSeq, 5, `cut at ${size} is told`);
      assert.is(cut?.bytes, size - from);
      const torn = open.subarray(from, size);
      const ids = /"id":"job\.acme\.s1:3"/.test(torn.toString()) ? ['job.acme.s1:3'] : [];
      assert.equal(cut?.ids, ids);
      if (size > from) assert.equal(await readFile(cut!.file!), Buffer.from(torn));
      else assert.is(cut?.file, null);
    }
  }),
);

t('what is left after a cut opens like any log, and goes on', () =>
  withFolder(async (dir) => {
    const { open } = await made(dir, [2, 3]);
    const copy = await copyOf(dir, open.subarray(0, open.length - 10));
    const options = { dir: copy, disk: nodeDisk, sha256: nodeSha256, onRecords: () => undefined };
    const { log, cut } = await openFileLog(options);
    assert.is(cut?.fromSeq, 5);
    appendMany(log, 'new', 2);
    await log.whenDurable(6);
    const bytes = await readFile(join(copy, first));
    await log.close();
    assert.is((await tryOpen(copy)).records.length, 6);
    // Torn once more at the same place: the first .torn file stays.
    await writeFile(join(copy, first), bytes.subarray(0, bytes.length - 10));
    assert.is((await tryOpen(copy)).cut?.file, join(copy, `${first}.torn.1`));
    assert.equal((await readdir(copy)).sort(), [first, `${first}.torn`, `${first}.torn.1`]);
  }),
);

t('in the last unsealed group the first bad record ends the log, even if later ones verify', () =>
  withFolder(async (dir) => {
    const { open, records } = await made(dir, [2, 4]);
    const bytes = Buffer.from(open);
    bytes[lineStart(bytes, 4) + 30]! ^= 4;
    const { records: left, cut } = await tryOpen(await copyOf(dir, bytes));
    assert.equal(left, records.slice(0, 3));
    assert.is(cut?.fromSeq, 4);
    assert.equal(cut?.ids, ['job.acme.s1:2', 'job.acme.s1:3', 'job.acme.s1:4']);
  }),
);

t(
  'after a clean stop damage anywhere before the end halts, names the place, and changes nothing',
  () =>
    withFolder(async (dir) => {
      const { closed } = await made(dir, [2, 3]);
      const end = closed.lastIndexOf('#{"closed"');
      const random = numbers(seed());
      for (let at = 0; at < end; at += 1) {
        const bytes = Buffer.from(closed);
        bytes[at]! ^= 1 << Math.floor(random() * 8);
        const copy = await copyOf(dir, bytes);
        const { records, error } = await tryOpen(copy);
        assert.is(error?.code, 'ERR_LOG_CORRUPT', `byte ${at}`);
        const seq =
          closed
            .subarray(0, at)
            .toString()
            .match(/"hash":"[0-9a-f]{64}"\}\n/g)?.length ?? 0;
        assert.is(records.length, seq, `byte ${at} is in record ${seq + 1}, or in the mark before it`);
        assert.match(error!.message, `${first}, byte `);
        assert.match(error!.message, `seq ${seq + 1}: `);
        assert.equal(await readFile(join(copy, first)), bytes);
        assert.equal(await readdir(copy), [first]);
      }
    }),
  { limitMs: 60_000 },
);

t(
  'a flipped bit anywhere in a log that was not closed halts, or is cut and told, and never passes',
  () =>
    withFolder(async (dir) => {
      const { open, records } = await made(dir, [2, 1, 3]);
      const lastMark = open.lastIndexOf('#{"group"');
      const random = numbers(seed());
      const outcomes = { halted: 0, cut: 0 };
      for (let at = 0; at < open.length; at += 1) {
        const bytes = Buffer.from(open);
        bytes[at]! ^= 1 << Math.floor(random() * 8);
        const { records: left, cut, error } = await tryOpen(await copyOf(dir, bytes));
        const before =
          open
            .subarray(0, at)
            .toString()
            .match(/"hash":"[0-9a-f]{64}"\}\n/g)?.length ?? 0;
        assert.equal(left, records.slice(0, before));
        if (at < lastMark) assert.is(error?.code, 'ERR_LOG_CORRUPT', `byte ${at}`);
        else assert.is(cut?.fromSeq, before + 1, `byte ${at}`);
        if (cut === null) outcomes.halted += 1;
        else outcomes.cut += 1;
      }
      assert.ok(outcomes.halted > 500 && outcomes.cut > 500, JSON.stringify(outcomes));
    }),
  { limitMs: 60_000 },
);

t('a damaged closing mark costs no fact', () =>
  withFolder(async (dir) => {
    const { closed, records } = await made(dir, [2, 3]);
    for (let at = closed.lastIndexOf('#{"closed"'); at < closed.length; at += 1) {
      const bytes = Buffer.from(closed);
      bytes[at]! ^= 1;
      const { records: left, cut } = await tryOpen(await copyOf(dir, bytes));
      assert.equal(left, records);
      assert.is(cut?.fromSeq, 6);
      assert.equal(cut?.ids, []);
    }
  }),
);

t('lines that are taken out, doubled or swapped are noticed', () =>
  withFolder(async (dir) => {
    const { closed } = await made(dir, [2, 3]);
    const lines = closed.toString().trimEnd().split('\n');
    const variants: string[][] = [];
    for (let i = 0; i < lines.length - 1; i += 1) {
      variants.push(
        lines.toSpliced(i, 1),
        lines.toSpliced(i, 0, lines[i]!),
        lines.toSpliced(i, 2, lines[i + 1]!, lines[i]!),
      );
    }
    for (const variant of variants) {
      const { error } = await tryOpen(await copyOf(dir, Buffer.from(`${variant.join('\n')}\n`)));
      // Swapping the last record with the closing mark leaves a record after it: an unsealed tail by all appearance.
      if (variant.at(-2)?.startsWith('#{"closed"')) continue;
      assert.is(error?.code, 'ERR_LOG_CORRUPT', variant.map((line) => line.slice(0, 12)).join(' '));
    }
  }),
);

t('pages of zeros at the end, as some file systems leave them, are cut and told', () =>
  withFolder(async (dir) => {
    const { open, closed, records } = await made(dir, [2, 3]);
    for (const bytes of [open, closed]) {
      const { records: left, cut } = await tryOpen(
        await copyOf(dir, Buffer.concat([bytes, Buffer.alloc(8192)])),
      );
      assert.equal(left, records);
      assert.is(cut?.fromSeq, 6);
      assert.is(cut?.bytes, 8192);
      assert.equal(cut?.ids, []);
    }
  }),
);

t('verifying offline says the same as opening, and mends nothing', () =>
  withFolder(async (dir) => {
    const { open, closed } = await made(dir, [2, 3]);
    const torn = await copyOf(dir, open.subarray(0, open.length - 3));
    const { damage, records } = await verifyLogFolder(torn, nodeDisk, nodeSha256);
    assert.is(records, 4);
    assert.equal(
      { ...damage, reason: '' },
      { file: join(torn, first), offset: lineStart(open, 5), seq: 5, reason: '', sealed: false },
    );
    assert.is((await readFile(join(torn, first))).length, open.length - 3);
    const bytes = Buffer.from(closed);
    bytes[lineStart(bytes, 2)]! ^= 1;
    assert.is((await verifyLogFolder(await copyOf(dir, bytes), nodeDisk, nodeSha256)).damage?.sealed, true);
  }),
);

t('a reopen that knows what was promised drops the rest without alarm, and writes to a new file', () =>
  withFolder(async (dir) => {
    const { open, records } = await made(dir, [2, 3]);
    const copy = await copyOf(dir, open.subarray(0, open.length - 7));
    const options = {
      dir: copy,
      disk: nodeDisk,
      sha256: nodeSha256,
      onRecords: () => undefined,
      trustedSeq: 2,
    };
    const { log, cut } = await openFileLog(options);
    assert.is(log.head, 2);
    assert.is(cut?.fromSeq, 3);
    assert.equal(cut?.ids, []);
    assert.ok(cut!.bytes > 0 && cut!.file !== null);
    assert.equal(await log.read(1, 10), records.slice(0, 2));
    appendMany(log, 'new', 1);
    await log.close();
    assert.equal(
      (await readdir(copy)).filter((name) => name.endsWith('.seg')),
      [first, '00000000000000000003.seg'],
    );
    assert.is((await tryOpen(copy)).records.length, 3);
  }),
);

t('a reopen that knows what was promised halts when that is not there', () =>
  withFolder(async (dir) => {
    const { open } = await made(dir, [2, 3]);
    for (const bytes of [open.subarray(0, open.length - 7), open]) {
      assert.is((await tryOpen(await copyOf(dir, bytes), 6)).error?.code, 'ERR_LOG_CORRUPT');
    }
    assert.is((await tryOpen(await copyOf(dir, open), 5)).cut, null);
  }),
);

t(
  'a crash keeps all that was durable and a prefix of the rest, whatever was appended',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ stream: fc.nat(3), count: fc.integer({ min: 1, max: 5 }), wait: fc.boolean() }),
          { maxLength: 12 },
        ),
        fc.nat(1_000_000),
        fc.constantFrom(700, 64 * 1024 * 1024),
        (steps, keep, segmentBytesMax) => crashLaw(steps, keep / 1_000_000, segmentBytesMax),
      ),
      { seed: seed(), numRuns: runs(150) },
    ),
  { limitMs: 120_000 },
);

interface Step {
  readonly stream: number;
  readonly count: number;
  readonly wait: boolean;
}

/** Appends, then keeps of the last segment at least what was durable and a random part of what follows. */
const crashLaw = (steps: readonly Step[], keep: number, segmentBytesMax: number): Promise<void> =>
  withFolder(async (dir) => {
    const disk = nodeDisk;
    const { log } = await openFileLog({
      dir,
      disk,
      sha256: nodeSha256,
      onRecords: () => undefined,
      segmentBytesMax,
    });
    const all: FactRecord[] = [];
    for (const { stream, count, wait } of steps) {
      all.push(...appendMany(log, `s${stream}`, count));
      if (wait) await log.whenDurable(log.head);
    }
    const durable = log.durable;
    const lengths = new Map<string, number>();
    for (const name of await readdir(dir)) lengths.set(name, (await readFile(join(dir, name))).length);
    // The rest reaches the disk in part: let it all arrive, then cut in the last segment that had begun before.
    await log.whenDurable(log.head);
    const name = [...lengths.keys()].at(-1);
    const crashed = join(dir, 'crashed');
    await mkdir(crashed);
    for (const kept of lengths.keys()) {
      const bytes = await readFile(join(dir, kept));
      const safe = kept === name ? lengths.get(kept)! : bytes.length;
      const size = safe + Math.floor((bytes.length - safe) * keep);
      await writeFile(join(crashed, kept), bytes.subarray(0, size));
    }
    await log.close();
    const { records, error } = await tryOpen(crashed);
    assert.is(error, null);
    assert.ok(records.length >= durable, `${durable} were durable, ${records.length} are left`);
    assert.equal(records, all.slice(0, records.length));
  });

t.run();
