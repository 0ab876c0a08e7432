/** Signed heads: what they cover can't be lost unseen, and writing them costs the log nothing. */
import * as assert from 'uvu/assert';
import { openFileLog } from '../../src/log/file.ts';
import { type HeadParts, Heads, newestSignedHead } from '../../src/log/heads.ts';
import type { Log } from '../../src/log/log.ts';
import type { Head } from '../../src/log/verdict.ts';
import { SimulatedClock } from '../properties/simulated.ts';
import { runs, seed, suite } from '../suite.ts';
import { appendMany, codeOf, numbers } from './drafts.ts';
import { failingDisk } from './faulty-disk.ts';
import { first, lineStart, quiet } from './made.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log/heads');

const sign = async (head: Head): Promise<string> =>
  `ours.${Buffer.from(JSON.stringify(head)).toString('base64url')}`;
const open = (jws: string): Head | null => {
  const [name, text = ''] = jws.split('.');
  try {
    return name === 'ours' ? (JSON.parse(Buffer.from(text, 'base64url').toString()) as Head) : null;
  } catch {
    return null;
  }
};
const heads = 'log/heads.jws';
const newest = async (disk: PowerDisk): Promise<Head | null> =>
  (await newestSignedHead('log', disk, open))?.head ?? null;
const linesOf = (disk: PowerDisk): string[] =>
  Buffer.from(disk.bytes(heads)).toString().split('\n').slice(0, -1);
const linesIfAny = async (disk: PowerDisk): Promise<string[]> =>
  (await disk.list('log')).includes('heads.jws') ? linesOf(disk) : [];

interface Rig {
  readonly log: Log;
  readonly heads: Heads;
  readonly clock: SimulatedClock;
  readonly troubles: string[];
}
async function begin(
  disk: HeadParts['disk'],
  every = 5,
  headDisk = disk,
  signs: HeadParts['sign'] = sign,
): Promise<Rig> {
  const troubles: string[] = [];
  const clock = new SimulatedClock();
  const onTrouble = (message: string): void => void troubles.push(message);
  const made = await Heads.open({ dir: 'log', disk: headDisk, clock, sign: signs, open, every, onTrouble });
  const { log } = await openFileLog({ ...quiet, disk, signed: made.newest?.head ?? null });
  made.attach(log);
  return { log, heads: made, clock, troubles };
}
const turns = async (clock: SimulatedClock, count = 60): Promise<void> => {
  for (let i = 0; i < count; i += 1) {
    await new Promise<void>((resume) => setImmediate(resume));
    clock.advance(100);
  }
};
async function end({ heads: made, log, clock }: Rig): Promise<void> {
  await log.close().catch(() => undefined);
  const finished = made.finish();
  await turns(clock, 40);
  await finished;
}

t('a head is signed each time that so many records are durable, and at a clean stop', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk);
  for (let i = 0; i < 12; i += 1) {
    appendMany(rig.log, 's', 1);
    await rig.log.whenDurable(rig.log.head);
    await turns(rig.clock, 5);
  }
  assert.equal(
    linesOf(disk).map((line) => open(line)!.seq),
    [5, 10],
  );
  await end(rig);
  const records = linesOf(disk).map((line) => open(line)!);
  assert.equal(
    records.map(({ seq }) => seq),
    [5, 10, 12],
  );
  const { log } = await openFileLog({ ...quiet, disk });
  const facts = await log.read(1, 100);
  for (const { seq, hash, epoch, log: name } of records)
    assert.equal([hash, epoch, name], [facts[seq - 1]!.hash, facts[seq - 1]!.epoch, facts[0]!.hash]);
  await log.close();
});

t('a stop with nothing new since the last head signs none', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk);
  appendMany(rig.log, 's', 5);
  await rig.log.whenDurable(5);
  await turns(rig.clock);
  await end(rig);
  assert.is(linesOf(disk).length, 1);
});

t('a log that ends below the newest signed head halts, and both seqs are named', async () => {
  for (const cut of [5, 7, 9]) {
    const disk = new PowerDisk();
    const rig = await begin(disk);
    for (let i = 0; i < 10; i += 1) {
      appendMany(rig.log, 's', 1);
      await rig.log.whenDurable(rig.log.head);
    }
    await end(rig);
    const bytes = Buffer.from(disk.bytes(first));
    disk.put(first, bytes.subarray(0, bytes.lastIndexOf('#{', lineStart(bytes, cut + 1))));
    const opened = openFileLog({ ...quiet, disk, signed: await newest(disk) });
    const error = await opened.then(
      () => null,
      (thrown: Error & { code: string }) => thrown,
    );
    assert.is(error?.code, 'ERR_LOG_CORRUPT');
    assert.match(error!.message, new RegExp(`the log ends at seq ${cut}, a head is signed for seq 10`));
    assert.match(error!.message, /restore .* from a copy; or, .* move log\/heads\.jws away/);
    // Without the head nothing would have been noticed.
    assert.is((await openFileLog({ ...quiet, disk })).log.head, cut);
  }
});

t('damage in the last group is cut when no head covers it, and halts when one does', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk);
  appendMany(rig.log, 's', 7);
  await rig.log.whenDurable(7);
  await turns(rig.clock);
  const signed = await newest(disk);
  assert.is(signed?.seq, 7);
  const torn = disk.copy();
  const bytes = Buffer.from(torn.bytes(first));
  bytes[lineStart(bytes, 6) + 30]! ^= 1;
  torn.put(first, bytes);
  const before = Buffer.from(torn.bytes(first));
  assert.is(await codeOf(() => openFileLog({ ...quiet, disk: torn, signed })), 'ERR_LOG_CORRUPT');
  assert.equal(Buffer.from(torn.bytes(first)), before);
  const opened = await openFileLog({ ...quiet, disk: torn, signed: { ...signed!, seq: 5 } }).catch(
    (error) => error,
  );
  assert.is(opened.code, 'ERR_LOG_CORRUPT', 'seq 5 has another hash than was signed for 7');
  const { cut, log } = await openFileLog({ ...quiet, disk: torn });
  assert.equal([cut?.fromSeq, log.head], [6, 5]);
  await end(rig);
});

t('a log made anew below a signed head halts', async () => {
  const [disk, other] = [new PowerDisk(), new PowerDisk()];
  const rig = await begin(disk);
  appendMany(rig.log, 's', 6);
  await rig.log.whenDurable(6);
  await end(rig);
  const { log } = await openFileLog({ ...quiet, disk: other });
  appendMany(log, 'forged', 9);
  await log.close();
  const error = await openFileLog({ ...quiet, disk: other, signed: await newest(disk) }).catch(
    (thrown) => thrown,
  );
  assert.is(error.code, 'ERR_LOG_CORRUPT');
  assert.match(error.message, /the head signed for seq 6 has another hash/);
});

t('a reopen after a failed sync goes on: heads never say more than was durable', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk);
  appendMany(rig.log, 's', 6);
  await rig.log.whenDurable(6);
  await turns(rig.clock);
  const durable = rig.log.durable;
  appendMany(rig.log, 's', 3);
  await rig.log.whenDurable(9);
  // The former life knew of 6 only, and what follows is dropped.
  const { log } = await openFileLog({ ...quiet, disk, trustedSeq: durable, signed: rig.heads.newest!.head });
  assert.is(log.head, 6);
  rig.heads.attach(log);
  appendMany(log, 's', 5);
  await log.whenDurable(11);
  await turns(rig.clock);
  assert.is((await newest(disk))?.seq, 11);
  await log.close();
});

/** Appends so many and waits until they are durable and what follows from that is done. */
async function grow({ log, clock }: Pick<Rig, 'log' | 'clock'>, count: number, name = 's'): Promise<void> {
  appendMany(log, name, count);
  await log.whenDurable(log.head);
  await turns(clock, 20);
}
/** A next process opens the log: what its heads say must be there. Returns where it ends. */
async function headAfterRestart(disk: PowerDisk): Promise<number> {
  const { log } = await openFileLog({ ...quiet, disk, signed: await newest(disk) });
  await log.close();
  return log.head;
}

t('a life that never came up is dropped and leaves no head: later lives and processes start', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk);
  await grow(rig, 9);
  await rig.log.close();
  // What it writes is durable, but nobody was promised it: the next life trusts the former one's seq alone.
  const { log: dropped } = await openFileLog({
    ...quiet,
    disk,
    trustedSeq: 9,
    signed: rig.heads.newest!.head,
  });
  await grow({ log: dropped, clock: rig.clock }, 6, 'dropped');
  await dropped.close();
  assert.is(dropped.durable, 15);
  assert.is((await newest(disk))?.seq, 9);
  const { log } = await openFileLog({ ...quiet, disk, trustedSeq: 9, signed: rig.heads.newest!.head });
  assert.is(log.head, 9);
  rig.heads.attach(log);
  await grow({ log, clock: rig.clock }, 3);
  await end({ ...rig, log });
  assert.is((await newest(disk))?.seq, 12);
  assert.is(await headAfterRestart(disk), 12);
});

for (const how of ['the next log is attached', 'it was stopped', 'its log has failed'] as const)
  t(`a signature that comes when ${how} is dropped`, async () => {
    const disk = new PowerDisk();
    const fault = { at: 0, code: 'EIO' as const, share: 0 };
    const { disk: faulty, calls } = failingDisk(disk, fault);
    let go = (): void => undefined;
    let asked = 0;
    const slowly = async (head: Head): Promise<string> => {
      asked += 1;
      if (head.hash === late) await new Promise<void>((resume) => (go = resume));
      return sign(head);
    };
    let late = '';
    const rig = await begin(faulty, 5, disk, slowly);
    const records = appendMany(rig.log, 's', 5);
    late = records.at(-1)!.hash;
    await rig.log.whenDurable(5);
    await turns(rig.clock, 10);
    assert.is(asked, 1);
    if (how === 'the next log is attached') {
      await rig.log.close();
      // What was not promised is dropped, and others stand in its place.
      const { log } = await openFileLog({ ...quiet, disk, trustedSeq: 3 });
      rig.heads.attach(log);
      await grow({ log, clock: rig.clock }, 4, 'other');
    } else if (how === 'it was stopped') rig.heads.stop();
    else {
      fault.at = Object.values(calls).reduce((sum, each) => sum + each, 1);
      appendMany(rig.log, 's', 1);
      await rig.log.whenDurable(6).catch(() => undefined);
      assert.ok(rig.log.failure);
    }
    go();
    await turns(rig.clock, 20);
    assert.not((await linesIfAny(disk)).some((line) => open(line)?.hash === late));
    await rig.log.close().catch(() => undefined);
  });

t('the head of a log too short for any other names its log, in a later life too', async () => {
  const disk = new PowerDisk();
  const killed = await begin(disk, 100);
  await grow(killed, 3);
  const [record] = await killed.log.read(1, 1);
  await killed.log.close();
  const rig = await begin(disk, 100);
  await grow(rig, 1);
  await end(rig);
  const { log: name, seq } = (await newest(disk))!;
  assert.equal([seq, name], [4, record!.hash]);
});

t(
  'whatever call for a head fails, appending goes on, it is told once, and the head is signed later',
  async () => {
    let failed = 0;
    for (let at = 1; at <= 8; at += 1) {
      for (const share of [0, 0.5, 1]) {
        const disk = new PowerDisk();
        const faulty = failingDisk(disk, { at, code: 'EIO', share });
        const rig = await begin(disk, 5, faulty.disk);
        for (let i = 0; i < 12; i += 1) {
          appendMany(rig.log, 's', 1);
          await rig.log.whenDurable(rig.log.head);
          await turns(rig.clock, 3);
        }
        await turns(rig.clock);
        await end(rig);
        assert.is(rig.log.failure, null);
        assert.ok(rig.troubles.length <= 1, rig.troubles.join());
        failed += rig.troubles.length;
        assert.is((await newest(disk))?.seq, 12, `call ${at}`);
        assert.ok(
          linesOf(disk).every((line) => open(line) !== null),
          `call ${at}: half a line stays`,
        );
      }
    }
    assert.ok(failed >= 12, `only ${failed} failed`);
  },
);

t('whenever the power goes, no start is halted by a head', async () => {
  const random = numbers(seed());
  let signed = 0;
  for (let calls = 8; calls < 8 + runs(60); calls += 1) {
    const disk = new PowerDisk(calls);
    const rig = await begin(disk, 2).catch(() => null);
    for (let i = 0; rig && i < 12 && disk.hasPower; i += 1) {
      if (rig.log.failure === null) appendMany(rig.log, 's', 1);
      await turns(rig.clock, 3);
    }
    const after = disk.afterPowerCut(random);
    const head = await newest(after);
    if (head) signed += 1;
    const { log } = await openFileLog({ ...quiet, disk: after, signed: head });
    assert.ok(log.head >= (head?.seq ?? 0));
    await log.close();
    await rig?.log.close().catch(() => undefined);
  }
  assert.ok(signed > 10, `only ${signed} had heads`);
});

t('a part of a line at the end is passed over and gone after the next head', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk);
  appendMany(rig.log, 's', 5);
  await end(rig);
  const whole = Buffer.from(disk.bytes(heads));
  disk.put(heads, Buffer.concat([whole, whole.subarray(0, 40)]));
  assert.is((await newest(disk))?.seq, 5);
  const next = await begin(disk);
  appendMany(next.log, 's', 1);
  await end(next);
  assert.equal(
    linesOf(disk).map((line) => open(line)?.seq),
    [5, 6],
  );
});

t('heads of another key are passed over; the newest of ours counts', async () => {
  const disk = new PowerDisk();
  const head = { seq: 3, hash: 'a', epoch: 1, at: 1, log: null };
  const lines = [await sign(head), (await sign({ ...head, seq: 9 })).replace('ours', 'theirs')];
  disk.put(heads, Buffer.from(lines.map((line) => `${line}\n`).join('')));
  assert.is((await newest(disk))?.seq, 3);
});

t('the file is made anew with its newest 1,000 lines when it has grown past 2,000', async () => {
  const disk = new PowerDisk();
  const rig = await begin(disk, 1);
  const lines = await Promise.all(
    Array.from({ length: 2_000 }, (_, i) => sign({ seq: 0, hash: '', epoch: 1, at: i, log: null })),
  );
  await rig.log.close();
  disk.put(heads, Buffer.from(lines.map((line) => `${line}\n`).join('')));
  const full = await begin(disk, 1);
  appendMany(full.log, 's', 1);
  await end(full);
  const kept = linesOf(disk).map((line) => open(line)!);
  assert.equal([kept.length, kept.at(-1)!.seq, kept[0]!.at], [1_000, 1, 1_001]);
});

t.run();
