/**
 * The fleet: every GPU, who holds which slices of it. A fold of facts, so nothing can leak.
 *
 * Why no free-list: a list of free slots is a second truth, and the day it disagrees with the jobs a
 * slot is lost for good. Here a slot is held exactly while a job's own facts say so.
 * Test: `test/slots/fleet.test.ts`, and the property that no history makes two holders.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import { type GpuContext, type GpuEvent, type GpuState, slotMachine } from '../../machines/slot.ts';
import { invariant } from '../errors.ts';
import type { FactData, Slot } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';

const table = compileTable<GpuState, GpuContext, GpuEvent>(slotMachine);

export interface Holding {
  readonly slot: Slot;
  readonly job: string;
  readonly tenant: string;
  readonly fence: number;
}

export interface Gpu {
  readonly id: string;
  readonly board: string;
  /** `simulated`: no hardware behind it. `advisory`: hardware that does not stop a guest. `enforced`: it does. */
  readonly enforcement: string;
  readonly machine: Folded<GpuState, GpuContext>;
  readonly holdings: readonly Holding[];
}

/** GPUs by id, in the order in which they were added. */
export type Fleet = Map<string, Gpu>;

/** Slices in use as a bit mask, slice 0 is bit 0: a GPU's state in one byte. */
export const maskOf = (gpu: Gpu): number => gpu.holdings.reduce((mask, { slot }) => mask | slotMask(slot), 0);

export const slotMask = (slot: { readonly start: number; readonly size: number }): number =>
  ((1 << slot.size) - 1) << slot.start;

/** Slots that a job took or gave back in one fact: what every fold over the fleet needs to know. */
export interface SlotMove {
  readonly job: string;
  readonly tenant: string;
  readonly taken: readonly Slot[];
  readonly freed: readonly Slot[];
  readonly fence: number;
}

/** Folds a `slot.*` fact. Throws when the machine has no place for it: the log would be corrupt. */
export function foldSlotFact(fleet: Fleet, record: FactRecord): void {
  const id = record.subject.split('.')[1] ?? '';
  const before = fleet.get(id)?.machine ?? { state: table.initial, context: { held: 0 } };
  const machine = table.step(before, { type: record.type as GpuEvent['type'] });
  invariant(machine, `${record.type} of ${id} in state ${before.state}`);
  if (record.type === 'slot.added') {
    const { board, enforcement } = record.data as FactData<'slot.added'>;
    fleet.set(id, { id, board, enforcement, machine, holdings: [] });
  } else {
    fleet.set(id, { ...(fleet.get(id) as Gpu), machine });
  }
}

/** Could this fact happen to this GPU now? */
export function acceptsSlotFact(fleet: Fleet, id: string, type: GpuEvent['type']): boolean {
  const before = fleet.get(id)?.machine ?? { state: table.initial, context: { held: 0 } };
  return table.step(before, { type }) !== null;
}

/** Folds what a job's fact did to slots. Asserts that nothing overlaps and nothing is freed twice. */
export function foldSlotMove(fleet: Fleet, move: SlotMove): void {
  for (const slot of move.taken) {
    const gpu = fleet.get(slot.gpu);
    invariant(gpu && (maskOf(gpu) & slotMask(slot)) === 0, `${slot.gpu} at ${slot.start} is taken twice`);
    const machine = table.step(gpu.machine, { type: 'job.reserved' });
    invariant(machine, `${slot.gpu} is ${gpu.machine.state} and takes no slot`);
    const holding = { slot, job: move.job, tenant: move.tenant, fence: move.fence };
    fleet.set(gpu.id, { ...gpu, machine, holdings: [...gpu.holdings, holding] });
  }
  for (const slot of move.freed) {
    const gpu = fleet.get(slot.gpu);
    const machine = gpu && table.step(gpu.machine, { type: 'job.released' });
    invariant(gpu && machine, `${slot.gpu} frees a slot that it does not hold`);
    const holdings = gpu.holdings.filter(
      ({ job, slot: held }) => job !== move.job || held.start !== slot.start,
    );
    invariant(holdings.length === gpu.holdings.length - 1, `${slot.gpu} at ${slot.start} is freed twice`);
    fleet.set(gpu.id, { ...gpu, machine, holdings });
  }
}

/** Memory slices of a list of slots: the unit of quota. */
export const slicesOf = (slots: readonly Slot[]): number => slots.reduce((sum, slot) => sum + slot.size, 0);
