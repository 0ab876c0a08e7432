/** After a failure in the same process: all beyond the trusted seq goes, however many segments hold it. */
import * as assert from 'uvu/assert';
import { type FileLogOptions, openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { seed, suite } from '../suite.ts';
import { appendMany, numbers } from './drafts.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log/untrusted');
const options = { dir: 'log', sha256: nodeSha256, onRecords: () => undefined, segmentBytesMax: 4_096 };

const open = (disk: PowerDisk, more: Partial<FileLogOptions> = {}) =>
  openFileLog({ ...options, disk, ...more });

/** A log of 40 facts in several segments, of which three were durable when their life failed. */
async function longerThanTrusted(): Promise<PowerDisk> {
  const disk = new PowerDisk();
  const first = await open(disk);
  appendMany(first.log, 'a', 3);
  await first.log.whenDurable(3);
  await first.log.close();
  const failed = await open(disk, { trustedSeq: 3 });
  for (let seq = 4; seq <= 40; seq += 1) {
    appendMany(failed.log, 'a', 1);
    await failed.log.whenDurable(seq);
  }
  await failed.log.close();
  assert.ok((await disk.list('log')).length > 3, 'too few segments');
  return disk;
}

t('a life that failed in its beginning and left several segments is dropped whole by the next', async () => {
  for (const trustedSeq of [3, 10, 17, 39]) {
    const disk = await longerThanTrusted();
    const next = await open(disk, { trustedSeq });
    assert.is(next.log.head, trustedSeq);
    appendMany(next.log, 'b', 1);
    await next.log.whenDurable(trustedSeq + 1);
    await next.log.close();
    const after = await open(disk);
    assert.equal([after.log.head, after.cut], [trustedSeq + 1, null]);
    await after.log.close();
  }
});

t('a power cut while they are dropped leaves a log that opens, with all that is trusted', async () => {
  const whole = await longerThanTrusted();
  const random = numbers(seed());
  let cuts = 0;
  for (let calls = 1; calls < 40; calls += 1) {
    const disk = whole.copy(calls);
    const isDropped = await open(disk, { trustedSeq: 3 }).then(
      () => true,
      () => false,
    );
    const found = await open(disk.afterPowerCut(random));
    assert.ok(found.log.head >= 3);
    await found.log.close();
    if (isDropped) break;
    cuts += 1;
  }
  assert.ok(cuts > 5, `only ${cuts} cuts`);
});

t.run();
