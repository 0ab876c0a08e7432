/**
 * Says what was done to a log that `verify.ts` found not to be sound: each fault with its kind, its seqs and its place.
 *
 * Why apart: whether a log is sound must be simple enough to trust; what happened to it is a matter of inference.
 * All lines are read, and of each whole record its seq, its place and the beginnings of its two hashes are kept (32
 * bytes a record). For each seq one record is chosen, the one that links best. What is left over is a copy or a
 * stranger; what breaks the longest ascending order was moved; what is missing was edited where a broken line
 * stands in its place, else dropped. The smallest change that explains it is told. Where someone made hashes right
 * again, a fault may have a second reading. Test: `test/log/verify.test.ts`.
 */
import { statSync } from 'node:fs';
import { ascending } from './ascending.ts';
import type { Fault, FaultKind, Item, Source } from './verdict.ts';
import { itemsOf } from './verify.ts';

const brokenMax = 10_000; // A file that has more broken lines is no log.
const noHash = 'does not end in a hash';
const noNewline = 'has no newline at its end';
/** 48 bits: what the whole hashes decide is decided in `verify.ts`. */
const beginning = (hash: string): number => Number.parseInt(hash.slice(0, 12), 16);

/** `row`: whole records that stand before it. */
interface Place {
  readonly file: string;
  readonly byte: number;
  readonly row: number;
}
interface Broken extends Place {
  readonly why: string;
  readonly claims: number;
  readonly isMark: boolean;
}
/** Between which records it says that it stands, what it announces, and whether it names the right hash. */
interface Mark extends Place {
  readonly after: number;
  readonly upTo: number;
  readonly fits: boolean;
}

/** What was done to the log, in the order of its files. Rejects with Node's errors when a file can't be read. */
export async function diagnose(source: Source): Promise<Fault[]> {
  const lines = new Lines(source);
  for (const file of source.files) {
    for await (const items of itemsOf(file, source.isExport))
      for (const item of items) lines.take(file, item);
  }
  return lines.faults();
}

/** All lines of a log. Whole records are rows, numbered as they stand. */
class Lines {
  readonly #source: Source;
  readonly #seqs: number[] = [];
  readonly #hashes: number[] = [];
  readonly #prevs: number[] = [];
  readonly #bytes: number[] = [];
  /** Whether the mark before a row speaks of it. */
  readonly #announced: boolean[] = [];
  readonly #starts: { readonly file: string; readonly row: number }[] = [];
  readonly #marks: Mark[] = [];
  #broken: Broken[] = [];
  /** Rows that a signed head agrees and disagrees with. */
  readonly #signed = new Set<number>();
  readonly #unlike = new Set<number>();
  #hash: string;
  #faults: Omit<Fault, 'sealed'>[] = [];

  constructor(source: Source) {
    this.#source = source;
    this.#hash = source.base.hash;
  }

  take(file: string, item: Item): void {
    const row = this.#seqs.length;
    const { byte, kind, text } = item;
    if (this.#starts.at(-1)?.file !== file) this.#starts.push({ file, row });
    if (kind === 'broken') {
      if (this.#broken.length === brokenMax)
        throw new Error(`${file} has more than ${brokenMax} broken lines`);
      const claims = Number(/"seq":(\d{1,15})/.exec(text)?.[1] ?? 0);
      const isMark =
        !this.#source.isExport && /^.{0,2}"(group|closed)":|"check":"[0-9a-f]{16}"\}$/.test(text);
      this.#broken.push({ file, byte, row, why: item.why, claims, isMark });
    } else if (kind === 'mark') {
      const fits = item.seq !== (this.#seqs.at(-1) ?? this.#source.base.seq) || item.hash === this.#hash;
      this.#marks.push({ file, byte, row, after: item.seq, upTo: item.upTo, fits });
    } else {
      const { hash, prev, seq } = item;
      const head = this.#source.heads.get(seq);
      if (head) (head.hash === hash ? this.#signed : this.#unlike).add(row);
      // Where beginnings agree and hashes do not, someone took pains: that is no link.
      const forged = prev !== this.#hash && beginning(prev) === beginning(this.#hash);
      this.#prevs.push(forged ? -1 : beginning(prev));
      this.#seqs.push(seq);
      this.#hashes.push(beginning(hash));
      this.#bytes.push(byte);
      const { after, upTo } = this.#marks.at(-1) ?? { after: 0, upTo: Number.MAX_SAFE_INTEGER };
      this.#announced.push(after < seq && seq <= upTo);
      this.#hash = hash;
    }
  }

  faults(): Fault[] {
    const chosen = this.#choose();
    const inPlace = this.#inPlace(chosen);
    const rows = this.#checkOrder(chosen, inPlace);
    const placed = rows.filter((row) => inPlace.has(row));
    this.#checkLinks(rows);
    this.#checkGaps(rows, inPlace);
    const announced = this.#source.isExport ? 0 : this.#checkMarks(rows, placed);
    const end = this.#checkEnd(rows, placed, announced);
    this.#checkHeads(rows);
    for (const line of this.#broken) {
      const seq = this.#seqs[line.row] ?? end;
      if (line.isMark) this.#tell('mark', line, seq, `the mark ${line.why}`);
      else this.#tell('inserted', line, seq, `a line that is no record: it ${line.why}`);
    }
    const { files, isExport, signedTo } = this.#source;
    const order = ({ byte, file }: Pick<Place, 'file' | 'byte'>): number =>
      files.indexOf(file) * 2 ** 43 + byte;
    const mark = this.#marks.at(-1);
    const sealedTo = isExport ? Number.MAX_SAFE_INTEGER : mark ? order(mark) : -1;
    return this.#faults
      .map((fault) => ({ ...fault, sealed: order(fault) <= sealedTo || fault.seq <= signedTo }))
      .sort((a, b) => order(a) - order(b) || a.seq - b.seq);
  }

  /** For each seq the row that links best, in the order of seqs. */
  #choose(): number[] {
    const seqs = this.#seqs;
    const order = [...seqs.keys()].sort((a, b) => seqs[a]! - seqs[b]! || a - b);
    const chosen: number[] = [];
    for (let at = 0, end = 0; at < order.length; at = end) {
      const seq = seqs[order[at]!]!;
      while (end < order.length && seqs[order[end]!] === seq) end += 1;
      let next = end;
      while (next < order.length && seqs[order[next]!] === seq + 1) next += 1;
      const score = (row: number): number =>
        (this.#links(chosen.at(-1), row) ? 2 : 0) +
        (order.slice(end, next).some((follower) => this.#links(row, follower)) ? 2 : 0) +
        Number((seqs[row - 1] ?? this.#source.base.seq) === seq - 1) +
        Number(seqs[row + 1] === seq + 1) +
        Number(this.#announced[row]);
      const rivals = order.slice(at, end);
      const best = rivals.length === 1 ? rivals[0]! : rivals.reduce((a, b) => (score(b) > score(a) ? b : a));
      chosen.push(best);
      for (const row of rivals)
        if (row !== best) this.#tellExtra(row, this.#hashes[row] === this.#hashes[best]);
    }
    return chosen;
  }

  /** The longest part of what links and is announced that stands in order, and between it what else fits. */
  #inPlace(chosen: readonly number[]): Set<number> {
    const sure = chosen.filter(
      (row, i) => this.#announced[row] && this.#isLinked(row, chosen[i - 1], chosen[i + 1]),
    );
    const found = ascending(sure);
    const isSure = new Set(sure);
    const uppers: number[] = [];
    for (let i = chosen.length - 1, upper = Number.POSITIVE_INFINITY; i >= 0; i -= 1) {
      uppers[i] = upper;
      if (found.has(chosen[i]!)) upper = chosen[i]!;
    }
    let lower = -1;
    for (const [i, row] of chosen.entries()) {
      if (!isSure.has(row) && row > lower && row < uppers[i]!) found.add(row);
      if (found.has(row)) lower = row;
    }
    return found;
  }

  #isLinked(row: number, before: number | undefined, next: number | undefined): boolean {
    return this.#links(before, row) || (next !== undefined && this.#links(row, next));
  }

  /** Tells what was moved; strangers among it are left out. */
  #checkOrder(chosen: readonly number[], inPlace: ReadonlySet<number>): number[] {
    return chosen.filter((row, i) => {
      if (inPlace.has(row)) return true;
      if (!this.#isLinked(row, chosen[i - 1], chosen[i + 1])) {
        this.#tellExtra(row, false);
        return false;
      }
      const seq = this.#seqs[row]!;
      const behind = this.#seqs[row + 1] ?? seq;
      const where = behind < seq ? `before seq ${behind}` : `behind seq ${this.#seqs[row - 1]}`;
      this.#tell('reordered', this.#placeOf(row), seq, `seq ${seq} stands ${where}`);
      return true;
    });
  }

  /** A link that breaks between two neighbours, each whole in itself: one of them was made anew. */
  #checkLinks(rows: readonly number[]): void {
    const breaks = (i: number): boolean => {
      const before = i > 0 ? this.#seqs[rows[i - 1]!]! : this.#source.base.seq;
      return i < rows.length && this.#seqs[rows[i]!] === before + 1 && !this.#links(rows[i - 1], rows[i]!);
    };
    for (let i = 0; i < rows.length; i += 1) {
      if (!breaks(i)) continue;
      const seq = this.#seqs[rows[i]!]!;
      if (i === 0 || breaks(i + 1)) {
        this.#tell('edited', this.#placeOf(rows[i]!), seq, 'the record does not link to the one before it');
        i += 1;
      } else {
        const toSeq = i === rows.length - 1 ? seq : seq - 1;
        this.#tell(
          'edited',
          this.#placeOf(rows[i - 1]!),
          seq - 1,
          `seq ${seq} links to another record`,
          toSeq,
        );
      }
    }
  }

  #checkGaps(rows: readonly number[], inPlace: ReadonlySet<number>): void {
    let from = this.#source.base.seq + 1;
    let lower = -1;
    for (const [i, row] of rows.entries()) {
      const seq = this.#seqs[row]!;
      if (seq > from) {
        const upper = rows.find((each, at) => at >= i && inPlace.has(each)) ?? this.#seqs.length;
        for (const [a, b] of this.#fill(from, seq - 1, lower, upper)) {
          const reason = a === b ? `seq ${a} is missing` : `seq ${a} to ${b} are missing`;
          this.#tell('dropped', this.#placeOf(upper), a, reason, b);
        }
      }
      from = seq + 1;
      if (inPlace.has(row)) lower = row;
    }
  }

  /** Broken lines between two rows are the records that are missing there, edited. Returns what is missing still. */
  #fill(from: number, to: number, lower: number, upper: number): [number, number][] {
    const inside = ({ isMark, row }: Broken): boolean => !isMark && row > lower && row <= upper;
    const lines = this.#broken.filter(inside);
    this.#broken = this.#broken.filter((line) => !inside(line));
    const missing: [number, number][] = [];
    let next = from;
    for (const { claims, why, ...place } of lines) {
      if (next > to) break;
      const seq = lines.length <= to - from && claims >= next && claims <= to ? claims : next;
      if (seq > next) missing.push([next, seq - 1]);
      this.#tell(why === noNewline ? 'truncated' : 'edited', place, seq, `the record ${why}`);
      next = seq + 1;
    }
    return next <= to ? [...missing, [next, to]] : missing;
  }

  /** Each mark announces records up to the next one; only records beside neighbours tell that it moved. Returns the last seq announced. */
  #checkMarks(rows: readonly number[], placed: readonly number[]): number {
    const sure = placed.filter((row) => this.#isLinked(row, row > 0 ? row - 1 : undefined, row + 1));
    const rowOf = new Map(sure.map((row) => [this.#seqs[row]!, row]));
    const brokenBefore = (limit: number): boolean =>
      this.#broken.some(({ isMark, row }) => isMark && row <= limit);
    let upTo = this.#source.base.seq;
    for (const mark of this.#marks) {
      const { after, fits, row } = mark;
      if (after < upTo || (rowOf.get(after) ?? -1) >= row || (rowOf.get(after + 1) ?? row) < row) {
        this.#tell('mark', mark, after, `the mark belongs behind seq ${after}`);
        continue;
      }
      if (rows.some((each) => upTo < this.#seqs[each]! && this.#seqs[each]! <= after) && !brokenBefore(row))
        this.#tell('mark', mark, upTo + 1, `no mark announces seq ${upTo + 1} to ${after}`, after);
      if (!fits && rowOf.get(after) === row - 1 && !this.#isTold(after))
        this.#tell('edited', this.#placeOf(row - 1), after, 'the mark behind it names another hash');
      upTo = mark.upTo;
    }
    const over = rows.filter((row) => this.#seqs[row]! > upTo);
    const last = this.#seqs[over.at(-1) ?? -1];
    if (last !== undefined && !brokenBefore(this.#seqs.length)) {
      const reason = 'the record stands in no group';
      this.#tell('inserted', this.#placeOf(over[0]!), this.#seqs[over[0]!]!, reason, last);
    }
    return upTo;
  }

  /** What marks and signed heads say that must follow. Returns the seq that the log ends with. */
  #checkEnd(rows: readonly number[], placed: readonly number[], announced: number): number {
    const { base, files, signedTo } = this.#source;
    const last = this.#seqs[rows.at(-1) ?? -1] ?? base.seq;
    const lower = placed.at(-1) ?? -1;
    const lines = this.#broken.filter(({ isMark, row }) => !isMark && row > lower);
    // An edit may have made two lines of one: only one of them ends as records do.
    const edited = Math.max(Math.min(1, lines.length), lines.filter(({ why }) => why !== noHash).length);
    const to = Math.max(announced, last + edited);
    const [missing] = this.#fill(last + 1, to, lower, this.#seqs.length).slice(-1);
    const end = missing ? missing[0] - 1 : to;
    if (Math.max(announced, signedTo) <= end) return end;
    const file = files.at(-1) ?? '';
    const place = { file, byte: file ? statSync(file).size : 0 };
    const why =
      signedTo > end ? `a head is signed for seq ${signedTo}` : `a group announces seq ${announced}`;
    this.#tell(
      'truncated',
      place,
      end + 1,
      `the log ends at seq ${end}, ${why}`,
      Math.max(announced, signedTo),
    );
    return end;
  }

  #checkHeads(rows: readonly number[]): void {
    const wrong = rows.find((row) => this.#unlike.has(row));
    if (wrong === undefined) return;
    const seq = this.#seqs[wrong]!;
    if (this.#isTold(seq)) return;
    const right = rows.filter((row) => row < wrong && this.#signed.has(row)).at(-1);
    const from = (this.#seqs[right ?? -1] ?? this.#source.base.seq) + 1;
    const reason = `rewritten at or before seq ${seq}: the head signed for seq ${seq} has another hash`;
    this.#tell('rewritten', this.#placeOf(wrong), from, reason, seq);
  }

  #links(row: number | undefined, next: number): boolean {
    const { seq, hash } = this.#source.base;
    const before = row === undefined ? seq : this.#seqs[row]!;
    const expected = row === undefined ? beginning(hash) : this.#hashes[row]!;
    return this.#seqs[next] === before + 1 && this.#prevs[next] === expected;
  }

  #isTold(seq: number): boolean {
    return this.#faults.some((fault) => fault.kind === 'edited' && fault.seq <= seq && seq <= fault.toSeq);
  }

  #tellExtra(row: number, isCopy: boolean): void {
    const seq = this.#seqs[row]!;
    const what = isCopy
      ? `seq ${seq} stands here once more`
      : `another record for seq ${seq}, to which nothing links`;
    this.#tell(isCopy ? 'duplicated' : 'inserted', this.#placeOf(row), seq, what);
  }

  #tell(
    kind: FaultKind,
    place: Pick<Place, 'file' | 'byte'>,
    seq: number,
    reason: string,
    toSeq = seq,
  ): void {
    this.#faults.push({ kind, seq, toSeq, file: place.file, byte: place.byte, reason });
  }

  #placeOf(row: number): Place {
    const file = this.#starts.findLast((start) => start.row <= row)?.file ?? '';
    return { file, byte: this.#bytes[row] ?? statSync(file).size, row };
  }
}
