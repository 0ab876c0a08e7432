/** What the chart marks and says of a machine, and that the page holds coordinates and no layout. */
import * as assert from 'uvu/assert';
import { charts } from '../../machines/charts.ts';
import { dashboardPage } from '../../src/dashboard/bundle.ts';
import { edgeTexts, placeOf, shapeOf, stateText } from '../../src/dashboard/chart-shape.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard/chart');

const step = (from: string, fact: string, to: string) => ({ from, fact, to });
const retried = [
  step('new', 'submitted', 'attesting'),
  step('attesting', 'attested', 'attesting'),
  step('attesting', 'queued', 'queued'),
  step('queued', 'selected', 'reserving'),
  step('reserving', 'unplaced', 'queued'),
  step('queued', 'selected', 'reserving'),
  step('reserving', 'reserved', 'starting'),
];

t('walked arrows are marked with their steps, in order, and the last one alone as the last', () => {
  const { chart, marks, visited } = shapeOf('job', 'starting', retried);
  const named = [...marks].map(([at, { steps, isLast }]) => {
    const { from, to } = chart.edges[at]!;
    return `${from} ${to} ${steps.length}${isLast ? ' last' : ''}`;
  });
  assert.equal(named, [
    'new attesting 1',
    'attesting attesting 1',
    'attesting queued 1',
    'queued reserving 2',
    'reserving queued 1',
    'reserving starting 1 last',
  ]);
  assert.equal([...visited].sort(), ['attesting', 'new', 'queued', 'reserving', 'starting']);
  const selected = [...marks.values()].find(({ steps }) => steps.length === 2);
  assert.is(selected?.steps[1], retried[5], 'a step is handed back as it came, with all that it carries');
});

t(
  'facts may be named with or without job., and of two arrows between two states the one of the fact is taken',
  () => {
    const bare = shapeOf('run', 'gone', [step('running', 'crashed', 'gone')]);
    const full = shapeOf('run', 'gone', [step('running', 'job.crashed', 'gone')]);
    const exited = shapeOf('run', 'gone', [step('running', 'exited', 'gone')]);
    assert.equal([...bare.marks.keys()], [...full.marks.keys()]);
    assert.is.not([...bare.marks.keys()][0], [...exited.marks.keys()][0]);
    const slot = shapeOf('slot', 'serving', [step('absent', 'slot.added', 'serving')]);
    assert.is(slot.marks.size, 1);
  },
);

t('a step that the machine does not have is not drawn', () => {
  const { marks } = shapeOf('job', 'queued', [step('queued', 'started', 'running')]);
  assert.is(marks.size, 0);
});

t('the picture in words: where it is, and each way with how often it was taken', () => {
  const { told } = shapeOf('job', 'starting', retried);
  assert.match(told, /^Machine of the job, now in starting\. Walked: new to attesting by submitted; /);
  assert.match(told, /queued to reserving by selected, 2 times;/);
  assert.is(shapeOf('job', 'new', []).told, 'Machine of the job, now in new. Nothing walked yet.');
});

t('a state says what it waits for and its watchdog, an arrow each fact with its author', () => {
  assert.is(
    stateText('job', 'running'),
    'waits for the guest; watchdog: wallMs, then stopping; the lease, then lost',
  );
  assert.is(stateText('slot', 'serving'), 'takes slots');
  const edge = charts.job.edges.find(({ facts }) => facts.includes('evicted'))!;
  assert.equal(
    edgeTexts('job', edge).map(({ fact, by }) => [fact, by]),
    [
      ['cancelRequested', 'jobs, on a cancel'],
      ['evicted', 'jobs, on a shutdown or a drain'],
    ],
  );
});

t('an arrow can be pointed at by its label, or else on its longest stretch', () => {
  const label = { lines: ['x'], box: { x: 1, y: 2, width: 3, height: 4 } };
  assert.is(placeOf({ label, points: [] }), label.box);
  const points = [
    { x: 0, y: 0 },
    { x: 0, y: 10 },
    { x: 100, y: 10 },
  ];
  assert.equal(placeOf({ label: null, points }), { x: 41, y: 1, width: 18, height: 18 });
});

t(
  'the page holds the coordinates, and no layout engine',
  async () => {
    const { html } = await dashboardPage();
    assert.ok(html.includes('startIsOverdue'), 'the chart is in the page');
    // Names that the engine has in its data, so that minifying can't hide it.
    for (const trace of ['org.eclipse.elk', 'elkjs', 'NETWORK_SIMPLEX'])
      assert.not(html.includes(trace), trace);
  },
  { limitMs: 60_000 },
);

t.run();
