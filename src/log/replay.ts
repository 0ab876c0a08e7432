/**
 * Replay: makes every decision of a log again, with the production code, and names the first that comes out otherwise.
 *
 * Why: a log proves what was decided, not that it follows from what was known. Here the inputs are fed in at
 * their recorded seq, and at each decision the actor whose it was, folded exactly as far as it says it had read, is
 * asked what it would do; the writer turns that into a fact, and the fact must be the recorded one. It is to a
 * scheduler what re-running a training step from saved weights and saved batches is: same in, same out, or somebody
 * changed something. So "why was my job overtaken?" can be answered after an upgrade, too: replay with the version that
 * decided, and with the one that would decide now.
 *
 * Core: no Node, no clock; it runs in the page as it does here. Hashes and links are the readers' business.
 * Test: `test/log/replay.test.ts`.
 */
import { checkedData, type FactData, type FactType, isFactType } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import type { Actor } from '../jobs/actor.ts';
import type { Command } from '../jobs/commands.ts';
import { Concluder } from '../jobs/concluder.ts';
import { decide } from '../jobs/decide.ts';
import { commandOf, isDecision } from '../jobs/inputs.ts';
import { type Change, fold, jobIdOf, newState, type State } from '../jobs/state.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { SlotManager } from '../slots/slot-manager.ts';

/**
 * How far behind head a decision may have been made. Who decides reads to head before each decision, so the distance
 * is 1; the bound keeps what must be remembered small, however long the log.
 */
const basisLagMax = 4_096;

/** What a fact says, without its place in the log. */
export interface Said {
  readonly subject: string;
  readonly type: string;
  readonly author: string;
  readonly cause: number | null;
  readonly trace: string | null;
  readonly data: unknown;
}

/** By which rules a life judged, as it recorded them itself. */
export interface Life {
  readonly epoch: number;
  /** Version of Berth; null before the life's `controller.configured`. */
  readonly version: string | null;
  /** Versions of its machines; null where the log is older than this member. */
  readonly machines: Readonly<Record<string, string>> | null;
  readonly policy: string | null;
  readonly placement: string | null;
}

/** A record that does not follow from the records before it. */
export interface Divergence {
  readonly seq: number;
  readonly subject: string;
  /** `illegal`: no state, or no schema, has a place for it. */
  readonly kind: 'decision' | 'input' | 'illegal';
  readonly reason: string;
  /** What the present code says in its place; null: nothing. */
  readonly expected: Said | null;
  readonly found: Said;
  /** Members in which the two differ: `subject`, `data.slots`. Empty when nothing was expected. */
  readonly differs: readonly string[];
  /** The life that wrote it. */
  readonly life: Life;
}

/** What one record did. `change` is null for an illegal one: it can't be folded, and the replay is over. */
export interface Judged {
  readonly change: Change | null;
  readonly divergence: Divergence | null;
}

/** Folds to begin from, all at `seq`: empty, or restored from a checkpoint. */
export interface ReplayFrom {
  readonly seq: number;
  readonly state: State;
  /** Those who decide. */
  readonly deciders: readonly Actor[];
  readonly life: Life;
}

/** The life of `epoch`, as it configured itself; null before it has. */
export function lifeOf(epoch: number, configured: FactData<'controller.configured'> | null): Life {
  if (!configured) return { epoch, version: null, machines: null, policy: null, placement: null };
  const { machines = null, placement, policy, version } = configured;
  return { epoch, version, machines, policy, placement };
}

/** Nothing folded yet: a replay from the first record on. */
export const fromTheBeginning = (): ReplayFrom => ({
  seq: 0,
  state: newState(),
  deciders: [new Concluder(), new Scheduler(), new SlotManager()],
  life: lifeOf(0, null),
});

interface Seat {
  readonly actor: Actor;
  /** Seq up to which it has folded. */
  cursor: number;
}

export class Replayer {
  /** The writer's fold at the last record fed. */
  readonly state: State;
  /** Records judged so far. */
  readonly counts = { decisions: 0, inputs: 0 };
  readonly #seats: ReadonlyMap<string, Seat>;
  /** Changes that some seat has not folded yet; the first is of seq `#first`. */
  #window: Change[] = [];
  #first: number;
  #life: Life;

  constructor({ seq, state, deciders, life }: ReplayFrom = fromTheBeginning()) {
    this.state = state;
    this.#first = seq + 1;
    this.#seats = new Map(deciders.map((actor) => [actor.name, { actor, cursor: seq }]));
    this.#life = life;
  }

  /** The life that wrote the last record fed. */
  get life(): Life {
    return this.#life;
  }

  /** Judges the next record, then folds it. After an illegal one there is no next. */
  feed(record: FactRecord): Judged {
    this.#live(record);
    const divergence = this.#judge(record);
    if (divergence?.kind === 'illegal') return { change: null, divergence };
    try {
      const change = fold(this.state, record);
      this.#remember(change);
      return { change, divergence };
    } catch (error) {
      // What should have stood here says more than that this may not.
      return { change: null, divergence: divergence ?? this.#illegal(record, (error as Error).message) };
    }
  }

  #judge(record: FactRecord): Divergence | null {
    const { type } = record;
    if (!isFactType(type)) return this.#illegal(record, `no fact is called ${type}`);
    const before = type.startsWith('job.') ? (this.state.jobs.get(jobIdOf(record.subject)) ?? null) : null;
    if (!isDecision(type, before?.state ?? null)) {
      this.counts.inputs += 1;
      const fault = faultIn(type, record.data);
      if (fault !== null) return this.#illegal(record, fault);
      return this.#compared(record, 'input', commandOf(record));
    }
    this.counts.decisions += 1;
    const seat = this.#seats.get(record.author);
    if (!seat) return this.#divergence(record, 'decision', null, `${record.author} decides nothing`);
    const { basis, seq } = record;
    if (basis >= seq || basis < seat.cursor || seq - basis > basisLagMax) {
      const reason = `${record.author} can't have read up to seq ${basis} when it decided this`;
      return this.#divergence(record, 'decision', null, reason);
    }
    this.#advance(seat, basis);
    const command = seat.actor.decide();
    if (command === null)
      return this.#divergence(record, 'decision', null, `${record.author} had nothing to decide`);
    return this.#compared(record, 'decision', command);
  }

  /** Puts the command to the writer, at the state before the record, and compares. */
  #compared(record: FactRecord, kind: 'decision' | 'input', command: Command): Divergence | null {
    const expected = saidBy(this.state, command, record);
    if (typeof expected === 'string') return this.#divergence(record, kind, null, expected);
    if (isSaidIn(expected, record)) return null;
    const differs = membersThatDiffer(expected, saidIn(record));
    if (differs.length === 0) return null;
    return this.#divergence(record, kind, expected, `another ${differs.join(', ')}`);
  }

  #divergence(
    record: FactRecord,
    kind: Divergence['kind'],
    expected: Said | null,
    reason: string,
  ): Divergence {
    const { seq, subject } = record;
    const found = saidIn(record);
    const differs = expected ? membersThatDiffer(expected, found) : [];
    return { seq, subject, kind, reason, expected, found, differs, life: this.#life };
  }

  #illegal(record: FactRecord, reason: string): Divergence {
    return this.#divergence(record, 'illegal', null, reason);
  }

  /** Who reads `controller.recovered` is in another life, whose rules are not told yet. */
  #live({ epoch, type, data }: FactRecord): void {
    if (epoch !== this.#life.epoch) this.#life = lifeOf(epoch, null);
    if (type !== 'controller.configured') return;
    this.#life = lifeOf(epoch, data as FactData<'controller.configured'>);
  }

  #advance(seat: Seat, seq: number): void {
    while (seat.cursor < seq) {
      seat.cursor += 1;
      const change = this.#window[seat.cursor - this.#first];
      if (change) seat.actor.fold(change);
    }
  }

  /** Keeps a change until every seat has folded it. Half of the window goes at once, so the cost is constant on average. */
  #remember(change: Change): void {
    this.#window.push(change);
    if (this.#window.length < 2 * basisLagMax) return;
    const upTo = this.#first + basisLagMax - 1;
    for (const seat of this.#seats.values()) this.#advance(seat, upTo);
    this.#window = this.#window.slice(basisLagMax);
    this.#first += basisLagMax;
  }
}

/** How the data of an input breaks its schema; null when it fits. */
function faultIn(type: FactType, data: unknown): string | null {
  try {
    const told = JSON.stringify(checkedData(type, data));
    return told === JSON.stringify(data) ? null : 'its data is not in canonical form';
  } catch (error) {
    return (error as Error).message;
  }
}

/** The fact that the writer would append for `command`, or why it would append none. */
function saidBy(state: State, command: Command, record: FactRecord): Said | string {
  try {
    const decision = decide(state, command);
    if ('refused' in decision) return `refused with ${decision.refused}: ${decision.reason}`;
    if ('same' in decision) return `nothing to do: ${decision.same}`;
    const { stream, type, cause, data, trace = null, author = record.author } = decision.append;
    const subject = `${stream}.${type.slice(type.indexOf('.') + 1)}`;
    // The schema only puts members in order here, and takes most of the time: what is the same to the letter needs none.
    const isSame = type === record.type && JSON.stringify(data) === JSON.stringify(record.data);
    return { subject, type, author, cause, trace, data: isSame ? record.data : checkedData(type, data) };
  } catch (error) {
    return (error as Error).message;
  }
}

/** The quick look: most facts are the same, and `saidBy` has compared the data already. */
const isSaidIn = (said: Said, record: FactRecord): boolean =>
  said.data === record.data &&
  said.subject === record.subject &&
  said.author === record.author &&
  said.cause === record.cause &&
  said.trace === record.trace;

const saidIn = ({ subject, type, author, cause, trace, data }: FactRecord): Said => ({
  subject,
  type,
  author,
  cause,
  trace,
  data,
});

/** Paths of the members that differ; those of `data` one by one when both are of one type. */
export function membersThatDiffer<T extends Pick<Said, 'type' | 'data'>>(a: T, b: T): string[] {
  const outer = differing(a, b);
  if (!outer.includes('data') || a.type !== b.type) return outer;
  const inner = differing(a.data as object, b.data as object).map((name) => `data.${name}`);
  return [...outer.filter((name) => name !== 'data'), ...inner];
}

function differing(a: object, b: object): string[] {
  const [left, right] = [a, b] as [Record<string, unknown>, Record<string, unknown>];
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return names.filter((name) => JSON.stringify(left[name]) !== JSON.stringify(right[name]));
}
