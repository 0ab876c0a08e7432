/**
 * An actor: a fold and a decision. It reads the log at its own pace and asks the writer for facts.
 *
 * Why so little: an actor that owned state besides its fold could disagree with the log after a crash.
 * What it has to do is a fold too ("all jobs in the state that waits for me"), so a lost wake-up or a
 * restart loses no work, and doing it twice is refused as stale.
 */
import type { Command, Outcome } from './commands.ts';
import type { Change } from './state.ts';

export interface Actor {
  /** `author` of the facts that follow from its commands. */
  readonly name: string;
  /**
   * How far it may read. `head`: facts that are in order but perhaps not yet on disk; harmless, because a
   * crash drops a suffix with all that rested on it. `durable`: for whoever acts on the world outside.
   */
  readonly reads: 'head' | 'durable';
  /** Remembers what a change did: job before, job after. No effects. Called in recovery too. */
  fold(change: Change): void;
  /** The next command, from what is folded; null when there is nothing to do. Pure but for local to-do lists. */
  decide(): Command | null;
  /**
   * Told what became of its command. For actors whose to-do list is not only their fold (timers that fell due,
   * findings, reports): each thing is said once, so a refusal must not hold up the next. An actor without this
   * says the same again until its fold moves, so its turn ends with a refusal.
   */
  answered?(command: Command, outcome: Outcome): void;
  /** Acts on the world outside, after folding; only actors that read to `durable` have this. */
  act?(): void;
  /**
   * All that it has folded, as plain data (Maps and Sets too): equal after any crash. Its canonical text goes into
   * the state hash, its frozen form (`events/frozen.ts`, which keeps the order of Maps) into checkpoints.
   */
  snapshot(): unknown;
  /**
   * Takes over what `snapshot` gave, thawed; called at most once, on an actor that has folded nothing. From then on
   * it folds as if it had folded every fact up to there itself.
   */
  restore(saved: unknown): void;
}
