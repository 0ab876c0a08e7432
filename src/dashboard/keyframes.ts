/**
 * Keyframes: all folds at some places of a log, each whole, from which a fold can go on.
 *
 * Why: folding from the first fact for each move of a slider would take seconds. Every so many facts all folds are
 * copied, as a video codec keeps whole pictures between its differences; a seek restores the nearest one before and
 * folds on. Why copies and not the JSON of a checkpoint: only Maps and Sets are copied here, and what they hold is
 * shared, as folds replace what they hold and never change it. Test: `test/dashboard/player.test.ts`.
 */
import { type Cast, castMuted } from '../cast.ts';
import { type LifeFolds, restoreFolds } from '../checkpointing.ts';
import { Gate } from '../intake/gate.ts';
import { newState, restoreState, type State } from '../jobs/state.ts';
import type { Folds } from '../log/checkpoint.ts';
import { type SavedViews, Views } from '../views/views.ts';

/** All folds of one life, with nobody to take their commands. */
export type PlayedLife = LifeFolds & { readonly cast: Cast };

/** How many keyframes are kept. */
export interface Keeping {
  /** Facts between two at the beginning of a log; doubles whenever there are too many. */
  readonly spacing: number;
  /** Each weighs about as much as the names of all jobs that are held. */
  readonly framesMax: number;
}

/** 100,000 facts have a hundred: a seek folds 500 facts on average, and loading copies little. */
export const usualKeeping: Keeping = { spacing: 1_000, framesMax: 128 };

export interface Keyframe {
  /** How many records are folded in it. */
  readonly at: number;
  /** A life that stands there, of its own. */
  readonly restored: () => PlayedLife;
}

/** A life from the folds of a checkpoint, or from nothing. */
export function thawedLife(folds: Folds | null): PlayedLife {
  const life = newLife();
  if (folds) restoreFolds(folds, life);
  return life;
}

export class Keyframes {
  #frames: readonly Keyframe[];
  #spacing: number;
  readonly #framesMax: number;

  /** @param first the life before the first record */
  constructor(first: PlayedLife, { framesMax, spacing }: Keeping) {
    this.#frames = [keyframeOf(0, first)];
    this.#framesMax = framesMax;
    this.#spacing = spacing;
  }

  /** The last one with at most so many records. */
  before(records: number): Keyframe {
    return this.#frames.findLast(({ at }) => at <= records)!;
  }

  /** The fold has come to `at` records: keeps a frame when the last one is far enough behind. */
  consider(at: number, life: PlayedLife): void {
    if (at - this.#frames.at(-1)!.at < this.#spacing) return;
    this.#frames = [...this.#frames, keyframeOf(at, life)];
    if (this.#frames.length <= this.#framesMax) return;
    this.#frames = this.#frames.filter((_, i) => i % 2 === 0);
    this.#spacing *= 2;
  }
}

function newLife(): PlayedLife {
  const state = newState();
  const cast = castMuted(state);
  const gate = new Gate();
  const views = new Views();
  views.leanOn(state, cast.scheduler);
  return { state, cast, actors: cast.all, gate, views };
}

function keyframeOf(at: number, { state, actors, gate, views }: PlayedLife): Keyframe {
  const own = new Map(actors.map((actor) => [actor.name, copied(actor.snapshot())]));
  const [host, ofGate, ofViews] = [state, gate.snapshot(), views.snapshot()].map(copied);
  return {
    at,
    restored: () => {
      const life = newLife();
      restoreState(life.state, host as State);
      for (const actor of life.actors) actor.restore(own.get(actor.name));
      life.gate.restore(ofGate);
      const saved = { ...(ofViews as object), host, scheduler: own.get('scheduler') };
      life.views.restore(saved as SavedViews);
      return life;
    },
  };
}

/**
 * The value with Maps, Sets, arrays and the objects around them of its own; what a Map or a Set holds is shared.
 * Folds put another thing in its place when it changes.
 */
function copied(value: unknown): unknown {
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  if (Array.isArray(value)) return value.map(copied);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copied(item)]));
}
