/** Random logs that the real file log wrote, put before the offline verifier as exports and as folders. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import { type FactRecord, sealRecord } from '../../src/events/record.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Fault, Verdict } from '../../src/log/verdict.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { runs, seed } from '../suite.ts';
import { appendMany, numbers } from './drafts.ts';
import { quiet } from './made.ts';
import { PowerDisk } from './power-disk.ts';

/** Where exports and folders are written; whoever imports this removes it. */
export const dir = await mkdtemp(join(tmpdir(), 'berth-verify-'));
export const key = await newKeyPair();

export type Random = () => number;
export const below = (random: Random, n: number): number => Math.floor(random() * n);

export interface Log {
  readonly records: readonly FactRecord[];
  /** Lines of an export. */
  readonly lines: readonly string[];
  /** Bytes of each segment by name, as the real log left them. */
  readonly segments: ReadonlyMap<string, Buffer>;
}

/** A log of random groups and segments, written by the real file log. */
export async function logOf(random: Random, closed = true): Promise<Log> {
  const disk = new PowerDisk();
  const segmentBytesMax = 500 + below(random, 4_000);
  const { log } = await openFileLog({ ...quiet, disk, segmentBytesMax });
  for (let i = 0, groups = 3 + below(random, 5); i < groups; i += 1) {
    appendMany(log, `s${below(random, 3)}`, 1 + below(random, 4));
    await log.whenDurable(log.head);
  }
  const records = await log.read(1, 10_000);
  const copy = disk.copy();
  await log.close();
  const from = closed ? disk : copy;
  const names = (await from.list('log')).filter((name) => name.endsWith('.seg'));
  const segments = new Map(names.map((name) => [name, Buffer.from(from.bytes(`log/${name}`))]));
  return { records, lines: records.map((record) => sealRecord(record, nodeSha256).line), segments };
}

export async function inExport(
  lines: readonly string[] | Buffer,
  heads?: readonly string[],
): Promise<Verdict> {
  const file = join(dir, 'export.jsonl');
  await writeFile(file, Buffer.isBuffer(lines) ? lines : lines.map((line) => `${line}\n`).join(''));
  await rm(`${file}.heads`, { force: true });
  if (heads) await writeFile(`${file}.heads`, heads.map((head) => `${head}\n`).join(''));
  return verifyLog(file, [key.publicJwk]);
}

export async function inFolder(
  segments: ReadonlyMap<string, Buffer>,
  heads?: readonly string[],
): Promise<Verdict> {
  const folder = join(dir, 'folder');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, bytes] of segments) await writeFile(join(folder, name), bytes);
  if (heads) await writeFile(join(folder, 'heads.jws'), heads.map((head) => `${head}\n`).join(''));
  return verifyLog(folder, [key.publicJwk]);
}

export const signed = ({ records }: Log, seq: number, by = key): Promise<string> => {
  const { hash, epoch, at } = records[seq - 1]!;
  return by.sign({ seq, hash, epoch, at, log: records[0]!.hash }, 'berth-head+jws');
};

/** Lines with all hashes made right again from `from` on. */
export function resealed(records: readonly FactRecord[], from: number, count = records.length): string[] {
  let prev = records[from - 2]?.hash ?? records[0]!.prev;
  return records.map((record) => {
    if (record.seq < from || record.seq >= from + count) return sealRecord(record, nodeSha256).line;
    const { hash, line } = sealRecord(
      { ...record, prev: record.seq === from ? record.prev : prev },
      nodeSha256,
    );
    prev = hash;
    return line;
  });
}

export const told = (faults: readonly Fault[]): string =>
  faults.map(({ kind, seq, toSeq, reason }) => `${kind} ${seq}-${toSeq}: ${reason}`).join('; ');
/** All faults are of this kind, and together they are about exactly these seqs. */
export function only({ faults }: Verdict, kind: Fault['kind'], seqs: readonly number[], why = ''): void {
  assert.ok(faults.length > 0, `nothing found ${why}`);
  const found = faults.flatMap(({ seq, toSeq }) =>
    Array.from({ length: toSeq - seq + 1 }, (_, i) => seq + i),
  );
  const same =
    faults.every((fault) => fault.kind === kind) && found.sort((a, b) => a - b).join() === seqs.join();
  assert.ok(same, `expected ${kind} ${seqs.join()}, told: ${told(faults)} ${why}`);
}

/** Runs `body` on random logs, and says which seed failed. */
export async function forLogs(
  count: number,
  body: (log: Log, random: Random) => Promise<void>,
): Promise<void> {
  for (let i = 0; i < runs(count); i += 1) {
    const at = (seed() + i * 7919) >>> 0;
    const random = numbers(at);
    const log = await logOf(random);
    assert.ok(log.records.length >= 3);
    await body(log, random).catch((error: Error) => {
      error.message += ` (log of seed ${at})`;
      throw error;
    });
  }
}

export const split = (segments: ReadonlyMap<string, Buffer>): { name: string; line: string }[] =>
  [...segments].flatMap(([name, bytes]) =>
    bytes
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => ({ name, line })),
  );
export const joined = (lines: readonly { name: string; line: string }[]): Map<string, Buffer> => {
  const text = new Map<string, string>();
  for (const { name, line } of lines) text.set(name, `${text.get(name) ?? ''}${line}\n`);
  return new Map([...text].map(([name, each]) => [name, Buffer.from(each)]));
};
export const seqOf = (line: string): number => (line.startsWith('#') ? 0 : JSON.parse(line).seq);
