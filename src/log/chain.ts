/**
 * The chain: where the log stands, and the rules by which a fact gets its place.
 *
 * Why apart from the adapters: seq, version, message id, epoch, `prev` and hash must come out the same
 * whether the bytes go to a disk or nowhere. The adapters differ only in what they do with the line.
 * Test: `test/log/conformance.ts`.
 */
import { BerthError, invariant } from '../errors.ts';
import { type FactRecord, genesis, type Sha256, sealRecord } from '../events/record.ts';
import { streamOf } from '../events/subject.ts';
import type { Draft, LogBase } from './log.ts';

/** Longest line of a record. Longer ones are refused at the append and taken for damage when read. */
export const lineBytesMax = 16 * 1024 * 1024;

/** What may stand unescaped in a line: dotted tokens. Anything else would break the record's template. */
const subjectPattern = /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){1,7}$/;
const wordPattern = /^[A-Za-z0-9_.-]{1,64}$/;

interface Placed {
  readonly record: FactRecord;
  /** The record's line without its newline; null for a retry of a fact that is there already. */
  readonly line: string | null;
}

/** What is known of a stream: its version, and the seqs of its newest facts; those before were forgotten at a cut. */
interface Stream {
  version: number;
  readonly seqs: number[];
}

/** What a chain goes on from when the facts before are not read again. */
export type ChainStart = Pick<LogBase, 'seq' | 'hash' | 'epoch'> & Partial<Pick<LogBase, 'streams'>>;

/** Head, versions and epochs of one log, in memory: a few numbers a stream. */
export class Chain {
  readonly #streams = new Map<string, Stream>();
  readonly #sha256: Sha256;
  /** True when the versions at the start are not known: then the first fact of each stream says its own. */
  readonly #versionsOpen: boolean;
  head = 0;
  headHash = genesis;
  /** Highest epoch seen. */
  epochMax = 0;

  /** @param start  where to go on; without `streams` any version is taken for the first fact seen of a stream */
  constructor(sha256: Sha256, start?: ChainStart) {
    this.#sha256 = sha256;
    this.#versionsOpen = start !== undefined && start.streams === undefined;
    if (start === undefined) return;
    this.head = start.seq;
    this.headHash = start.hash;
    this.epochMax = start.epoch;
    for (const [stream, version, seqs] of start.streams ?? [])
      this.#streams.set(stream, { version, seqs: [...seqs] });
  }

  versionOf(stream: string): number {
    return this.#streams.get(stream)?.version ?? 0;
  }

  /** Seqs of the facts of a stream among its versions `fromVersion` (1-based) … `fromVersion + limit - 1`: those that are known. */
  seqsOf(stream: string, fromVersion: number, limit: number): number[] {
    const known = this.#streams.get(stream);
    if (known === undefined) return [];
    const forgotten = known.version - known.seqs.length;
    const from = Math.max(0, fromVersion - 1);
    return known.seqs.slice(Math.max(0, from - forgotten), Math.max(0, from + limit - forgotten));
  }

  /**
   * Forgets the seqs of streams that are not kept, and says where the chain stands.
   *
   * Why a job that is not kept goes with its version: jobs come and go without end, and the id of an ended one
   * never comes again, so memory is bounded by what is kept. Tenants, slots and the controller are few and go on.
   */
  cut(keeps: (stream: string) => boolean): Required<ChainStart> {
    for (const [stream, known] of this.#streams) {
      if (keeps(stream)) continue;
      if (stream.startsWith('job.')) this.#streams.delete(stream);
      else known.seqs.length = 0;
    }
    const streams = [...this.#streams].map(
      ([stream, { version, seqs }]) => [stream, version, [...seqs]] as const,
    );
    return { seq: this.head, hash: this.headHash, epoch: this.epochMax, streams };
  }

  /**
   * Gives a fact the place after `head`, or finds the place that a retry already has.
   *
   * Why the id is `<stream>:<version>`: a writer that never heard the answer repeats itself with the same
   * expected version, so the same fact meets its own id; two different facts with one id are a conflict, and so is
   * a retry of a fact that a cut has forgotten.
   * @param recordAt  reads a record that is there already, at once
   * Throws: `ERR_LOG_CONFLICT`, `ERR_TOO_LARGE`; leaves the chain as it was.
   */
  place(draft: Draft, epoch: number, recordAt: (seq: number) => FactRecord): Placed {
    const stream = streamOf(draft.subject);
    const known = this.#streams.get(stream);
    const version = known === undefined ? 0 : known.version;
    if (draft.expectedVersion !== version) {
      const seq = known?.seqs[draft.expectedVersion - (version - known.seqs.length)];
      return { record: repeated(draft, stream, version, seq, recordAt), line: null };
    }
    assertPlain(draft);
    const record = {
      seq: this.head + 1,
      subject: draft.subject,
      type: draft.type,
      id: `${stream}:${version + 1}`,
      version: version + 1,
      at: draft.at,
      author: draft.author,
      epoch,
      basis: draft.basis,
      cause: draft.cause,
      trace: draft.trace,
      schema: draft.schema,
      data: draft.data,
      prev: this.headHash,
      hash: '',
    };
    const { hash, line } = sealRecord(record, this.#sha256);
    refuseTooLong(line);
    record.hash = hash;
    this.#admit(record, stream, known);
    return { record, line };
  }

  /**
   * Takes over a record that was read and whose own hash and link hold.
   * @returns null, or the sentence that says which rule of the log it breaks
   */
  accept(record: FactRecord): string | null {
    if (typeof record.subject !== 'string' || !subjectPattern.test(record.subject))
      return 'has no valid subject';
    const stream = streamOf(record.subject);
    const known = this.#streams.get(stream);
    const version = this.#versionAfter(known, record);
    if (record.version !== version) return `has version ${record.version} of ${stream}, expected ${version}`;
    if (record.id !== `${stream}:${version}`) return `has id ${record.id}, expected ${stream}:${version}`;
    if (!Number.isSafeInteger(record.epoch)) return 'has no valid epoch';
    if (record.epoch < this.epochMax)
      return `has epoch ${record.epoch}, after ${this.epochMax}: a stale writer`;
    this.#admit(record, stream, known);
    return null;
  }

  /** The version that the next fact of a stream must have. */
  #versionAfter(known: Stream | undefined, { version }: FactRecord): number {
    if (known !== undefined) return known.version + 1;
    return this.#versionsOpen && Number.isSafeInteger(version) && version > 0 ? version : 1;
  }

  #admit({ seq, version, hash, epoch }: FactRecord, stream: string, known: Stream | undefined): void {
    if (known === undefined) this.#streams.set(stream, { version, seqs: [seq] });
    else {
      known.version = version;
      known.seqs.push(seq);
    }
    this.head = seq;
    this.headHash = hash;
    this.epochMax = epoch;
  }
}

/** The record that `draft` repeats; throws when what stands there is another fact, or nothing. */
function repeated(
  draft: Draft,
  stream: string,
  version: number,
  seq: number | undefined,
  recordAt: (seq: number) => FactRecord,
): FactRecord {
  if (seq !== undefined) {
    const there = recordAt(seq);
    if (there.type === draft.type && JSON.stringify(there.data) === JSON.stringify(draft.data)) return there;
  }
  throw new BerthError(
    'ERR_LOG_CONFLICT',
    `${stream} is at version ${version}, not ${draft.expectedVersion}`,
  );
}

/** A draft that can't be written as a valid line is a fault of ours: better no record than one that halts the next start. */
function assertPlain(draft: Draft): void {
  invariant(subjectPattern.test(draft.subject), `subject ${draft.subject}`);
  invariant(
    wordPattern.test(draft.type) && wordPattern.test(draft.author),
    `type ${draft.type} by ${draft.author}`,
  );
  invariant(
    Number.isSafeInteger(draft.at) && Number.isSafeInteger(draft.basis),
    `at ${draft.at}, basis ${draft.basis}`,
  );
  invariant(draft.cause === null || Number.isSafeInteger(draft.cause), `cause ${draft.cause}`);
  invariant(Number.isSafeInteger(draft.schema), `schema ${draft.schema}`);
  invariant(typeof draft.data === 'object' && draft.data !== null, 'data is an object');
}

function refuseTooLong(line: string): void {
  // A UTF-16 unit takes at most three bytes in UTF-8: count exactly only when it could matter.
  if (line.length * 3 < lineBytesMax) return;
  if (new TextEncoder().encode(line).length < lineBytesMax) return;
  throw new BerthError('ERR_TOO_LARGE', `a record of more than ${lineBytesMax} bytes`);
}
