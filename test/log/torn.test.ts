/**
 * Damage of every kind: cut files, flipped bits, lost pages. Nothing wrong is ever taken for a fact,
 * and nothing that was safe is ever cut.
 */
import * as assert from 'uvu/assert';
import { genesis, sealRecord } from '../../src/events/record.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { verifyLogFolder } from '../../src/log/scan.ts';
import { chunkBytes, markLine } from '../../src/log/segment.ts';
import { runs, seed, suite } from '../suite.ts';
import { appendMany, draft, numbers } from './drafts.ts';
import { first, holding, lineStart, made, quiet, tryOpen } from './made.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('torn log');
/** Place of the first record of stream `a` in an empty log. */
const firstPlace = { seq: 1, id: 'job.acme.a:1', version: 1, prev: genesis };

/** Records that stand whole before byte `at`. */
const wholeBefore = (bytes: Buffer, at: number): number =>
  bytes
    .subarray(0, at)
    .toString()
    .split(/"hash":"[0-9a-f]{64}"\}\n/).length - 1;

t('a tail torn at any byte of the last record costs that record and nothing else', async () => {
  const { open, records } = await made([2, 3]);
  const from = lineStart(open, 5);
  for (let size = from; size < open.length; size += 1) {
    const disk = holding(open.subarray(0, size));
    const { records: left, cut, error } = await tryOpen(disk);
    assert.is(error, null);
    assert.equal(left, records.slice(0, 4));
    assert.is(cut?.fromSeq, 5, `cut at ${size} is told`);
    assert.is(cut?.bytes, size - from);
    const torn = open.subarray(from, size);
    assert.equal(cut?.ids, torn.includes('"id":"job.acme.s1:3"') ? ['job.acme.s1:3'] : []);
    if (size > from) assert.equal(Buffer.from(disk.bytes(cut!.file!)), torn);
    else assert.is(cut?.file, null);
  }
});

t('what is left after a cut opens like any log, and goes on', async () => {
  const { open } = await made([2, 3]);
  const disk = holding(open.subarray(0, open.length - 10));
  const { log, cut, settled } = await openFileLog({ ...quiet, disk });
  assert.is(cut?.fromSeq, 5);
  appendMany(log, 'new', 2);
  await log.whenDurable(6);
  await settled();
  const bytes = disk.bytes(first);
  await log.close();
  assert.is((await tryOpen(disk)).records.length, 6);
  // Torn once more at the same place: the first .torn file stays.
  disk.put(first, bytes.subarray(0, bytes.length - 10));
  assert.is((await tryOpen(disk)).cut?.file, `${first}.torn.1`);
  assert.is(disk.bytes(`${first}.torn`).length > 0, true);
});

t('in the last unsealed group the first bad record ends the log, even if later ones verify', async () => {
  const { open, records } = await made([2, 4]);
  const bytes = Buffer.from(open);
  bytes[lineStart(bytes, 4) + 30]! ^= 4;
  const { records: left, cut } = await tryOpen(holding(bytes));
  assert.equal(left, records.slice(0, 3));
  assert.is(cut?.fromSeq, 4);
  assert.equal(cut?.ids, ['job.acme.s1:2', 'job.acme.s1:3', 'job.acme.s1:4']);
});

t(
  'after a clean stop damage anywhere before the end halts, names the place, and changes nothing',
  async () => {
    const { closed } = await made([2, 3]);
    const end = closed.lastIndexOf('#{"closed"');
    const random = numbers(seed());
    for (let at = 0; at < end; at += 1) {
      const bytes = Buffer.from(closed);
      bytes[at]! ^= 1 << Math.floor(random() * 8);
      const disk = holding(bytes);
      const { records, error } = await tryOpen(disk);
      assert.is(error?.code, 'ERR_LOG_CORRUPT', `byte ${at}`);
      const whole = wholeBefore(closed, at);
      assert.is(records.length, whole, `byte ${at} is in record ${whole + 1}, or in the mark before it`);
      assert.match(error!.message, `${first}, byte `);
      assert.match(error!.message, `seq ${whole + 1}: `);
      assert.equal(disk.bytes(first), bytes);
      assert.equal(await disk.list('log'), [first.slice(4)]);
    }
  },
);

t(
  'a flipped bit anywhere in a log that was not closed halts, or is cut and told, and never passes',
  async () => {
    const { open, records } = await made([2, 1, 3]);
    const lastMark = open.lastIndexOf('#{"group"');
    const random = numbers(seed());
    const outcomes = { halted: 0, cut: 0 };
    for (let at = 0; at < open.length * runs(1); at += 1) {
      const bytes = Buffer.from(open);
      const byte = at % open.length;
      bytes[byte]! ^= 1 << Math.floor(random() * 8);
      const { records: left, cut, error } = await tryOpen(holding(bytes));
      const whole = wholeBefore(open, byte);
      assert.equal(left, records.slice(0, whole));
      if (byte < lastMark) assert.is(error?.code, 'ERR_LOG_CORRUPT', `byte ${byte}`);
      else assert.is(cut?.fromSeq, whole + 1, `byte ${byte}`);
      outcomes[cut === null ? 'halted' : 'cut'] += 1;
    }
    assert.ok(outcomes.halted > 500 && outcomes.cut > 500, JSON.stringify(outcomes));
  },
  { limitMs: 60_000 },
);

t('bytes that read as the same text are not the same bytes', async () => {
  const disk = new PowerDisk();
  const { log } = await openFileLog({ ...quiet, disk });
  log.append(draft('a', 0, { text: '\uFFFD' }));
  await log.close();
  const bytes = Buffer.from(disk.bytes(first));
  const at = bytes.indexOf(Buffer.from('\uFFFD'));
  // A lenient decoder makes one replacement sign of these three bytes, too.
  bytes.set([0xf0, 0x90, 0x80], at);
  assert.is(bytes.subarray(at, at + 3).toString(), '\uFFFD');
  assert.is((await tryOpen(holding(bytes))).error?.code, 'ERR_LOG_CORRUPT');
});

t('a damaged closing mark costs no fact', async () => {
  const { closed, records } = await made([2, 3]);
  for (let at = closed.lastIndexOf('#{"closed"'); at < closed.length; at += 1) {
    const bytes = Buffer.from(closed);
    bytes[at]! ^= 1;
    const { records: left, cut } = await tryOpen(holding(bytes));
    assert.equal(left, records);
    assert.is(cut?.fromSeq, 6);
    assert.equal(cut?.ids, []);
  }
});

t('lines that are taken out, doubled or swapped halt a closed log', async () => {
  const { closed } = await made([2, 3]);
  const lines = closed.toString().trimEnd().split('\n');
  const variants = lines.slice(0, -1).flatMap((line, i) => [
    lines.toSpliced(i, 1),
    lines.toSpliced(i, 0, line),
    // Not the last record with the closing mark: what follows a mark is an unsealed tail by all appearance.
    ...(i < lines.length - 2 ? [lines.toSpliced(i, 2, lines[i + 1]!, line)] : []),
  ]);
  assert.is(variants.length, 20);
  for (const variant of variants) {
    const { error } = await tryOpen(holding(Buffer.from(`${variant.join('\n')}\n`)));
    assert.is(error?.code, 'ERR_LOG_CORRUPT', variant.map((line) => line.slice(0, 12)).join(' '));
  }
});

t('pages of zeros at the end, as some file systems leave them, are cut and told', async () => {
  const { open, closed, records } = await made([2, 3]);
  for (const bytes of [open, closed]) {
    const { records: left, cut } = await tryOpen(holding(Buffer.concat([bytes, Buffer.alloc(8192)])));
    assert.equal(left, records);
    assert.is(cut?.fromSeq, 6);
    assert.is(cut?.bytes, 8192);
    assert.equal(cut?.ids, []);
  }
});

t('a line that never ends is damage and not a full memory', async () => {
  const { open, records } = await made([2]);
  const endless = Buffer.concat([open, Buffer.alloc(20 * 1024 * 1024, 'x')]);
  const { records: left, cut } = await tryOpen(holding(endless));
  assert.equal(left, records);
  assert.is(cut?.bytes, 20 * 1024 * 1024);
});

t('a mark is found, and an id read, wherever the pieces begin in which a file is read', async () => {
  for (const overhang of [20, 80, 130]) {
    const disk = new PowerDisk();
    const { log } = await openFileLog({ ...quiet, disk });
    const text = (bytes: number): { text: string } => ({ text: 'x'.repeat(bytes) });
    // So long that the mark of the next group lies across the end of a piece that begins with this record.
    const { line } = sealRecord({ ...draft('a', 0, text(0)), ...firstPlace, epoch: 1 }, nodeSha256);
    log.append(draft('a', 0, text(chunkBytes - line.length - overhang)));
    await log.whenDurable(1);
    log.append(draft('b', 0));
    await log.whenDurable(2);
    const bytes = Buffer.from(disk.bytes(first));
    const start = lineStart(bytes, 1);
    const mark = bytes.lastIndexOf('#{"group"');
    assert.ok(mark < start + chunkBytes && bytes.indexOf('\n', mark) > start + chunkBytes);
    bytes[start + 50]! ^= 1;
    assert.is((await tryOpen(holding(bytes))).error?.code, 'ERR_LOG_CORRUPT');
    // The same for an id, in a group that is torn from its first record on.
    const torn = Buffer.concat([
      bytes.subarray(0, mark),
      Buffer.from(`${'#'.repeat(overhang - 10)}"id":"job.acme.b:1"`),
    ]);
    assert.equal((await tryOpen(holding(torn))).cut?.ids, ['job.acme.a:1', 'job.acme.b:1']);
  }
});

t('what a cut moves aside is safe when the log is open', async () => {
  const { open } = await made([2, 3]);
  const random = numbers(seed());
  for (let i = 0; i < 30; i += 1) {
    const disk = holding(open.subarray(0, open.length - 9));
    const { cut } = await tryOpen(disk);
    const bytes = disk.bytes(cut!.file!);
    assert.equal(disk.afterPowerCut(random).bytes(cut!.file!), bytes);
  }
});

t('a record more than the group announces is damage', async () => {
  const { open } = await made([2]);
  const forged = markLine({ kind: 'group', group: 1, after: 0, prev: genesis, records: 1 }, nodeSha256);
  const text = open.toString();
  const { records, cut } = await tryOpen(holding(Buffer.from(forged + text.slice(text.indexOf('\n')))));
  assert.is(records.length, 1);
  assert.is(cut?.fromSeq, 2);
});

t('verifying offline says the same as opening, and mends nothing', async () => {
  const { open, closed } = await made([2, 3]);
  const torn = holding(open.subarray(0, open.length - 3));
  const { damage, records } = await verifyLogFolder('log', torn, nodeSha256);
  assert.is(records, 4);
  const expected = { file: first, offset: lineStart(open, 5), seq: 5, reason: '', sealed: false };
  assert.equal({ ...damage, reason: '' }, expected);
  assert.is(torn.calls, 0);
  const bytes = Buffer.from(closed);
  bytes[lineStart(bytes, 2)]! ^= 1;
  assert.is((await verifyLogFolder('log', holding(bytes), nodeSha256)).damage?.sealed, true);
});

t(
  'a reopen that knows what was promised drops the rest without alarm, and writes to a new file',
  async () => {
    const { open, records } = await made([2, 3]);
    const disk = holding(open.subarray(0, open.length - 7));
    const { log, cut } = await openFileLog({ ...quiet, disk, trustedSeq: 2 });
    assert.is(log.head, 2);
    assert.is(cut?.fromSeq, 3);
    assert.equal(cut?.ids, []);
    assert.ok(cut!.bytes > 0 && cut!.file !== null);
    assert.equal(await log.read(1, 10), records.slice(0, 2));
    appendMany(log, 'new', 1);
    await log.close();
    const segments = (await disk.list('log')).filter((name) => name.endsWith('.seg'));
    assert.equal(segments, ['00000000000000000001.seg', '00000000000000000003.seg']);
    assert.is((await tryOpen(disk)).records.length, 3);
  },
);

t('a reopen that knows what was promised halts when that is not there', async () => {
  const { open } = await made([2, 3]);
  for (const bytes of [open.subarray(0, open.length - 7), open]) {
    assert.is((await tryOpen(holding(bytes), 6)).error?.code, 'ERR_LOG_CORRUPT');
  }
  assert.is((await tryOpen(holding(open), 5)).cut, null);
});

t.run();
