/**
 * The checkpoint: all folds at one seq, so that a start reads the tail of the log and not its history.
 *
 * Why it can be trusted: the fact right behind it, `controller.checkpointed`, holds the digest of its text and so
 * stands in the hash chain itself. A checkpoint that does not match that fact is not used; the log is folded from
 * the one before it, or from the beginning. A checkpoint is a shortcut, never a second truth.
 * Test: `test/log/checkpoint.test.ts`.
 */
import type { LogBase } from './log.ts';

/** Snapshots by name of the fold, frozen (`events/frozen.ts`): plain JSON. */
export type Folds = Readonly<Record<string, unknown>>;

/** All folds at `base.seq`. */
export interface Checkpoint {
  readonly base: LogBase;
  /** What must be equal for the folds to be ours: versions of folds and machines, as one text. */
  readonly version: string;
  readonly folds: Folds;
}

/** A checkpoint on its way to the disk. */
export interface CheckpointDraft {
  readonly seq: number;
  readonly text: string;
  /** Digest of `text`. */
  readonly sha256: string;
}

/** Where checkpoints are kept. */
export interface Checkpoints {
  /** The text and its digest. No I/O. */
  draft(checkpoint: Checkpoint): CheckpointDraft;
  /** Writes it, durably and whole or not at all; the newest two stay. Rejects with Node's errors. */
  write(draft: CheckpointDraft): Promise<void>;
  /**
   * Moves segments aside that end at or before `upToSeq` and that no kept checkpoint needs; does nothing where
   * everything is to be kept. See `retire.ts`. Rejects with Node's errors.
   */
  retire(upToSeq: number): Promise<void>;
  /**
   * The oldest checkpoint that is kept and that the chain has proven, to be read once; null when there is none. No fact
   * behind it is retired. Rejects with Node's errors.
   */
  oldest(): Promise<StoredCheckpoint | null>;
}

/** A checkpoint as it lies on the disk. */
export interface StoredCheckpoint {
  readonly seq: number;
  /** Of the text, which is a `Checkpoint` as JSON. */
  readonly bytes: number;
  /** The text as UTF-8, to be read to its end or given up. */
  text(): AsyncIterable<Uint8Array>;
}
