/**
 * Disks that fail and disks that lose power: whatever was reported durable is there afterwards,
 * and whatever is not is reported.
 */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import type { Disk } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { OpenedLog } from '../../src/log/log.ts';
import { runs, seed, suite } from '../suite.ts';
import { appendMany, codeOf, draft, numbers } from './drafts.ts';
import { type Fault, failingDisk } from './faulty-disk.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log on a failing disk');

const open = (disk: Disk, records: FactRecord[], trustedSeq?: number): Promise<OpenedLog> => {
  const options = { dir: 'log', disk, sha256: nodeSha256, segmentBytesMax: 2_500 };
  const onRecords = (batch: FactRecord[]): void => void records.push(...batch);
  return openFileLog(
    trustedSeq === undefined ? { ...options, onRecords } : { ...options, onRecords, trustedSeq },
  );
};

interface Life {
  /** All records that were appended, promised or not. */
  readonly all: FactRecord[];
  /** Seq up to which durability was reported. */
  readonly promised: number;
  readonly failed: boolean;
}

/** A short life of a log: it is opened, written to in several flushes and segments, and closed. */
async function live(disk: Disk, counted: () => number): Promise<Life> {
  const all: FactRecord[] = [];
  const opened = await open(disk, all).catch(() => null);
  if (opened === null) return { all: [], promised: 0, failed: true };
  const { log } = opened;
  let told = 0;
  log.onChange(() => (told += log.failure === null ? 0 : 1));
  for (let i = 0; i < 6 && log.failure === null; i += 1) {
    all.push(...appendMany(log, `s${i % 2}`, 3));
    await log.whenDurable(log.head).catch(() => undefined);
  }
  const promised = log.durable;
  if (log.failure === null) {
    const failed = (await codeOf(() => log.close())) !== null;
    return { all, promised, failed };
  }
  const calls = counted();
  assert.is(await codeOf(() => log.append(draft('late', 0))), 'ERR_LOG_FAILED');
  assert.is(await codeOf(() => log.whenDurable(log.head)), 'ERR_LOG_FAILED');
  await log.whenDurable(promised);
  assert.is(told, 1);
  await log.close();
  assert.is(counted(), calls, 'a failed log is not written to again');
  return { all, promised, failed: true };
}

const total = ({ calls }: ReturnType<typeof failingDisk>): number =>
  Object.values(calls).reduce((sum, count) => sum + count, 0);

async function eachFault(
  body: (disk: PowerDisk, life: Life, fault: Fault) => Promise<void>,
): Promise<number> {
  let faults = 0;
  for (let at = 1; ; at += 1) {
    for (const [code, share] of [
      ['EIO', 0],
      ['ENOSPC', 0.4],
      ['EIO', 1],
    ] as const) {
      const inner = new PowerDisk();
      const failing = failingDisk(inner, { at, code, share });
      const life = await live(failing.disk, () => total(failing));
      if (total(failing) < at) return faults;
      assert.ok(life.failed, `fault ${at} is reported`);
      faults += 1;
      await body(inner, life, { at, code, share });
    }
  }
}

t(
  'a call that fails, whichever it is, is reported, and a new process finds all that was promised',
  async () => {
    const faults = await eachFault(async (disk, { all, promised }) => {
      const found: FactRecord[] = [];
      const { log } = await open(disk.copy(), found);
      assert.ok(found.length >= promised);
      assert.equal(found, all.slice(0, found.length));
      appendMany(log, 'after', 1);
      await log.close();
    });
    assert.ok(faults > 60, `${faults} faults`);
  },
);

t('after a failure the same process goes on from exactly what was promised, in a new file', async () => {
  await eachFault(async (disk, { all, promised }) => {
    const found: FactRecord[] = [];
    const { log, cut } = await open(disk, found, promised);
    assert.equal(found, all.slice(0, promised));
    assert.equal(cut?.ids ?? [], []);
    const before = await disk.list('log');
    appendMany(log, 's0', 4);
    await log.close();
    const added = (await disk.list('log')).filter((name) => !before.includes(name));
    assert.ok(added.length === 1 || disk.bytes(`log/${before.at(-1)}`).length > 0, added.join());
    const again: FactRecord[] = [];
    await (await open(disk, again)).log.close();
    assert.is(again.length, promised + 4);
  });
});

t('a reopen that fails too, at whichever call, loses nothing and may be tried again', async () => {
  let tried = 0;
  await eachFault(async (disk, { all, promised }, { at }) => {
    for (let second = 1; second < 20; second += 1) {
      const copy = disk.copy();
      const failing = failingDisk(copy, { at: second, code: 'EIO', share: 0.5 });
      const opened = await open(failing.disk, [], promised).catch(() => null);
      if (total(failing) < second) break;
      tried += 1;
      await opened?.log.close();
      const found: FactRecord[] = [];
      const { log } = await open(copy, found, promised);
      assert.equal(found, all.slice(0, promised), `faults ${at} and ${second}`);
      await log.close();
    }
  });
  assert.ok(tried > 100, `${tried} second faults`);
});

t(
  'what a start has read survives a power cut after it, though the process before was killed in the flush',
  async () => {
    const random = numbers(seed());
    let unsynced = 0;
    for (let at = 1; at < 30; at += 1) {
      const disk = new PowerDisk();
      const { promised } = await live(failingDisk(disk, { at, code: 'EIO', share: 1 }).disk, () => 0);
      const found: FactRecord[] = [];
      await open(disk, found);
      if (found.length > promised) unsynced += 1;
      for (let i = 0; i < 10; i += 1) {
        const left: FactRecord[] = [];
        await open(disk.afterPowerCut(random), left);
        assert.equal(left, found);
      }
    }
    assert.ok(unsynced > 3, `${unsynced} starts read what no sync had confirmed`);
  },
);

t(
  'power cuts at any call, in any number, lose nothing that was promised',
  async () => {
    let [cuts, lives, torn] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        async (from, powers) => {
          const random = numbers(from);
          let disk = new PowerDisk();
          let known: FactRecord[] = [];
          let promised = 0;
          for (const calls of [...powers, Number.MAX_SAFE_INTEGER]) {
            disk = disk.afterPowerCut(random, calls);
            lives += 1;
            const found: FactRecord[] = [];
            const opened = await open(disk, found).catch((error: { code?: string }) => {
              assert.not(disk.hasPower, `opening with power: ${String(error)}`);
              assert.is.not(error.code, 'ERR_LOG_CORRUPT');
              return null;
            });
            if (opened === null) continue;
            const { log, cut } = opened;
            if (cut) torn += 1;
            assert.ok(found.length >= promised, `${promised} were promised, ${found.length} are left`);
            assert.equal(found, known.slice(0, found.length));
            known = found;
            for (let i = 0; i < 5 && log.failure === null; i += 1) {
              known.push(...appendMany(log, `s${i % 3}`, 1 + Math.floor(random() * 4)));
              if (random() < 0.7) await log.whenDurable(log.head).catch(() => undefined);
            }
            // Some lives end with a clean close, some in the middle of a flush.
            if (random() < 0.3) await log.close().catch(() => undefined);
            promised = log.durable;
            if (log.failure !== null) cuts += 1;
          }
        },
      ),
      { seed: seed(), numRuns: runs(400) },
    );
    assert.ok(cuts > 200 && torn > 50, `${cuts} cuts in ${lives} lives, ${torn} torn tails`);
  },
  { limitMs: 120_000 },
);

t.run();
