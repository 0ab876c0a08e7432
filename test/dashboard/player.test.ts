/** The player against the server's own replay: same folds, same hash, at every seq and from every direction. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { foldsVersion, freezeFolds } from '../../src/checkpointing.ts';
import { Refold } from '../../src/cli/refold.ts';
import { type Keeping, usualKeeping } from '../../src/dashboard/keyframes.ts';
import { Player } from '../../src/dashboard/player.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { factView, maySee } from '../../src/views/log-view.ts';
import { runs, seed, suite } from '../suite.ts';
import { goldenRecords, longRecords, simulatedRecords } from './logs.ts';

/** A log with the state hash that the server's replay has after each of its records. */
interface Told {
  readonly name: string;
  readonly records: readonly FactRecord[];
  readonly hashes: readonly string[];
}

const options = { seed: seed(), endOnFailure: true } as const;
const t = suite('dashboard/player');
const slow = { limitMs: 120_000 };
const logs: Told[] = [];

const told = (name: string, records: readonly FactRecord[]): Told => {
  const refold = new Refold();
  const hashes = records.map((record) => {
    assert.ok(refold.feed(record), `${name} halts at ${record.seq}`);
    return refold.stateHash;
  });
  return { name, records, hashes };
};
const playerOf = (records: readonly FactRecord[], keeping: Keeping = usualKeeping): Player => {
  const player = new Player(nodeSha256, null, keeping);
  player.append(records);
  return player;
};
const hashAt = (player: Player, seq: number): string => {
  player.seek(seq);
  return player.stateHash();
};

t.before(async () => {
  logs.push(told('golden v1', goldenRecords(1)), told('golden v2', goldenRecords(2)));
  // Seed 1 forgets jobs and crashes often, seed 6 keeps few.
  for (const each of [1, 6]) logs.push(told(`seed ${each}`, await simulatedRecords(each, 100)));
});

t('at every seq the state hash is that of the server', () => {
  let compared = 0;
  for (const { hashes, name, records } of logs) {
    const player = playerOf(records);
    for (const { seq } of records) {
      assert.is(hashAt(player, seq), hashes[seq - 1], `${name}, seq ${seq}`);
      assert.is(player.moment.seq, seq);
      compared += 1;
    }
    assert.is(player.halt, null);
  }
  assert.ok(compared > 1_000, `only ${compared} hashes were compared`);
});

t('each state hash that the controller wrote into its log is the one that is folded here', () => {
  let compared = 0;
  for (const { name, records } of logs) {
    const player = playerOf(records);
    for (const { data, seq, type } of records) {
      if (type !== 'controller.recovered' && type !== 'controller.checkpointed') continue;
      if (data['folds'] !== foldsVersion) continue;
      assert.is(hashAt(player, data['ofSeq'] as number), data['stateHash'], `${name}, seq ${seq}`);
      compared += 1;
    }
  }
  assert.ok(compared > 10, `only ${compared} were there`);
});

t('wherever one comes from, a seek gives what a straight fold gives', () => {
  fc.assert(
    fc.property(
      fc.nat(logs.length - 1),
      fc.record({ spacing: fc.integer({ min: 1, max: 300 }), framesMax: fc.integer({ min: 1, max: 9 }) }),
      fc.array(fc.oneof(fc.nat(), fc.record({ advance: fc.nat(400) })), { minLength: 2, maxLength: 12 }),
      (which, keeping, moves) => {
        const { hashes, records } = logs[which]!;
        const player = playerOf(records, keeping);
        for (const move of moves) {
          const before = player.moment.seq;
          const wasAhead = player.foldedSeq > before;
          if (typeof move === 'number') player.seek(move % (records.length + 1));
          else player.advance(move.advance);
          const { seq } = player.moment;
          if (typeof move === 'number') assert.is(seq, move % (records.length + 1));
          else if (wasAhead) assert.is(seq, before, 'what is looked at stays while the log is folded on');
          if (seq > 0) assert.is(player.stateHash(), hashes[seq - 1]);
          assert.is(player.moment.views.seq, seq);
        }
      },
    ),
    { ...options, numRuns: runs(60) },
  );
});

t('what is looked at does not change what is ahead of it, nor the other way round', () => {
  const { hashes, records } = logs[1]!;
  const middle = records.length >> 1;
  const player = playerOf(records.slice(0, middle));
  player.seek(middle);
  const early = hashAt(player, 10);
  player.append(records.slice(middle));
  while (player.advance(7));
  assert.is(player.moment.seq, 10);
  assert.is(player.stateHash(), early);
  assert.is(player.foldedSeq, records.length);
  assert.is(hashAt(player, records.length), hashes.at(-1));
  assert.is(hashAt(player, 10), hashes[9]);
});

t(
  'a long log gives at every 1,000th seq, forwards and backwards, the hash that the server gives',
  async () => {
    const records = await longRecords(12_000);
    const straight = new Refold();
    const hashes = new Map<number, string>();
    for (const record of records) {
      straight.feed(record);
      if (record.seq % 1_000 === 0 || record.seq === records.length)
        hashes.set(record.seq, straight.stateHash);
    }
    const player = playerOf(records);
    for (const [seq, hash] of hashes) assert.is(hashAt(player, seq), hash, `seq ${seq}`);
    for (const [seq, hash] of [...hashes].reverse()) assert.is(hashAt(player, seq), hash, `seq ${seq}`);
    assert.is(hashes.size, 13);
  },
  slow,
);

t('it stops before a fact that can not happen, says where, and shows all that lies before', () => {
  const { hashes, records } = logs[1]!;
  const bad = records.findIndex(({ type }) => type === 'job.reserved') + 1;
  const twice = [...records.slice(0, bad), { ...records[bad - 1]!, seq: bad + 1 }, ...records.slice(bad + 1)];
  const player = playerOf(twice);
  player.seek(twice.length);
  assert.is(player.halt?.seq, bad + 1);
  assert.match(player.halt?.reason ?? '', /job\.reserved/);
  assert.is(player.moment.seq, bad);
  assert.is(player.stateHash(), hashes[bad - 1]);
  assert.is(player.advance(1_000), false, 'nothing is left to be folded');
  assert.is(hashAt(player, 5), hashes[4]);
  assert.is(hashAt(player, twice.length), hashes[bad - 1]);
  assert.is(player.headSeq, twice.length, 'the records behind it can still be listed');
});

t('what one tenant may see can be folded, with its own jobs as they are', () => {
  for (const { name, records } of logs) {
    const full = playerOf(records);
    full.seek(records.length);
    for (const tenant of full.moment.state.tenants.keys()) {
      const reader = { tenant, admin: false };
      const seen = records.filter(({ subject }) => maySee(reader, subject));
      const player = new Player(nodeSha256);
      player.append(seen.map((record) => factView(record, reader)));
      player.seek(records.length);
      assert.is(player.halt, null, `${name}, ${tenant}: ${player.halt?.reason}`);
      assert.is(player.moment.seq, seen.at(-1)?.seq);
      // How many jobs are kept counts foreign ones, too: those that both still hold are compared.
      for (const [id, job] of full.moment.state.jobs)
        if (job.context.tenant === tenant) assert.equal(player.moment.state.jobs.get(id), job, id);
      player.seek(records.length >> 1);
      assert.is(player.recordAt(seen[3]!.seq)?.type, seen[3]!.type);
    }
  }
});

t('it begins from a checkpoint as if it had folded what lies before', () => {
  const { hashes, records } = logs[2]!;
  const middle = records.length >> 1;
  const before = playerOf(records);
  before.seek(middle);
  const { cast, ...moment } = before.moment;
  const folds = JSON.parse(JSON.stringify(freezeFolds({ ...moment, actors: cast.all })));
  const player = new Player(nodeSha256, { seq: middle, folds });
  assert.is(player.beginSeq, middle);
  assert.is(player.moment.seq, middle);
  assert.is(player.stateHash(), hashes[middle - 1]);
  player.append(records.slice(middle));
  assert.is(hashAt(player, records.length), hashes.at(-1));
  assert.is(hashAt(player, middle + 9), hashes[middle + 8]);
  assert.is(hashAt(player, 1), hashes[middle - 1], 'there is nothing before its beginning');
});

t('an empty log has a moment, too, and records that are there already are passed over', () => {
  const player = new Player(nodeSha256);
  player.seek(12);
  assert.equal([player.moment.seq, player.headSeq, player.recordAt(0)], [0, 0, undefined]);
  assert.is(player.advance(10), false);
  const records = goldenRecords(2).slice(0, 10);
  player.append(records);
  player.append(records.slice(3));
  assert.is(player.records.length, 10);
  assert.is(player.recordAt(10)?.seq, 10);
  assert.is(player.recordAt(11), undefined);
});

t.run();
