/**
 * Reads a log folder and verifies all of it: marks, hashes, links, versions, epochs.
 *
 * Why one reader for all: the server that starts, `berth log verify` and an offline replay must agree on
 * what a sound log is. This one changes nothing on disk; mending is `mend.ts`. Test: `test/log/file.test.ts`.
 */
import { BerthError } from '../errors.ts';
import { type FactRecord, openRecord, type Sha256 } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { Disk, DiskFile } from './disk.ts';
import { Handles } from './handles.ts';
import { type Line, readLines } from './lines.ts';
import { type LogStart, startOf } from './retired.ts';
import {
  chunkBytes,
  firstSeqOf,
  holdsMark,
  markBytesMax,
  openMark,
  type Segment,
  segmentName,
} from './segment.ts';

/** What is wrong with a log, and where. */
export interface Damage {
  readonly file: string;
  readonly offset: number;
  /** Seq of the first record that can't be had. */
  readonly seq: number;
  readonly reason: string;
  /** True when the bytes are known to have been on the disk once: then nothing may be cut. */
  readonly sealed: boolean;
}

/** Verified records of one segment, in order, each with the offset of its line. */
export interface Scanned {
  readonly segment: Segment;
  readonly records: FactRecord[];
  readonly offsets: number[];
}

export interface ScanEnd {
  /** Seq of the last record that verifies. */
  readonly head: number;
  /** Number of the last group. */
  readonly group: number;
  /** A `closed` mark is the last thing in the log. */
  readonly closed: boolean;
  readonly damage: Damage | null;
  /** Where reading stopped because of `limitSeq`: the bytes from here on are of no interest. */
  readonly beyond: { readonly segment: Segment; readonly offset: number } | null;
  /** Where the mark of the last group stands. */
  readonly lastGroup: { readonly segment: Segment; readonly offset: number } | null;
}

/** Result of `verifyLogFolder`. */
export interface Verified {
  /** How many verify. */
  readonly records: number;
  readonly headSeq: number;
  readonly headHash: string;
  readonly damage: Damage | null;
}

/**
 * Verifies a log folder offline. Changes nothing; while a controller writes to it, an unsealed end is normal.
 * Of a log whose oldest segments are retired it verifies the rest, from where the digest line says.
 * Throws: `ERR_NOT_FOUND` when there is no such folder.
 */
export async function verifyLogFolder(dir: string, disk: Disk, sha256: Sha256): Promise<Verified> {
  const segments = await openSegments(dir, disk);
  try {
    const start = await startOf(dir, disk, segments);
    const chain = new Chain(sha256, start);
    const { damage } = await drain(
      scanSegments(segments, chain, sha256, Number.MAX_SAFE_INTEGER, start?.group),
    );
    return { records: chain.head - (start?.seq ?? 0), headSeq: chain.head, headHash: chain.headHash, damage };
  } finally {
    await closeSegments(segments);
  }
}

/**
 * Verified records of a log folder, in batches, for an offline tail or replay. An unsealed damaged end is left out.
 * Throws: `ERR_NOT_FOUND`; `ERR_LOG_CORRUPT` at sealed damage, after all records before it.
 */
export async function* readLogFolder(
  dir: string,
  disk: Disk,
  sha256: Sha256,
): AsyncGenerator<FactRecord[], Damage | null> {
  const segments = await openSegments(dir, disk);
  try {
    const start = await startOf(dir, disk, segments);
    const scan = scanSegments(
      segments,
      new Chain(sha256, start),
      sha256,
      Number.MAX_SAFE_INTEGER,
      start?.group,
    );
    for (;;) {
      const step = await scan.next();
      if (!step.done) {
        yield step.value.records;
        continue;
      }
      if (step.value.damage?.sealed) throw corrupt(step.value.damage);
      return step.value.damage;
    }
  } finally {
    await closeSegments(segments);
  }
}

/** The error that halts a start. */
export function corrupt({ file, offset, seq, reason }: Damage): BerthError {
  return new BerthError('ERR_LOG_CORRUPT', `${file}, byte ${offset}, seq ${seq}: ${reason}`);
}

/**
 * All segments of a folder, in order, the last one open; the others are opened while someone reads from them.
 * @param restSeq  segments that begin at or before it are not even looked at, and their length stays 0
 */
export async function openSegments(
  dir: string,
  disk: Disk,
  handles = new Handles(disk),
  restSeq = 0,
): Promise<Segment[]> {
  const names = await disk.list(dir).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? new BerthError('ERR_NOT_FOUND', `${dir} is not there`, { cause }) : cause;
  });
  const firstSeqs = names.map(firstSeqOf).filter((seq) => seq !== null);
  const segments: Segment[] = [];
  try {
    for (const firstSeq of firstSeqs) {
      const path = `${dir}/${segmentName(firstSeq)}`;
      const last = firstSeq === firstSeqs.at(-1);
      const file = last ? handles.keep(path, await disk.open(path, false)) : handles.file(path);
      segments.push({ firstSeq, path, file, end: 0 });
      if (firstSeq > restSeq) segments.at(-1)!.end = await file.size();
    }
  } catch (error) {
    await closeSegments(segments);
    throw error;
  }
  return segments;
}

export async function closeSegments(segments: readonly Segment[]): Promise<void> {
  await Promise.allSettled(segments.map(({ file }) => file.close()));
}

async function drain(scan: AsyncGenerator<Scanned, ScanEnd>): Promise<ScanEnd> {
  for (;;) {
    const step = await scan.next();
    if (step.done) return step.value;
  }
}

/**
 * Yields what verifies, chunk by chunk, and returns how it ended.
 * @param chain     where reading begins; holds head, versions and epochs afterwards
 * @param limitSeq  the last seq of interest; what follows it is not even verified
 * @param group     number of the group before the first segment
 */
export async function* scanSegments(
  segments: readonly Segment[],
  chain: Chain,
  sha256: Sha256,
  limitSeq = Number.MAX_SAFE_INTEGER,
  group: LogStart['group'] = 0,
): AsyncGenerator<Scanned, ScanEnd> {
  const reader = new Reader(chain, sha256, limitSeq, group);
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1;
    const stop = yield* scanOne(segment, reader);
    if (stop === null) continue;
    const { group, lastGroup } = reader;
    const end = { head: chain.head, group, closed: false, damage: null, beyond: null, lastGroup };
    if (stop.problem === beyondLimit) return { ...end, beyond: { segment, offset: stop.offset } };
    const sealed = stop.missing || !last || (await sealedAfter(segment, stop, sha256));
    const damage = {
      file: segment.path,
      offset: stop.offset,
      seq: chain.head + 1,
      reason: stop.problem,
      sealed,
    };
    return { ...end, damage };
  }
  const short = reader.shortGroup();
  const file = segments.at(-1);
  const damage =
    short === null || !file
      ? null
      : { file: file.path, offset: file.end, seq: chain.head + 1, reason: short, sealed: false };
  const { closed, lastGroup } = reader;
  return { head: chain.head, group: reader.group, closed, damage, beyond: null, lastGroup };
}

interface Stop {
  readonly offset: number;
  readonly problem: string;
  /** The bad line as far as it can be read. */
  readonly text: string | null;
  /** Records are missing before this segment, by its name. */
  readonly missing: boolean;
}

const beyondLimit = 'is beyond what was promised';

async function* scanOne(segment: Segment, reader: Reader): AsyncGenerator<Scanned, Stop | null> {
  const { head } = reader.chain;
  if (segment.firstSeq !== head + 1) {
    const problem = `the segment begins with seq ${segment.firstSeq}, the one before it ends with ${head}`;
    return { offset: 0, problem, text: null, missing: true };
  }
  reader.beginSegment(segment);
  for await (const lines of readLines(segment.file, segment.end)) {
    const scanned: Scanned = { segment, records: [], offsets: [] };
    for (const line of lines) {
      const problem = reader.take(line, scanned);
      if (problem === null) continue;
      if (scanned.records.length > 0) yield scanned;
      return { offset: line.offset, problem, text: line.text, missing: false };
    }
    if (scanned.records.length > 0) yield scanned;
  }
  return null;
}

/** The state of reading: which group we are in, and whether a record may come next. */
class Reader {
  readonly chain: Chain;
  readonly #sha256: Sha256;
  readonly #limitSeq: number;
  group: number;
  closed = false;
  /** Records the present group still announces; null outside of groups. */
  #left: number | null = null;
  #segment: Segment | null = null;
  lastGroup: ScanEnd['lastGroup'] = null;

  constructor(chain: Chain, sha256: Sha256, limitSeq: number, group: number) {
    this.group = group;
    this.chain = chain;
    this.#sha256 = sha256;
    this.#limitSeq = limitSeq;
  }

  beginSegment(segment: Segment): void {
    this.#segment = segment;
    this.#left = null;
  }

  /** Takes one line; returns what is wrong with it. */
  take(line: Line, scanned: Scanned): string | null {
    const atLimit = this.chain.head >= this.#limitSeq;
    if (line.text === null || line.problem !== null) return atLimit ? beyondLimit : line.problem;
    if (line.text.startsWith('#')) return this.#takeMark(line.text, line.offset, atLimit);
    if (atLimit) return beyondLimit;
    if (this.#left === null) return 'the record stands in no group';
    if (this.#left === 0) return 'the record is one more than its group announces';
    const expected = { seq: this.chain.head + 1, prev: this.chain.headHash };
    const record = openRecord(line.text, expected, this.#sha256);
    if (typeof record === 'string') return `the record ${record}`;
    const broken = this.chain.accept(record);
    if (broken !== null) return `the record ${broken}`;
    this.#left -= 1;
    scanned.records.push(record);
    scanned.offsets.push(line.offset);
    return null;
  }

  #takeMark(text: string, offset: number, atLimit: boolean): string | null {
    const found = openMark(text, this.#sha256);
    if (atLimit && found?.mark.kind !== 'closed') return beyondLimit;
    if (found === null || found.length !== text.length) return 'the mark is broken';
    const { kind, group, after, prev, records } = found.mark;
    if (after !== this.chain.head || prev !== this.chain.headHash) {
      return `the mark follows record ${after}, but stands after ${this.chain.head}`;
    }
    const expected = kind === 'group' ? this.group + 1 : this.group;
    if (group !== expected) return `the mark is of group ${group}, expected ${expected}`;
    this.group = group;
    this.closed = kind === 'closed';
    this.#left = kind === 'group' ? records : null;
    if (kind === 'group' && this.#segment !== null) this.lastGroup = { segment: this.#segment, offset };
    return null;
  }

  /** The sentence about a last group that ends before all it announced has come. */
  shortGroup(): string | null {
    if (this.#left === null || this.#left === 0 || this.chain.head >= this.#limitSeq) return null;
    return `group ${this.group} announces ${this.#left} more records`;
  }
}

/** Whether a valid mark stands behind the bad line, which proves that the line once was on the disk. */
async function sealedAfter(segment: Segment, stop: Stop, sha256: Sha256): Promise<boolean> {
  const { file, end } = segment;
  // A mark whose own end is damaged proves only what stands before it.
  const own = stop.text === null ? null : openMark(stop.text, sha256);
  const ownDamaged = own !== null && own.length !== stop.text!.length;
  const from = stop.offset + (ownDamaged || stop.problem === noNewline ? (own?.length ?? 0) : 0);
  return marksBetween(file, from, end, sha256);
}

const noNewline = 'has no newline at its end';

async function marksBetween(file: DiskFile, from: number, end: number, sha256: Sha256): Promise<boolean> {
  const latin1 = new TextDecoder('latin1');
  for (let position = from; position < end; position += chunkBytes) {
    const bytes = await file.read(position, Math.min(chunkBytes + markBytesMax, end - position));
    if (holdsMark(latin1.decode(bytes), sha256)) return true;
  }
  return false;
}
