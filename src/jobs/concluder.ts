/**
 * The jobs' own actor: takes the steps that follow from a job's state alone.
 * An attested job is queued; a job whose slot is free gets its verdict (`machines/conclude.ts`).
 *
 * Why its own actor: the verdict comes after `released` as a record of its own. Should the controller
 * die between the two, this to-do list is folded again and the verdict is written then.
 */
import type { Actor } from './actor.ts';
import type { Command } from './commands.ts';
import { refill } from './retention.ts';
import type { Change, Job } from './state.ts';

export class Concluder implements Actor {
  readonly name = 'jobs';
  readonly reads = 'head';
  readonly #todo = new Map<string, { readonly kind: 'QueueJob' | 'ConcludeJob'; readonly visit: number }>();

  fold({ after }: Change): void {
    if (!after) return;
    const kind = nextStep(after);
    if (kind) this.#todo.set(after.context.id, { kind, visit: after.context.visit });
    else this.#todo.delete(after.context.id);
  }

  decide(): Command | null {
    for (const [id, { kind, visit }] of this.#todo) return { kind, id, visit };
    return null;
  }

  snapshot(): unknown {
    return this.#todo;
  }

  restore(saved: unknown): void {
    refill(
      this.#todo,
      saved as Map<string, { readonly kind: 'QueueJob' | 'ConcludeJob'; readonly visit: number }>,
    );
  }
}

function nextStep({ state, context }: Job): 'QueueJob' | 'ConcludeJob' | null {
  if (state === 'attesting' && context.affirmed) return 'QueueJob';
  if (state === 'releasing' && context.slots === null) return 'ConcludeJob';
  return null;
}
