/**
 * Opens the log from the newest checkpoint that the chain vouches for, or from its beginning.
 *
 * Why the chain decides: a file that says "this is the state" could say anything. The record behind a checkpoint
 * is `controller.checkpointed` and holds the digest of the file's text; that record chains to the checkpoint's hash
 * and is part of the log like any other. So a checkpoint is exactly as hard to forge as a fact, and one that is
 * spoilt, forgotten half-way by a crash, or left over from facts that were cut, proves nothing and is passed over.
 * Test: `test/log/checkpoint.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Candidate, CheckpointFiles } from './checkpoints.ts';
import { type FileLogOptions, openFileLog } from './file.ts';
import type { OpenedLog } from './log.ts';
import { scanSegments } from './scan.ts';
import { firstSeqOf, type Segment, segmentName } from './segment.ts';

export interface LogOptions extends Omit<FileLogOptions, 'base'> {
  readonly checkpoints: CheckpointFiles;
  /** Version of the folds: a checkpoint of another one is passed over. */
  readonly version: string;
  /** Handed the checkpoint that is used, at most once and before any record; what it throws halts the opening. */
  readonly onCheckpoint: (checkpoint: Checkpoint) => void;
  /** Told of each checkpoint that is passed over. */
  readonly onTrouble?: (message: string, fields: Record<string, unknown>) => void;
}

/** What was found out on the way to the checkpoint that is used. */
interface Choice {
  readonly checkpoint: Checkpoint | null;
  /** Seqs of those that no record will ever prove, once the log is mended. */
  readonly unprovable: readonly number[];
  readonly reasons: readonly string[];
}

/**
 * The log in `dir`, ready to be appended to. `onRecords` gets the records behind the checkpoint, or all.
 * Throws as `openFileLog` does; `ERR_LOG_CORRUPT` too when the oldest segments are retired and no checkpoint fits.
 */
export async function openLog(options: LogOptions): Promise<OpenedLog> {
  const { checkpoints, onCheckpoint, version: _, onTrouble: __, ...rest } = options;
  const { checkpoint, unprovable, reasons } = await choose(options);
  if (checkpoint === null) await refuseRetired(options, reasons);
  else onCheckpoint(checkpoint);
  const opened = await openFileLog(checkpoint === null ? rest : { ...rest, base: checkpoint.base });
  const { log } = opened;
  try {
    if (checkpoint !== null) checkpoints.proven(checkpoint.base.seq);
    checkpoints.attach((seq) => log.release(seq));
    await checkpoints.clean(unprovable);
    return opened;
  } catch (error) {
    await log.close().catch(() => undefined);
    throw new BerthError('ERR_LOG_FAILED', `${options.dir} can't be cleaned: ${String(error)}`, {
      cause: error,
    });
  }
}

/** Newest first; the first that fits. */
async function choose(options: LogOptions): Promise<Choice> {
  const unprovable: number[] = [];
  const reasons: string[] = [];
  for await (const candidate of options.checkpoints.candidates()) {
    const isCandidate = 'checkpoint' in candidate;
    const seq = isCandidate ? candidate.checkpoint.base.seq : candidate.seq;
    const judged = isCandidate ? await judge(options, candidate) : candidate;
    if (judged === null && isCandidate) return { checkpoint: candidate.checkpoint, unprovable, reasons };
    const { reason, spoilt } = judged!;
    if (spoilt) unprovable.push(seq);
    reasons.push(`the one of seq ${seq} ${reason}`);
    options.onTrouble?.('a checkpoint is passed over', { seq, reason });
  }
  return { checkpoint: null, unprovable, reasons };
}

interface Judged {
  readonly reason: string;
  readonly spoilt: boolean;
}

/** Null when the chain vouches for it, otherwise why not. */
async function judge(options: LogOptions, { checkpoint, sha256 }: Candidate): Promise<Judged | null> {
  const { base, version } = checkpoint;
  if (version !== options.version) return { reason: `is of version '${version}'`, spoilt: false };
  // Its fact was durable before the file was written: with less to be trusted it is of facts that are gone.
  if (base.seq >= (options.trustedSeq ?? Number.MAX_SAFE_INTEGER))
    return { reason: `is of facts that were not durable`, spoilt: true };
  const record = await recordBehind(options, checkpoint);
  if (record?.type !== 'controller.checkpointed')
    return { reason: 'is not followed by the fact that tells of it', spoilt: true };
  const told = record.data as FactData<'controller.checkpointed'>;
  if (told.ofSeq === base.seq && told.sha256 === sha256) return null;
  return { reason: 'is not what its fact says', spoilt: true };
}

/** The first record behind a checkpoint, verified as all are; null when there is none that verifies. */
async function recordBehind(
  { dir, disk, sha256 }: LogOptions,
  { base }: Checkpoint,
): Promise<FactRecord | null> {
  const path = `${dir}/${segmentName(base.seq + 1)}`;
  const file = await disk.open(path, false).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new BerthError('ERR_LOG_FAILED', `${path} can't be opened: ${String(error)}`, { cause: error });
  });
  if (file === null) return null;
  try {
    const segment: Segment = { firstSeq: base.seq + 1, path, file, end: await file.size() };
    const scan = scanSegments([segment], new Chain(sha256, base), sha256, base.seq + 1, base.group);
    const step = await scan.next();
    return step.done ? null : step.value.records[0]!;
  } finally {
    await file.close();
  }
}

/** Without a checkpoint the log must be whole. */
async function refuseRetired({ dir, disk }: LogOptions, reasons: readonly string[]): Promise<void> {
  const names = await disk.list(dir).catch(() => []);
  const first = names.map(firstSeqOf).find((seq) => seq !== null) ?? 1;
  if (first === 1) return;
  const why = reasons.length === 0 ? 'there is none' : reasons.join(', ');
  const message = `${dir} begins with seq ${first}, and no checkpoint leads there (${why})`;
  const next = `put the files of ${dir}/retired back, or start the version that took the checkpoint`;
  throw new BerthError('ERR_LOG_CORRUPT', `${message}; ${next}`);
}
