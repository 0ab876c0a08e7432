/**
 * The record: one fact as it stands in the log, and its exact bytes.
 *
 * Why a hash chain: each record carries the hash of the one before it, so a changed, dropped or
 * swapped record breaks every later link. A disk that flips a bit, or a person with an editor, is
 * noticed at the next start and not by a wrong decision weeks later.
 * Test: `test/events/record.test.ts`.
 */

/** SHA-256 of UTF-8 text, lower-case hex. A port: node:crypto on the server, pure JavaScript in a browser. */
export type Sha256 = (text: string) => string;

/** One fact with all that the log knows of it. Immutable, for ever. */
export interface FactRecord {
  /** 1, 2, 3 … without gaps: the one order of everything. */
  readonly seq: number;
  /** `job.<tenant>.<id>.<fact>` and the like; the stream is all but the last token. */
  readonly subject: string;
  /** `job.started`: kind and fact. */
  readonly type: string;
  /** Message id `<stream>:<version>`: the key that makes a repeated append harmless. */
  readonly id: string;
  /** 1, 2, 3 … within the stream. */
  readonly version: number;
  /** Wall clock at the append, ms since the Unix epoch. Recorded, never counted on. */
  readonly at: number;
  /** The actor whose command it was. */
  readonly author: string;
  /** The controller life that wrote it; rises at each start, so a stale writer is recognised. */
  readonly epoch: number;
  /** Seq up to which the author had folded when it decided. */
  readonly basis: number;
  /** Seq of the fact that led to this one, if one did. */
  readonly cause: number | null;
  /** W3C traceparent, if the request had one. */
  readonly trace: string | null;
  /** Version of the schema of `data`. */
  readonly schema: number;
  readonly data: Readonly<Record<string, unknown>>;
  /** Hash of record seq−1; `genesis` for the first. */
  readonly prev: string;
  /** SHA-256 of the canonical record without this member. */
  readonly hash: string;
}

/** What `prev` of the first record says. */
export const genesis = '0'.repeat(64);

/** The record's text without `hash`, keys sorted, no closing brace: what is hashed is this plus `}`. */
function body(record: Omit<FactRecord, 'hash'>): string {
  // A template with the keys already in order costs half of a general canonicaliser. Names that are our
  // own tokens need no escaping; `data` is built presorted by its schema.
  return (
    `{"at":${record.at},"author":"${record.author}","basis":${record.basis},"cause":${record.cause},` +
    `"data":${JSON.stringify(record.data)},"epoch":${record.epoch},"id":"${record.id}","prev":"${record.prev}",` +
    `"schema":${record.schema},"seq":${record.seq},"subject":"${record.subject}",` +
    `"trace":${record.trace === null ? 'null' : JSON.stringify(record.trace)},"type":"${record.type}","version":${record.version}`
  );
}

/** Seals a record: its hash, and its line as it goes to disk (`hash` last, no newline). */
export function sealRecord(record: Omit<FactRecord, 'hash'>, sha256: Sha256): { hash: string; line: string } {
  const text = body(record);
  const hash = sha256(`${text}}`);
  return { hash, line: `${text},"hash":"${hash}"}` };
}

/** Bytes after the hashed part: `,"hash":"` + 64 + `"}`. */
const suffixLength = 75;

/**
 * Verifies one line against the chain and parses it.
 * The raw bytes are hashed, not a re-serialisation, so nothing in a line can change unseen.
 * @returns the record, or the sentence that says what is wrong
 */
export function openRecord(
  line: string,
  expected: { seq: number; prev: string },
  sha256: Sha256,
): FactRecord | string {
  const text = line.slice(0, -suffixLength);
  const suffix = line.slice(-suffixLength);
  if (!/^,"hash":"[0-9a-f]{64}"\}$/.test(suffix)) return 'does not end in a hash';
  const hash = suffix.slice(9, 73);
  if (sha256(`${text}}`) !== hash) return 'its hash does not match its bytes';
  let record: FactRecord;
  try {
    record = JSON.parse(line) as FactRecord;
  } catch {
    return 'is not JSON';
  }
  if (record.seq !== expected.seq) return `has seq ${record.seq}, expected ${expected.seq}`;
  if (record.prev !== expected.prev) return 'does not chain to the record before it';
  return record;
}
