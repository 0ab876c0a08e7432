/**
 * The host of all jobs and the one writer of the log.
 *
 * Why one writer: with two, "is this slot free?" and "take it" can be pulled apart by the other. Here a
 * command is checked against the state at head and its fact is appended and folded in one synchronous
 * turn; that turn is the only lock in Berth. Nothing is delivered from inside it: who wants to know pulls.
 * Test: `test/jobs/host.test.ts`.
 */
import { refusal } from '../../machines/refusals.ts';
import type { Clock } from '../clock.ts';
import {
  checkedData,
  type FactData,
  type FactType,
  factSchemaVersion,
  type JobFactType,
} from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import type { Log } from '../log/log.ts';
import { type Command, type Outcome, refused } from './commands.ts';
import { decide, type Intent } from './decide.ts';
import { type Change, fold, jobIdOf, type State, stepJob } from './state.ts';

/** Counted refusals, by code: what was asked in vain. */
export type RefusalCounts = ReadonlyMap<string, number>;

export class Host {
  readonly state: State;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #changes: Feed;
  readonly #refusals = new Map<string, number>();

  /** @param parts.state  folded up to the log's head already */
  constructor(parts: { log: Log; clock: Clock; changes: Feed; state: State }) {
    this.state = parts.state;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#changes = parts.changes;
  }

  get refusals(): RefusalCounts {
    return this.#refusals;
  }

  /**
   * Decides `command` at head and appends what follows.
   * @param author  the actor whose command it is
   * @param basis   seq up to which that actor had folded
   */
  handle(command: Command, author: string, basis: number): Outcome {
    const decision = decide(this.state, command);
    const outcome = 'append' in decision ? this.#append(decision.append, author, basis) : decision;
    if ('refused' in outcome)
      this.#refusals.set(outcome.refused, (this.#refusals.get(outcome.refused) ?? 0) + 1);
    return outcome;
  }

  #append(intent: Intent, author: string, basis: number): Outcome {
    const { stream, type, cause } = intent;
    const fact = type.slice(type.indexOf('.') + 1);
    const at = this.#clock.wallMs();
    const job = type.startsWith('job.') ? jobIdOf(`${stream}.${fact}`) : null;
    if (job !== null) {
      const before = this.state.jobs.get(job) ?? null;
      // The table first: what may not happen is refused, whatever it would have said.
      const next = stepJob(before, job, {
        type,
        seq: this.#log.head + 1,
        at,
        data: intent.data as FactRecord['data'],
      });
      if (next === null) {
        const { code, reason } = refusal(before?.state ?? 'new', type as JobFactType);
        return refused(code, reason);
      }
    }
    const data = fitting(type, intent.data);
    // What came from outside and slipped through every check must not end the life: a next one would meet it again.
    if (typeof data === 'string') return refused('ERR_INTERNAL', data);
    const { record } = this.#log.append({
      subject: `${stream}.${fact}`,
      type,
      at,
      author: intent.author ?? author,
      basis,
      cause,
      trace: intent.trace ?? null,
      schema: factSchemaVersion,
      data,
      expectedVersion: this.#log.versionOf(stream),
    });
    this.#changes.push(fold(this.state, record));
    return { seq: record.seq, id: job };
  }
}

/** The data in canonical form, or the sentence that says which bound of its fact it breaks. */
function fitting(type: FactType, data: unknown): FactData<FactType> | string {
  try {
    return checkedData(type, data);
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * The changes that some actor has not yet read, oldest first: a window over the log's tail.
 * Bounded by what the slowest actor lags; the door refuses new work before it grows past `lagMax`.
 */
export class Feed {
  #first: number;
  #changes: Change[] = [];

  /** @param head seq of the last fact that everyone has folded already */
  constructor(head = 0) {
    this.#first = head + 1;
  }

  get head(): number {
    return this.#first + this.#changes.length - 1;
  }

  get length(): number {
    return this.#changes.length;
  }

  push(change: Change): void {
    this.#changes.push(change);
  }

  /** The change at `seq`; undefined when it was trimmed or is not there yet. */
  at(seq: number): Change | undefined {
    return this.#changes[seq - this.#first];
  }

  /** Forgets changes up to `seq`. Copies only when at least half can go, so the cost is constant on average. */
  trim(seq: number): void {
    const gone = seq - this.#first + 1;
    if (gone < 1024 || gone * 2 < this.#changes.length) return;
    this.#changes = this.#changes.slice(gone);
    this.#first = seq + 1;
  }
}
