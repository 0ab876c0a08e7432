/**
 * Where each record lies: the segments, and for those in use the offsets of their lines.
 *
 * Why an index in memory and none on disk: it is a fold of the log, made by reading a segment once; a second file
 * could disagree with the first. Why not of all segments: memory would grow with history. The newest segment's is
 * always there, for it is written to; an old one's is made when someone reads from it.
 * Tests: `test/log/conformance.ts`, `test/log/places.test.ts`.
 */
import { BerthError, invariant } from '../errors.ts';
import { type FactRecord, openRecord, type Sha256 } from '../events/record.ts';
import type { Disk } from './disk.ts';
import { linesOf, readLines } from './lines.ts';
import { chunkBytes, type Segment } from './segment.ts';

/** Segments whose offsets are kept: about 1.2 MB for each of 64 MiB. Beyond it those least recently read are dropped. */
const indexedMax = 8;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** All synced records of a log that was opened. */
export class Places {
  /** In order; the last one is written to. */
  readonly segments: Segment[] = [];
  /** Offsets of the records of a segment, by its first seq; the least recently used first. */
  readonly #indexes = new Map<number, number[]>();
  readonly #loading = new Map<number, Promise<number[]>>();
  readonly #disk: Disk;
  readonly #sha256: Sha256;

  constructor(disk: Disk, sha256: Sha256) {
    this.#disk = disk;
    this.#sha256 = sha256;
  }

  /** Segments whose offsets are in memory. */
  get indexed(): number {
    return this.#indexes.size;
  }

  /** First seq that is still there; 1 for a log without segments. */
  get firstSeq(): number {
    return this.segments[0]?.firstSeq ?? 1;
  }

  /** The offsets of the next records of `segment`, which is the last one so far. */
  add(segment: Segment, offsets: readonly number[]): void {
    const index = this.#indexes.get(segment.firstSeq) ?? [];
    for (const offset of offsets) index.push(offset);
    this.#remember(segment.firstSeq, index);
  }

  /** Lets go of segments that end at or before `seq`, never of the last one. Returns them, their files still open. */
  drop(seq: number): Segment[] {
    let count = 0;
    while (count + 1 < this.segments.length && this.segments[count + 1]!.firstSeq - 1 <= seq) count += 1;
    const gone = this.segments.splice(0, count);
    for (const { firstSeq } of gone) this.#indexes.delete(firstSeq);
    return gone;
  }

  /**
   * Records `from` … `to`, all of them synced. Throws `ERR_NOT_FOUND` when the first ones are retired: no answer at
   * all, for one that begins later would be a gap that nobody sees. `ERR_LOG_CORRUPT` for what does not verify.
   */
  async read(from: number, to: number): Promise<FactRecord[]> {
    const records: FactRecord[] = [];
    for (let seq = from; seq <= to; ) {
      const segment = this.#segmentOf(seq);
      const index = this.#indexes.get(segment.firstSeq) ?? (await this.#load(segment));
      const run = runOf(segment, index, seq, to);
      const bytes = await segment.file.read(run.start, run.length);
      records.push(...this.#parse(bytes, seq, run.to, segment, index));
      seq = run.to + 1;
    }
    return records;
  }

  /** One record, at once: blocks the process for one small read, or for a whole segment when that has no index yet. */
  readSync(seq: number): FactRecord {
    const segment = this.#segmentOf(seq);
    let index = this.#indexes.get(segment.firstSeq);
    if (index === undefined) {
      const bytes = this.#disk.readSync(segment.path);
      segment.end = bytes.length;
      index = linesOf(bytes.subarray(0, bytes.lastIndexOf(10) + 1), 0).flatMap(recordOffset);
      this.#check(segment, index);
      this.#remember(segment.firstSeq, index);
    }
    const { start, length } = runOf(segment, index, seq, seq);
    return this.#parse(segment.file.readSync(start, length), seq, seq, segment, index)[0]!;
  }

  /** Offsets of an old segment, by reading it once; several who wait for the same one share the reading. */
  #load(segment: Segment): Promise<number[]> {
    const underWay = this.#loading.get(segment.firstSeq);
    if (underWay !== undefined) return underWay;
    const loading = (async () => {
      const end = await segment.file.size();
      const index: number[] = [];
      for await (const lines of readLines(segment.file, end)) {
        for (const line of lines) for (const offset of recordOffset(line)) index.push(offset);
      }
      segment.end = end;
      this.#check(segment, index);
      this.#remember(segment.firstSeq, index);
      return index;
    })().finally(() => this.#loading.delete(segment.firstSeq));
    this.#loading.set(segment.firstSeq, loading);
    return loading;
  }

  /** The number of records says whether a piece is missing; whether each is the right one is checked when it is read. */
  #check(segment: Segment, index: readonly number[]): void {
    const next = this.segments[this.segments.indexOf(segment) + 1];
    if (next === undefined || index.length === next.firstSeq - segment.firstSeq) return;
    const message = `${segment.path} has ${index.length} whole records, expected ${next.firstSeq - segment.firstSeq}`;
    throw new BerthError('ERR_LOG_CORRUPT', message);
  }

  #remember(firstSeq: number, index: number[]): void {
    this.#indexes.delete(firstSeq);
    this.#indexes.set(firstSeq, index);
    const last = this.segments.at(-1)?.firstSeq;
    for (const key of this.#indexes.keys()) {
      if (this.#indexes.size <= indexedMax) break;
      if (key !== last) this.#indexes.delete(key);
    }
  }

  #segmentOf(seq: number): Segment {
    let low = 0;
    let high = this.segments.length - 1;
    const first = this.segments[0];
    invariant(first !== undefined, `seq ${seq} of a log without segments`);
    if (seq < first.firstSeq) {
      const message = `seq ${seq} is retired: the log begins with ${first.firstSeq}; retired.jsonl beside it names the file`;
      throw new BerthError('ERR_NOT_FOUND', message);
    }
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.segments[middle]!.firstSeq <= seq) low = middle;
      else high = middle - 1;
    }
    return this.segments[low]!;
  }

  /** Records of a piece of a file; marks between them are passed over. Hashes are checked again: disks rot after the start too. */
  #parse(
    bytes: Uint8Array,
    from: number,
    to: number,
    segment: Segment,
    index: readonly number[],
  ): FactRecord[] {
    const records: FactRecord[] = [];
    let prev: string | null = null;
    for (const line of decoder.decode(bytes).split('\n')) {
      if (line.startsWith('#') || records.length > to - from) continue;
      const seq = from + records.length;
      const record = openRecord(line, { seq, prev: prev ?? prevIn(line) }, this.#sha256);
      if (typeof record === 'string') {
        const where = `${segment.path}, byte ${index[seq - segment.firstSeq]}, seq ${seq}`;
        throw new BerthError('ERR_LOG_CORRUPT', `${where}: the record ${record}`);
      }
      prev = record.hash;
      records.push(record);
    }
    return records;
  }
}

/** As many records from `from` on as lie in the segment and in about one chunk; at least one. */
function runOf(
  segment: Segment,
  index: readonly number[],
  from: number,
  toMax: number,
): { start: number; length: number; to: number } {
  const { firstSeq, end } = segment;
  const lastHere = firstSeq + index.length - 1;
  invariant(from <= lastHere, `record ${from} of ${segment.path}, which ends with ${lastHere}`);
  const endOf = (seq: number): number => (seq === lastHere ? end : index[seq + 1 - firstSeq]!);
  const start = index[from - firstSeq]!;
  let to = from;
  while (to < Math.min(lastHere, toMax) && endOf(to + 1) - start <= chunkBytes) to += 1;
  return { start, length: endOf(to) - start, to };
}

/** The offset of a line that is a whole record by its looks. */
const recordOffset = ({ offset, text }: { offset: number; text: string | null }): number[] =>
  text === null || text.startsWith('#') ? [] : [offset];

/** What the line itself says of its predecessor: for the first record of a piece, whose predecessor was not read. */
function prevIn(line: string): string {
  try {
    return (JSON.parse(line) as FactRecord).prev;
  } catch {
    return '';
  }
}
