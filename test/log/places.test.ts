/** Reading from a long log: every fact is within reach, and neither memory nor open files grow with its length. */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import type { Disk, DiskFile } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { Handles } from '../../src/log/handles.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { Places } from '../../src/log/places.ts';
import { openSegments } from '../../src/log/scan.ts';
import { seed, suite } from '../suite.ts';
import { appendMany, codeOf, draft, numbers } from './drafts.ts';
import { quiet } from './made.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log places');

/** A disk that counts open files, and reads of whole segments. */
class CountingDisk extends PowerDisk {
  openNow = 0;
  openMost = 0;
  opens = 0;

  override async open(path: string, create: boolean): Promise<DiskFile> {
    const file = await super.open(path, create);
    this.opens += 1;
    this.openNow += 1;
    this.openMost = Math.max(this.openMost, this.openNow);
    let open = true;
    return {
      ...file,
      close: async () => {
        assert.ok(open, `${path} is closed once`);
        open = false;
        this.openNow -= 1;
      },
    };
  }
}

/** A log of 60 segments, written by a life that has ended. */
async function long(disk: Disk): Promise<FactRecord[]> {
  const { log } = await openFileLog({ ...quiet, disk, segmentBytesMax: 1_000 });
  const records: FactRecord[] = [];
  for (let i = 0; i < 60; i += 1) {
    records.push(...appendMany(log, `s${i % 7}`, 4));
    await log.whenDurable(log.head);
  }
  await log.close();
  assert.is((await disk.list('log')).length, 60);
  return records;
}

/** Places of a folder as after a start that read nothing. */
async function placesOf(disk: Disk): Promise<Places> {
  const places = new Places(disk, nodeSha256);
  places.segments.push(...(await openSegments('log', disk, new Handles(disk), Number.MAX_SAFE_INTEGER)));
  return places;
}

t(
  'a log of many segments is written, opened and read with few open files, and closes all of them',
  async () => {
    const disk = new CountingDisk();
    const records = await long(disk);
    assert.is(disk.openNow, 0);
    const { log } = await openFileLog({ ...quiet, disk });
    for (let from = 1; from <= 240; from += 17)
      assert.equal(await log.read(from, 20), records.slice(from - 1, from + 19));
    assert.ok(disk.opens > 60, `${disk.opens} files were opened`);
    assert.ok(disk.openMost <= 20, `${disk.openMost} at once`);
    await log.close();
    assert.is(disk.openNow, 0);
  },
);

t('old segments are read on demand, in any order and at once, and few of them are remembered', async () => {
  const disk = new CountingDisk();
  const records = await long(disk);
  const places = await placesOf(disk);
  assert.is(places.indexed, 0);
  const random = numbers(seed());
  const look = async (): Promise<void> => {
    const from = 1 + Math.floor(random() * 230);
    const to = Math.min(236, from + Math.floor(random() * 30));
    assert.equal(await places.read(from, to), records.slice(from - 1, to));
    assert.ok(places.indexed <= 8, `${places.indexed} indexes`);
  };
  for (let i = 0; i < 50; i += 1) await look();
  await Promise.all(Array.from({ length: 100 }, look));
  assert.is(places.indexed, 8);
  for (let seq = 236; seq > 0; seq -= 5) assert.equal(places.readSync(seq), records[seq - 1]);
  assert.is(places.indexed, 8);
});

t('those who read the same old segment at once share its reading', async () => {
  const disk = new CountingDisk();
  const records = await long(disk);
  const places = await placesOf(disk);
  const before = disk.opens;
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => places.read(1 + (i % 4), 4)));
  assert.is(disk.opens - before, 1);
  assert.equal(all[1], records.slice(1, 4));
});

t('an old segment of which a piece is missing, or which is gone, is damage and no gap', async () => {
  const disk = new PowerDisk();
  await long(disk);
  const name = (seq: number): string => `log/${String(seq).padStart(20, '0')}.seg`;
  const bytes = Buffer.from(disk.bytes(name(41)));
  disk.put(name(41), bytes.subarray(0, bytes.indexOf('\n{"at"', bytes.indexOf('"seq":42')) + 1));
  const places = await placesOf(disk);
  assert.is(await codeOf(() => places.read(38, 50)), 'ERR_LOG_CORRUPT');
  assert.is(await codeOf(() => places.readSync(41)), 'ERR_LOG_CORRUPT');
  assert.is((await places.read(45, 50)).length, 6);
  await disk.remove(name(53));
  assert.is(await codeOf(async () => (await placesOf(disk)).read(50, 55)), 'ERR_LOG_CORRUPT');
  const torn = Buffer.from(disk.bytes(name(61)));
  torn[torn.indexOf('"n":') + 4]! ^= 1;
  disk.put(name(61), torn);
  assert.is(await codeOf(() => places.read(61, 61)), 'ERR_LOG_CORRUPT');
});

t('a reader who comes between two segments of a running log finds every fact', async () => {
  const disk = new CountingDisk();
  const { log } = await openFileLog({ ...quiet, disk, segmentBytesMax: 40_000 });
  const random = numbers(seed());
  const looks: Promise<void>[] = [];
  for (let i = 0; i < 40; i += 1) {
    appendMany(log, `s${i}`, 500);
    const from = 1 + Math.floor(random() * log.head);
    looks.push(
      log.read(from, 50).then((found) => {
        assert.is(found[0]?.seq, from);
        assert.ok(found.every(({ seq }, k) => seq === from + k));
      }),
    );
    if (i % 3 === 0) await log.whenDurable(log.head);
    if (i % 9 === 0) log.cutSegment(() => true);
  }
  await Promise.all(looks);
  assert.is(log.append(draft('s1', 7, { n: 7 })).duplicate, true);
  await log.close();
  assert.is(disk.openNow, 0);
  assert.ok(disk.openMost <= 20, `${disk.openMost} at once`);
});

t.run();
