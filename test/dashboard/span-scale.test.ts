/** The line on which spans are drawn: in order, whole, and with long waits pulled together. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { placeOf, scaleOf } from '../../src/dashboard/span-scale.ts';
import type { JobSpan, SpanName } from '../../src/observe/job-spans.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('dashboard: span scale');

/** Spans one behind the other; the last is open. */
function spansOf(parts: readonly (readonly [SpanName, number])[]): JobSpan[] {
  let at = 1_000;
  return parts.map(([name, ms], i) => {
    const startMs = at;
    at += ms;
    const endMs = i === parts.length - 1 ? null : at;
    return {
      spanId: `${i}`,
      parentSpanId: null,
      name,
      startMs,
      endMs,
      attributes: {},
      events: [],
      error: null,
    };
  });
}

t('without long waits every place is where its share of time is', () => {
  const spans = spansOf([
    ['admit', 10],
    ['wait', 20],
    ['run', 70],
  ]);
  const scale = scaleOf(spans, 1_100);
  assert.equal(
    scale.map(({ from, to, isShortened }) => [from, to, isShortened]),
    [
      [0, 0.1, false],
      [0.1, 0.3, false],
      [0.3, 1, false],
    ],
  );
  assert.is(placeOf(scale, 1_065).toFixed(9), '0.650000000');
});

t('ten minutes of waiting leave room for 300 ms of work, and are marked', () => {
  const scale = scaleOf(
    spansOf([
      ['admit', 5],
      ['wait', 600_000],
      ['run', 300],
    ]),
    601_305,
  );
  assert.equal(
    scale.map(({ isShortened }) => isShortened),
    [false, true, false],
  );
  assert.ok(scale[2]!.to - scale[2]!.from > 0.25);
});

t('work is never shortened, however long', () => {
  const scale = scaleOf(
    spansOf([
      ['wait', 900],
      ['run', 3_600_000],
    ]),
    3_601_900,
  );
  assert.not.ok(scale.some(({ isShortened }) => isShortened));
});

t('later instants never lie further left, and all lie on the line', () =>
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom<SpanName>('admit', 'wait', 'place', 'start', 'run', 'finalise', 'backoff'),
          fc.nat({ max: 1_000_000 }),
        ),
        { minLength: 1, maxLength: 12 },
      ),
      fc.array(fc.nat({ max: 13_000_000 }), { minLength: 2, maxLength: 20 }),
      (parts, instants) => {
        const spans = spansOf(parts);
        const end = 1_000 + parts.reduce((sum, [, ms]) => sum + ms, 0);
        const scale = scaleOf(spans, end);
        const places = [...instants].sort((a, b) => a - b).map((at) => placeOf(scale, at));
        for (const [i, place] of places.entries()) {
          assert.ok(place >= 0 && place <= 1 + 1e-9, `${place}`);
          if (i > 0) assert.ok(place >= places[i - 1]! - 1e-9);
        }
      },
    ),
    { seed: seed(), numRuns: runs(300) },
  ),
);

t('a job without a span has an empty line', () => {
  assert.equal(scaleOf([], 5), []);
  assert.is(placeOf([], 5), 0);
});

t.run();
