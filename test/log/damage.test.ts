/**
 * Damage at places drawn by chance, out of all that `damage.long.test.ts` goes through one by one: it halts at the right
 * record, or it is cut and told, and whatever is served is what was written.
 */
import * as assert from 'uvu/assert';
import { openFileLog } from '../../src/log/file.ts';
import { runs, seed, suite } from '../suite.ts';
import { byteAt, copyOf, flipAndJudge, judgeCut, specimen } from './damage.ts';
import { draft, numbers } from './drafts.ts';
import { first, quiet, tryOpen } from './made.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('damage');
const sectorBytes = 512;

for (const [what, options] of [
  ['a log in use', { bytesMin: 8_192 }],
  ['a closed log', { bytesMin: 8_192, closed: true }],
  ['a log of several segments', { bytesMin: 8_192, segmentBytesMax: 2_000 }],
] as const) {
  t(`a bit flipped anywhere in ${what} halts at its record, or is cut and told`, async () => {
    const made = await specimen(options);
    const random = numbers(seed());
    const outcomes = { halted: 0, cut: 0 };
    for (let i = 0; i < runs(900); i += 1) {
      // One in six in the tail, which is short.
      const tailBytes = made.lines.at(-1)!.end - made.tail.start;
      const from = i % 6 === 0 ? made.bytes - tailBytes : 0;
      const { line, at } = byteAt(made, from + Math.floor(random() * (made.bytes - from)));
      outcomes[await flipAndJudge(made, line, at, Math.floor(random() * 8))] += 1;
    }
    assert.ok(outcomes.halted > 300 && outcomes.cut > 100, JSON.stringify(outcomes));
  });
}

t('every mark and every newline is as safe as a record: each of their bits is seen', async () => {
  const made = await specimen({ bytesMin: 2_000, segmentBytesMax: 1_200 });
  const outcomes = { halted: 0, cut: 0 };
  for (const line of made.lines) {
    const places = line.isMark
      ? Array.from({ length: line.end - line.start }, (_, i) => line.start + i)
      : [line.end - 1];
    for (const at of places) {
      for (let bit = 0; bit < 8; bit += 1) outcomes[await flipAndJudge(made, line, at, bit)] += 1;
    }
  }
  assert.ok(outcomes.halted > 2_000 && outcomes.cut > 1_000, JSON.stringify(outcomes));
});

t('a log torn at any byte of its last group costs what is torn and nothing else', async () => {
  const made = await specimen({ bytesMin: 8_192 });
  const bytes = made.files.get(first)!;
  let cuts = 0;
  for (let size = made.tail.start; size < bytes.length; size += 1) {
    const disk = copyOf(made, { path: first, bytes: bytes.subarray(0, size) });
    const { records, cut, error } = await tryOpen(disk);
    assert.is(error, null);
    const whole = made.lines.findLast(({ isMark, end }) => !isMark && end <= size)!;
    assert.equal(records, made.records.slice(0, whole.before + 1));
    if (size === made.tail.start) {
      assert.is(cut, null, 'exactly between two groups nothing shows');
      continue;
    }
    const line = made.lines.findLast(({ end }) => end <= size)!;
    judgeCut(made, disk, bytes.subarray(line.end, size), whole.before + 1, cut, `size ${size}`);
    cuts += 1;
  }
  assert.ok(cuts > 500, `${cuts} cuts`);
});

t('of the last group any sectors arrived: what verifies is served, the rest is cut and told', async () => {
  const made = await specimen({ bytesMin: 8_192 });
  const bytes = made.files.get(first)!;
  const from = Math.ceil(made.tail.start / sectorBytes);
  const sectors = Math.ceil(bytes.length / sectorBytes) - from;
  assert.ok(sectors >= 2 && sectors <= 6, `${sectors} sectors`);
  let torn = 0;
  for (let subset = 0; subset < 2 ** sectors; subset += 1) {
    for (const length of [bytes.length, Math.ceil(bytes.length / 4_096) * 4_096]) {
      const damaged = Buffer.alloc(length);
      bytes.copy(damaged);
      for (let i = 0; i < sectors; i += 1) {
        if ((subset & (1 << i)) === 0)
          damaged.fill(0, (from + i) * sectorBytes, Math.min(length, (from + i + 1) * sectorBytes));
      }
      const disk = copyOf(made, { path: first, bytes: damaged });
      const { records, cut, error } = await tryOpen(disk);
      assert.is(error, null);
      const bad = made.lines.find(
        ({ start, end }) => !damaged.subarray(start, end).equals(bytes.subarray(start, end)),
      );
      const before = bad?.before ?? made.records.length;
      assert.equal(records, made.records.slice(0, before), `sectors ${subset.toString(2)}`);
      if (bad === undefined && length === bytes.length) {
        assert.is(cut, null);
        continue;
      }
      torn += 1;
      judgeCut(
        made,
        disk,
        damaged.subarray(bad?.start ?? bytes.length),
        before,
        cut,
        `sectors ${subset.toString(2)}`,
      );
    }
  }
  assert.ok(torn >= 2 ** sectors - 1, `${torn} torn`);
});

t(
  'what is cut once is cut for good: the next start serves the same, and tells of the same loss',
  async () => {
    const made = await specimen({ bytesMin: 4_096 });
    const random = numbers(seed());
    const bytes = made.files.get(first)!;
    for (let i = 0; i < runs(60); i += 1) {
      const damaged = Buffer.from(bytes);
      damaged[made.tail.start + Math.floor(random() * (bytes.length - made.tail.start))]! ^=
        1 << Math.floor(random() * 8);
      const disk = copyOf(made, { path: first, bytes: damaged });
      const one = await tryOpen(disk);
      const two = await tryOpen(disk);
      assert.is(two.error, null);
      assert.equal(two.records, one.records);
      assert.ok(one.cut !== null);
      assert.equal(two.cut, one.cut);
    }
  },
);

t('a disk that rots after the start: each record that is served is the one that was written', async () => {
  const disk = new PowerDisk();
  const { log } = await openFileLog({ ...quiet, disk });
  const count = 8_300;
  const records = Array.from(
    { length: count },
    (_, n) => log.append(draft(`s${n % 5}`, Math.floor(n / 5), { n })).record,
  );
  await log.whenDurable(count);
  // At least 4,096 are in memory and up to as many again: only what is older is read from the disk.
  const onDisk = 400;
  const random = numbers(seed());
  // The very bytes that the open file reads.
  const bytes = disk.bytes(first);
  const end = Buffer.from(bytes).indexOf(`"seq":${onDisk},`);
  const seen = { refused: 0, served: 0 };
  for (let i = 0; i < runs(150); i += 1) {
    const at = Math.floor(random() * end);
    const bit = 1 << Math.floor(random() * 8);
    bytes[at]! ^= bit;
    for (const from of [1, 1 + Math.floor(random() * onDisk)]) {
      const found = await log.read(from, 300).catch((error: { code?: string }) => error.code);
      if (typeof found === 'string') assert.is(found, 'ERR_LOG_CORRUPT');
      else assert.equal(found, records.slice(from - 1, from + 299));
      seen[Array.isArray(found) ? 'served' : 'refused'] += 1;
    }
    bytes[at]! ^= bit;
  }
  assert.ok(seen.refused > 20 && seen.served > 20, JSON.stringify(seen));
  assert.equal(await log.read(1, onDisk), records.slice(0, onDisk));
  await log.close();
});

t.run();
