/**
 * The port of the log: an append-only sequence of facts, the only truth Berth keeps.
 *
 * Why a log and not a table: a table forgets how it came to be. With the facts in one order, every
 * state, past ones too, is a fold, and a crash loses nothing but a suffix that nobody was told about.
 *
 * `append` is synchronous and gives a fact its place; a background flush makes it durable. Inside the
 * process everyone may act on what is appended; what leaves the process waits for `whenDurable`.
 * One conformance suite, `test/log/conformance.ts`, holds for every adapter.
 */
import type { FactRecord } from '../events/record.ts';

/** A fact about to be appended; the log adds seq, version, id, epoch, prev and hash. */
export interface Draft {
  readonly subject: string;
  readonly type: string;
  /** Wall clock, ms since the Unix epoch. */
  readonly at: number;
  readonly author: string;
  readonly basis: number;
  readonly cause: number | null;
  readonly trace: string | null;
  readonly schema: number;
  /** Members in canonical (sorted) order; see `events/facts.ts`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Version of the stream that the writer has seen: the new fact becomes `expectedVersion + 1`. */
  readonly expectedVersion: number;
}

export interface Appended {
  readonly record: FactRecord;
  /** True when this very fact was there already (same message id, type and data): a retry, nothing was written. */
  readonly duplicate: boolean;
}

export interface Log {
  /** Which adapter, and what durable means there, for the banner. */
  readonly durability: string;
  /** Seq of the last appended fact; 0 when empty. */
  readonly head: number;
  /** Seq up to which everything survives a crash, as the adapter defines it. Never above `head`. */
  readonly durable: number;
  /** Hash of the record at `head`. */
  readonly headHash: string;
  /** This writer's epoch: one more than any in the log when it was opened. */
  readonly epoch: number;
  /** Bytes appended and not yet handed to the disk; 0 where there is none. */
  readonly pendingBytes: number;
  /** Why nothing can be appended any more; null while all is well. */
  readonly failure: Error | null;

  /**
   * Gives the fact its place, at once. Delivers nothing and does no I/O.
   * Throws `ERR_LOG_CONFLICT` when the stream is not at `expectedVersion` and the fact is no retry,
   * `ERR_LOG_FAILED` after a failed write, sync or after `close`.
   */
  append(draft: Draft): Appended;
  /** Present version of a stream; 0 when it has no fact. */
  versionOf(stream: string): number;
  /**
   * Facts `from`, `from + 1` … at most `limit` (1…10,000), never past `head`.
   * Rejects with `ERR_NOT_FOUND` when `from` is retired: an answer that begins later would hide a gap.
   */
  read(from: number, limit: number): Promise<FactRecord[]>;
  /**
   * All facts of one stream, oldest first, at most `limit` from version `fromVersion` (1-based) on. What a cut has
   * forgotten and what is retired is left out at the beginning; `version` of the first record says how much.
   */
  readStream(stream: string, fromVersion?: number, limit?: number): Promise<FactRecord[]>;
  /** Resolves when `seq` is durable; rejects with `ERR_LOG_FAILED` when that can't happen any more. */
  whenDurable(seq: number): Promise<void>;
  /** Called after `durable` moved, and once when the log failed. Returns a function that stops it. */
  onChange(listener: () => void): () => void;
  /**
   * Ends the present segment behind `head`, which must be durable: the next fact begins a new one, so that a start
   * can read from there on. Forgets the seqs of streams that `keeps` is false for; their versions stay known.
   * No I/O. Returns where the log stands. Throws `ERR_LOG_FAILED` after a failure.
   */
  cutSegment(keeps: (stream: string) => boolean): LogBase;
  /** Makes all durable, marks a clean end, releases the files. Idempotent. */
  close(): Promise<void>;
}

/** Where a log stands at the end of a segment: all that is needed to go on from there without reading what lies before. */
export interface LogBase {
  readonly seq: number;
  /** Hash of the record at `seq`. */
  readonly hash: string;
  /** Highest epoch up to there. */
  readonly epoch: number;
  /** Number of the last group. */
  readonly group: number;
  /** Each stream with its version, and the seqs of its newest facts: all of a stream that is kept, none of others. */
  readonly streams: readonly (readonly [stream: string, version: number, seqs: readonly number[]])[];
}

/**
 * What had to be cut from an unsealed tail when the log was opened, now or by a process that crashed before it could
 * tell. Of several cuts that nobody was told about: all as one, with the oldest one's `file`; the others lie beside it.
 */
export interface TailCut {
  /** First seq that is gone. */
  readonly fromSeq: number;
  /** Bytes moved to `file`. */
  readonly bytes: number;
  /** Where they are kept; null when nothing had been promised and they were dropped. */
  readonly file: string | null;
  /** Message ids that can still be read in them, at most 1,000: facts that someone may have been told about. */
  readonly ids: readonly string[];
  /** How many there are, those included that are not named. */
  readonly idCount: number;
}

/** A log that was read, verified and mended, ready to be appended to. */
export interface OpenedLog {
  readonly log: Log;
  readonly cut: TailCut | null;
  /**
   * To be called when a durable `controller.recovered` with `fromSeq` and `bytes` tells of `cut`. Until then each
   * start reports the cut again, for a process may die between cutting and telling. Idempotent.
   * Throws `ERR_LOG_FAILED`; the next start then finds that it is told.
   */
  readonly settled: () => Promise<void>;
}
