/** The audit in the page: sound logs pass, whatever is done to one is named at its seq, and heads are believed only when signed. */
import fc from 'fast-check';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import * as assert from 'uvu/assert';
import { foldsVersion, freezeFolds, replayFrom } from '../../src/checkpointing.ts';
import {
  ChainCheck,
  checkHead,
  DecisionCheck,
  type HashPoint,
  hashVerdict,
  isChained,
  LifeIndex,
} from '../../src/dashboard/audit-check.ts';
import { type PlayedRecord, Player } from '../../src/dashboard/player.ts';
import { type FactRecord, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { headType } from '../../src/log/heads.ts';
import { fromTheBeginning } from '../../src/log/replay.ts';
import { factView } from '../../src/views/log-view.ts';
import { runs, seed, suite } from '../suite.ts';
import { goldenRecords, linesOf, simulatedRecords } from './logs.ts';

const t = suite('dashboard/audit-check');
const options = { seed: seed(), numRuns: runs(60), endOnFailure: true } as const;
let simulated: readonly FactRecord[] = [];
t.before(async () => {
  simulated = await simulatedRecords(1, 60);
});

function checked(records: readonly PlayedRecord[], slice = 50): ChainCheck {
  const check = new ChainCheck(records, nodeSha256);
  while (check.step(slice));
  return check;
}

/** What a page reads of an export. */
const read = (text: string): PlayedRecord[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as PlayedRecord);

t('sound logs are unbroken up to their head, in slices of any length', () => {
  for (const records of [goldenRecords(1), goldenRecords(2), simulated]) {
    const last = records.at(-1) as FactRecord;
    for (const slice of [1, 7, 100_000]) {
      const check = checked(records, slice);
      assert.is(check.fault, null);
      assert.equal([check.progress.done, check.headHash], [records.length, last.hash]);
    }
  }
});

t('a letter changed anywhere in an exported file is named at its seq', () => {
  const records = goldenRecords(2);
  const lines = linesOf(records).trimEnd().split('\n');
  let changed = 0;
  fc.assert(
    fc.property(fc.nat(lines.length - 1), fc.nat(), (index, place) => {
      const line = lines[index] as string;
      // A digit or a small letter, outside of the names of members: what is left is JSON still.
      const places = [...line.matchAll(/(?<=":"?[0-9a-z]*)[0-9a-f](?=[0-9a-z]*[",}])/g)].map(
        (found) => found.index,
      );
      const at = places[place % places.length] ?? -1;
      const other = line[at] === '1' ? '2' : '1';
      const edited = lines.with(index, line.slice(0, at) + other + line.slice(at + 1));
      const parsed = edited.flatMap((each) => {
        try {
          return [JSON.parse(each) as PlayedRecord];
        } catch {
          return [];
        }
      });
      // A leading nought and the like: the file can't be read at all, which is told elsewhere.
      if (parsed.length < lines.length) return;
      const { fault } = checked(parsed);
      // A changed hash of a record is seen there, too.
      assert.is(
        fault?.seq,
        index + 1,
        `${line.slice(Math.max(0, at - 30), at + 10)} → ${other}: ${fault?.reason}`,
      );
      changed += 1;
    }),
    options,
  );
  assert.ok(changed > 20, 'too few changes were tried');
});

t('records that are missing, doubled, swapped or made up are named', () => {
  const records = goldenRecords(2);
  const at = 20;
  const seqOf = (broken: readonly PlayedRecord[]): number | undefined => checked(broken).fault?.seq;
  assert.is(seqOf(records.toSpliced(at, 1)), at + 1);
  assert.is(seqOf(records.toSpliced(at, 0, records[at] as FactRecord)), at + 2);
  assert.is(
    seqOf(records.with(at, records[at + 1] as FactRecord).with(at + 1, records[at] as FactRecord)),
    at + 1,
  );
  // Its own hash is right, but nobody chains to it.
  const forged = { ...(records[at] as FactRecord), author: 'nobody' };
  const sealed = { ...forged, hash: sealRecord(forged, nodeSha256).hash };
  assert.is(seqOf(records.with(at, sealed)), at + 2);
  // All made anew behind it: only rules of the log, or a signed head, can tell.
  const remade = remadeFrom(records, at, { version: (records[at] as FactRecord).version + 1 });
  assert.match(checked(remade).fault?.reason ?? '', /version/);
});

/** The records with a change at `at`, and every hash from there on made right again. */
function remadeFrom(records: readonly FactRecord[], at: number, change: Partial<FactRecord>): FactRecord[] {
  const made = records.slice(0, at);
  for (const record of records.slice(at)) {
    const next = {
      ...record,
      ...(record === records[at] ? change : {}),
      prev: made.at(-1)?.hash ?? record.prev,
    };
    made.push({ ...next, hash: sealRecord(next, nodeSha256).hash });
  }
  return made;
}

t('a log that begins later is checked from there, and goes on when it grows', () => {
  const records = [...simulated.slice(100, 150)];
  const check = checked(records);
  assert.equal([check.fault, check.progress], [null, { done: 50, seq: 150 }]);
  records.push(...simulated.slice(150, 160));
  assert.is(check.step(100), false);
  assert.equal([check.fault, check.progress], [null, { done: 60, seq: 160 }]);
});

t("a tenant's facts have no hashes, so there is nothing to check", () => {
  const views = simulated.slice(0, 5).map((record) => factView(record, { tenant: 'acme', admin: false }));
  assert.ok(views.every((record) => !isChained(record as PlayedRecord)));
  assert.is(checked(views as PlayedRecord[]).fault?.reason, 'it has no hash');
});

t('every decision of a log follows, also from a checkpoint on; one that does not is named', () => {
  const all = new DecisionCheck(simulated, fromTheBeginning());
  while (all.step(33));
  assert.is(all.divergence, null);
  assert.is(all.progress.done, simulated.length);
  assert.ok(all.counts.decisions > 100);
  const player = new Player(nodeSha256);
  player.append(simulated);
  player.seek(120);
  const { state, views, cast, gate } = player.moment;
  const folds = freezeFolds({ state, views, gate, actors: cast.all });
  const later = new DecisionCheck(simulated.slice(120), replayFrom({ base: { seq: 120 }, folds }));
  while (later.step(1_000));
  assert.equal([later.divergence, later.progress.seq], [null, simulated.length]);
  const at = simulated.findIndex(({ type }, i) => type === 'job.selected' && i > 50);
  const other = simulated.slice(0, at).find(({ type }) => type === 'job.submitted') as FactRecord;
  const jobId = other.subject.split('.').slice(0, 3).join('.');
  const changed = simulated.with(at, { ...(simulated[at] as FactRecord), subject: `${jobId}.selected` });
  const broken = new DecisionCheck(changed, fromTheBeginning());
  while (broken.step(1_000));
  assert.is(broken.divergence?.seq, at + 1);
});

t('lives and recorded hashes are those of the log, and the hashes come out the same', () => {
  const index = new LifeIndex(simulated).readOn();
  const starts = simulated.filter(({ type }) => type === 'controller.recovered');
  assert.ok(starts.length > 1, 'one life only');
  assert.equal(
    index.lives.map(({ epoch, startSeq }) => [epoch, startSeq]),
    starts.map(({ epoch, seq }) => [epoch, seq]),
  );
  assert.is(
    index.lives.reduce((sum, { facts }) => sum + facts, 0),
    simulated.length,
  );
  // A life that a crash ended at once has not come to say how it is set up.
  const configured = simulated.filter(({ type }) => type === 'controller.configured');
  assert.ok(configured.length > 1);
  for (const { epoch, configured: found } of index.lives)
    assert.is(found, configured.findLast((record) => record.epoch === epoch)?.data ?? null);
  for (const [i, { endSeq }] of index.lives.entries())
    assert.is(endSeq, i + 1 < starts.length ? (starts[i + 1] as FactRecord).seq - 1 : null);
  const player = new Player(nodeSha256);
  player.append(simulated);
  assert.ok(index.points.length >= starts.length);
  for (const point of index.points) {
    player.seek(point.ofSeq);
    assert.is(hashVerdict(point, player.stateHash()), 'same', `seq ${point.seq}`);
  }
});

t('a hash by other folds may differ, one by these may not', () => {
  const point: HashPoint = { seq: 9, what: 'start', ofSeq: 8, recorded: 'a', isSameFolds: true };
  assert.equal(
    [
      hashVerdict(point, 'a'),
      hashVerdict(point, 'b'),
      hashVerdict({ ...point, isSameFolds: false }, 'b'),
      hashVerdict({ ...point, isSameFolds: null }, 'b'),
    ],
    ['same', 'differs', 'other', 'other'],
  );
  const [first] = new LifeIndex(goldenRecords(1)).readOn().points;
  assert.is(first?.isSameFolds, null, 'the first schema does not say');
  assert.ok(foldsVersion.length > 10);
});

t(
  'a signed head is believed when its key is the server’s, and held against the record it names',
  async () => {
    const records = goldenRecords(2);
    const recordAt = (seq: number): PlayedRecord | undefined => records[seq - 1];
    const [ours, theirs] = await Promise.all([generateKeyPair('EdDSA'), generateKeyPair('EdDSA')]);
    const keys = { keys: [await exportJWK(ours.publicKey)] };
    const sign = (head: object, key = ours.privateKey, typ: string = headType): Promise<string> =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(head)))
        .setProtectedHeader({ alg: 'EdDSA', typ })
        .sign(key);
    const [first, last] = [records[0] as FactRecord, records.at(-1) as FactRecord];
    const head = { seq: last.seq, hash: last.hash, epoch: 1, at: 1, log: first.hash };
    const verdictOf = async (signed: object): Promise<string> =>
      (await checkHead(await sign(signed), keys, recordAt)).verdict;
    assert.is(await verdictOf(head), 'same');
    assert.is(await verdictOf({ ...head, hash: first.hash }), 'differs');
    assert.is(await verdictOf({ ...head, log: last.hash }), 'foreign');
    assert.is(await verdictOf({ ...head, seq: last.seq + 1 }), 'unknown');
    const rejects = async (jws: Promise<string>): Promise<void> => {
      const told = await checkHead(await jws, keys, recordAt).then(
        ({ verdict }) => verdict,
        (error: Error) => error,
      );
      assert.ok(told instanceof Error, String(told));
    };
    await rejects(sign(head, theirs.privateKey));
    await rejects(sign(head, ours.privateKey, 'jwt'));
    await rejects(sign(head).then((jws) => `${jws.slice(0, -4)}AAAA`));
  },
);

t('what is read of an export is what was written', () => {
  const records = goldenRecords(2);
  assert.equal(read(linesOf(records)), records);
});

t.run();
