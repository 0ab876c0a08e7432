/** The simulated disk: as bad as a disk may be, never worse, and the same again for the same seed. */
import { setImmediate as turn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import type { Disk } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { OpenedLog } from '../../src/log/log.ts';
import { type DiskFaults, noDiskFaults, SimulatedDisk } from '../../src/simulate/disk.ts';
import { appendMany, codeOf, numbers } from '../log/drafts.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('simulated disk');

/** A disk with a clock of its own, which moves only while somebody waits through `through`. */
class Bench {
  readonly random: () => number;
  readonly disk: SimulatedDisk;
  nowMs = 0;
  #due: { atMs: number; order: number; fn: () => void }[] = [];
  #order = 0;

  constructor(from: number, faults: Partial<DiskFaults> = {}) {
    this.random = numbers(from);
    this.disk = new SimulatedDisk({
      random: this.random,
      after: (ms, fn) => void this.#due.push({ atMs: this.nowMs + ms, order: ++this.#order, fn }),
      faults: { ...noDiskFaults, ...faults },
    });
  }

  /** Lets time pass until `promise` is settled, or nothing is due any more: then `null`. */
  async through<T>(promise: Promise<T>): Promise<T | null> {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    for (let i = 0; i < 100_000; i += 1) {
      await turn();
      if (over) return promise;
      if (!this.step()) return null;
    }
    throw new Error('it never ends');
  }

  /** The next call ends; false when none is under way. */
  step(): boolean {
    this.#due.sort((a, b) => b.atMs - a.atMs || b.order - a.order);
    const next = this.#due.pop();
    if (!next) return false;
    this.nowMs = next.atMs;
    next.fn();
    return true;
  }
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
/** Numbers a test case from the run's seed, so that each has another one and all can be repeated. */
const cases = (count: number): number[] => Array.from({ length: count }, (_, i) => (seed() + i * 7919) >>> 0);
const first = '1.seg';

/** A file whose folder is synced. */
async function made(bench: Bench, content: Uint8Array): Promise<Disk> {
  const disk = bench.disk.mount();
  await bench.through(
    (async () => {
      await disk.mkdir('log');
      const file = await disk.open(`log/${first}`, true);
      await file.write(content, 0);
      await file.datasync();
      await disk.syncFolder('log');
    })(),
  );
  return disk;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

t('what was synced survives every crash, and what was not comes back as any mixture of sectors', async () => {
  const seen = { none: 0, all: 0, mixed: 0, longer: 0, shorter: 0 };
  for (const each of cases(runs(300))) {
    const bench = new Bench(each, { delayMsMax: 5 });
    const disk = await made(bench, bytes(3_000, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    await bench.through(file.write(bytes(4_000, 2), 2_000));
    bench.disk.crash();
    const left = bench.disk.bytes(`log/${first}`);
    assert.ok(same(left.subarray(0, 2_000 - (2_000 % 512)), bytes(2_000 - (2_000 % 512), 1)));
    assert.ok(left.length >= 3_000 && left.length <= 6_000);
    assert.ok(
      left.every((byte, i) => (i < 2_000 ? byte === 1 : i < 3_000 ? byte > 0 && byte < 3 : byte !== 1)),
    );
    const arrived = left.filter((byte) => byte === 2).length;
    if (arrived === 0) seen.none += 1;
    else if (arrived === 4_000) seen.all += 1;
    else seen.mixed += 1;
    if (left.length > 3_000 && left.at(-1) === 0) seen.longer += 1;
    if (left.length < 6_000) seen.shorter += 1;
    // The power may go again at once: nothing is in doubt any more.
    bench.disk.crash();
    assert.ok(same(bench.disk.bytes(`log/${first}`), left));
  }
  assert.ok(Math.min(...Object.values(seen)) > 10, JSON.stringify(seen));
});

t('a sync covers what was written before it was called, and nothing that came later', async () => {
  const later = { there: 0, gone: 0 };
  for (const each of cases(100)) {
    const bench = new Bench(each);
    const disk = await made(bench, bytes(1_024, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    await bench.through(file.write(bytes(512, 2), 0));
    const synced = file.datasync();
    const written = file.write(bytes(512, 3), 0);
    await bench.through(Promise.all([synced, written]));
    bench.disk.crash();
    const left = bench.disk.bytes(`log/${first}`)[0];
    assert.ok(left === 2 || left === 3, `${left}`);
    later[left === 3 ? 'there' : 'gone'] += 1;
  }
  assert.ok(Math.min(...Object.values(later)) > 10, JSON.stringify(later));
});

t('a truncate that was not synced may be undone by a power cut, a synced one never', async () => {
  const lengths = new Set<number>();
  for (const each of cases(100)) {
    const bench = new Bench(each);
    const disk = await made(bench, bytes(3_000, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    await bench.through(file.truncate(700));
    if (each % 2 === 0) await bench.through(file.datasync());
    bench.disk.crash();
    const left = bench.disk.bytes(`log/${first}`);
    assert.ok(left.subarray(0, 700).every((byte) => byte === 1));
    if (each % 2 === 0) assert.is(left.length, 700);
    else lengths.add(left.length);
  }
  assert.ok(lengths.has(700) && lengths.has(3_000) && lengths.size > 3);
});

t('a name made, renamed or removed is safe once its folder is synced, and may be lost before', async () => {
  const found = new Map<string, number>();
  for (const each of cases(300)) {
    const bench = new Bench(each);
    const disk = await made(bench, bytes(10, 1));
    const change = async (): Promise<void> => {
      await disk.rename(`log/${first}`, 'log/safe');
      await disk.syncFolder('log');
      const file = await disk.open('log/draft', true);
      await file.write(bytes(10, 2), 0);
      await file.datasync();
      await disk.rename('log/draft', 'log/safe');
    };
    await bench.through(change());
    bench.disk.crash();
    const names = bench.disk.files().join();
    const content = `${names} ${bench.disk.bytes('log/safe')[0]}`;
    found.set(content, (found.get(content) ?? 0) + 1);
    assert.equal(
      await bench.through(bench.disk.mount().list('log')),
      names.replaceAll('log/', '').split(','),
    );
  }
  assert.equal([...found.keys()].sort(), ['log/draft,log/safe 1', 'log/safe 1', 'log/safe 2']);
});

t('after a kill everything written is there; of a write under way a first part, all or nothing', async () => {
  const seen = new Map<string, number>();
  for (const each of cases(200)) {
    const bench = new Bench(each);
    const disk = await made(bench, bytes(100, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    await bench.through(file.write(bytes(100, 2), 100));
    void file.write(bytes(1_000, 3), 200);
    bench.disk.kill();
    const left = bench.disk.bytes(`log/${first}`);
    assert.ok(same(left.subarray(0, 200), Buffer.concat([bytes(100, 1), bytes(100, 2)])));
    assert.ok(left.subarray(200).every((byte) => byte === 3));
    const kind = left.length === 200 ? 'none' : left.length === 1_200 ? 'all' : 'part';
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  assert.ok((seen.get('all') ?? 0) > 20 && (seen.get('part') ?? 0) > 20, JSON.stringify([...seen]));
});

t('no call of a former life ever ends or changes anything', async () => {
  for (const end of ['kill', 'crash'] as const) {
    const bench = new Bench(seed());
    const disk = await made(bench, bytes(100, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    let ended = 0;
    const note = (): void => {
      ended += 1;
    };
    file.write(bytes(1, 9), 0).then(note, note);
    bench.disk[end]();
    const { files, content } = { files: bench.disk.files(), content: bench.disk.bytes(`log/${first}`) };
    for (const call of [
      file.write(bytes(100, 7), 0),
      file.truncate(0),
      disk.open('log/new', true),
      disk.remove(`log/${first}`),
    ])
      call.then(note, note);
    while (bench.step());
    await turn();
    assert.is(ended, 0);
    assert.equal(bench.disk.files(), files);
    assert.ok(same(bench.disk.bytes(`log/${first}`), content));
  }
});

t('pages that a failed sync forgot are gone after the power cut, although later syncs succeed', async () => {
  const seen = { hidden: 0, visible: 0, kept: 0 };
  for (const each of cases(100)) {
    const bench = new Bench(each, { failedSyncs: 1, forgetfulSyncs: 1 });
    bench.disk.healed = true;
    const disk = await made(bench, bytes(512, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    await bench.through(file.write(bytes(512, 2), 0));
    bench.disk.healed = false;
    assert.is(await codeOf(() => bench.through(file.datasync())), 'EIO');
    bench.disk.healed = true;
    await bench.through(file.datasync());
    const [before] = bench.disk.bytes(`log/${first}`);
    bench.disk.crash();
    const [after] = bench.disk.bytes(`log/${first}`);
    seen[after === 2 ? 'kept' : before === 2 ? 'hidden' : 'visible'] += 1;
    // What is written again is on its way again.
    const again = (await bench.through(bench.disk.mount().open(`log/${first}`, false)))!;
    await bench.through(again.write(bytes(512, 3), 0));
    await bench.through(again.datasync());
    bench.disk.crash();
    assert.is(bench.disk.bytes(`log/${first}`)[0], 3);
  }
  assert.ok(Math.min(...Object.values(seen)) > 5, JSON.stringify(seen));
});

t('a full disk takes what fits and refuses the rest until there is room', async () => {
  const bench = new Bench(seed());
  const disk = await made(bench, bytes(1_000, 1));
  const file = (await bench.through(disk.open(`log/${first}`, false)))!;
  bench.disk.bytesMax = 1_500;
  assert.is(await codeOf(() => bench.through(file.write(bytes(800, 2), 1_000))), 'ENOSPC');
  assert.is(bench.disk.bytes(`log/${first}`).length, 1_500);
  assert.is(await codeOf(() => bench.through(disk.open('log/2.seg', true))), 'ENOSPC');
  await bench.through(file.write(bytes(100, 3), 0));
  bench.disk.bytesMax = 5_000;
  await bench.through(file.write(bytes(800, 2), 1_000));
  assert.is(bench.disk.bytes(`log/${first}`).length, 1_800);
  assert.is(bench.disk.injected['fullDisk'], 1);
});

t(
  'every call takes its time, calls under way overtake each other, and one that hangs ends late',
  async () => {
    const bench = new Bench(seed(), { delayMsMax: 50 });
    const disk = await made(bench, bytes(100, 1));
    const file = (await bench.through(disk.open(`log/${first}`, false)))!;
    const order: number[] = [];
    const writes = Array.from({ length: 40 }, (_, i) =>
      file.write(bytes(1, i), i).then(() => void order.push(i)),
    );
    assert.is(bench.disk.bytes(`log/${first}`)[1], 1, 'nothing happens at once');
    await bench.through(Promise.all(writes));
    assert.not.equal(
      order,
      order.toSorted((a, b) => a - b),
    );
    assert.is(order.length, 40);
    const slow = new Bench(seed(), { hangs: 1, hangMs: 60_000 });
    await slow.through(slow.disk.mount().mkdir('log'));
    assert.ok(slow.nowMs >= 60_000);
  },
);

t('the hook is told of each call, can fail it, and can crash the disk in the middle of it', async () => {
  const bench = new Bench(seed());
  const told: string[] = [];
  bench.disk.onCall = (call, nth) => void told.push(`${nth} ${call}`);
  const disk = await made(bench, bytes(100, 1));
  assert.equal(told, ['1 mkdir', '2 open', '3 write', '4 datasync', '5 syncFolder']);
  bench.disk.onCall = () => {
    throw Object.assign(new Error('no'), { code: 'EIO' });
  };
  assert.is(await codeOf(() => bench.through(disk.rename(`log/${first}`, 'log/x'))), 'EIO');
  assert.equal(bench.disk.files(), [`log/${first}`]);
  const outcomes = new Set<string>();
  for (const each of cases(50)) {
    const other = new Bench(each);
    const mounted = await made(other, bytes(100, 1));
    other.disk.onCall = () => other.disk.crash();
    assert.is(await other.through(mounted.rename(`log/${first}`, 'log/x')), null);
    outcomes.add(other.disk.files().join());
  }
  assert.equal([...outcomes].sort(), [`log/${first}`, 'log/x']);
});

t('a bit that is flipped stays flipped', async () => {
  const bench = new Bench(seed());
  await made(bench, bytes(100, 1));
  bench.disk.flip(`log/${first}`, 8 * 3 + 1);
  bench.disk.crash();
  assert.equal([...bench.disk.bytes(`log/${first}`).subarray(2, 5)], [1, 3, 1]);
});

const rough: DiskFaults = {
  delayMsMax: 20,
  failedWrites: 0.02,
  fullWrites: 0.02,
  failedSyncs: 0.02,
  forgetfulSyncs: 0.5,
  failedNames: 0.02,
  hangs: 0.01,
  hangMs: 60_000,
};

interface Life {
  readonly hash: string;
  readonly calls: number;
  readonly promised: number;
  readonly crashes: number;
  /** After a failure, by the same process. */
  readonly reopened: number;
  readonly faults: number;
}

/**
 * Lives of the production log, each ended at a random call: by a power cut, every other one by a kill.
 * A log that fails in the middle of a life is opened again by the same process, with what it knows to be durable.
 */
async function lives(from: number, faults: DiskFaults, count: number): Promise<Life> {
  const bench = new Bench(from, faults);
  let [calls, crashes, promised, reopened] = [0, 0, 0, 0];
  let known: FactRecord[] = [];
  for (let life = 0; life < count; life += 1) {
    let left = 1 + Math.floor(bench.random() * 60);
    bench.disk.onCall = () => {
      calls += 1;
      left -= 1;
      if (left > 0) return;
      crashes += 1;
      if (life % 2 === 0) bench.disk.crash();
      else bench.disk.kill();
    };
    const mounted = bench.disk.mount();
    let trusted: number | undefined;
    while (left > 0) {
      const opened = await openOn(bench, mounted, trusted);
      if (opened === null) continue;
      const { log, records } = opened;
      assert.ok(records.length >= promised, `life ${life}: ${promised} promised, ${records.length} left`);
      assert.equal(records.slice(0, promised), known.slice(0, promised));
      known = records;
      if (trusted !== undefined) reopened += 1;
      while (log.failure === null && left > 0) {
        const stream = `s${Math.floor(bench.random() * 3)}`;
        known.push(...appendMany(log, stream, 1 + Math.floor(bench.random() * 4)));
        await bench.through(log.whenDurable(log.head).catch(() => undefined));
      }
      promised = log.durable;
      trusted = promised;
    }
  }
  const all = bench.disk
    .files()
    .map((path) => `${path} ${nodeSha256(Buffer.from(bench.disk.bytes(path)).toString('hex'))}`);
  const faultCount = Object.values(bench.disk.injected).reduce((sum, each) => sum + each, 0);
  return { hash: nodeSha256(all.join()), calls, promised, crashes, reopened, faults: faultCount };
}

/** The log, or null when the disk refused or died. */
async function openOn(
  bench: Bench,
  disk: Disk,
  trustedSeq?: number,
): Promise<(OpenedLog & { records: FactRecord[] }) | null> {
  const records: FactRecord[] = [];
  const opening = openFileLog({
    dir: 'log',
    disk,
    sha256: nodeSha256,
    segmentBytesMax: 4_000,
    onRecords: (batch) => void records.push(...batch),
    ...(trustedSeq === undefined ? {} : { trustedSeq }),
  });
  const opened = await bench.through(
    opening.catch((error: { code?: string }) => {
      if (error.code === 'ERR_LOG_CORRUPT') throw error;
      return null;
    }),
  );
  return opened && { ...opened, records };
}

t(
  'the production log keeps every promise on it, crash after crash, though failed syncs forget pages',
  async () => {
    const sum = { crashes: 0, promised: 0, faults: 0, reopened: 0 };
    for (const each of cases(runs(40))) {
      const life = await lives(each, rough, 12);
      sum.crashes += life.crashes;
      sum.promised += life.promised;
      sum.faults += life.faults;
      sum.reopened += life.reopened;
    }
    const { crashes, promised, faults, reopened } = sum;
    assert.ok(crashes > 300 && promised > 600 && faults > 200 && reopened > 40, JSON.stringify(sum));
  },
  { limitMs: 300_000 },
);

t('the same seed gives the same bytes on the disk, another one others', async () => {
  const one = await lives(seed(), rough, 8);
  assert.equal(await lives(seed(), rough, 8), one);
  assert.ok(one.calls > 20, `${one.calls} calls`);
  assert.not.equal((await lives(seed() ^ 1, rough, 8)).hash, one.hash);
});

t.run();
