/**
 * Opens the log on disk: reads and verifies all of it, or all behind a base, mends its tail, makes sure of what was read.
 *
 * Why all that is read is verified: a record that can't be trusted must be found before the first decision rests on
 * it. What is mended is the end of the last flush and nothing else.
 * Tests: `test/log/file.test.ts`, `test/log/torn.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { Disk } from './disk.ts';
import { FileLog } from './file-log.ts';
import { Handles } from './handles.ts';
import { headsName, waysOut } from './heads.ts';
import type { LogBase, OpenedLog, TailCut } from './log.ts';
import { cutTail, dropTail } from './mend.ts';
import { Places } from './places.ts';
import { Recent } from './recent.ts';
import {
  closeSegments,
  corrupt,
  type Damage,
  openSegments,
  type ScanEnd,
  type Scanned,
  scanSegments,
} from './scan.ts';
import { chunkBytes, type Segment, segmentBytesMaxDefault } from './segment.ts';
import { TornReport } from './torn-report.ts';

export interface FileLogOptions {
  /** Folder of the segments; made when it is not there. */
  readonly dir: string;
  readonly disk: Disk;
  readonly sha256: Sha256;
  /** Handed all verified records, oldest first; what it throws halts the opening, with the disk unchanged. */
  readonly onRecords: (batch: FactRecord[]) => void;
  /**
   * For a reopen in the same process after a failed write or sync: nothing beyond this seq was promised to
   * anyone. What follows it is dropped, and writing goes on in a new file, for the kernel may have marked
   * the pages of the failed sync as clean without writing them.
   */
  readonly trustedSeq?: number;
  /** Where reading begins: what lies at or before it is neither read nor verified. For `openLog`, which has checked it. */
  readonly base?: LogBase;
  /**
   * The newest head that this controller signed (`heads.ts`); null when there is none. What it covers was durable,
   * so a log that ends before it, differs from it or is damaged below it halts, even where no mark seals it.
   */
  readonly signed?: { readonly seq: number; readonly hash: string } | null;
  /** Told of a cut as soon as it is made, before anything can fail that comes later; not of what `trustedSeq` drops. */
  readonly onCut?: (cut: TailCut) => void;
  readonly segmentBytesMax?: number;
}

/** Memory that reading fills. */
interface Read {
  readonly chain: Chain;
  readonly places: Places;
  readonly recent: Recent;
}

/**
 * The log in `dir`, ready to be appended to, with everything in it durable.
 *
 * Throws: `ERR_LOG_CORRUPT` with file, byte, seq and reason when a part that once was safe doesn't verify;
 * nothing is changed on disk then. `ERR_LOG_FAILED` when the tail can't be mended or synced.
 */
export async function openFileLog(options: FileLogOptions): Promise<OpenedLog & { readonly log: FileLog }> {
  const { base, dir, disk, sha256, trustedSeq, segmentBytesMax = segmentBytesMaxDefault } = options;
  await disk.mkdir(dir);
  const report = await TornReport.read(dir, disk, sha256);
  if (base) report.seeBase(base);
  const handles = new Handles(disk);
  const read: Read = {
    chain: new Chain(sha256, base),
    places: new Places(disk, sha256),
    recent: new Recent(),
  };
  const all = await openSegments(dir, disk, handles, base?.seq);
  const segments = all.filter(({ firstSeq }) => firstSeq > (base?.seq ?? 0));
  try {
    const end = await readAll(options, segments, read, report);
    const cut = await mend(options, segments, end, report);
    await settle(options, segments, end);
    await report.done();
    read.places.segments.push(...all.filter(({ firstSeq }) => firstSeq <= (base?.seq ?? 0)), ...segments);
    const last = segments.at(-1);
    if (last) read.places.add(last, []);
    const continueSegment = last !== undefined && (trustedSeq === undefined || last.end === 0);
    const log = new FileLog({
      dir,
      disk,
      sha256,
      handles,
      ...read,
      group: end.group,
      closed: end.closed,
      continueSegment,
      segmentBytesMax,
    });
    return { log, cut, settled: () => report.settle() };
  } catch (error) {
    await closeSegments(all);
    throw error;
  }
}

async function readAll(
  options: FileLogOptions,
  segments: readonly Segment[],
  read: Read,
  report: TornReport,
): Promise<ScanEnd> {
  const scan = scanSegments(segments, read.chain, options.sha256, options.trustedSeq, options.base?.group);
  for (;;) {
    const step = await scan.next();
    if (step.done) return step.value;
    const { segment, records, offsets } = step.value;
    read.places.add(segment, offsets);
    for (const [i, record] of records.entries()) {
      if (record.seq === options.signed?.seq && record.hash !== options.signed.hash)
        throw corrupt(unlikeSigned(step.value, i, options.signed.seq));
      report.see(record);
    }
    options.onRecords(records);
  }
}

/** Takes off the end what can't stay. Returns what has to be told: this, and what a former process could not tell. */
async function mend(
  options: FileLogOptions,
  segments: Segment[],
  end: ScanEnd,
  report: TornReport,
): Promise<TailCut | null> {
  const { onCut, trustedSeq } = options;
  if (trustedSeq === undefined && end.damage?.sealed) throw corrupt(end.damage);
  refuseBelowSigned(options, segments, end);
  if (report.told) {
    // The fact that tells of it was read; only now is it sure to be read again.
    await settle(options, segments, end);
    await report.settle();
  }
  if (trustedSeq !== undefined) {
    const dropped = await dropUntrusted(options, segments, end, trustedSeq);
    return report.cut ?? dropped;
  }
  const cut = await cutTorn(options, segments, end, report);
  if (cut !== null) onCut?.(cut);
  return cut;
}

/** After a crash: the last group may be torn, anything else has halted. */
async function cutTorn(
  { dir, disk }: FileLogOptions,
  segments: readonly Segment[],
  { damage }: ScanEnd,
  report: TornReport,
): Promise<TailCut | null> {
  if (damage === null) return report.cut;
  return cutTail(dir, disk, segments.at(-1)!, damage.offset, damage.seq, report);
}

/** After a failure in this process: all that was promised must be there, all else goes. */
async function dropUntrusted(
  { dir, disk }: FileLogOptions,
  segments: Segment[],
  { damage, beyond, head }: ScanEnd,
  trustedSeq: number,
): Promise<TailCut | null> {
  if (damage !== null) throw corrupt(damage);
  const last = segments.at(-1);
  if (head < trustedSeq) throw corrupt(missing(last?.path ?? dir, last?.end ?? 0, head, trustedSeq));
  if (beyond === null) return null;
  // A life that failed while it began may have begun segments, too. The last goes first: a crash leaves a log that reads.
  while (segments.at(-1) !== beyond.segment) {
    await dropTail(dir, disk, segments.at(-1)!, 0, head + 1);
    await segments.pop()!.file.close();
  }
  const cut = await dropTail(dir, disk, beyond.segment, beyond.offset, head + 1);
  if (beyond.offset === 0) await segments.pop()!.file.close();
  return cut;
}

/** A signed head is proof that all up to it was on the disk: what is gone below it was no torn flush. */
function refuseBelowSigned(
  { dir, signed }: FileLogOptions,
  segments: readonly Segment[],
  { damage, head }: ScanEnd,
): void {
  if (!signed || head >= signed.seq) return;
  const last = segments.at(-1);
  const where = damage ?? { file: last?.path ?? dir, offset: last?.end ?? 0, seq: head + 1, reason: null };
  const reason = `${where.reason ?? 'nothing follows'}; the log ends at seq ${head}, a head is signed for seq ${signed.seq}. ${waysOut(`${dir}/${headsName}`)}`;
  throw corrupt({ ...where, reason, sealed: true });
}

const unlikeSigned = ({ segment, offsets }: Scanned, i: number, seq: number): Damage => ({
  file: segment.path,
  offset: offsets[i]!,
  seq,
  reason: `rewritten at or before this record: the head signed for seq ${seq} has another hash`,
  sealed: true,
});

const missing = (file: string, offset: number, head: number, trustedSeq: number): Damage => ({
  file,
  offset,
  seq: head + 1,
  reason: `the log ends here, but was durable up to ${trustedSeq}`,
  sealed: true,
});

/**
 * Makes durable what was read, for we are about to act on it: after `kill -9` it may so far live in the page cache only.
 *
 * Why the last group is written again before the sync, as it is: when its own sync failed, and perhaps the process with
 * it, the kernel has marked its pages as clean. A sync alone would then succeed and promise what no disk holds.
 */
async function settle(
  { dir, disk }: FileLogOptions,
  segments: readonly Segment[],
  { lastGroup }: ScanEnd,
): Promise<void> {
  const last = segments.at(-1);
  try {
    if (last !== undefined && last === lastGroup?.segment) await writeAgain(last, lastGroup.offset);
    await last?.file.datasync();
    await disk.syncFolder(dir);
  } catch (cause) {
    throw new BerthError('ERR_LOG_FAILED', `${dir} can't be synced: ${String(cause)}`, { cause });
  }
}

async function writeAgain({ file, end }: Segment, from: number): Promise<void> {
  for (let at = from; at < end; at += chunkBytes)
    await file.write(await file.read(at, Math.min(chunkBytes, end - at)), at);
}
