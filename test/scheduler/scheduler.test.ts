/** Given facts, when it decides, then a command or none: the scheduler selects only what can start. */
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/events/canonical.ts';
import type { Command } from '../../src/jobs/commands.ts';
import { fold, newState } from '../../src/jobs/state.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { Desk } from '../jobs/desk.ts';
import { suite } from '../suite.ts';

const t = suite('scheduler');

class Watched {
  readonly scheduler = new Scheduler();
  readonly desk: Desk;
  constructor(desk: Desk) {
    this.desk = desk;
  }
  /** The job that it would select now. */
  next(): string | null {
    for (const change of this.desk.news()) this.scheduler.fold(change);
    const command = this.scheduler.decide();
    return command?.kind === 'SelectJob' ? command.id : null;
  }
  select(): string {
    const id = this.next();
    assert.ok(id, 'nothing was selected');
    this.desk.do(this.scheduler.decide() as Command);
    return id;
  }
}

t('with every slot taken and 1,000 jobs waiting, nothing is selected and no fact is written', () => {
  const watched = new Watched(new Desk({ tenants: { acme: {}, globex: {} } }));
  const { desk } = watched;
  desk.bring('big', 'running', { slot: '7g.80gb' });
  for (let i = 0; i < 1_000; i += 1) {
    desk.bring(`job${i}`, 'queued', {
      tenant: i % 2 ? 'acme' : 'globex',
      slot: ['1g.10gb', '2g.20gb', '3g.40gb'][i % 3] ?? '',
    });
  }
  const { head } = desk.log;
  for (let i = 0; i < 100; i += 1) assert.is(watched.next(), null);
  assert.is(desk.log.head, head);
  desk.finish('big');
  assert.is(watched.next(), 'job0');
});

t('without a free runner nothing is selected, whatever room there is', () => {
  const watched = new Watched(new Desk({ runners: 2 }));
  const { desk } = watched;
  desk.bring('a', 'queued');
  desk.bring('b', 'stopping');
  assert.is(watched.select(), 'a');
  desk.bring('c', 'queued');
  assert.is(watched.next(), null, 'a selected job and a stopping one hold a runner each');
  desk.finish('b', { how: 'killed' });
  assert.is(watched.next(), 'c');
  desk.configure({ runners: 0 });
  assert.is(watched.next(), null);
});

t('a promised slot is not promised twice', () => {
  const watched = new Watched(new Desk());
  watched.desk.bring('a', 'queued', { slot: '7g.80gb' });
  watched.desk.bring('b', 'queued', { slot: '1g.10gb' });
  assert.is(watched.select(), 'a');
  assert.is(watched.next(), null);
});

t('quota counts what is held and what is about to be', () => {
  const watched = new Watched(new Desk({ tenants: { acme: { slicesMax: 4 }, globex: { jobsMax: 1 } } }));
  const { desk } = watched;
  desk.bring('a', 'starting', { slot: '2g.20gb' });
  desk.bring('b', 'queued', { slot: '2g.20gb' });
  desk.bring('c', 'queued', { slot: '1g.10gb' });
  assert.is(watched.select(), 'b');
  assert.is(watched.next(), null, 'a and b use the quota up');
  desk.bring('d', 'queued', { tenant: 'globex' });
  desk.bring('e', 'queued', { tenant: 'globex' });
  assert.is(watched.select(), 'd');
  assert.is(watched.next(), null);
  desk.terms('globex', { jobsMax: 2 });
  assert.is(watched.next(), 'e');
});

t('a class that came back unplaced is set aside until capacity changes, and the others go on', () => {
  const watched = new Watched(new Desk());
  const { desk } = watched;
  desk.bring('held', 'running');
  desk.bring('a', 'queued', { slot: '2g.20gb' });
  desk.bring('b', 'queued', { slot: '2g.20gb' });
  desk.bring('c', 'queued', { slot: '1g.10gb' });
  watched.select();
  const { visit } = desk.job('a').context;
  desk.do({ kind: 'ReserveSlots', id: 'a', visit, slots: null, placement: 'test' });
  assert.is(watched.next(), 'c');
  desk.do(desk.step('CancelJob', 'c'));
  assert.is(watched.next(), null);
  desk.finish('held');
  assert.is(watched.next(), 'a', 'a freed slot is a change, and the place in the queue was kept');
});

t('a class that was set aside for a promised slot is looked at again when the promise is off', () => {
  for (const how of ['unplaced', 'cancelled'] as const) {
    const watched = new Watched(new Desk());
    const { desk } = watched;
    desk.bring('a', 'queued', { slot: '7g.80gb' });
    desk.bring('b', 'queued', { slot: '1g.10gb' });
    assert.is(watched.select(), 'a');
    assert.is(watched.next(), null);
    const { visit } = desk.job('a').context;
    if (how === 'unplaced') desk.do({ kind: 'ReserveSlots', id: 'a', visit, slots: null, placement: 'test' });
    else desk.do(desk.step('CancelJob', 'a'));
    assert.is(watched.next(), 'b', how);
  }
});

t('every change of capacity, terms or settings is a reason to look again', () => {
  const changes: readonly ((desk: Desk) => void)[] = [
    (desk) => desk.finish('held'),
    (desk) => desk.gpu('gpu-1', 'slot.restored'),
    (desk) =>
      desk.do({
        kind: 'Note',
        type: 'slot.added',
        stream: 'slot.new',
        data: { board: 'H100-80GB', enforcement: 'simulated' },
      }),
  ];
  for (const change of changes) {
    const watched = new Watched(new Desk({ fleet: '2xH100-80GB' }));
    const { desk } = watched;
    desk.bring('held', 'running', { slot: '7g.80gb' });
    desk.gpu('gpu-1', 'slot.drained');
    desk.bring('a', 'queued', { slot: '7g.80gb' });
    assert.is(watched.next(), null);
    change(desk);
    assert.is(watched.next(), 'a');
  }
});

t('while draining nothing is selected; after a recovery it goes on', () => {
  const watched = new Watched(new Desk());
  const { desk } = watched;
  desk.bring('a', 'queued');
  desk.do({
    kind: 'Note',
    type: 'controller.draining',
    stream: 'controller',
    data: { deadlineMs: 1, mode: 'finish' },
  });
  assert.is(watched.next(), null);
  const data = { epoch: 2, ofSeq: 1, stateHash: 'a'.repeat(64) };
  desk.do({ kind: 'Note', type: 'controller.recovered', stream: 'controller', data });
  assert.is(watched.next(), 'a');
});

t('recovered from the facts it decides as the live one does, at every step', () => {
  const watched = new Watched(
    new Desk({
      policy: 'round-robin',
      runners: 3,
      tenants: { acme: { weight: 2 }, globex: { slicesMax: 3 } },
    }),
  );
  const { desk } = watched;
  const again = (): Scheduler => {
    const [scheduler, state] = [new Scheduler(), newState()];
    for (let seq = 1; seq <= desk.log.head; seq += 1) {
      const record = desk.feed.at(seq)?.record;
      if (record) scheduler.fold(fold(state, record));
    }
    return scheduler;
  };
  let selected = 0;
  for (let i = 0; i < 60; i += 1) {
    desk.bring(`job${i}`, 'queued', {
      tenant: i % 3 ? 'acme' : 'globex',
      slot: ['1g.10gb', '2g.20gb', '3g.40gb'][i % 3] ?? '',
    });
    const id = watched.next();
    const recovered = again();
    assert.equal(recovered.decide(), watched.scheduler.decide());
    assert.is(canonicalJson(recovered.snapshot()), canonicalJson(watched.scheduler.snapshot()));
    if (id && i % 4) {
      watched.select();
      desk.do(desk.step('ReserveSlots', id));
      selected += 1;
    }
    const [running] = [...desk.state.jobs.values()].filter(({ state }) => state === 'starting');
    if (running && i % 5 === 0) desk.finish(running.context.id);
  }
  assert.ok(selected > 5, `only ${selected} selected`);
});

t.run();
