/**
 * The slot manager: says where a selected job goes, and takes the slot back when its guest is gone.
 *
 * Why apart from the scheduler: who is next is a question of fairness, where it goes one of geometry.
 * It decides on its own fold and may be behind; the writer checks the placement again at head, and
 * what no longer holds becomes `unplaced`, so a stale decision costs a second try and never an overlap.
 * Test: `test/slots/slot-manager.test.ts`.
 */
import type { Actor } from '../jobs/actor.ts';
import type { Command } from '../jobs/commands.ts';
import { refill } from '../jobs/retention.ts';
import { type Change, slotMove } from '../jobs/state.ts';
import { type Fleet, foldSlotFact, foldSlotMove } from './fleet.ts';
import { place, placementName, type Shape } from './placement.ts';

interface Task {
  readonly visit: number;
  /** What to place; null: a slot to take back. */
  readonly shape: Shape | null;
}

export class SlotManager implements Actor {
  readonly name = 'slots';
  readonly reads = 'head';
  readonly #fleet: Fleet = new Map();
  readonly #todo = new Map<string, Task>();

  fold({ record, before, after }: Change): void {
    if (record.type.startsWith('slot.')) foldSlotFact(this.#fleet, record);
    if (!after) return;
    const move = slotMove(before, after);
    if (move) foldSlotMove(this.#fleet, move);
    const { id, visit, spec, slots } = after.context;
    if (after.state === 'reserving' && spec) {
      this.#todo.set(id, { visit, shape: { profile: spec.slot, gpus: spec.gpus } });
    } else if (after.state === 'releasing' && slots) {
      this.#todo.set(id, { visit, shape: null });
    } else {
      this.#todo.delete(id);
    }
  }

  decide(): Command | null {
    for (const [id, { visit, shape }] of this.#todo) {
      if (!shape) return { kind: 'ReleaseSlots', id, visit };
      return { kind: 'ReserveSlots', id, visit, slots: place(this.#fleet, shape), placement: placementName };
    }
    return null;
  }

  snapshot(): { fleet: Fleet; todo: Map<string, Task> } {
    return { fleet: this.#fleet, todo: this.#todo };
  }

  restore(saved: unknown): void {
    const { fleet, todo } = saved as ReturnType<SlotManager['snapshot']>;
    refill(this.#fleet, fleet);
    refill(this.#todo, todo);
  }
}
