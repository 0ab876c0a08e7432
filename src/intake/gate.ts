/**
 * The gate: whether the door is open, as a state of `machines/controller.ts`. Folded from the log, plus
 * the one event that no log can hold: that the log itself failed.
 *
 * Why a state and not a flag here and there: "full", "draining" and "read only" each have one answer, and
 * probes, the door and the dashboard must give the same one. Test: `test/intake/gate.test.ts`.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import { type ControllerEvent, type ControllerState, controllerMachine } from '../../machines/controller.ts';
import type { ErrorCode } from '../errors.ts';
import type { Actor } from '../jobs/actor.ts';
import {
  type Change,
  type ControllerFacts,
  foldControllerFact,
  isWaiting,
  noControllerFacts,
} from '../jobs/state.ts';

const table = compileTable<ControllerState, Record<string, never>, ControllerEvent>(controllerMachine);

export class Gate implements Actor {
  readonly name = 'gate';
  readonly reads = 'head';
  #machine: Folded<ControllerState, Record<string, never>> = { state: table.initial, context: {} };
  #waiting = 0;
  #facts: ControllerFacts = noControllerFacts;

  get state(): ControllerState {
    return this.#machine.state;
  }

  /** Why no job is taken now, or null. A full queue is answered by the writer, which knows whose bound it is. */
  get closed(): { readonly code: ErrorCode; readonly reason: string } | null {
    switch (this.state) {
      case 'recovering':
        return { code: 'ERR_READ_ONLY', reason: 'the controller is recovering from its log' };
      case 'readOnly':
        return { code: 'ERR_READ_ONLY', reason: 'the log cannot be written' };
      case 'draining':
      case 'stopped':
        return { code: 'ERR_DRAINING', reason: 'the controller is shutting down' };
      default:
        return this.#facts.tornFrom === null
          ? null
          : {
              code: 'ERR_TORN_TAIL',
              reason: `facts from seq ${this.#facts.tornFrom} on were lost with the log's tail`,
            };
    }
  }

  fold({ record, before, after }: Change): void {
    if (record.type.startsWith('controller.')) {
      this.#facts = foldControllerFact(this.#facts, record);
      this.#step({ type: record.type } as ControllerEvent);
    }
    this.#waiting += Number(isWaiting(after)) - Number(isWaiting(before));
    const queuedMax = this.#facts.configured?.queuedMax ?? Number.POSITIVE_INFINITY;
    this.#step({ type: this.#waiting >= queuedMax ? 'queue.full' : 'queue.freed' });
  }

  /** The log failed: until a new life has recovered, nothing is taken. */
  logFailed(): void {
    this.#step({ type: 'log.failed' });
  }

  decide(): null {
    return null;
  }

  snapshot() {
    return { machine: this.#machine, waiting: this.#waiting, facts: this.#facts };
  }

  restore(saved: unknown): void {
    const { machine, waiting, facts } = saved as ReturnType<Gate['snapshot']>;
    this.#machine = machine;
    this.#waiting = waiting;
    this.#facts = facts;
  }

  #step(event: ControllerEvent): void {
    this.#machine = table.step(this.#machine, event) ?? this.#machine;
  }
}
