/**
 * A log as text: lines of records, the way `berth log export` writes them; in a recording the first line may be the
 * checkpoint that it begins with.
 *
 * Why so exact about what is wrong: whoever opens the file is not the one who made it, and "can't be read" helps neither.
 * Test: `test/dashboard/recorded.test.ts`.
 */
import { foldsVersion } from '../checkpointing.ts';
import type { Beginning, PlayedRecord } from './player.ts';

/**
 * Most records of one page. Chromium 156 held 242 MiB of heap for 100,022 facts and their folds (printed by
 * `test/browser/recorder.long.test.ts`), and a page gets 4 GiB at the most.
 */
export const recordsMax = 1_000_000;

/** Longest line, characters: what is longer comes from no controller. */
export const lineCharsMax = 16 * 1_024 * 1_024;
/** Of a recording's first line, which may hold all folds of a checkpoint, characters. */
export const firstLineCharsMax = 256 * 1_024 * 1_024;

/** Records in one batch: what is parsed and folded between two pictures. */
export const batchMax = 1_000;

/** Why a file is no log, and what to do about it. */
export class LogFileError extends Error {
  readonly next: string;

  constructor(reason: string, next = 'Export it again: berth log export FILE') {
    super(reason);
    this.next = next;
  }
}

/** What comes out of a log's text: first where it begins, then its records in batches. */
export type LogPiece =
  | { readonly begin: Beginning | null }
  | { readonly records: readonly PlayedRecord[]; readonly begin?: never };

/** The first line of a recording whose oldest facts are retired. */
export const beginLine = ({ folds, seq }: Beginning): string =>
  `${JSON.stringify({ begin: { folds, seq, version: foldsVersion } })}\n`;

/** Parses lines. Rejects with a `LogFileError` that names the line. */
export async function* logIn(lines: AsyncIterable<string>): AsyncGenerator<LogPiece> {
  let batch: PlayedRecord[] = [];
  let number = 0;
  let lastSeq = 0;
  let records = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    const parsed = parsedLine(line, number);
    if (number === 1) {
      const begin = beginningIn(parsed);
      lastSeq = begin?.seq ?? 0;
      yield { begin };
      if (begin) continue;
    }
    const record = recordIn(parsed, number, lastSeq);
    if (records === 0 && lastSeq === 0 && record.seq > 1)
      throw new LogFileError(
        `The log begins with seq ${record.seq}: what happened before is not in this file.`,
      );
    lastSeq = record.seq;
    records += 1;
    if (records > recordsMax)
      throw new LogFileError(
        `There are more than ${recordsMax} facts in it, which is more than a page can hold.`,
        `Open its beginning: head -n ${recordsMax} FILE > PART`,
      );
    batch.push(record);
    if (batch.length < batchMax) continue;
    yield { records: batch };
    batch = [];
  }
  if (records === 0) throw new LogFileError('There is no fact in it.');
  yield { records: batch };
}

/**
 * Lines of UTF-8 text, the last one with or without its end. Each byte is looked at once, however long a line is. Rejects when
 * a byte is none, and with a `LogFileError` when a line is longer than any record.
 */
export async function* linesOf(
  bytes: AsyncIterable<Uint8Array>,
  { first = firstLineCharsMax, other = lineCharsMax } = {},
): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pieces: string[] = [];
  let chars = 0;
  let number = 1;
  const add = (piece: string): void => {
    chars += piece.length;
    const charsMax = number === 1 ? first : other;
    if (chars > charsMax)
      throw new LogFileError(`Line ${number} is longer than ${charsMax} characters: this is no log.`);
    pieces.push(piece);
  };
  const line = (): string => {
    const text = pieces.join('');
    pieces = [];
    chars = 0;
    number += 1;
    return text;
  };
  for await (const chunk of bytes) {
    const ends = decoder.decode(chunk, { stream: true }).split('\n');
    const rest = ends.pop() ?? '';
    for (const end of ends) {
      add(end);
      yield line();
    }
    add(rest);
  }
  add(decoder.decode());
  if (chars > 0) yield line();
}

/** What gzip has packed. Rejects when it is damaged or cut. */
export function unzipped(bytes: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const packed = bytes as ReadableStream<Uint8Array<ArrayBuffer>>;
  return packed.pipeThrough(new DecompressionStream('gzip')) as unknown as AsyncIterable<Uint8Array>;
}

/** Bytes of base64 text, some at a time: a long text that is decoded at once would hold up the page. */
export function bytesOf(base64: string): ReadableStream<Uint8Array> {
  const pieceLength = 4 * 65_536;
  let from = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (from >= base64.length) return controller.close();
      const binary = atob(base64.slice(from, from + pieceLength));
      from += pieceLength;
      const bytes = new Uint8Array(binary.length);
      for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i);
      controller.enqueue(bytes);
    },
  });
}

function parsedLine(line: string, number: number): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Readonly<Record<string, unknown>>;
  } catch {
    throw new LogFileError(
      `Line ${number} is not JSON: ${excerpt(line)}`,
      'A log is one record a line; when the file was cut, export it again: berth log export FILE',
    );
  }
  throw new LogFileError(`Line ${number} is not a record: ${excerpt(line)}`);
}

const excerpt = (line: string): string => (line.length > 60 ? `${line.slice(0, 60)} …` : line);

function beginningIn({ begin }: Readonly<Record<string, unknown>>): Beginning | null {
  if (begin === undefined) return null;
  const { folds, seq, version } = begin as Beginning & { readonly version: unknown };
  if (version !== foldsVersion)
    throw new LogFileError(
      `This recording begins with a checkpoint of another version (${String(version)}).`,
      'Open the file itself in a browser: the version that made it is in it',
    );
  return { folds, seq };
}

/** Furthest from the Unix epoch that a date can be, ms. */
const instantMsMax = 8.64e15;

/** What the frame of the page leans on is there; whether the fact may happen, the fold itself will tell. */
function recordIn(record: Readonly<Record<string, unknown>>, number: number, lastSeq: number): PlayedRecord {
  const { at, data, seq, subject, type, version } = record;
  const isRecord =
    [at, seq, version].every(Number.isSafeInteger) &&
    Math.abs(at as number) <= instantMsMax &&
    typeof subject === 'string' &&
    typeof type === 'string' &&
    typeof data === 'object' &&
    data !== null;
  if (!isRecord) throw new LogFileError(`Line ${number} is not a record: ${excerpt(JSON.stringify(record))}`);
  if ((seq as number) <= lastSeq)
    throw new LogFileError(`Line ${number} has seq ${String(seq)} after ${lastSeq}: the order is lost.`);
  return record as unknown as PlayedRecord;
}
