/** Lives of a log that take checkpoints: a fold so small that the whole state is one line, and the way back to it. */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import type { Checkpoint } from '../../src/log/checkpoint.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import type { Disk } from '../../src/log/disk.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import type { Log, OpenedLog } from '../../src/log/log.ts';
import { type LogOptions, openLog } from '../../src/log/open.ts';
import { draft } from './drafts.ts';

/** A fold of every record: equal only after equal histories. */
export class Tally {
  count = 0;
  digest = '';

  take({ hash }: FactRecord): void {
    this.count += 1;
    this.digest = nodeSha256(this.digest + hash);
  }
}

export interface Life extends OpenedLog {
  readonly checkpoints: CheckpointFiles;
  /** Seq of the checkpoint it began from; 0 without one. */
  readonly from: number;
  /** Records handed over at the opening. */
  readonly found: readonly FactRecord[];
  readonly tally: Tally;
  readonly troubles: readonly unknown[];
}

/** Opens the log of `disk` as the controller does. */
export async function begin(disk: Disk, more: Partial<LogOptions> = {}): Promise<Life> {
  const dir = more.dir ?? 'log';
  const tally = new Tally();
  const found: FactRecord[] = [];
  const troubles: unknown[] = [];
  let from = 0;
  const checkpoints = new CheckpointFiles({ dir, disk, sha256: nodeSha256, retiring: nodeDigest });
  const opened = await openLog({
    dir,
    disk,
    sha256: nodeSha256,
    checkpoints,
    version: 'tally/1',
    onCheckpoint: ({ base, folds }) => {
      assert.is(found.length, 0, 'the checkpoint comes first');
      assert.is(from, 0, 'and once');
      from = base.seq;
      Object.assign(tally, folds['tally']);
      assert.is(tally.count, base.seq);
    },
    onRecords: (batch) => {
      for (const record of batch) {
        assert.is(record.seq, tally.count + 1);
        tally.take(record);
        found.push(record);
      }
    },
    onTrouble: (_message, fields) => void troubles.push(fields),
    ...more,
  });
  assert.is(opened.log.head, tally.count);
  return { ...opened, checkpoints, from, found, tally, troubles };
}

/** Appends facts and folds them. */
export function grow({ log, tally }: Pick<Life, 'log' | 'tally'>, name: string, count: number): FactRecord[] {
  return Array.from({ length: count }, () => {
    const version = log.versionOf(`job.acme.${name}`);
    const { record } = log.append(draft(name, version, { n: version }));
    tally.take(record);
    return record;
  });
}

/** A fact of the controller's own stream. */
export function note(
  { log, tally }: Pick<Life, 'log' | 'tally'>,
  type: string,
  data: FactRecord['data'],
): FactRecord {
  const common = draft('x', log.versionOf('controller'), data);
  const { record } = log.append({ ...common, subject: type, type });
  tally.take(record);
  return record;
}

/** Takes a checkpoint as the controller does. Rejects where the disk fails. */
export async function take(
  life: Pick<Life, 'log' | 'tally' | 'checkpoints'>,
  keeps: (stream: string) => boolean = () => true,
): Promise<number> {
  const { log, tally, checkpoints } = life;
  await log.whenDurable(log.head);
  const base = log.cutSegment(keeps);
  const checkpoint: Checkpoint = { base, version: 'tally/1', folds: { tally: { ...tally } } };
  const taken = checkpoints.draft(checkpoint);
  const stateHash = nodeSha256(tally.digest);
  const told = note(life, 'controller.checkpointed', { ofSeq: base.seq, sha256: taken.sha256, stateHash });
  assert.is(told.seq, base.seq + 1);
  await log.whenDurable(told.seq);
  await checkpoints.write(taken);
  return base.seq;
}

/** A fold of everything from seq 1 on, without any checkpoint. */
export async function wholeTally(log: Log): Promise<Tally> {
  const tally = new Tally();
  while (tally.count < log.head)
    for (const record of await log.read(tally.count + 1, 1_000)) tally.take(record);
  return tally;
}
