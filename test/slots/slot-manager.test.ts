/** The slot manager: places what is selected, takes back what is free, and being behind costs a try and no overlap. */
import * as assert from 'uvu/assert';
import type { Command } from '../../src/jobs/commands.ts';
import { SlotManager } from '../../src/slots/slot-manager.ts';
import { Desk } from '../jobs/desk.ts';
import { suite } from '../suite.ts';

const t = suite('slot manager');

const beside = (desk: Desk): SlotManager => {
  const manager = new SlotManager();
  for (const change of desk.news()) manager.fold(change);
  return manager;
};

t(
  'a selected job is placed, a job whose guest is gone gives its slot back, and then nothing is left to do',
  () => {
    const desk = new Desk();
    desk.bring('a', 'reserving');
    const manager = beside(desk);
    assert.is(desk.do(manager.decide() as Command).type, 'job.reserved');
    for (const change of desk.news()) manager.fold(change);
    assert.is(manager.decide(), null);
    desk.do(desk.step('ReportStarted', 'a'));
    desk.do(desk.step('ReportGone', 'a'));
    for (const change of desk.news()) manager.fold(change);
    assert.is(desk.do(manager.decide() as Command).type, 'job.released');
    for (const change of desk.news()) manager.fold(change);
    assert.is(manager.decide(), null);
  },
);

t(
  'behind the head, its placement is checked again there: the second taker is put back, and nothing overlaps',
  () => {
    const desk = new Desk();
    desk.bring('a', 'reserving', { slot: '7g.80gb' });
    const late = beside(desk);
    const stale = late.decide() as Command;
    desk.bring('b', 'starting', { slot: '1g.10gb' });
    const record = desk.do(stale);
    assert.equal([record.type, record.data['code']], ['job.unplaced', 'ERR_NO_PLACE']);
  },
);

t('without room it says so, and the job waits in the queue again', () => {
  const desk = new Desk();
  desk.bring('a', 'starting', { slot: '7g.80gb' });
  desk.bring('b', 'reserving');
  const command = beside(desk).decide() as Command;
  assert.is(command.kind === 'ReserveSlots' && command.slots, null);
  assert.is(desk.do(command).type, 'job.unplaced');
});

t('what it has to do is its fold: a restart finds the same work and the same state', () => {
  const desk = new Desk();
  desk.bring('a', 'reserving');
  desk.bring('b', 'releasing');
  const [one, two] = [new SlotManager(), new SlotManager()];
  for (const change of desk.news()) for (const each of [one, two]) each.fold(change);
  assert.equal(one.decide(), two.decide());
  assert.equal(one.snapshot(), two.snapshot());
  desk.do(desk.step('CancelJob', 'a'));
  for (const change of desk.news()) one.fold(change);
  assert.is((one.decide() as { id?: string } | null)?.id, 'b', 'a cancelled job needs no place');
});

t.run();
