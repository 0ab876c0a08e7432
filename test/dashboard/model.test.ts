/** The model: where one looks, what moves that, and how often it is drawn and folded. */
import * as assert from 'uvu/assert';
import { type Address, addressOf, home } from '../../src/dashboard/address.ts';
import { isFailure, Model, type Source } from '../../src/dashboard/model.ts';
import { type PlayedRecord, Player } from '../../src/dashboard/player.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords } from './logs.ts';

const t = suite('dashboard/model');
const golden = goldenRecords(2);
const half = golden.length >> 1;

/** Counts what a seek costs. */
class CountingPlayer extends Player {
  seeks: number[] = [];
  override seek(seq: number): void {
    this.seeks.push(seq);
    super.seek(seq);
  }
}

function page(
  records: readonly PlayedRecord[] = golden,
  kind: Source = { kind: 'live' },
  address: Address = home,
) {
  const frames: (() => void)[] = [];
  const went: Address[] = [];
  const player = new CountingPlayer(nodeSha256);
  const model = new Model({
    player,
    address,
    server: null,
    navigate: (to) => void went.push(to),
    soon: (draw) => void frames.push(draw),
  });
  model.append(records);
  model.tell(kind);
  const frame = (): number => frames.splice(0).map((draw) => draw()).length;
  return { frame, model, player, went };
}

t('many changes between two pictures are drawn once, and only the last place is folded to', () => {
  const { frame, model, player } = page();
  let draws = 0;
  const seen: number[] = [];
  const end = model.onChange(() => {
    draws += 1;
    seen.push(model.moment.seq);
  });
  frame();
  player.seeks = [];
  for (let seq = 1; seq <= 100; seq += 1) model.lookAt(seq);
  assert.equal(player.seeks, [], 'a move alone folds nothing');
  assert.is(frame(), 1);
  assert.equal([draws, seen.at(-1)], [2, 100]);
  assert.equal(player.seeks, [100]);
  void model.moment;
  void model.moment;
  assert.equal(player.seeks, [100], 'a second look folds nothing');
  assert.is(frame(), 0, 'nothing has changed');
  end();
  model.lookAt(3);
  frame();
  assert.is(draws, 2, 'who has gone is not called');
});

t('on a live log the head is followed, and looking at it is following again', () => {
  const { model } = page(golden.slice(0, half));
  assert.ok(model.isFollowing);
  assert.is(model.moment.seq, half);
  model.lookAt(20);
  model.append(golden.slice(half));
  assert.equal([model.isFollowing, model.moment.seq, model.headSeq], [false, 20, golden.length]);
  model.lookAt(golden.length + 5);
  assert.equal([model.isFollowing, model.moment.seq], [true, golden.length]);
  model.lookAt(-3);
  assert.is(model.moment.seq, 0);
  model.follow();
  assert.is(model.moment.seq, golden.length);
});

t('in a file its end is a place like any other', () => {
  const { model, went } = page(golden, { kind: 'file', name: 'x' });
  model.lookAt(golden.length);
  assert.is(went.at(-1)?.at, golden.length);
});

t('what comes while something earlier is looked at is folded, too', () => {
  const { model, player } = page(golden.slice(0, half), { kind: 'live' }, addressOf('#/at/12/jobs'));
  assert.is(model.moment.seq, 12);
  model.append(golden.slice(half));
  assert.is(player.foldedSeq, golden.length);
  assert.is(model.moment.seq, 12);
});

t('a step is one fact, of one job alone while that is looked at, and ends at the ends', () => {
  const { model } = page();
  model.lookAt(30);
  model.step(1);
  assert.is(model.moment.seq, 31);
  model.step(-1);
  model.step(-1);
  assert.is(model.moment.seq, 29);
  const job = golden.find(({ type }) => type === 'job.submitted')!.subject.split('.')[2]!;
  const own = golden.filter(({ subject }) => subject.startsWith('job.') && subject.split('.')[2] === job);
  model.go({ view: 'job', job, at: own[0]!.seq });
  const walked = own.map(() => {
    const { seq } = model.moment;
    model.step(1);
    return seq;
  });
  assert.equal(
    walked,
    own.map(({ seq }) => seq),
  );
  assert.is(model.moment.seq, own.at(-1)!.seq, 'there is no next one');
  model.go({ view: 'jobs', at: 1 });
  model.step(-1);
  assert.is(model.moment.seq, 1, 'there is none before the first');
});

t("Play goes through a tenant's log with gaps to its end, back to its beginning, and at any pace", () => {
  const own = golden
    .filter(({ type, subject }) => !type.startsWith('job.') || subject.split('.')[1] === 'acme')
    .map(({ hash: _, prev: __, ...record }): PlayedRecord => record);
  const gaps = own.filter(({ seq }, i) => i > 0 && seq > own[i - 1]!.seq + 1);
  assert.ok(gaps.length > 3);
  for (const by of [1, 2, 50]) {
    const { model } = page(own, { kind: 'live' }, addressOf('#/at/1/fleet'));
    const walked = [model.moment.seq];
    while (model.travel(by)) walked.push(model.moment.seq);
    assert.equal(
      walked,
      own.filter((_, i) => i % by === 0 && i < own.length - 1).map(({ seq }) => seq),
    );
    assert.ok(model.isFollowing, 'it has come to the head');
    model.travel(-1);
    assert.is(model.moment.seq, own.at(-2)!.seq);
    while (model.travel(-by));
    assert.is(model.moment.seq, 0);
  }
});

t('Play ends before the fact at which the log can not be folded on', () => {
  const at = golden.findIndex(({ type }) => type === 'job.queued');
  const { model } = page([...golden.slice(0, at), ...golden.slice(at + 1)], { kind: 'file', name: 'x' });
  model.lookAt(1);
  let moves = 0;
  while (model.travel(1)) moves += 1;
  assert.ok(moves > 3 && model.moment.seq < model.halt!.seq);
  assert.is(model.travel(1), false);
});

t('the next failure goes through all of them, and round again', () => {
  const { model } = page();
  const failures = golden.filter(isFailure).map(({ seq }) => seq);
  assert.ok(failures.length > 5);
  model.lookAt(1);
  const walked = failures.map(() => {
    assert.ok(model.nextFailure());
    return model.moment.seq;
  });
  assert.equal(walked, failures);
  assert.ok(model.nextFailure());
  assert.is(model.moment.seq, failures[0]);
  assert.is(page(golden.slice(0, 4)).model.nextFailure(), false, 'none is there');
});

t('neither a step nor a failure leads behind the fact at which the log can not be folded on', () => {
  const at = golden.findIndex(({ type }) => type === 'job.queued');
  const { model } = page([...golden.slice(0, at), ...golden.slice(at + 1)]);
  assert.ok(model.halt);
  const end = model.moment.seq;
  assert.ok(end < model.halt.seq);
  model.step(1);
  assert.is(model.moment.seq, end);
  for (let i = 0; i < 50 && model.nextFailure(); i += 1) assert.ok((model.address.at ?? 0) < model.halt.seq);
});

t('an address from outside is shown; one of a fact that is still to come waits for it', () => {
  const { model } = page(golden.slice(0, 10), { kind: 'loading', loaded: 10, total: 99 });
  model.arrive(addressOf('#/at/50/jobs'));
  assert.equal([model.address.view, model.moment.seq], ['jobs', 10]);
  model.append(golden.slice(10, 90));
  assert.is(model.moment.seq, 50);
  assert.is(model.hashFor({ view: 'tenants' }), '#/at/50/tenants');
});

t('an older copy of the same log is another one to whoever checked the first', () => {
  const { model } = page(golden.slice(0, half));
  const { logNumber, records } = model;
  model.append(golden.slice(half));
  assert.is(model.logNumber, logNumber, 'a log that grows stays the same one');
  const copy = new Player(nodeSha256);
  copy.append(golden.slice(0, half));
  model.replace(copy);
  assert.is(model.records[0]?.hash, records[0]?.hash);
  assert.is.not(model.logNumber, logNumber);
});

t('another log takes its place whole', () => {
  const { frame, model } = page();
  frame();
  const other = new Player(nodeSha256);
  other.append(goldenRecords(1));
  model.replace(other);
  assert.is(frame(), 1);
  assert.is(model.headSeq, goldenRecords(1).length);
  assert.is(model.moment.seq, model.headSeq);
});

t.run();
