/** A log is read whole from its first fact on, retired segments included, or it is said what is missing. */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import { retireSegments } from '../../src/log/retire.ts';
import { readRetired } from '../../src/log/retired.ts';
import { readWholeLog } from '../../src/log/whole.ts';
import { suite } from '../suite.ts';
import { begin, grow } from './checkpointed.ts';
import { codeOf } from './drafts.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log/whole');

async function wholeOf(disk: PowerDisk): Promise<FactRecord[]> {
  const records: FactRecord[] = [];
  for await (const batch of readWholeLog('log', disk, nodeSha256)) records.push(...batch);
  return records;
}

/** A log of several segments, the oldest of which are retired; with all its records. */
async function retired(): Promise<{ disk: PowerDisk; all: readonly FactRecord[]; files: readonly string[] }> {
  const disk = new PowerDisk();
  const life = await begin(disk, { segmentBytesMax: 1_500 });
  for (let i = 0; i < 6; i += 1) {
    grow(life, `job${i}`, 5);
    await life.log.whenDurable(life.log.head);
  }
  const all = await life.log.read(1, 100);
  await life.log.close();
  assert.equal(await wholeOf(disk), all);
  const release = async (): Promise<void> => undefined;
  await retireSegments({ dir: 'log', disk, sha256: nodeSha256, newDigest: nodeDigest, release, upToSeq: 20 });
  const { lines } = await readRetired('log', disk);
  assert.ok(lines.length >= 2 && all.length === 30);
  return { disk, all, files: lines.map(({ file }) => file) };
}

t('with its retired segments it is the whole log, record for record', async () => {
  const { disk, all } = await retired();
  assert.equal(await wholeOf(disk), all);
});

t('a retired segment that is gone is named with its seqs, and nothing is handed out', async () => {
  const { disk, files } = await retired();
  await disk.remove(`log/${files[1]}`);
  const error = await wholeOf(disk).catch((thrown) => thrown);
  assert.is(error.code, 'ERR_NOT_FOUND');
  assert.match(error.message, /missing: seq \d+ to \d+ \(log\/retired\/\d{20}\.seg\)$/);
});

t('a retired segment that is not what was retired is damage', async () => {
  const { disk, files } = await retired();
  const bytes = disk.bytes(`log/${files[1]}`);
  bytes[bytes.length - 300]! ^= 1;
  assert.is(await codeOf(() => wholeOf(disk)), 'ERR_LOG_CORRUPT');
});

t.run();
