/**
 * The player: a log, and the whole controller as it was after any of its facts.
 *
 * Why it folds instead of asking a server: the folds are the production code, so what is seen here at seq 1,234 is
 * what the controller held at seq 1,234, and its state hash proves it. It is how one debugs a kernel by replaying its
 * inputs, not by believing its printf. The same player serves the live page, an exported file and a simulated log.
 *
 * Why keyframes: folding from the first fact for each move of a slider would take seconds. Every so many facts all folds are
 * frozen, as a video codec keeps whole pictures between its differences; a seek restores the nearest one before and folds on.
 *
 * Core: no Node, no DOM, no clock. Test: `test/dashboard/player.test.ts`.
 */
import { type Cast, castMuted, stateText } from '../cast.ts';
import { freezeFolds, type LifeFolds, restoreFolds } from '../checkpointing.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import { Gate } from '../intake/gate.ts';
import { fold, newState, type State } from '../jobs/state.ts';
import type { Folds } from '../log/checkpoint.ts';
import { Views } from '../views/views.ts';

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

interface Keyframe {
  readonly seq: number;
  readonly folds: Folds;
  /** How many records are folded in it. */
  readonly at: number;
}

const spacingFirst = 1_000;
/** Keyframes held; each weighs about as much as the names of all jobs. */
const keyframesMax = 64;

export class Player {
  readonly #sha256: Sha256;
  readonly #records: PlayedRecord[] = [];
  #keyframes: Keyframe[];
  /** Records between two keyframes; doubles when there are too many of them. */
  #spacing = spacingFirst;
  #life: LifeFolds & { readonly cast: Cast };
  /** Records folded into `#life`. */
  #at = 0;
  #halt: Halt | null = null;
  readonly #beginning: Beginning | null;

  constructor(sha256: Sha256, beginning: Beginning | null = null) {
    this.#sha256 = sha256;
    this.#beginning = beginning;
    this.#life = lifeFrom(beginning?.folds ?? null);
    this.#keyframes = [
      { seq: beginning?.seq ?? 0, at: 0, folds: beginning?.folds ?? freezeFolds(this.#life) },
    ];
  }

  /** All records, ascending by seq; those of a tenant's view have gaps. */
  get records(): readonly PlayedRecord[] {
    return this.#records;
  }

  /** Seq before the first record. */
  get beginSeq(): number {
    return this.#beginning?.seq ?? 0;
  }

  /** Seq of the last record. */
  get headSeq(): number {
    return this.#records.at(-1)?.seq ?? this.beginSeq;
  }

  get halt(): Halt | null {
    return this.#halt;
  }

  get moment(): Moment {
    const { state, views, cast, gate } = this.#life;
    const seq = this.#at === 0 ? this.beginSeq : this.#records[this.#at - 1]!.seq;
    return { seq, state, views, cast, gate };
  }

  /** The record of this seq; undefined where there is none. */
  recordAt(seq: number): PlayedRecord | undefined {
    const record = this.#records[this.#countUpTo(seq) - 1];
    return record?.seq === seq ? record : undefined;
  }

  /** Adds records behind the last one; those that are there already are passed over. Does not move. */
  append(records: readonly PlayedRecord[]): void {
    for (const record of records) if (record.seq > this.headSeq) this.#records.push(record);
  }

  /** Moves to the last fact at or before `seq`, as far as the log can be folded. */
  seek(seq: number): void {
    const target = this.#countUpTo(seq);
    const frame = this.#keyframes.findLast(({ at }) => at <= target)!;
    if (target < this.#at || frame.at > this.#at) {
      this.#life = lifeFrom(frame.folds);
      this.#at = frame.at;
    }
    while (this.#at < target && this.#step());
  }

  /** Hash over all folds at the present moment: that of `controller.recovered` and of `berth log replay --to`. */
  stateHash(): string {
    return this.#sha256(stateText(this.#life.state, this.#life.actors));
  }

  /** How many records have a seq up to this one. */
  #countUpTo(seq: number): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#records[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #step(): boolean {
    const record = this.#records[this.#at]! as FactRecord;
    if (this.#halt && record.seq >= this.#halt.seq) return false;
    try {
      const { state, actors, gate, views } = this.#life;
      const change = fold(state, record);
      for (const actor of [...actors, gate, views]) actor.fold(change);
    } catch (error) {
      this.#halt = { seq: record.seq, reason: (error as Error).message };
      // What was folded of it is undone: the moment is the one before.
      this.#life = lifeFrom(this.#keyframes.findLast(({ at }) => at <= this.#at)!.folds);
      const good = this.#at;
      this.#at = this.#keyframes.findLast(({ at }) => at <= good)!.at;
      while (this.#at < good && this.#step());
      return false;
    }
    this.#at += 1;
    this.#keep(record.seq);
    return true;
  }

  #keep(seq: number): void {
    const last = this.#keyframes.at(-1)!;
    if (this.#at - last.at < this.#spacing) return;
    this.#keyframes.push({ seq, at: this.#at, folds: freezeFolds(this.#life) });
    if (this.#keyframes.length <= keyframesMax) return;
    this.#keyframes = this.#keyframes.filter((_, i) => i % 2 === 0);
    this.#spacing *= 2;
  }
}

function lifeFrom(folds: Folds | null): LifeFolds & { readonly cast: Cast } {
  const state = newState();
  const cast = castMuted(state);
  const gate = new Gate();
  const views = new Views();
  views.leanOn(state, cast.scheduler);
  const life = { state, cast, actors: cast.all, gate, views };
  if (folds) restoreFolds(folds, life);
  return life;
}
