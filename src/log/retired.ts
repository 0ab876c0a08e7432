/**
 * What is known of segments that were moved aside: `retired.jsonl` in the log folder, one line each.
 *
 * Why a digest line and not only an absence: a log that begins in the middle looks like one whose beginning was
 * stolen. The line says what was there, and its last hash is where the chain goes on. The files themselves are in
 * `retired/` until an operator ships or deletes them; Berth never deletes a fact. Test: `test/log/retire.test.ts`.
 */
import { BerthError } from '../errors.ts';
import { genesis } from '../events/record.ts';
import type { Disk } from './disk.ts';
import type { Segment } from './segment.ts';

/** One segment that is no longer part of the log folder. */
export interface RetiredSegment {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Hash that its first record names as its predecessor's. */
  readonly prev: string;
  /** Hash of its last record. */
  readonly hash: string;
  /** Where it was moved, relative to the log folder. */
  readonly file: string;
  readonly bytes: number;
  /** Digest of the file's bytes: `sha256sum` says the same. */
  readonly sha256: string;
  /** Highest epoch, and number of the last group, up to its end. */
  readonly epoch: number;
  readonly group: number;
}

/** Where a chain goes on that does not begin with seq 1. */
export interface LogStart {
  readonly seq: number;
  readonly hash: string;
  readonly epoch: number;
  readonly group: number;
}

/** The lines of `retired.jsonl`, and how many bytes of it are whole; what follows these is a crash's. */
export interface RetiredLines {
  readonly lines: readonly RetiredSegment[];
  readonly bytes: number;
}

/** Name of the file in the log folder. */
export const retiredName = 'retired.jsonl';
/** Name of the folder that segments are moved to. */
export const retiredFolder = 'retired';
/** 400 bytes a line: 160,000 segments, ten terabytes of facts. A longer file is not ours. */
const retiredBytesMax = 64 * 1024 * 1024;

/** Throws `ERR_LOG_CORRUPT` when the lines don't follow one another from seq 1 on. */
export async function readRetired(dir: string, disk: Disk): Promise<RetiredLines> {
  const path = `${dir}/${retiredName}`;
  const file = await disk.open(path, false).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return { lines: [], bytes: 0 };
  try {
    const size = await file.size();
    if (size > retiredBytesMax)
      throw corrupt(path, `it has ${size} bytes, at most ${retiredBytesMax} are ours`);
    return linesIn(path, await file.read(0, size));
  } finally {
    await file.close();
  }
}

/** Where the chain of these segments begins; undefined when it is at seq 1, or where no line says. */
export async function startOf(
  dir: string,
  disk: Disk,
  segments: readonly Segment[],
): Promise<LogStart | undefined> {
  const seq = (segments[0]?.firstSeq ?? 1) - 1;
  if (seq === 0) return undefined;
  const { lines } = await readRetired(dir, disk);
  const before = lines.find(({ lastSeq }) => lastSeq === seq);
  return before && { seq, hash: before.hash, epoch: before.epoch, group: before.group };
}

function linesIn(path: string, bytes: Uint8Array): RetiredLines {
  const end = bytes.lastIndexOf(10) + 1;
  const texts = new TextDecoder().decode(bytes.subarray(0, end)).split('\n').slice(0, -1);
  const lines: RetiredSegment[] = [];
  let whole = 0;
  for (const [i, text] of texts.entries()) {
    const line = parsed(text);
    // A power cut may leave the length of a line without its bytes; only the last line can be such a one.
    if (line === null && i === texts.length - 1) break;
    const { seq, hash } = { seq: lines.at(-1)?.lastSeq ?? 0, hash: lines.at(-1)?.hash ?? genesis };
    if (line === null || line.firstSeq !== seq + 1 || line.prev !== hash)
      throw corrupt(path, `line ${i + 1} does not go on from seq ${seq}`);
    lines.push(line);
    whole += new TextEncoder().encode(text).length + 1;
  }
  return { lines, bytes: whole };
}

function parsed(text: string): RetiredSegment | null {
  try {
    const line = JSON.parse(text) as RetiredSegment;
    const numbers = [line.firstSeq, line.lastSeq, line.bytes, line.epoch, line.group];
    const digests = [line.prev, line.hash, line.sha256];
    const good =
      numbers.every((each) => Number.isSafeInteger(each) && each >= 0) &&
      digests.every((each) => /^[0-9a-f]{64}$/.test(each)) &&
      line.lastSeq >= line.firstSeq;
    return good ? line : null;
  } catch {
    return null;
  }
}

const corrupt = (path: string, why: string): BerthError =>
  new BerthError(
    'ERR_LOG_CORRUPT',
    `${path}: ${why}. It tells of segments that were moved aside; restore it from a copy`,
  );
