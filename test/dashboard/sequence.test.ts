/** The sequence diagram shows each fact once, in order, with who wrote it and because of what. */
import * as assert from 'uvu/assert';
import { rowAt, rowsFirst, sequenceOf, windowOf } from '../../src/dashboard/sequence-shape.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard/sequence');

const record = (seq: number, name: string, author: string, at: number, cause: number | null = null) => ({
  seq,
  type: `job.${name}`,
  author,
  at,
  cause,
});

const late = [
  record(18, 'submitted', 'intake', 1_000),
  record(19, 'attested', 'attestor', 1_004, 18),
  record(24, 'queued', 'jobs', 1_004, 18),
  record(30, 'selected', 'scheduler', 8_504, 29),
  record(31, 'overdue', 'timekeeper', 8_400, 30),
];

t('rows are the facts in order, each on the lane of its author', () => {
  const { lanes, rows } = sequenceOf(late);
  assert.equal(lanes, ['intake', 'jobs', 'attestor', 'scheduler', 'slots', 'executor', 'timekeeper']);
  assert.equal(
    rows.map(({ seq, fact, lane }) => `${seq} ${fact} ${lanes[lane]}`),
    [
      '18 submitted intake',
      '19 attested attestor',
      '24 queued jobs',
      '30 selected scheduler',
      '31 overdue timekeeper',
    ],
  );
  assert.equal(
    rows.map(({ isFailure }) => isFailure),
    [false, false, false, false, true],
  );
});

t('an author without a lane gets one of its own behind the others', () => {
  const { lanes, rows } = sequenceOf([...late, record(40, 'evicted', 'judge', 9_000)]);
  assert.is(lanes.at(-1), 'judge');
  assert.is(rows.at(-1)?.lane, lanes.length - 1);
  assert.is(lanes.length, 8);
});

t('a cause is named when it is a fact of this job, and else only numbered', () => {
  const { rows } = sequenceOf(late);
  assert.equal(
    rows.map(({ cause }) => cause),
    [
      null,
      { seq: 18, fact: 'submitted' },
      { seq: 18, fact: 'submitted' },
      { seq: 29, fact: null },
      { seq: 30, fact: 'selected' },
    ],
  );
});

t('time that passed is told, a long wait is a gap, and a clock that was set back is none', () => {
  const { rows } = sequenceOf(late);
  assert.equal(
    rows.map(({ afterMs }) => afterMs),
    [0, 4, 0, 7_500, 0],
  );
  assert.equal(
    rows.map(({ isAfterGap }) => isAfterGap),
    [false, false, false, true, false],
  );
});

t('of many facts a window around the moment is drawn, and all on request', () => {
  const rows = Array.from({ length: 500 }, (_, i) => ({ seq: 10 * (i + 1) }));
  for (const seq of [1, 10, 700, 2_500, 4_990, 5_000, 9_999]) {
    const [from, to] = windowOf(rows, seq, false);
    const at = rowAt(rows, seq);
    assert.is(to - from, rowsFirst);
    assert.ok(from >= 0 && to <= rows.length);
    assert.ok(at < 0 ? from === 0 : at >= from && at < to, `seq ${seq} is in its window`);
  }
  assert.equal(windowOf(rows, 700, true), [0, 500]);
  assert.equal(windowOf(rows.slice(0, rowsFirst), 700, false), [0, rowsFirst]);
  assert.equal([rowAt(rows, 9), rowAt(rows, 10), rowAt(rows, 19), rowAt([], 5)], [-1, 0, 0, -1]);
});

t.run();
