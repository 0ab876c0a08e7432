/**
 * The player: a log, and the whole controller as it was after any of its facts.
 *
 * Why it folds instead of asking a server: the folds are the production code, so what is seen here at seq 1,234 is
 * what the controller held at seq 1,234, and its state hash proves it. It is how one debugs a kernel by replaying its
 * inputs, not by believing its printf. The same player serves the live page, an exported file and a simulated log.
 *
 * Why two lives: one is the furthest that was folded, and only moves on; it leaves the keyframes behind. The other is
 * what is looked at. So a log can grow while someone looks at its beginning, and the way back to its head costs nothing.
 *
 * Core: no Node, no DOM, no clock. Test: `test/dashboard/player.test.ts`; how long a seek takes: `test/browser/recorder.long.test.ts`.
 */
import { type Cast, stateText } from '../cast.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import type { Gate } from '../intake/gate.ts';
import { fold, type State } from '../jobs/state.ts';
import type { Folds } from '../log/checkpoint.ts';
import type { Views } from '../views/views.ts';
import { type Keeping, Keyframes, type PlayedLife, thawedLife, usualKeeping } from './keyframes.ts';

/** A fact as it comes to the page: a tenant's has neither `prev` nor `hash`. */
export type PlayedRecord = Omit<FactRecord, 'hash' | 'prev'> & Partial<Pick<FactRecord, 'hash' | 'prev'>>;

/** All folds at one seq, to look at. Not to be changed, and stale once the player has moved. */
export interface Moment {
  /** Seq of the last folded fact; 0 before the first. */
  readonly seq: number;
  readonly state: State;
  readonly views: Views;
  readonly cast: Cast;
  readonly gate: Gate;
}

/** Where the log can't be folded any further. */
export interface Halt {
  readonly seq: number;
  readonly reason: string;
}

/** What lies before the first record: nothing, or the folds of a checkpoint. */
export interface Beginning {
  readonly seq: number;
  readonly folds: Folds;
}

/** How many of these records, which ascend by seq, lie at or before `seq`. */
export function countUpTo(records: readonly PlayedRecord[], seq: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.seq <= seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A life and how many records are folded into it. */
interface Head {
  life: PlayedLife;
  at: number;
}

export class Player {
  readonly #sha256: Sha256;
  readonly #records: PlayedRecord[] = [];
  readonly #beginSeq: number;
  readonly #beginning: Beginning | null;
  #stateAtBegin: State | null = null;
  readonly #keyframes: Keyframes;
  /** Folded furthest. */
  readonly #front: Head;
  /** Looked at; the very same as `#front` while nobody looks back. */
  #seen: Head;
  #halt: Halt | null = null;

  constructor(sha256: Sha256, beginning: Beginning | null = null, keeping: Keeping = usualKeeping) {
    this.#sha256 = sha256;
    this.#beginSeq = beginning?.seq ?? 0;
    this.#beginning = beginning;
    this.#front = { life: thawedLife(beginning?.folds ?? null), at: 0 };
    this.#seen = this.#front;
    this.#keyframes = new Keyframes(this.#front.life, keeping);
  }

  /** All records, ascending by seq; those of a tenant's view have gaps. */
  get records(): readonly PlayedRecord[] {
    return this.#records;
  }

  /** Seq before the first record. */
  get beginSeq(): number {
    return this.#beginSeq;
  }

  /** The folds before the first record; null where the log begins with its first fact. */
  get beginning(): Beginning | null {
    return this.#beginning;
  }

  /** Seq of the last record. */
  get headSeq(): number {
    return this.#seqAfter(this.#records.length);
  }

  /** Seq up to which the log was folded once; from there on a seek takes longer. */
  get foldedSeq(): number {
    return this.#seqAfter(this.#front.at);
  }

  get halt(): Halt | null {
    return this.#halt;
  }

  /** The hash that ids and state hashes are made with. */
  get sha256(): Sha256 {
    return this.#sha256;
  }

  /** The writer's fold before the first record; null where the log begins with its first fact. Not to be changed. */
  get stateAtBegin(): State | null {
    if (this.#beginning) this.#stateAtBegin ??= thawedLife(this.#beginning.folds).state;
    return this.#stateAtBegin;
  }

  get moment(): Moment {
    const { state, views, cast, gate } = this.#seen.life;
    return { seq: this.#seqAfter(this.#seen.at), state, views, cast, gate };
  }

  /** The record of this seq; undefined where there is none. */
  recordAt(seq: number): PlayedRecord | undefined {
    const record = this.#records[this.#countUpTo(seq) - 1];
    return record?.seq === seq ? record : undefined;
  }

  /** Seq of the record that lies `by` records behind the last one at or before `seq`; ends at the ends of what can be folded. */
  seqBeyond(seq: number, by: number): number {
    const end = this.#halt ? this.#countUpTo(this.#halt.seq - 1) : this.#records.length;
    return this.#seqAfter(Math.max(0, Math.min(this.#countUpTo(seq) + by, end)));
  }

  /** Adds records behind the last one; those that are there already are passed over. Does not move. */
  append(records: readonly PlayedRecord[]): void {
    for (const record of records) if (record.seq > this.headSeq) this.#records.push(record);
  }

  /**
   * Folds up to `recordsMax` more records, so that a later seek need not: to be called between two pictures. What is
   * looked at stays, unless that was as far as the log is folded: then it moves along. False: all is folded, or halted.
   */
  advance(recordsMax: number): boolean {
    const target = Math.min(this.#front.at + recordsMax, this.#records.length);
    this.#advanceTo(target);
    return this.#halt === null && this.#front.at < this.#records.length;
  }

  /** Moves to the last fact at or before `seq`, as far as the log can be folded. */
  seek(seq: number): void {
    const target = this.#countUpTo(seq);
    if (target >= this.#front.at) {
      this.#seen = this.#front;
      this.#advanceTo(target);
      return;
    }
    const frame = this.#keyframes.before(target);
    const isBehind = this.#seen === this.#front || this.#seen.at > target || this.#seen.at < frame.at;
    if (isBehind) this.#seen = { life: frame.restored(), at: frame.at };
    // Nothing before the front can halt.
    while (this.#seen.at < target) this.#step(this.#seen);
  }

  /** Hash over all folds at the present moment: that of `controller.recovered` and of `berth log replay --to`. */
  stateHash(): string {
    const { state, actors } = this.#seen.life;
    return this.#sha256(stateText(state, actors));
  }

  #seqAfter(records: number): number {
    return records === 0 ? this.#beginSeq : this.#records[records - 1]!.seq;
  }

  /** How many records have a seq up to this one. */
  #countUpTo(seq: number): number {
    return countUpTo(this.#records, seq);
  }

  #step(head: Head): void {
    const { state, actors, gate, views } = head.life;
    const change = fold(state, this.#records[head.at] as FactRecord);
    for (const actor of actors) actor.fold(change);
    gate.fold(change);
    views.fold(change);
    head.at += 1;
  }

  #advanceTo(target: number): void {
    const front = this.#front;
    while (this.#halt === null && front.at < target) {
      try {
        this.#step(front);
      } catch (error) {
        this.#halt = { seq: this.#records[front.at]!.seq, reason: (error as Error).message };
        this.#foldAnew(front.at);
        return;
      }
      this.#keyframes.consider(front.at, front.life);
    }
  }

  /** Half of a fact was folded: begins again from a keyframe, up to the fact before it. */
  #foldAnew(target: number): void {
    const frame = this.#keyframes.before(target);
    this.#front.life = frame.restored();
    this.#front.at = frame.at;
    while (this.#front.at < target) this.#step(this.#front);
  }
}
