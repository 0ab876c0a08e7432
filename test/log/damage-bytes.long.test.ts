/** One bit, drawn by chance, of every byte of a 64 KiB log. The slice for every day: `damage.test.ts`. */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { flipAndJudge, specimen } from './damage.ts';
import { numbers } from './drafts.ts';

const t = suite('damage, every byte');

for (const [what, options] of [
  ['of several segments', { bytesMin: 65_536, segmentBytesMax: 10_000 }],
] as const) {
  t(
    `a bit of every byte of a 64 KiB log ${what}: flipped, it halts at the right seq, or is cut and told`,
    async () => {
      const made = await specimen(options);
      const random = numbers(seed());
      const outcomes = { halted: 0, cut: 0 };
      for (const line of made.lines) {
        for (let at = line.start; at < line.end; at += 1)
          outcomes[await flipAndJudge(made, line, at, Math.floor(random() * 8))] += 1;
      }
      console.log(`a 64 KiB log ${what}, ${made.bytes} bytes: ${JSON.stringify(outcomes)}`);
      assert.is(outcomes.halted + outcomes.cut, made.bytes);
      assert.ok(outcomes.halted > 60_000 && outcomes.cut > 200, JSON.stringify(outcomes));
    },
    { limitMs: 3_500_000 },
  );
}

t.run();
