/** The report of a torn tail is itself beyond doubt: no damage to it passes for a smaller loss, or for none. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { holding, made, tryOpen } from './made.ts';
import type { PowerDisk } from './power-disk.ts';

const t = suite('torn report, every bit');
const report = 'log/torn.json';

/** A log that was cut, with the report that no fact tells of yet. */
async function cut(): Promise<PowerDisk> {
  const { open } = await made([2, 3]);
  const disk = holding(open.subarray(0, open.length - 10));
  assert.is((await tryOpen(disk)).cut?.fromSeq, 5);
  return disk;
}

async function openWith(disk: PowerDisk, bytes: Uint8Array): Promise<Awaited<ReturnType<typeof tryOpen>>> {
  const copy = disk.copy();
  copy.put(report, bytes);
  const before = copy.calls;
  const outcome = await tryOpen(copy);
  if (outcome.error !== null)
    assert.ok(copy.calls - before <= 2, 'nothing is changed but the folder made sure of');
  return outcome;
}

t('every bit of the report flipped halts the start', async () => {
  const disk = await cut();
  const bytes = Buffer.from(disk.bytes(report));
  assert.ok(bytes.length > 100);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >>> 3]! ^= 1 << (bit & 7);
    const { error, records } = await openWith(disk, damaged);
    assert.is(error?.code, 'ERR_LOG_CORRUPT', `bit ${bit}`);
    assert.match(error!.message, report);
    assert.is(records.length, 0);
  }
});

t('a report torn at any byte halts the start', async () => {
  const disk = await cut();
  const bytes = disk.bytes(report);
  for (let size = 0; size < bytes.length; size += 1)
    assert.is((await openWith(disk, bytes.slice(0, size))).error?.code, 'ERR_LOG_CORRUPT', `size ${size}`);
  assert.is((await openWith(disk, bytes)).cut?.fromSeq, 5, 'and the whole one is told again');
});

t.run();
