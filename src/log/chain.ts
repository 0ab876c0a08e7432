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
import type { Draft } from './log.ts';

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

/** Head, versions and epochs of one log, in memory: a few numbers a stream. */
export class Chain {
  /** For each stream the seqs of its facts: version v is entry v − 1. */
  readonly #seqs = new Map<string, number[]>();
  readonly #sha256: Sha256;
  head = 0;
  headHash = genesis;
  /** Highest epoch seen. */
  epochMax = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  versionOf(stream: string): number {
    return this.#seqs.get(stream)?.length ?? 0;
  }

  /** Seqs of `limit` facts of a stream, from the 1-based `fromVersion` on. */
  seqsOf(stream: string, fromVersion: number, limit: number): number[] {
    return (
      this.#seqs.get(stream)?.slice(Math.max(0, fromVersion - 1), Math.max(0, fromVersion - 1) + limit) ?? []
    );
  }

  /**
   * Gives a fact the place after `head`, or finds the place that a retry already has.
   *
   * Why the id is `<stream>:<version>`: a writer that never heard the answer repeats itself with the same
   * expected version, so the same fact meets its own id; two different facts with one id are a conflict.
   * @param recordAt  reads a record that is there already, at once
   * Throws: `ERR_LOG_CONFLICT`, `ERR_TOO_LARGE`; leaves the chain as it was.
   */
  place(draft: Draft, epoch: number, recordAt: (seq: number) => FactRecord): Placed {
    const stream = streamOf(draft.subject);
    const seqs = this.#seqs.get(stream);
    const version = seqs === undefined ? 0 : seqs.length;
    if (draft.expectedVersion !== version) {
      return {
        record: repeated(draft, stream, version, seqs?.[draft.expectedVersion], recordAt),
        line: null,
      };
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
    this.#admit(record, stream, seqs);
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
    const seqs = this.#seqs.get(stream);
    const version = (seqs === undefined ? 0 : seqs.length) + 1;
    if (record.version !== version) return `has version ${record.version} of ${stream}, expected ${version}`;
    if (record.id !== `${stream}:${version}`) return `has id ${record.id}, expected ${stream}:${version}`;
    if (!Number.isSafeInteger(record.epoch)) return 'has no valid epoch';
    if (record.epoch < this.epochMax)
      return `has epoch ${record.epoch}, after ${this.epochMax}: a stale writer`;
    this.#admit(record, stream, seqs);
    return null;
  }

  #admit(record: FactRecord, stream: string, seqs: number[] | undefined): void {
    if (seqs === undefined) this.#seqs.set(stream, [record.seq]);
    else seqs.push(record.seq);
    this.head = record.seq;
    this.headHash = record.hash;
    this.epochMax = record.epoch;
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
