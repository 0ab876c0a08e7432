/**
 * The words of a segment file that are not facts: its name, and the marks between groups.
 *
 * A log folder holds segments `<first seq, 20 digits>.seg`, text, one line a record. What one flush wrote
 * is a group: a mark `#{"group":N,…}` and the records after it. A mark is written only when all that stands
 * before it is synced, so *a valid mark proves that everything before it was on the disk*. That is how a
 * reader tells the last flush, which may be torn by a crash, from the rest, where damage is damage.
 * A clean stop writes `#{"closed":N,…}`: then nothing is in doubt. Marks stand outside the records' hashes,
 * for how facts were grouped is an accident of timing. Test: `test/log/file.test.ts`.
 */
import type { Sha256 } from '../events/record.ts';
import type { DiskFile } from './disk.ts';

/** A segment in use. */
export interface Segment {
  readonly firstSeq: number;
  readonly path: string;
  readonly file: DiskFile;
  /** Bytes written and synced. */
  end: number;
}

/** Bytes after which a new segment is begun. Smaller means more files, larger means more to read for one old fact. */
export const segmentBytesMaxDefault = 64 * 1024 * 1024;

/** Bytes read from a file at a time. */
export const chunkBytes = 128 * 1024;

export const segmentName = (firstSeq: number): string => `${String(firstSeq).padStart(20, '0')}.seg`;

/** First seq by a segment's name; null for other files. */
export function firstSeqOf(name: string): number | null {
  return /^\d{20}\.seg$/.test(name) ? Number(name.slice(0, 20)) : null;
}

export interface Mark {
  readonly kind: 'group' | 'closed';
  /** 1, 2, 3 … over the whole log; a `closed` carries the number of the group before it. */
  readonly group: number;
  /** Seq and hash of the last record before the mark. */
  readonly after: number;
  readonly prev: string;
  /** Records that the flush wrote behind it; so a tail that is cut off between two lines is noticed too. */
  readonly records: number;
}

const markSource =
  '#\\{"(group|closed)":(\\d{1,16}),"after":(\\d{1,16}),"prev":"([0-9a-f]{64})","records":(\\d{1,9}),"check":"([0-9a-f]{16})"\\}';
const markPattern = new RegExp(`^${markSource}`);

/** Longest mark, in bytes; also what two chunks must share so that no mark is missed between them. */
export const markBytesMax = 200;

/** A mark's line, without newline. */
export function markLine(mark: Mark, sha256: Sha256): string {
  const text = `#{"${mark.kind}":${mark.group},"after":${mark.after},"prev":"${mark.prev}","records":${mark.records}`;
  return `${text},"check":"${sha256(text).slice(0, 16)}"}`;
}

/** The valid mark that `text` begins with, and its length; null when there is none. */
export function openMark(text: string, sha256: Sha256): { mark: Mark; length: number } | null {
  const found = markPattern.exec(text);
  return found && markOf(found, sha256);
}

/**
 * Whether a valid mark stands anywhere in `text`.
 * Not only at the start of a line: the damage may have eaten the newline. Records can't be taken for one,
 * since inside a JSON string the quotes would be escaped, and outside of strings there is no `#`.
 */
export function holdsMark(text: string, sha256: Sha256): boolean {
  for (const found of text.matchAll(new RegExp(markSource, 'g'))) if (markOf(found, sha256)) return true;
  return false;
}

function markOf(found: RegExpExecArray, sha256: Sha256): { mark: Mark; length: number } | null {
  const [all, kind, group, after, prev, records, check] = found;
  const text = all.slice(0, all.lastIndexOf(',"check":'));
  if (sha256(text).slice(0, 16) !== check) return null;
  const mark: Mark = {
    kind: kind as Mark['kind'],
    group: Number(group),
    after: Number(after),
    prev: prev!,
    records: Number(records),
  };
  return { mark, length: all.length };
}
