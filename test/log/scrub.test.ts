/** The scrub finds rot in history that no start reads any more, at a bounded rate, and changes nothing. */
import * as assert from 'uvu/assert';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Damage } from '../../src/log/scan.ts';
import { startScrub } from '../../src/log/scrub.ts';
import { SimulatedClock } from '../properties/simulated.ts';
import { suite } from '../suite.ts';
import { begin, grow, type Life, take } from './checkpointed.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log scrub');

const nameOf = (seq: number): string => `log/${String(seq).padStart(20, '0')}.seg`;

/** Checkpoints at 12, 25, 38 and 51, three segments before each; ended. */
async function made(): Promise<{ disk: PowerDisk; life: Life }> {
  const disk = new PowerDisk();
  const life = await begin(disk, { segmentBytesMax: 1_000 });
  for (let i = 0; i < 4; i += 1) {
    for (let k = 0; k < 3; k += 1) {
      grow(life, `job${i}x${k}`, 4);
      await life.log.whenDurable(life.log.head);
    }
    await take(life, () => false);
  }
  return { disk, life };
}

/** One pass, time passing as it is waited for. */
async function scrubbed(
  disk: PowerDisk,
  upToSeq: number,
): Promise<{ sound: number; damages: Damage[]; waitedMs: number }> {
  const clock = new SimulatedClock();
  const damages: Damage[] = [];
  let over = false;
  let waitedMs = 0;
  const parts = { dir: 'log', disk, sha256: nodeSha256, clock, upToSeq };
  const { done } = startScrub({ ...parts, onDamage: (damage) => damages.push(damage) });
  const sound = done.finally(() => {
    over = true;
  });
  while (!over) {
    clock.advance(5);
    waitedMs += 5;
    await new Promise(setImmediate);
  }
  return { sound: await sound, damages, waitedMs };
}

t('history up to the checkpoint is read, piece by piece, and found sound', async () => {
  const { disk } = await made();
  const before = await disk.list('log');
  const { sound, damages, waitedMs } = await scrubbed(disk, 38);
  assert.equal([sound, damages], [38, []]);
  // A pause a segment at least, of nine: small ones count as a whole piece.
  assert.ok(waitedMs > 9 * 15, `${waitedMs} ms`);
  assert.equal(await disk.list('log'), before);
});

t('a flipped bit anywhere below is told, once, with its place; what is before it is sound', async () => {
  const { disk } = await made();
  const segments = (await disk.list('log')).filter((name) => name.endsWith('.seg'));
  let found = 0;
  for (const [i, name] of segments.slice(0, 6).entries()) {
    const copy = disk.copy();
    const bytes = copy.bytes(`log/${name}`);
    bytes[Math.floor(bytes.length / 3)]! ^= 2;
    const { sound, damages } = await scrubbed(copy, 38);
    const firstSeq = Number(name.slice(0, 20));
    assert.is(damages.length, 1);
    assert.is(damages[0]!.file, `log/${name}`);
    assert.ok(damages[0]!.seq >= firstSeq && damages[0]!.sealed);
    assert.is(sound, firstSeq - 1, `segment ${i}`);
    const { from } = await begin(copy);
    assert.is(from, 51, 'and no start reads it');
    found += 1;
  }
  assert.is(found, 6);
});

t('a segment that lacks its last records, or is another one under its name, is damage', async () => {
  const { disk } = await made();
  const [short, other] = [disk.copy(), disk.copy()];
  const bytes = Buffer.from(short.bytes(nameOf(5)));
  short.put(nameOf(5), bytes.subarray(0, bytes.lastIndexOf('\n{"at"') + 1));
  assert.equal((await scrubbed(short, 38)).damages.length, 1);
  other.put(nameOf(5), disk.bytes(nameOf(1)));
  const { damages, sound } = await scrubbed(other, 38);
  assert.is(damages.length, 1);
  assert.is(sound, 4);
});

t('what was retired is passed over, and the rest is read from the digest line on', async () => {
  const { disk, life } = await made();
  await life.checkpoints.retire(30);
  assert.ok(!(await disk.list('log')).includes(nameOf(1).slice(4)));
  const { sound, damages } = await scrubbed(disk, 38);
  assert.equal([sound, damages], [38, []]);
  const bytes = disk.bytes(nameOf(35));
  bytes[200]! ^= 1;
  assert.is((await scrubbed(disk, 38)).damages.length, 1);
});

t('a scrub that is stopped ends at once and leaves nothing open', async () => {
  const { disk } = await made();
  const clock = new SimulatedClock();
  const parts = { dir: 'log', disk, sha256: nodeSha256, clock, upToSeq: 38 };
  const scrub = startScrub({ ...parts, onDamage: () => assert.unreachable() });
  await new Promise(setImmediate);
  scrub.stop();
  assert.is(await scrub.done, 0);
});

t.run();
