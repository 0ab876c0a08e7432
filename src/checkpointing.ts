/**
 * Checkpoints of a life: when one is taken, what is in it, and how the folds come back from it.
 *
 * Why: folding the whole log at each start is the simplest recovery there is, and the slowest once the log is
 * long. A checkpoint is the same folds, written down: like saving the weights of a training run, except that
 * here the steps behind it are kept and can be run again to check it.
 *
 * Why all folds at one seq: a slot that one fold shows as free and another as held could never be explained. So
 * the pump is brought to rest for a moment (`Pump.atRest`), the folds are frozen in that one turn, and the fact that
 * names their digest is the next in the log. Test: `test/checkpointing.test.ts`.
 */
import { machineVersions } from '../machines/versions.ts';
import { stateText } from './cast.ts';
import { BerthError } from './errors.ts';
import { freeze, thaw } from './events/frozen.ts';
import type { Sha256 } from './events/record.ts';
import type { Gate } from './intake/gate.ts';
import type { Actor } from './jobs/actor.ts';
import type { Host } from './jobs/host.ts';
import type { Pump } from './jobs/pump.ts';
import { jobIdOf, restoreState, type State } from './jobs/state.ts';
import type { Checkpoint, CheckpointDraft, Checkpoints, Folds } from './log/checkpoint.ts';
import type { Log } from './log/log.ts';
import { fromTheBeginning, lifeOf, type ReplayFrom } from './log/replay.ts';
import type { SavedViews, Views } from './views/views.ts';

/**
 * Shape and meaning of the folds; rises when either changes, and a checkpoint of another version is not used: the
 * log is then folded anew. `test/golden.test.ts` fails when it was forgotten.
 */
export const foldsVersion = `folds/2 ${Object.values(machineVersions).join(' ')}`;

/** A clean stop leaves a checkpoint when the next start would have at least so many facts to fold. */
const atStopMin = 1_000;

/** The folds of one life. */
export interface LifeFolds {
  readonly state: State;
  readonly actors: readonly Actor[];
  readonly gate: Gate;
  readonly views: Views;
}

/** All folds as plain JSON. To be called when all of them stand at one seq. */
export function freezeFolds({ state, actors, gate, views }: LifeFolds): Folds {
  const own = actors.map((actor) => [actor.name, freeze(actor.snapshot())]);
  return {
    ...Object.fromEntries(own),
    gate: freeze(gate.snapshot()),
    host: freeze(state),
    views: freeze(views.snapshot()),
  };
}

/** Brings folds that are still empty to where a checkpoint stands. */
export function restoreFolds(folds: Folds, { state, actors, gate, views }: LifeFolds): void {
  // Thawed once for each taker: a fold changes its Maps, and no two may share one.
  restoreState(state, thaw(folds['host']) as State);
  for (const actor of actors) actor.restore(thaw(folds[actor.name]));
  gate.restore(thaw(folds['gate']));
  const saved: SavedViews = {
    ...(thaw(folds['views']) as SavedViews),
    host: thaw(folds['host']) as State,
    scheduler: thaw(folds['scheduler']),
  };
  views.restore(saved);
}

/** Where a replay begins that has this checkpoint. Thawed once for each taker, as above. */
export function replayFrom({
  base,
  folds,
}: {
  readonly base: Pick<Checkpoint['base'], 'seq'>;
  readonly folds: Folds;
}): ReplayFrom {
  const begin = fromTheBeginning();
  restoreState(begin.state, thaw(folds['host']) as State);
  for (const actor of begin.deciders) actor.restore(thaw(folds[actor.name]));
  const { epoch, configured } = begin.state.controller;
  return { ...begin, seq: base.seq, life: lifeOf(epoch, configured) };
}

export interface CheckpointerParts {
  readonly folds: LifeFolds;
  readonly log: Log;
  readonly host: Host;
  readonly pump: Pump;
  readonly checkpoints: Checkpoints;
  readonly sha256: Sha256;
  /** Facts between two checkpoints; 0: none are taken. */
  readonly everyFacts: number;
  /** Seq of the checkpoint that this life began from; 0 without one. */
  readonly lastSeq: number;
  readonly onTrouble: (message: string, fields: Record<string, unknown>) => void;
  /** Seq up to which those who read the log from outside have come: what they still need is not moved aside. */
  readonly readUpTo: () => number;
}

export class Checkpointer {
  readonly #parts: CheckpointerParts;
  #lastSeq: number;
  #underWay: Promise<void> | null = null;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
    this.#lastSeq = parts.lastSeq;
  }

  /** Takes a checkpoint when enough facts came since the last. Cheap; to be called whenever facts became durable. */
  consider(): void {
    const { everyFacts, log } = this.#parts;
    if (everyFacts > 0 && log.durable - this.#lastSeq >= everyFacts) void this.#take();
  }

  /** Before a clean stop: makes the next start short. Never rejects. */
  async atStop(): Promise<void> {
    const { everyFacts, log } = this.#parts;
    await this.#underWay;
    if (everyFacts > 0 && log.head - this.#lastSeq >= Math.min(atStopMin, everyFacts))
      await this.#take(false);
  }

  /** Resolves when no checkpoint is under way. Never rejects. */
  async idle(): Promise<void> {
    await this.#underWay;
  }

  /** One at a time. What fails is told, and tried again after as many facts: a life goes on without checkpoints. */
  #take(retires = true): Promise<void> {
    this.#underWay ??= this.#takeNow(retires)
      .catch((error: unknown) => {
        // The life ended before the moment came: the next one takes it.
        if (
          error instanceof BerthError &&
          (error.code === 'ERR_READ_ONLY' || error.code === 'ERR_LOG_FAILED')
        )
          return;
        this.#parts.onTrouble('no checkpoint could be written', { error: (error as Error).message });
      })
      .finally(() => {
        this.#underWay = null;
      });
    return this.#underWay;
  }

  async #takeNow(retires: boolean): Promise<void> {
    const { checkpoints, log, pump, readUpTo } = this.#parts;
    // Counted from the try on, so that a full disk is not asked at every flush.
    this.#lastSeq = log.durable;
    const { draft, firstNeeded } = await pump.atRest(() => this.#draft());
    this.#lastSeq = draft.seq;
    await log.whenDurable(draft.seq + 1);
    await checkpoints.write(draft);
    // A stop has no time for it; the next checkpoint does it.
    if (retires) await checkpoints.retire(Math.min(firstNeeded - 1, readUpTo()));
  }

  /** In one turn: the boundary, the folds, and the fact that binds them to the chain. */
  #draft(): { readonly draft: CheckpointDraft; readonly firstNeeded: number } {
    const { checkpoints, folds, host, log, sha256 } = this.#parts;
    const { state, actors } = folds;
    const base = log.cutSegment(
      (stream) => stream.startsWith('job.') && state.jobs.has(jobIdOf(`${stream}.`)),
    );
    const checkpoint: Checkpoint = { base, version: foldsVersion, folds: freezeFolds(folds) };
    const draft = checkpoints.draft(checkpoint);
    const stateHash = sha256(stateText(state, actors));
    const data = { folds: foldsVersion, ofSeq: base.seq, sha256: draft.sha256, stateHash };
    host.handle(
      { kind: 'Note', type: 'controller.checkpointed', stream: 'controller', data },
      'controller',
      base.seq,
    );
    // Not `Math.min(...firsts)`: a function takes some hundred thousand arguments, and more jobs may be kept.
    const firstNeeded = base.streams.reduce(
      (least, [, , [first]]) => Math.min(least, first ?? least),
      base.seq + 1,
    );
    return { draft, firstNeeded };
  }
}
