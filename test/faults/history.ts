/**
 * What a log on disk says, and whether it is a history that may happen.
 *
 * Why judged from the disk and by the clients' own notes: the server under test must not be its own witness. Every
 * checker counts what it has looked at, so that an empty log passes nothing.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { replay } from '../../src/cli/refold.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { readLogFolder, verifyLogFolder } from '../../src/log/scan.ts';

const ends = new Set(['succeeded', 'failed', 'timedOut', 'expired', 'cancelled', 'rejected']);
const goneFacts = new Set(['exited', 'crashed', 'stopped', 'lost']);

/** All records in the log of a data directory; its unsealed end is left out. */
export async function recordsOf(data: string): Promise<FactRecord[]> {
  const records: FactRecord[] = [];
  for await (const batch of readLogFolder(join(data, 'log'), nodeDisk, nodeSha256)) records.push(...batch);
  return records;
}

/** The facts of one job, without their kind: `submitted`, `attested` … */
export const factsOf = (records: readonly FactRecord[], id: string): string[] =>
  records
    .filter(({ subject }) => subject.split('.')[2] === id && subject.startsWith('job.'))
    .map(({ type }) => type.slice(4));

/** The records of one type. */
export const ofType = (records: readonly FactRecord[], type: string): FactRecord[] =>
  records.filter((record) => record.type === type);

/** What the checks below looked at. */
export interface Judged {
  readonly facts: number;
  readonly ended: number;
  readonly lost: number;
  readonly recoveries: number;
  /** Records lost with torn tails, as the log itself tells. */
  readonly cuts: number;
}

/**
 * Fails unless the chain verifies, the fold accepts every fact, every recovery recorded the state that is folded
 * here, every accepted job ended exactly once, and every attempt began and ended at most once.
 */
export async function judge(data: string, accepted: Iterable<string>): Promise<Judged> {
  const { damage } = await verifyLogFolder(join(data, 'log'), nodeDisk, nodeSha256);
  assert.is(damage, null, JSON.stringify(damage));
  const records = await recordsOf(data);
  const { diverged, divergences, recoveries } = await replay(
    readLogFolder(join(data, 'log'), nodeDisk, nodeSha256),
  );
  assert.equal(diverged, []);
  assert.equal(divergences, [], 'every decision follows from what was known');
  const streams = new Map<string, FactRecord[]>();
  for (const record of records) {
    if (!record.subject.startsWith('job.')) continue;
    const id = record.subject.split('.')[2] ?? '';
    streams.set(id, [...(streams.get(id) ?? []), record]);
  }
  for (const id of accepted)
    assert.ok(streams.has(id), `job ${id} was answered with 202 and is not in the log`);
  for (const [id, stream] of streams) checkStream(id, stream);
  return {
    facts: records.length,
    ended: streams.size,
    lost: ofType(records, 'job.lost').length,
    recoveries,
    cuts: ofType(records, 'controller.recovered').filter(({ data: fact }) => fact['fromSeq'] !== undefined)
      .length,
  };
}

function checkStream(id: string, stream: readonly FactRecord[]): void {
  const names = stream.map(({ type }) => type.slice(4));
  const endings = names.filter((name) => ends.has(name));
  assert.is(endings.length, 1, `job ${id} ended ${endings.length} times: ${names}`);
  assert.ok(ends.has(names.at(-1) ?? ''), `job ${id} goes on after its end: ${names}`);
  let fence = 0;
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    const record = stream[index]!;
    if (name === 'reserved') {
      assert.ok(record.seq > fence);
      fence = record.seq;
    }
    const kind = goneFacts.has(name) ? 'gone' : name;
    if (kind !== 'gone' && kind !== 'started' && kind !== 'released') continue;
    assert.is(record.data['fence'], fence, `job ${id}: ${name} at ${record.seq} speaks of another attempt`);
    assert.not(seen.has(`${kind} ${fence}`), `job ${id}: attempt ${fence} has ${kind} twice: ${names}`);
    seen.add(`${kind} ${fence}`);
  }
}
