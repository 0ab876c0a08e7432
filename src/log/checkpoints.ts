/**
 * Checkpoints as files of the log folder: `checkpoint-<seq, 20 digits>.json`.
 *
 * Why two stay: the newest may be unreadable when it is needed, and then the start falls back to the one before
 * it and reads a longer tail. Why draft, sync, rename: a file under its name is whole, at any moment, and what a
 * crash leaves is a draft that nobody takes for a checkpoint. Whether a whole file is also *true* says the chain:
 * see `open.ts`. Test: `test/log/checkpoint.test.ts`.
 */
import { BerthError, invariant } from '../errors.ts';
import type { Sha256 } from '../events/record.ts';
import type { Checkpoint, CheckpointDraft, Checkpoints, StoredCheckpoint } from './checkpoint.ts';
import type { Disk, DiskFile } from './disk.ts';
import { type NewDigest, retireSegments } from './retire.ts';

/** Longest text, UTF-16 units; one string can't be much longer. Folds beyond it are no checkpoint but a log of their own. */
const textLengthMax = 256 * 1024 * 1024;
/** Units of text that are encoded and written at a time, so that a large one does not hold up the process. */
const pieceLength = 1024 * 1024;
/** The newest two stay. */
const keptMax = 2;

const namePattern = /^checkpoint-(\d{20})\.json$/;
const draftPattern = /^checkpoint-(\d{20})\.json\.draft$/;
const nameOf = (seq: number): string => `checkpoint-${String(seq).padStart(20, '0')}.json`;

/** A file that has the shape of a checkpoint; whether it is ours, its digest will tell. */
export interface Candidate {
  readonly checkpoint: Checkpoint;
  /** Digest of the file's text. */
  readonly sha256: string;
}

/** A file that is none, and why; `spoilt` when it will never be one. */
export interface NoCandidate {
  readonly seq: number;
  readonly reason: string;
  readonly spoilt: boolean;
}

export interface CheckpointFilesOptions {
  /** The log folder. */
  readonly dir: string;
  readonly disk: Disk;
  readonly sha256: Sha256;
  /** Makes digests of retired segments; null: no segment is ever moved aside. */
  readonly retiring: NewDigest | null;
}

/** The checkpoints of one life of one log. */
export class CheckpointFiles implements Checkpoints {
  readonly #options: CheckpointFilesOptions;
  /** Seqs that the chain has proven, or that this life has written; ascending, at most `keptMax`. */
  #proven: number[] = [];
  #release: (seq: number) => Promise<void> = async () => undefined;

  constructor(options: CheckpointFilesOptions) {
    this.#options = options;
  }

  draft({ base, version, folds }: Checkpoint): CheckpointDraft {
    const text = `${JSON.stringify({ base, version, folds })}\n`;
    if (text.length > textLengthMax)
      throw new BerthError(
        'ERR_TOO_LARGE',
        `a checkpoint of ${text.length} characters, at most ${textLengthMax}`,
      );
    return { seq: base.seq, text, sha256: this.#options.sha256(text) };
  }

  /** Its fact must be durable before: a checkpoint that no fact tells of is one that nobody may use. */
  async write({ seq, text }: CheckpointDraft): Promise<void> {
    const { dir, disk } = this.#options;
    invariant(
      seq > (this.#proven.at(-1) ?? 0),
      `a checkpoint of seq ${seq} after one of ${this.#proven.at(-1)}`,
    );
    const path = `${dir}/${nameOf(seq)}`;
    try {
      await writeDraft(disk, `${path}.draft`, text);
    } catch (error) {
      // On a full disk it would keep the room that the log itself needs.
      await disk.remove(`${path}.draft`).catch(() => undefined);
      throw error;
    }
    await disk.rename(`${path}.draft`, path);
    await disk.syncFolder(dir);
    this.proven(seq);
    await this.#remove((each) => !this.#proven.includes(each));
  }

  async retire(upToSeq: number): Promise<void> {
    const { retiring } = this.#options;
    const [older] = this.#proven;
    // With one checkpoint alone the beginning of the log is what a start falls back to.
    if (retiring === null || older === undefined || this.#proven.length < keptMax) return;
    const release = this.#release;
    await retireSegments({
      ...this.#options,
      newDigest: retiring,
      upToSeq: Math.min(upToSeq, older),
      release,
    });
  }

  async oldest(): Promise<StoredCheckpoint | null> {
    const [seq] = this.#proven;
    if (seq === undefined) return null;
    const { dir, disk } = this.#options;
    const path = `${dir}/${nameOf(seq)}`;
    // Opened when it is read, so that whoever never reads it leaves nothing open.
    const bytes = await withFile(disk, path, (file) => file.size());
    return { seq, bytes, text: () => textOf(disk, path) };
  }

  /** For `openLog`: whom to tell before a segment is moved. */
  attach(release: (seq: number) => Promise<void>): void {
    this.#release = release;
  }

  /** For `openLog`: the chain holds the fact that names this one's digest. */
  proven(seq: number): void {
    this.#proven = [...this.#proven, seq].slice(-keptMax);
  }

  /** For `openLog`, when the log is mended: removes what a crash left, and checkpoints that no fact will ever prove. */
  async clean(unprovable: readonly number[]): Promise<void> {
    await this.#remove((seq) => unprovable.includes(seq));
  }

  /** Newest first, one in memory at a time. */
  async *candidates(): AsyncGenerator<Candidate | NoCandidate> {
    const names = await absentIsEmpty(this.#options.disk.list(this.#options.dir));
    const seqs = names
      .map((name) => namePattern.exec(name))
      .flatMap((found) => (found ? [Number(found[1])] : []));
    for (const seq of seqs.reverse()) yield await this.#read(seq);
  }

  async #read(seq: number): Promise<Candidate | NoCandidate> {
    const { dir, disk, sha256 } = this.#options;
    let bytes: Uint8Array;
    try {
      bytes = await withFile(disk, `${dir}/${nameOf(seq)}`, async (file) => file.read(0, await file.size()));
    } catch (error) {
      return { seq, reason: `can't be read: ${(error as Error).message}`, spoilt: false };
    }
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      const checkpoint: unknown = JSON.parse(text);
      if (isCheckpoint(checkpoint) && checkpoint.base.seq === seq)
        return { checkpoint, sha256: sha256(text) };
      return { seq, reason: 'is no checkpoint by its shape', spoilt: true };
    } catch (error) {
      return { seq, reason: `is not JSON: ${(error as Error).message}`, spoilt: true };
    }
  }

  /** Drafts, and the checkpoints that `goes` names. Not durably: what comes back after a power cut goes the next time. */
  async #remove(goes: (seq: number) => boolean): Promise<void> {
    const { dir, disk } = this.#options;
    for (const name of await disk.list(dir)) {
      const seq = namePattern.exec(name)?.[1];
      if (draftPattern.test(name) || (seq !== undefined && goes(Number(seq))))
        await disk.remove(`${dir}/${name}`);
    }
  }
}

async function withFile<T>(disk: Disk, path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
  const file = await disk.open(path, false);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** A file's bytes, piece by piece. It may lose its name meanwhile; an open one stays readable. */
async function* textOf(disk: Disk, path: string): AsyncGenerator<Uint8Array> {
  const file = await disk.open(path, false);
  try {
    for (let at = 0; ; ) {
      const piece = await file.read(at, pieceLength);
      if (piece.length === 0) return;
      yield piece;
      at += piece.length;
    }
  } finally {
    await file.close();
  }
}

async function absentIsEmpty(names: Promise<string[]>): Promise<string[]> {
  return names.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

async function writeDraft(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, true);
  try {
    // A former life may have left a longer one.
    await file.truncate(0);
    await writeText(file, text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function writeText(file: DiskFile, text: string): Promise<void> {
  const encoder = new TextEncoder();
  let position = 0;
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + pieceLength, text.length);
    // Two units that are one character stay together.
    if (to < text.length && (text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to += 1;
    const bytes = encoder.encode(text.slice(from, to));
    await file.write(bytes, position);
    position += bytes.length;
    from = to;
  }
}

/** Enough of the shape to look for its proof; all else is what we wrote when the digest is the right one. */
function isCheckpoint(value: unknown): value is Checkpoint {
  const { base, version, folds } = (value ?? {}) as Partial<Checkpoint>;
  if (typeof version !== 'string' || typeof folds !== 'object' || folds === null) return false;
  const { seq, hash, epoch, group, streams } = base ?? {};
  if (![seq, epoch, group].every((each) => Number.isSafeInteger(each)) || typeof hash !== 'string')
    return false;
  return Array.isArray(streams) && streams.every((each) => Array.isArray(each) && Array.isArray(each[2]));
}
