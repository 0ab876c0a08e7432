/**
 * Crashes while checkpoints are taken and segments retired: at every call to the disk, by a failed call and by a
 * power cut, and again in the recovery. Whatever was durable is in the fold afterwards, and nothing else is.
 */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/log/disk.ts';
import { runs, seed, suite } from '../suite.ts';
import { begin, grow, type Life, note, Tally, take } from './checkpointed.ts';
import { numbers } from './drafts.ts';
import { failingDisk } from './faulty-disk.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log checkpoints under crashes');

/** What a witness outside of the crashed process knows. */
class Witness {
  /** The fold after each seq; index 0 is the empty one. */
  folds = [''];
  /** Seq up to which durability was reported. */
  promised = 0;
  starts = 0;
  fromCheckpoint = 0;
  fallbacks = 0;
  cuts = 0;
  retired = 0;

  /** What came back must be a prefix of what was appended, and hold all that was promised. */
  sees({ log, tally, from, cut, troubles }: Life): void {
    assert.is(tally.count, log.head);
    assert.ok(log.head >= this.promised, `${this.promised} were promised, ${log.head} are there`);
    assert.is(tally.digest, this.folds[log.head], `the fold at ${log.head}, from ${from}`);
    this.folds.length = log.head + 1;
    this.starts += 1;
    if (from > 0) this.fromCheckpoint += 1;
    if (troubles.length > 0) this.fallbacks += 1;
    if (cut) this.cuts += 1;
  }

  /** Follows what a life appends: to be called after each step of it. */
  follows({ log, tally }: Life): void {
    this.folds[tally.count] = tally.digest;
    this.promised = log.durable;
  }
}

/** One life: recovers, tells of a cut, works, takes checkpoints, retires. Ends where the disk fails. */
async function live(disk: Disk, witness: Witness, random: () => number, trustedSeq?: number): Promise<void> {
  const more = { segmentBytesMax: 3_000, ...(trustedSeq === undefined ? {} : { trustedSeq }) };
  const life = await begin(disk, more);
  witness.sees(life);
  const step = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      // Three streams that go on, and many of one fact that are never heard of again, as ended jobs are.
      grow(life, random() < 0.5 ? `s${Math.floor(random() * 3)}` : `once${life.log.head}`, 1);
      witness.follows(life);
    }
  };
  const told = life.cut === null ? {} : { bytes: life.cut.bytes, fromSeq: life.cut.fromSeq };
  try {
    note(life, 'controller.recovered', told);
    witness.follows(life);
    await life.log.whenDurable(life.log.head);
    await life.settled();
    for (let i = 0; i < 3; i += 1) {
      step(1 + Math.floor(random() * 5));
      if (random() < 0.5) await life.log.whenDurable(life.log.head);
      step(1 + Math.floor(random() * 3));
      await life.log.whenDurable(life.log.head);
      witness.follows(life);
      const taken = take(life, (stream) => stream.startsWith('job.acme.s'));
      witness.follows(life);
      const seq = await taken;
      witness.follows(life);
      await life.checkpoints.retire(seq);
    }
    step(2);
    await life.log.whenDurable(life.log.head);
    if (random() < 0.5) await life.log.close();
  } finally {
    witness.follows(life);
    if ((await disk.list('log')).includes('retired')) witness.retired += 1;
  }
}

/** Whether the life failed; with the disk, for anything else is thrown on. */
const failedIn = (life: Promise<void>): Promise<boolean> =>
  life.then(
    () => false,
    (error: { code?: string }) => {
      if (!/^(ERR_LOG_FAILED|EIO|ENOSPC)$/.test(error.code ?? '')) throw error;
      return true;
    },
  );

t(
  'a power cut at any call, then another anywhere in the recovery, leads back to a fold of what was promised',
  async () => {
    const random = numbers(seed());
    const [witnesses, crashes] = [[] as Witness[], { count: 0 }];
    for (let at = 1, through = false; !through; at += 1) {
      for (let run = 0; run < runs(3); run += 1) {
        const witness = new Witness();
        let disk = new PowerDisk(at);
        for (const power of [null, 1 + Math.floor(random() * 60), Number.MAX_SAFE_INTEGER]) {
          if (power !== null) disk = disk.afterPowerCut(random, power);
          const failed = await failedIn(live(disk, witness, random));
          if (failed) crashes.count += 1;
          assert.ok(!failed || !disk.hasPower, 'only a power cut ends a life');
          if (power === null) through = !failed;
        }
        const last = await begin(disk);
        witness.sees(last);
        assert.ok(last.from > 0, 'a life without crashes leaves a checkpoint to begin from');
        witnesses.push(witness);
      }
    }
    const sum = (of: 'starts' | 'fromCheckpoint' | 'fallbacks' | 'cuts' | 'retired'): number =>
      witnesses.reduce((total, witness) => total + witness[of], 0);
    const counts = `${crashes.count} crashes, ${sum('starts')} starts, ${sum('fromCheckpoint')} from a checkpoint, ${sum('fallbacks')} fell back, ${sum('cuts')} cuts, ${sum('retired')} retired`;
    assert.ok(
      crashes.count > 200 && sum('fromCheckpoint') > 200 && sum('cuts') > 30 && sum('retired') > 100,
      counts,
    );
  },
  { limitMs: 300_000 },
);

t(
  'a call that fails, whichever it is, and the same process goes on from exactly what was promised',
  async () => {
    let faults = 0;
    for (let at = 1, through = false; !through; at += 1) {
      for (const [code, share] of [
        ['EIO', 0],
        ['ENOSPC', 0.4],
        ['EIO', 1],
      ] as const) {
        const witness = new Witness();
        const inner = new PowerDisk();
        const { disk, calls } = failingDisk(inner, { at, code, share });
        const failed = await failedIn(live(disk, witness, numbers(7)));
        through = Object.values(calls).reduce((sum, count) => sum + count, 0) < at;
        assert.is(failed, !through, `fault ${at} is reported`);
        if (failed) faults += 1;
        const { promised } = witness;
        if (failed) {
          await live(inner, witness, numbers(at), promised);
          assert.ok(witness.promised > promised);
        }
        witness.sees(await begin(inner));
      }
    }
    assert.ok(faults > 200, `${faults} faults`);
  },
  { limitMs: 120_000 },
);

t(
  'from every checkpoint of a random history the fold is the fold of all facts',
  async () => {
    let starts = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 6 }), async (from, lives) => {
        const random = numbers(from);
        const disk = new PowerDisk();
        const whole = new Tally();
        for (let i = 0; i < lives; i += 1) {
          const life = await begin(disk, { segmentBytesMax: 4_000 });
          for (const record of life.found) if (record.seq > whole.count) whole.take(record);
          assert.equal([life.tally.count, life.tally.digest], [whole.count, whole.digest]);
          starts += life.from > 0 ? 1 : 0;
          const before = life.log.head;
          grow(life, `s${i % 2}`, 1 + Math.floor(random() * 20));
          grow(life, `once${before}`, 1 + Math.floor(random() * 20));
          if (random() < 0.7) await take(life, (stream) => !stream.startsWith('job.acme.once'));
          grow(life, 'other', Math.floor(random() * 10));
          await life.log.close();
          for (const record of await (await begin(disk, { version: 'another' })).log.read(before + 1, 100))
            whole.take(record);
        }
      }),
      { seed: seed(), numRuns: runs(60) },
    );
    assert.ok(starts > 30, `${starts} starts from a checkpoint`);
  },
  { limitMs: 120_000 },
);

t.run();
