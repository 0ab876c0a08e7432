/**
 * Where each record lies: eight bytes of memory a record, and the files to read it from.
 *
 * Why an index in memory and none on disk: it is a fold of the log, rebuilt while the log is verified
 * anyway; a second file could disagree with the first. Test: `test/log/conformance.ts`.
 */
import { BerthError, invariant } from '../errors.ts';
import { type FactRecord, openRecord, type Sha256 } from '../events/record.ts';
import { chunkBytes, type Segment } from './segment.ts';

/** Offsets are kept in pieces of this many, so that growing copies nothing. */
const pieceLength = 65_536;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Offsets of all synced records, and the segments. One open file a segment: 16 a GiB. */
export class Places {
  readonly segments: Segment[] = [];
  readonly #pieces: Float64Array[] = [];
  readonly #sha256: Sha256;
  #count = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** The offset of the next record, seq `count + 1`, in the last segment. */
  add(offset: number): void {
    const at = this.#count % pieceLength;
    if (at === 0) this.#pieces.push(new Float64Array(pieceLength));
    this.#pieces.at(-1)![at] = offset;
    this.#count += 1;
  }

  /** Records `from` … `to`, all of them synced. */
  async read(from: number, to: number): Promise<FactRecord[]> {
    const records: FactRecord[] = [];
    for (let seq = from; seq <= to; ) {
      const run = this.#run(seq, to);
      const bytes = await run.segment.file.read(run.start, run.length);
      records.push(...this.#parse(bytes, seq, run.to, run.segment));
      seq = run.to + 1;
    }
    return records;
  }

  /** One record, at once: blocks the process for one small read. */
  readSync(seq: number): FactRecord {
    const run = this.#run(seq, seq);
    return this.#parse(run.segment.file.readSync(run.start, run.length), seq, seq, run.segment)[0]!;
  }

  /** As many records from `from` on as lie in one segment and about one chunk; at least one. */
  #run(from: number, toMax: number): { segment: Segment; start: number; length: number; to: number } {
    invariant(from >= 1 && toMax <= this.#count, `records ${from} to ${toMax} of ${this.#count}`);
    const index = this.#segmentOf(from);
    const segment = this.segments[index]!;
    const lastHere = Math.min(
      this.#count,
      (this.segments[index + 1]?.firstSeq ?? Number.MAX_SAFE_INTEGER) - 1,
    );
    const endOf = (seq: number): number => (seq === lastHere ? segment.end : this.#offsetOf(seq + 1));
    const start = this.#offsetOf(from);
    let to = from;
    while (to < Math.min(lastHere, toMax) && endOf(to + 1) - start <= chunkBytes) to += 1;
    return { segment, start, length: endOf(to) - start, to };
  }

  #offsetOf(seq: number): number {
    return this.#pieces[Math.floor((seq - 1) / pieceLength)]![(seq - 1) % pieceLength]!;
  }

  #segmentOf(seq: number): number {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.segments[middle]!.firstSeq <= seq) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Records of a piece of a file; marks between them are passed over. Hashes are checked again: disks rot after the start too. */
  #parse(bytes: Uint8Array, from: number, to: number, segment: Segment): FactRecord[] {
    const records: FactRecord[] = [];
    let prev: string | null = null;
    for (const line of decoder.decode(bytes).split('\n')) {
      if (line.startsWith('#') || records.length > to - from) continue;
      const seq = from + records.length;
      const record = openRecord(line, { seq, prev: prev ?? prevIn(line) }, this.#sha256);
      if (typeof record === 'string') {
        const where = `${segment.path}, byte ${this.#offsetOf(seq)}, seq ${seq}`;
        throw new BerthError('ERR_LOG_CORRUPT', `${where}: the record ${record}`);
      }
      prev = record.hash;
      records.push(record);
    }
    return records;
  }
}

/** What the line itself says of its predecessor: for the first record of a piece, whose predecessor was not read. */
function prevIn(line: string): string {
  try {
    return (JSON.parse(line) as FactRecord).prev;
  } catch {
    return '';
  }
}
