/**
 * Moves segments aside that no start needs any more: to `retired/` in the log folder.
 *
 * Why moved and not removed: facts are an audit trail, and Berth never deletes one. An operator ships or deletes the
 * files in `retired/`; what remains for ever is a line each in `retired.jsonl`, with the digest of the file, so that
 * a copy that comes back can be recognised, and with the hash where the chain goes on.
 *
 * The order makes it safe to stop anywhere: verify → line, durably → move, durably. A line whose segment is still
 * there is one that was not moved yet, and perhaps one that is on no disk yet. Test: `test/log/retire.test.ts`.
 */
import type { Sha256 } from '../events/record.ts';
import type { Disk } from './disk.ts';
import {
  type RetiredLines,
  type RetiredSegment,
  readRetired,
  retiredFolder,
  retiredName,
} from './retired.ts';
import { closeSegments, corrupt, openSegments } from './scan.ts';
import { chunkBytes, type Segment, segmentName } from './segment.ts';
import { logBegin, verifySegment } from './verify-segment.ts';

/** A SHA-256 that takes bytes piece by piece; a port like `Sha256`. */
export type NewDigest = () => { update(bytes: Uint8Array): void; hex(): string };

/** Segments moved by one call: each is read and verified once more. The rest goes the next time. */
const movedMax = 8;

export interface RetireOptions {
  readonly dir: string;
  readonly disk: Disk;
  readonly sha256: Sha256;
  readonly newDigest: NewDigest;
  /** Segments that end at or before it go, never the last one. Whoever calls knows that no checkpoint in use needs them. */
  readonly upToSeq: number;
  /** Called before a segment that ends with `seq` moves: whoever reads lets go of it. */
  readonly release: (seq: number) => Promise<void>;
}

/**
 * Moves the oldest segments up to `upToSeq`. Idempotent; a crash between any two steps is mended by the next call.
 * @returns what was moved now, oldest first
 * Throws: `ERR_LOG_CORRUPT` when a segment does not verify, which then stays. Rejects with Node's errors.
 */
export async function retireSegments(options: RetireOptions): Promise<RetiredSegment[]> {
  const { dir, disk, upToSeq } = options;
  // Looked at without being opened: a call that has nothing to do costs a listing.
  const segments = await openSegments(dir, disk, undefined, Number.MAX_SAFE_INTEGER);
  const moved: RetiredSegment[] = [];
  try {
    let known = await readRetired(dir, disk);
    for (const [i, segment] of segments.entries()) {
      const next = segments[i + 1];
      if (next === undefined || next.firstSeq - 1 > upToSeq || moved.length === movedMax) break;
      let line = known.lines.find(({ firstSeq }) => firstSeq === segment.firstSeq);
      if (line === undefined) {
        line = await describe(options, segment, next.firstSeq - 1, known.lines.at(-1));
        known = await append(options, known, line);
      } else if (moved.length === 0) await writeAgain(options, known);
      await move(options, segment, line);
      moved.push(line);
    }
  } finally {
    await closeSegments(segments);
  }
  return moved;
}

/** Reads the segment to its end, verifies it, and says what it is. */
async function describe(
  { sha256, newDigest }: RetireOptions,
  segment: Segment,
  lastSeq: number,
  before: RetiredSegment | undefined,
): Promise<RetiredSegment> {
  segment.end = await segment.file.size();
  const start = before === undefined ? logBegin : { ...before, seq: before.lastSeq };
  const end = await verifySegment(segment, lastSeq, start, sha256);
  if (end === null || 'reason' in end) throw corrupt(end!);
  const digest = newDigest();
  for (let at = 0; at < segment.end; at += chunkBytes)
    digest.update(await segment.file.read(at, Math.min(chunkBytes, segment.end - at)));
  return {
    firstSeq: segment.firstSeq,
    lastSeq,
    prev: start.hash,
    hash: end.hash,
    file: `${retiredFolder}/${segmentName(segment.firstSeq)}`,
    bytes: segment.end,
    sha256: digest.hex(),
    epoch: end.epoch,
    group: end.group,
  };
}

/** One more line, durably. What a crash left behind the last whole line is written over. */
async function append(
  { dir, disk }: RetireOptions,
  { lines, bytes }: RetiredLines,
  line: RetiredSegment,
): Promise<RetiredLines> {
  const text = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  const file = await disk.open(`${dir}/${retiredName}`, true);
  try {
    await file.truncate(bytes);
    await file.write(text, bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.syncFolder(dir);
  return { lines: [...lines, line], bytes: bytes + text.length };
}

/**
 * All lines once more, as they are, and durably. Why: what was read may be in memory alone, after a sync that failed or a
 * kill before it; the kernel then takes its pages for clean, and a segment would go whose line no disk holds.
 */
async function writeAgain({ dir, disk }: RetireOptions, { bytes }: RetiredLines): Promise<void> {
  const file = await disk.open(`${dir}/${retiredName}`, false);
  try {
    for (let at = 0; at < bytes; at += chunkBytes)
      await file.write(await file.read(at, Math.min(chunkBytes, bytes - at)), at);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.syncFolder(dir);
}

async function move(
  { dir, disk, release }: RetireOptions,
  segment: Segment,
  line: RetiredSegment,
): Promise<void> {
  await release(line.lastSeq);
  await segment.file.close();
  await disk.mkdir(`${dir}/${retiredFolder}`);
  await disk.rename(segment.path, `${dir}/${line.file}`);
  // The new name first: between the two a crash may leave both, never none.
  await disk.syncFolder(`${dir}/${retiredFolder}`);
  await disk.syncFolder(dir);
}
