/** Every bit of 8 KiB logs, and every length that one can be torn to. The slice for every day: `damage.test.ts`. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { copyOf, flipAndJudge, judgeCut, specimen } from './damage.ts';
import { first, tryOpen } from './made.ts';

const t = suite('damage, every bit');
const limitMs = 3_500_000;

for (const [what, options] of [
  ['in use', { bytesMin: 8_192 }],
  ['that was closed', { bytesMin: 8_192, closed: true }],
  ['of several segments', { bytesMin: 8_192, segmentBytesMax: 2_000 }],
] as const) {
  t(
    `every bit of an 8 KiB log ${what}: flipped, it halts at the right seq, or is cut and told`,
    async () => {
      const made = await specimen(options);
      const outcomes = { halted: 0, cut: 0 };
      for (const line of made.lines) {
        for (let at = line.start; at < line.end; at += 1) {
          for (let bit = 0; bit < 8; bit += 1) outcomes[await flipAndJudge(made, line, at, bit)] += 1;
        }
      }
      console.log(`an 8 KiB log ${what}, ${made.bytes} bytes: ${JSON.stringify(outcomes)}`);
      assert.is(outcomes.halted + outcomes.cut, made.bytes * 8);
      assert.ok(outcomes.halted > 50_000 && outcomes.cut > 1_000, JSON.stringify(outcomes));
    },
    { limitMs },
  );
}

t(
  'torn at any byte at all, a log serves the whole records before it, and all that shows is told',
  async () => {
    const made = await specimen({ bytesMin: 8_192 });
    const bytes = made.files.get(first)!;
    let [cuts, silent] = [0, 0];
    for (let size = 0; size < bytes.length; size += 1) {
      const disk = copyOf(made, { path: first, bytes: bytes.subarray(0, size) });
      const { records, cut, error } = await tryOpen(disk);
      assert.is(error, null, `size ${size}`);
      const before = made.lines.filter(({ isMark, end }) => !isMark && end <= size).length;
      assert.equal(records, made.records.slice(0, before), `size ${size}`);
      const next = made.lines.find(({ end }) => end > size)!;
      // One disk can't tell of a loss that ends between two groups; only what is kept elsewhere can.
      if (next.isMark && next.start === size) {
        assert.is(cut, null, `size ${size}`);
        silent += 1;
        continue;
      }
      judgeCut(made, disk, bytes.subarray(next.start, size), before, cut, `size ${size}`);
      cuts += 1;
    }
    const marks = made.lines.filter(({ isMark }) => isMark).length;
    assert.is(silent, marks);
    assert.is(cuts, bytes.length - marks);
  },
  { limitMs },
);

t.run();
