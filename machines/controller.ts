/**
 * The controller as its door sees it: what is answered to someone who brings a job.
 *
 * Why a machine: "full", "shutting down" and "the disk is gone" are states, not exceptions. Each has
 * one answer (429 or 503 with its code) that can be looked up, drawn and tested.
 * Folded from `controller.*` facts, the queue's depth, and the one event that no log can hold: that the
 * log itself failed. Used by `src/intake/door.ts`. Test: `test/machines/others.test.ts`.
 */
import { setup } from 'xstate';

export type ControllerEvent =
  | { readonly type: 'controller.recovered' }
  | { readonly type: 'controller.draining' }
  | { readonly type: 'controller.stopped' }
  | { readonly type: 'queue.full' }
  | { readonly type: 'queue.freed' }
  | { readonly type: 'log.failed' };

export type ControllerState = 'recovering' | 'accepting' | 'full' | 'readOnly' | 'draining' | 'stopped';

export const controllerMachine = setup({
  types: { context: {} as Record<string, never>, events: {} as ControllerEvent },
}).createMachine({
  id: 'controller',
  context: {},
  initial: 'recovering',
  states: {
    recovering: { on: { 'controller.recovered': 'accepting', 'log.failed': 'readOnly' } },
    accepting: {
      on: {
        'queue.full': 'full',
        'controller.recovered': 'accepting',
        'controller.draining': 'draining',
        'log.failed': 'readOnly',
      },
    },
    full: {
      on: {
        'queue.freed': 'accepting',
        'controller.recovered': 'accepting',
        'controller.draining': 'draining',
        'log.failed': 'readOnly',
      },
    },
    readOnly: { on: { 'controller.recovered': 'accepting' } },
    draining: {
      on: { 'controller.stopped': 'stopped', 'controller.recovered': 'accepting', 'log.failed': 'readOnly' },
    },
    stopped: { on: { 'controller.recovered': 'accepting' } },
  },
});
