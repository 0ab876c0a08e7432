/**
 * One GPU of the fleet: may it take new slots, and does it still hold some.
 *
 * Why a machine of its own: draining is a promise in two steps (nothing new; then, when the last guest
 * is gone, free), and the second step is made by facts of jobs. Folded from `slot.*` facts and from the
 * `reserved` and `released` of jobs, so it can't disagree with them.
 * Used by `src/slots/fleet.ts`. Test: `test/machines/others.test.ts`.
 */
import { assign, setup } from 'xstate';

export interface GpuContext {
  /** Slots held on this GPU now. */
  readonly held: number;
}

export type GpuEvent =
  | { readonly type: 'slot.added' }
  | { readonly type: 'slot.drained' }
  | { readonly type: 'slot.restored' }
  | { readonly type: 'job.reserved' }
  | { readonly type: 'job.released' };

export type GpuState = 'absent' | 'serving' | 'draining' | 'drained';

export const slotMachine = setup({
  types: { context: {} as GpuContext, events: {} as GpuEvent },
  guards: {
    holdsSlots: ({ context }) => context.held > 0,
    holdsOne: ({ context }) => context.held === 1,
  },
  actions: {
    hold: assign(({ context }) => ({ held: context.held + 1 })),
    free: assign(({ context }) => ({ held: context.held - 1 })),
  },
}).createMachine({
  id: 'slot',
  context: { held: 0 },
  initial: 'absent',
  states: {
    absent: { on: { 'slot.added': 'serving' } },
    serving: {
      on: {
        'job.reserved': { actions: 'hold' },
        'job.released': { guard: 'holdsSlots', actions: 'free' },
        'slot.drained': [{ guard: 'holdsSlots', target: 'draining' }, { target: 'drained' }],
      },
    },
    draining: {
      on: {
        'job.released': [
          { guard: 'holdsOne', target: 'drained', actions: 'free' },
          { guard: 'holdsSlots', actions: 'free' },
        ],
        'slot.restored': 'serving',
      },
    },
    drained: { on: { 'slot.restored': 'serving' } },
  },
});
