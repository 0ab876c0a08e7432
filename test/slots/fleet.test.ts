/** The fleet's fold: slots are taken and freed exactly as the facts say, and a history that overlaps stops it. */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import {
  acceptsSlotFact,
  type Fleet,
  foldSlotFact,
  foldSlotMove,
  maskOf,
  type SlotMove,
  slicesOf,
  slotMask,
} from '../../src/slots/fleet.ts';
import { suite } from '../suite.ts';

const t = suite('fleet');

const note = (fleet: Fleet, type: string, id = 'gpu-0'): void => {
  const data = type === 'slot.added' ? { board: 'H100-80GB', enforcement: 'simulated' } : { reason: 'test' };
  foldSlotFact(fleet, { type, subject: `slot.${id}.${type.slice(5)}`, data } as unknown as FactRecord);
};
const served = (): Fleet => {
  const fleet: Fleet = new Map();
  note(fleet, 'slot.added');
  return fleet;
};
const slot = (start: number, size = 1) => ({ gpu: 'gpu-0', profile: `${size}g`, size, start });
const move = (job: string, over: Partial<SlotMove>): SlotMove => ({
  job,
  tenant: 'acme',
  fence: 1,
  taken: [],
  freed: [],
  ...over,
});

t('a taken slot is held by its job until that job frees it', () => {
  const fleet = served();
  foldSlotMove(fleet, move('a', { taken: [slot(0, 4)], fence: 7 }));
  foldSlotMove(fleet, move('b', { taken: [slot(4, 2)] }));
  assert.is(maskOf(fleet.get('gpu-0')!), 0b0011_1111);
  assert.equal(fleet.get('gpu-0')?.holdings[0], { slot: slot(0, 4), job: 'a', tenant: 'acme', fence: 7 });
  foldSlotMove(fleet, move('a', { freed: [slot(0, 4)] }));
  assert.is(maskOf(fleet.get('gpu-0')!), 0b0011_0000);
});

t('overlaps, double frees and strangers stop the fold', () => {
  const fleet = served();
  foldSlotMove(fleet, move('a', { taken: [slot(0, 4)] }));
  assert.throws(() => foldSlotMove(fleet, move('b', { taken: [slot(3, 2)] })), /taken twice/);
  assert.throws(() => foldSlotMove(fleet, move('b', { freed: [slot(0, 4)] })), /freed twice/);
  assert.throws(() => foldSlotMove(fleet, move('a', { freed: [slot(1, 4)] })), /freed twice/);
  assert.throws(
    () => foldSlotMove(fleet, move('a', { taken: [{ ...slot(0), gpu: 'gpu-9' }] })),
    /taken twice/,
  );
  assert.throws(
    () => foldSlotMove(fleet, move('a', { freed: [{ ...slot(0), gpu: 'gpu-9' }] })),
    /does not hold/,
  );
});

t('a GPU that drains takes nothing more, and is drained when its last slot is free', () => {
  const fleet = served();
  foldSlotMove(fleet, move('a', { taken: [slot(0)] }));
  foldSlotMove(fleet, move('b', { taken: [slot(1)] }));
  note(fleet, 'slot.drained');
  assert.is(fleet.get('gpu-0')?.machine.state, 'draining');
  assert.throws(() => foldSlotMove(fleet, move('c', { taken: [slot(5)] })), /takes no slot/);
  foldSlotMove(fleet, move('a', { freed: [slot(0)] }));
  assert.is(fleet.get('gpu-0')?.machine.state, 'draining');
  foldSlotMove(fleet, move('b', { freed: [slot(1)] }));
  assert.is(fleet.get('gpu-0')?.machine.state, 'drained');
  note(fleet, 'slot.restored');
  assert.is(fleet.get('gpu-0')?.machine.state, 'serving');
});

t('what a GPU accepts is what its machine has a row for', () => {
  const fleet = served();
  assert.ok(acceptsSlotFact(fleet, 'gpu-1', 'slot.added') && acceptsSlotFact(fleet, 'gpu-0', 'slot.drained'));
  assert.not(
    acceptsSlotFact(fleet, 'gpu-0', 'slot.added') || acceptsSlotFact(fleet, 'gpu-0', 'slot.restored'),
  );
  assert.not(acceptsSlotFact(fleet, 'gpu-1', 'slot.drained'));
  assert.throws(() => note(fleet, 'slot.restored'), /slot\.restored of gpu-0 in state serving/);
});

t('masks and sums count memory slices', () => {
  assert.is(slotMask({ start: 2, size: 2 }), 0b1100);
  assert.is(slicesOf([slot(0, 4), slot(4, 1)]), 5);
});

t.run();
