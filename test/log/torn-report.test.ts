/**
 * A cut is told, whatever happens between the cut and the telling: crashes at every call to the disk, and again at
 * every call of the recovery from them, by a kill (all that was written stays) and by a power cut.
 */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import type { Disk } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Log, TailCut } from '../../src/log/log.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { readLogFolder, verifyLogFolder } from '../../src/log/scan.ts';
import { runs, seed, suite } from '../suite.ts';
import { appendMany, codeOf, draft, numbers, withFolder } from './drafts.ts';
import { failingDisk } from './faulty-disk.ts';
import { first, holding, lineStart, made, quiet } from './made.ts';
import type { PowerDisk } from './power-disk.ts';

const t = suite('torn report');
const report = 'log/torn.json';

/** A log whose last group has a flipped byte: seq 4 and 5 go, and someone may have been told about both. */
async function damaged(): Promise<{ bytes: Buffer; lostBytes: number }> {
  const { open } = await made([2, 3]);
  const bytes = Buffer.from(open);
  const from = lineStart(bytes, 4);
  bytes[from + 30]! ^= 4;
  return { bytes, lostBytes: bytes.length - from };
}
const lost = ['job.acme.s1:2', 'job.acme.s1:3'];
const fromSeq = 4;

/** Appends what the controller writes first in each life. */
function tell(log: Log, cut: TailCut | null): FactRecord {
  const told = cut === null ? {} : { bytes: cut.bytes, fromSeq: cut.fromSeq, lostIds: cut.idCount };
  const data = { ...told, epoch: log.epoch, ofSeq: log.head, stateHash: '0'.repeat(64) };
  const common = draft('x', log.versionOf('controller'), data);
  return log.append({ ...common, subject: 'controller.recovered', type: 'controller.recovered' }).record;
}

interface Start {
  /** What was in the log, and what it said was cut; null when it did not open. */
  found: { readonly records: readonly FactRecord[]; readonly cut: TailCut | null } | null;
  crashed: boolean;
}

/** Begins a life as the controller does: open, tell durably, settle. Ends where the disk fails. */
async function start(disk: Disk): Promise<Start> {
  const records: FactRecord[] = [];
  const result: Start = { found: null, crashed: true };
  try {
    const onRecords = (batch: FactRecord[]): void => void records.push(...batch);
    const { log, cut, settled } = await openFileLog({ ...quiet, disk, onRecords });
    result.found = { records, cut };
    await log.whenDurable(tell(log, cut).seq);
    await settled();
    result.crashed = false;
  } catch (error) {
    assert.match(String((error as { code?: string }).code), /^(ERR_LOG_FAILED|EIO)$/);
  }
  return result;
}

/** Facts that tell of this loss; a crash may add a later one, of what the crashed life wrote. */
const toldIn = (records: readonly FactRecord[]): FactRecord[] =>
  records.filter(({ type, data }) => type === 'controller.recovered' && data['fromSeq'] === fromSeq);

/** What must hold of each start: the loss is in the log, or will be reported; never both, and never smaller. */
function check({ found }: Start, lostBytes: number, exact: boolean): void {
  if (found === null) return;
  const { records, cut } = found;
  const [told, ...more] = toldIn(records);
  assert.is(more.length, 0, 'told once');
  if (told) {
    assert.ok((told.data['lostIds'] as number) >= lost.length);
    assert.ok(cut === null || cut.fromSeq > told.seq, 'what is told is not reported again');
    assert.not(cut?.ids.some((id) => lost.includes(id)));
    return;
  }
  assert.is(cut?.fromSeq, fromSeq);
  for (const id of lost) assert.ok(cut!.ids.includes(id), `${id} is still reported`);
  assert.ok(cut!.bytes >= lostBytes && cut!.idCount >= lost.length);
  if (exact) assert.equal([cut!.bytes, cut!.idCount], [lostBytes, lost.length], 'one cut is counted once');
}

t(
  'a crash at any call between the cut and the end of its telling, and another in the recovery, loses no report',
  async () => {
    const { bytes, lostBytes } = await damaged();
    const random = numbers(seed());
    const fail = (disk: PowerDisk, at: number): Disk =>
      failingDisk(disk, { at, code: 'EIO', share: [0, 0.5, 1][Math.floor(random() * 3)]! }).disk;
    const afterCrash = (disk: PowerDisk): PowerDisk => (random() < 0.4 ? disk : disk.afterPowerCut(random));
    let [crashes, told, again, whole] = [0, 0, 0, 0];
    for (let at = 1; ; at += 1) {
      let passed = false;
      for (let second = 1, done = false; !done; second += 1) {
        done = true;
        for (let run = 0; run < runs(6); run += 1) {
          let disk = holding(bytes.slice());
          // What a crash may have left of a former try must not show through.
          disk.put('log/torn.json.draft', new Uint8Array(10_000).fill(120));
          const one = await start(fail(disk, at));
          passed = !one.crashed;
          check(one, lostBytes, true);
          disk = afterCrash(disk);
          const two = await start(fail(disk, second));
          // Without an open log between, nothing was written that could be torn too.
          check(two, lostBytes, one.found === null);
          done &&= !two.crashed;
          disk = afterCrash(disk);
          const three = await start(disk);
          check(three, lostBytes, one.found === null && two.found === null);
          const four = await start(disk);
          assert.is(toldIn(four.found!.records).length, 1);
          assert.is(four.found!.cut, null);
          check(four, lostBytes, false);
          assert.not((await disk.list('log')).includes('torn.json'));
          crashes += Number(one.crashed) + Number(two.crashed);
          if (two.found?.cut === null) told += 1;
          else if (two.found) again += 1;
          if (three.found!.cut && three.found!.cut.bytes > lostBytes) whole += 1;
        }
      }
      if (passed) break;
    }
    const counts = `${crashes} crashes; the second start found ${told} told, ${again} not; ${whole} had grown`;
    assert.ok(crashes > 2_000 && told > 30 && again > 500 && whole > 10, counts);
  },
  { limitMs: 120_000 },
);

t('a tail that is torn before the last cut is told adds to it, at the very same place too', async () => {
  const { bytes, lostBytes } = await damaged();
  for (const spoiled of ['mark', 'record'] as const) {
    const disk = holding(bytes);
    const { log, cut } = await openFileLog({ ...quiet, disk });
    tell(log, cut);
    await log.whenDurable(log.head);
    // The flush of the telling is damaged: what it would have told is untold.
    const written = Buffer.from(disk.bytes(first));
    const record = lineStart(written, fromSeq);
    const mark = written.lastIndexOf(10, record - 2) + 1;
    const from = spoiled === 'mark' ? mark : record;
    assert.is(mark, bytes.length - lostBytes, 'where the cut was, writing went on');
    written[from + 30]! ^= 1;
    disk.put(first, written);
    const { found } = await start(disk);
    assert.equal(found!.cut!.ids, [...lost, 'controller:1']);
    assert.equal([found!.cut!.bytes, found!.cut!.fromSeq], [lostBytes + written.length - from, fromSeq]);
    assert.is(found!.cut!.file, `${first}.torn`);
  }
});

t('a report that is told and not yet put aside is dropped, whatever was written since', async () => {
  const { bytes } = await damaged();
  const disk = holding(bytes);
  const { log, cut } = await openFileLog({ ...quiet, disk });
  tell(log, cut);
  appendMany(log, 'new', 3);
  await log.whenDurable(log.head);
  await log.close();
  assert.ok((await disk.list('log')).includes('torn.json'));
  assert.is((await openFileLog({ ...quiet, disk })).cut, null);
  assert.not((await disk.list('log')).includes('torn.json'));
  assert.ok((await disk.list('log')).includes('torn-told.json'), 'kept for a person');
});

t('a fact about another cut does not pass for the one that is missing', async () => {
  const { bytes } = await damaged();
  const disk = holding(bytes);
  const { log, cut } = await openFileLog({ ...quiet, disk });
  tell(log, { ...cut!, bytes: cut!.bytes - 1 });
  tell(log, null);
  await log.close();
  assert.equal((await openFileLog({ ...quiet, disk })).cut, cut);
});

t('of very many ids 1,000 are named and all are counted, after a crash too', async () => {
  const { open } = await made([1, 1_500]);
  const bytes = Buffer.from(open);
  bytes[lineStart(bytes, 2)]! ^= 1;
  const disk = holding(bytes);
  for (let life = 0; life < 2; life += 1) {
    const { cut } = await openFileLog({ ...quiet, disk });
    assert.equal([cut?.ids.length, cut?.idCount], [1_000, 1_500]);
  }
});

t('a cut is called out at once, and by each start until it is told', async () => {
  const { bytes } = await damaged();
  const disk = holding(bytes);
  const heard: TailCut[] = [];
  const options = { ...quiet, disk, onCut: (cut: TailCut) => void heard.push(cut) };
  await openFileLog(options);
  const { log, cut, settled } = await openFileLog(options);
  assert.equal(heard, [cut, cut]);
  await log.whenDurable(tell(log, cut).seq);
  await settled();
  await settled();
  await openFileLog(options);
  assert.is(heard.length, 2);
});

t('a damaged report halts, says where, and nothing is changed', async () => {
  const { bytes } = await damaged();
  const made = holding(bytes);
  await openFileLog({ ...quiet, disk: made });
  const whole = made.bytes(report);
  for (let at = 0; at < whole.length; at += 1) {
    const disk = made.copy();
    const broken = whole.slice();
    broken[at]! ^= 1;
    disk.put(report, broken);
    const error = await openFileLog({ ...quiet, disk }).catch((thrown) => thrown);
    assert.is(error.code, 'ERR_LOG_CORRUPT', `byte ${at}`);
    assert.match(error.message, report);
    assert.equal([disk.bytes(report), disk.bytes(first)], [broken, made.bytes(first)]);
  }
});

t('reading and verifying offline take the report for no segment, and leave it alone', async () => {
  const { bytes } = await damaged();
  const disk = holding(bytes);
  await openFileLog({ ...quiet, disk });
  const { calls } = disk;
  assert.is((await verifyLogFolder('log', disk, nodeSha256)).records, fromSeq - 1);
  for await (const batch of readLogFolder('log', disk, nodeSha256)) assert.is(batch.length, fromSeq - 1);
  assert.is(disk.calls, calls);
});

t('sealed damage halts before a report is touched; a reopen in the same process writes none', async () => {
  const { closed } = await made([2, 3]);
  const sealed = Buffer.from(closed);
  sealed[lineStart(sealed, 2)]! ^= 1;
  const disk = holding(sealed);
  assert.is(await codeOf(() => openFileLog({ ...quiet, disk })), 'ERR_LOG_CORRUPT');
  assert.equal(await disk.list('log'), [first.slice(4)]);
  const { bytes } = await damaged();
  const again = holding(bytes);
  assert.is((await openFileLog({ ...quiet, disk: again, trustedSeq: 2 })).cut?.idCount, 0);
  assert.not((await again.list('log')).includes('torn.json'));
});

t('on a real file system the report outlives the process, and goes when it is told', async () => {
  await withFolder(async (folder) => {
    const dir = `${folder}/log`;
    const life = () => openFileLog({ ...quiet, dir, disk: nodeDisk });
    const { log } = await life();
    appendMany(log, 'a', 3);
    await log.close();
    const segment = await nodeDisk.open(`${dir}/${first.slice(4)}`, false);
    const text = Buffer.from(await segment.read(0, await segment.size()));
    await segment.truncate(text.indexOf('#{"closed"') - 9);
    await segment.close();
    // A life that ends in order without having told leaves the report as a crash does.
    const one = await life();
    assert.equal(one.cut?.ids, ['job.acme.a:3']);
    await one.log.close();
    const two = await life();
    assert.equal(two.cut, one.cut);
    await two.log.whenDurable(tell(two.log, two.cut).seq);
    await two.settled();
    await two.log.close();
    const three = await life();
    assert.is(three.cut, null);
    await three.log.close();
    assert.equal(await nodeDisk.list(dir), [first.slice(4), `${first.slice(4)}.torn`, 'torn-told.json']);
  });
});

t.run();
