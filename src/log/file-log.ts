/**
 * The log on one disk: append-only segments, hash-chained, written in groups.
 *
 * Why groups: an fdatasync costs 0.2 ms whether it saves one fact or five hundred. While one flush is under way,
 * appends gather; the next flush takes them all. So latency stays at one or two syncs, and throughput
 * doesn't wait for the disk. Nothing is ever changed in place: a crash can hurt only the end.
 * Format: `segment.ts`. Opening: `file.ts`. Tests: `test/log/conformance.ts`, `test/log/failing-disk.test.ts`.
 */
import { BerthError, invariant } from '../errors.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import type { Chain } from './chain.ts';
import type { Disk } from './disk.ts';
import type { Handles, KeptFile } from './handles.ts';
import type { Appended, Draft, Log, LogBase } from './log.ts';
import type { Places } from './places.ts';
import { Progress } from './progress.ts';
import type { Recent } from './recent.ts';
import { type Mark, markLine, type Segment, segmentName } from './segment.ts';

/**
 * Text that may wait for the disk. At the limit `append` throws `ERR_BUSY`: the disk is minutes behind, and
 * more memory would only make the end worse. No failure, for the disk may catch up.
 */
const pendingBytesMax = 256 * 1024 * 1024;
/** Bytes of one group, about: bounds what one flush holds in memory and what one crash can tear. */
const groupBytesMax = 8 * 1024 * 1024;
const newline = 10;

/** What `openFileLog` has read and mended. */
export interface FileLogParts {
  readonly dir: string;
  readonly disk: Disk;
  readonly sha256: Sha256;
  readonly chain: Chain;
  readonly places: Places;
  readonly handles: Handles;
  readonly recent: Recent;
  /** Number of the last group in the log. */
  readonly group: number;
  /** Whether a `closed` mark is the last thing in the log. */
  readonly closed: boolean;
  /** Whether the last segment may be written to. */
  readonly continueSegment: boolean;
  readonly segmentBytesMax: number;
}

/** The log once it is open; `openFileLog` in `file.ts` makes one. */
export class FileLog implements Log {
  readonly durability = 'file: fdatasync returned';
  readonly epoch: number;
  readonly #parts: FileLogParts;
  readonly #chain: Chain;
  readonly #progress: Progress;
  /** Lines that no flush has taken yet, and their length. */
  #lines: string[] = [];
  #linesBytes = 0;
  /** Length of the lines that the present flush has taken. */
  #flushBytes = 0;
  #flushing: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  /** Seq and hash of the last record that a flush has taken, number of its group. */
  #tail: { seq: number; hash: string; group: number };
  #sealed: boolean;
  /** The last segment is not written to any more, not even a mark. */
  #newSegment: boolean;
  /** The last segment ends at this seq: the next flush seals it and begins a new one. -1 when nothing was cut. */
  #cutAt = -1;

  constructor(parts: FileLogParts) {
    this.#parts = parts;
    this.#chain = parts.chain;
    this.epoch = parts.chain.epochMax + 1;
    this.#progress = new Progress(parts.chain.head);
    this.#tail = { seq: parts.chain.head, hash: parts.chain.headHash, group: parts.group };
    this.#sealed = parts.closed || parts.group === 0;
    this.#newSegment = !parts.continueSegment;
  }

  get head(): number {
    return this.#chain.head;
  }
  get headHash(): string {
    return this.#chain.headHash;
  }
  get durable(): number {
    return this.#progress.durable;
  }
  get failure(): Error | null {
    return this.#progress.failure;
  }
  /** Length of the lines that are appended and not yet durable, in UTF-16 units: bytes, for ASCII. */
  get pendingBytes(): number {
    return this.#linesBytes + this.#flushBytes;
  }

  append(draft: Draft): Appended {
    if (this.#progress.failure !== null || this.#closing !== null) throw this.#progress.why();
    if (this.pendingBytes > pendingBytesMax) {
      throw new BerthError('ERR_BUSY', `${this.pendingBytes} bytes of facts wait for the disk`);
    }
    const { record, line } = this.#chain.place(draft, this.epoch, this.#recordAt);
    if (line === null) return { record, duplicate: true };
    this.#parts.recent.push(record);
    this.#lines.push(line);
    this.#linesBytes += line.length + 1;
    this.#flushing ??= this.#flushAll();
    return { record, duplicate: false };
  }

  versionOf(stream: string): number {
    return this.#chain.versionOf(stream);
  }

  cutSegment(keeps: (stream: string) => boolean): LogBase {
    if (this.#progress.failure !== null || this.#closing !== null) throw this.#progress.why();
    invariant(this.durable === this.head, `cut at ${this.head}, durable up to ${this.durable}`);
    this.#cutAt = this.head;
    return { ...this.#chain.cut(keeps), group: this.#tail.group };
  }

  /** Lets go of the segments that end at or before `seq`; from now on nobody reads from them. */
  async release(seq: number): Promise<void> {
    await Promise.all(this.#parts.places.drop(seq).map(({ file }) => file.close()));
  }

  async read(from: number, limit: number): Promise<FactRecord[]> {
    const first = Math.max(1, from);
    const last = Math.min(this.head, from + limit - 1);
    if (last < first) return [];
    // Taken before the wait: what is recent now may have left the cache when the disk answers.
    const recent = this.#parts.recent.slice(first, last);
    const fromDisk = last - recent.length;
    if (fromDisk < first) return recent;
    return [...(await this.#parts.places.read(first, fromDisk)), ...recent];
  }

  async readStream(stream: string, fromVersion = 1, limit = 10_000): Promise<FactRecord[]> {
    const { recent, places } = this.#parts;
    const seqs = this.#chain.seqsOf(stream, fromVersion, limit).filter((seq) => seq >= places.firstSeq);
    const found = seqs.map((seq) => recent.get(seq) ?? seq);
    const records: FactRecord[] = [];
    for (const item of found)
      records.push(typeof item === 'number' ? (await places.read(item, item))[0]! : item);
    return records;
  }

  whenDurable(seq: number): Promise<void> {
    return this.#progress.whenDurable(seq);
  }

  onChange(listener: () => void): () => void {
    return this.#progress.onChange(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  readonly #recordAt = (seq: number): FactRecord =>
    this.#parts.recent.get(seq) ?? this.#parts.places.readSync(seq);

  /** Flushes until nothing is pending. One runs at a time; any error is the end of writing. */
  async #flushAll(): Promise<void> {
    // Begin after the present turn: appending does no I/O, and all of the turn's facts share one sync.
    await null;
    try {
      while (this.#lines.length > 0 && this.#progress.failure === null) {
        const seq = await this.#flushGroup();
        this.#parts.recent.trim(seq);
        this.#progress.advance(seq);
      }
    } catch (error) {
      this.#progress.fail(error);
    } finally {
      this.#flushing = null;
      this.#flushBytes = 0;
    }
  }

  /** One group: a mark, its records, one write, one fdatasync. Returns the last seq in it. */
  async #flushGroup(): Promise<number> {
    const { places, recent, sha256 } = this.#parts;
    const lines = this.#takeLines();
    const from = this.#tail;
    const seq = from.seq + lines.length;
    const segment = await this.#segmentFor(from.seq + 1);
    const mark: Mark = {
      kind: 'group',
      group: from.group + 1,
      after: from.seq,
      prev: from.hash,
      records: lines.length,
    };
    const header = `${markLine(mark, sha256)}\n`;
    const bytes = new TextEncoder().encode(`${header}${lines.join('\n')}\n`);
    this.#sealed = false;
    await segment.file.write(bytes, segment.end);
    await segment.file.datasync();
    const offsets: number[] = [];
    for (let at = header.length; at < bytes.length; at = bytes.indexOf(newline, at) + 1)
      offsets.push(segment.end + at);
    places.add(segment, offsets);
    segment.end += bytes.length;
    this.#tail = { seq, hash: recent.get(seq)!.hash, group: mark.group };
    return seq;
  }

  #takeLines(): string[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#lines.length && bytes < groupBytesMax) bytes += this.#lines[count++]!.length + 1;
    const taken = this.#lines;
    this.#lines = count === taken.length ? [] : taken.splice(count);
    this.#linesBytes -= bytes;
    this.#flushBytes = bytes;
    return taken;
  }

  /** The segment to write to; a new one behind a cut, or when the present one is full. Its name is durable before its content. */
  async #segmentFor(firstSeq: number): Promise<Segment> {
    const { dir, disk, handles, places, segmentBytesMax } = this.#parts;
    const present = places.segments.at(-1);
    const cut = this.#cutAt === firstSeq - 1 && present?.firstSeq !== firstSeq;
    if (present && !cut && !this.#newSegment && present.end < segmentBytesMax) return present;
    if (present && !this.#newSegment) await this.#seal();
    const path = `${dir}/${segmentName(firstSeq)}`;
    const segment = { firstSeq, path, file: handles.keep(path, await disk.open(path, true)), end: 0 };
    places.segments.push(segment);
    places.add(segment, []);
    if (present) (present.file as KeptFile).letGo();
    await disk.syncFolder(dir);
    this.#newSegment = false;
    return segment;
  }

  /** Writes the mark that says: all before me is on the disk. */
  async #seal(): Promise<void> {
    const segment = this.#parts.places.segments.at(-1);
    if (this.#sealed || !segment) return;
    const { seq, hash, group } = this.#tail;
    const mark: Mark = { kind: 'closed', group, after: seq, prev: hash, records: 0 };
    const bytes = new TextEncoder().encode(`${markLine(mark, this.#parts.sha256)}\n`);
    await segment.file.write(bytes, segment.end);
    await segment.file.datasync();
    segment.end += bytes.length;
    this.#sealed = true;
  }

  async #close(): Promise<void> {
    const failedBefore = this.#progress.failure !== null;
    await this.#flushing;
    try {
      if (this.#progress.failure === null && !this.#newSegment) await this.#seal();
    } catch (error) {
      this.#progress.fail(error);
    }
    this.#progress.close();
    await Promise.allSettled(this.#parts.places.segments.map(({ file }) => file.close()));
    if (!failedBefore && this.#progress.failure !== null) throw this.#progress.failure;
  }
}
