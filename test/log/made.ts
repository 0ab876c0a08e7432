/** Small logs on a disk in memory, made to be damaged, and what comes of opening them. */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { TailCut } from '../../src/log/log.ts';
import { appendMany } from './drafts.ts';
import { PowerDisk } from './power-disk.ts';

/** Path of the only segment. */
export const first = 'log/00000000000000000001.seg';

export interface Outcome {
  readonly records: FactRecord[];
  readonly cut: TailCut | null;
  readonly error: { code?: string; message: string } | null;
}

/** Opens the log, closes it again, and says what came of it. */
export async function tryOpen(disk: PowerDisk, trustedSeq?: number): Promise<Outcome> {
  const records: FactRecord[] = [];
  const onRecords = (batch: FactRecord[]): void => void records.push(...batch);
  try {
    const options = { dir: 'log', disk, sha256: nodeSha256, onRecords };
    const { log, cut } = await openFileLog(trustedSeq === undefined ? options : { ...options, trustedSeq });
    assert.is(log.head, records.length);
    await log.close();
    return { records, cut, error: null };
  } catch (error) {
    return { records, cut: null, error: error as Error };
  }
}

export const quiet = { dir: 'log', sha256: nodeSha256, onRecords: () => undefined };

export interface Made {
  readonly open: Buffer;
  readonly closed: Buffer;
  readonly records: FactRecord[];
}

/** A log of groups of these sizes: its only segment before and after a clean close. */
export async function made(groups: readonly number[]): Promise<Made> {
  const disk = new PowerDisk();
  const { log } = await openFileLog({ ...quiet, disk });
  const records: FactRecord[] = [];
  for (const [i, size] of groups.entries()) {
    records.push(...appendMany(log, `s${i % 2}`, size));
    await log.whenDurable(log.head);
  }
  const open = Buffer.from(disk.bytes(first));
  await log.close();
  return { open, closed: Buffer.from(disk.bytes(first)), records };
}

/** A disk on which these bytes are the log. */
export function holding(bytes: Uint8Array): PowerDisk {
  const disk = new PowerDisk();
  disk.put(first, bytes);
  return disk;
}

export const lineStart = (bytes: Buffer, seq: number): number => {
  const at = bytes.indexOf(`"seq":${seq},`);
  return bytes.lastIndexOf(10, at) + 1;
};
