/**
 * The log as one reader may see it: pages of facts by seq, and of one job's stream by version.
 *
 * Why a view and not the log itself: the log holds facts of all tenants in one order. A tenant gets the
 * subjects that are its own, those of slots and controller, and never a foreign name or id. It also gets
 * neither `hash` nor `prev`, nor the state hash of a recovery: a hash over what is a neighbour's would let it
 * test guesses of what stands there.
 * Only facts up to `views.seq` leave, so nobody is told what a crash could still drop.
 * Test: `test/views/log-view.test.ts`.
 */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import type { FactRecord } from '../events/record.ts';
import { subjectMatcher } from '../events/subject.ts';
import type { Log } from '../log/log.ts';
import { charsOf, pageCharsMax } from './page.ts';

/** Who reads: the admin everything, a tenant its own. */
export interface Reader {
  readonly tenant: string;
  readonly admin: boolean;
}

/** What is read from: a log, and how far it may be shown. */
export interface Readable {
  readonly log: Pick<Log, 'read' | 'readStream'>;
  readonly views: { readonly seq: number };
}

/** Facts read from the log at a time. */
const batchMax = 256;
/** Facts of a first batch: until it is known what facts weigh here, few are read. */
const batchFirst = 16;
/** Characters after which a batch ends; the facts of a batch are what a slow client can hold up. */
const batchCharsMax = 1024 * 1024;
/** Facts looked through for one page: a rare subject must not make one request read a whole log. */
const scannedMax = 16_384;

const count = z.number().int();

/** A fact as it leaves; `prev` and `hash` for the admin alone, and so is `data.stateHash` of a recovery. */
export const factViewSchema = z.strictObject({
  at: count,
  author: z.string(),
  basis: count,
  cause: count.nullable(),
  data: z.record(z.string(), z.unknown()),
  epoch: count,
  hash: z.string().exactOptional(),
  id: z.string(),
  prev: z.string().exactOptional(),
  schema: count,
  seq: count,
  subject: z.string(),
  trace: z.string().nullable(),
  type: z.string(),
  version: count,
});
export type FactView = z.infer<typeof factViewSchema>;

export const factPageSchema = z.strictObject({
  facts: z.array(factViewSchema),
  /** Where to go on: `from` of the next page. Above `upTo` when this page reached the end. */
  next: count,
  /** Seq up to which the log is durable and shown. */
  upTo: count,
});
export type FactPage = z.infer<typeof factPageSchema>;

/** May this reader see facts of this subject? */
export function maySee({ tenant, admin }: Reader, subject: string): boolean {
  if (admin) return true;
  const [kind, owner] = subject.split('.', 2);
  if (kind === 'slot' || kind === 'controller') return true;
  return (kind === 'job' || kind === 'tenant' || kind === 'intake') && owner === tenant;
}

/**
 * The fact as this reader gets it.
 *
 * Why recoveries and checkpoints lose their hashes for tenants: those are over everybody's state, and let one test
 * guesses as a hash over a neighbour's fact would. The seq that they are of says enough to go on with.
 */
export function factView(record: FactRecord, { admin }: Reader): FactView {
  if (admin) return { ...record };
  const { hash: _hash, prev: _prev, ...rest } = record;
  if (record.type !== 'controller.recovered' && record.type !== 'controller.checkpointed') return rest;
  const { stateHash: _stateHash, sha256: _sha256, ...data } = record.data;
  return { ...rest, data };
}

/** A reading place in the log: a batch of facts from a seq on, what they weigh as JSON, and where to go on. */
export type Source = (
  from: number,
) => Promise<{ readonly facts: readonly FactView[]; readonly chars: number; readonly next: number }>;

/** Facts of the whole log that the reader may see and that match; null when the pattern is malformed. */
export function logSource(readable: Readable, reader: Reader, subject: string): Source | null {
  const matches = subjectMatcher(subject);
  if (!matches) return null;
  let batch = batchFirst;
  return async (from) => {
    const limit = Math.min(batch, readable.views.seq - from + 1);
    if (limit < 1) return { facts: [], chars: 0, next: from };
    const records = await readFrom(() => readable.log.read(from, limit));
    const facts: FactView[] = [];
    let chars = 0;
    for (const record of records) {
      if (chars >= batchCharsMax) {
        // Facts are heavy here: reads fewer the next time.
        batch = batchFirst;
        return { facts, chars, next: record.seq };
      }
      if (!matches(record.subject) || !maySee(reader, record.subject)) continue;
      const fact = factView(record, reader);
      chars += charsOf(fact);
      facts.push(fact);
    }
    batch = Math.min(batchMax, batch * 2);
    return { facts, chars, next: (records.at(-1)?.seq ?? from - 1) + 1 };
  };
}

/** Facts of one job, from its own stream: no other fact is read for it. */
export function jobSource(readable: Readable, reader: Reader, stream: string): Source {
  let version = 1;
  return async (from) => {
    for (;;) {
      const { seq } = readable.views;
      const records = await readFrom(() => readable.log.readStream(stream, version, batchMax));
      const facts: FactView[] = [];
      let chars = 0;
      let last: FactRecord | undefined;
      for (const record of records) {
        if (record.seq > seq || chars >= batchCharsMax) break;
        last = record;
        if (record.seq < from) continue;
        const fact = factView(record, reader);
        chars += charsOf(fact);
        facts.push(fact);
      }
      if (!last) return { facts, chars, next: from };
      const shown = last.version + 1 - version;
      version = last.version + 1;
      // Facts before `from` are passed over batch by batch; there are only as many as the job has.
      if (facts.length > 0 || shown < batchMax) return { facts, chars, next: Math.max(from, last.seq + 1) };
    }
  };
}

/** A log that was closed under a reader (its life has ended, the next one recovers) is no fault of ours: come back. */
async function readFrom(read: () => Promise<FactRecord[]>): Promise<FactRecord[]> {
  try {
    return await read();
  } catch (cause) {
    // What is retired does not come back: no reason to try again.
    if (cause instanceof BerthError && cause.code === 'ERR_NOT_FOUND') throw cause;
    throw new BerthError('ERR_READ_ONLY', `the log cannot be read now: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Up to `limit` facts, and about `pageCharsMax`, from `from` on. Looks through a bounded part of the log; `next` says how far it came. */
export async function factPage(
  source: Source,
  from: number,
  limit: number,
  upTo: () => number,
): Promise<FactPage> {
  const facts: FactView[] = [];
  let next = from;
  let chars = 0;
  while (next - from < scannedMax && chars < pageCharsMax) {
    const batch = await source(next);
    if (batch.next === next) break;
    facts.push(...batch.facts);
    chars += batch.chars;
    next = batch.next;
    const extra = facts[limit];
    if (extra) return { facts: facts.slice(0, limit), next: extra.seq, upTo: upTo() };
    if (facts.length === limit) break;
  }
  return { facts, next, upTo: upTo() };
}
