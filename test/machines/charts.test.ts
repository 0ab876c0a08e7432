/** Coordinates, pictures, charts and the failure atlas in `machines/` show the machines as they are. */
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { type AnyStateMachine, setup } from 'xstate';
import { type Box, type Chart, factName, mermaidOf, type Point } from '../../machines/chart.ts';
import { charts } from '../../machines/charts.ts';
import { compileTable } from '../../machines/compile.ts';
import { atlas, drawnFiles, machines, withCharts } from '../../machines/draw.ts';
import { jobMachine } from '../../machines/job.ts';
import { layoutOf } from '../../machines/layout.ts';
import { headOf, svgOf, wayOf } from '../../machines/svg.ts';
import type { MachineName } from '../../machines/words.ts';
import { suite } from '../suite.ts';

const textOf = (name: string): string =>
  readFileSync(new URL(`../../machines/${name}`, import.meta.url), 'utf8');
const readme = textOf('README.md');
const all = Object.values(charts);

const t = suite('charts');
const slow = { limitMs: 60_000 };

t(
  'every generated file is current, byte for byte; otherwise: npm run build:charts',
  async () => {
    const files = await drawnFiles(readme);
    assert.equal(
      [...files.keys()],
      ['charts.ts', 'job.svg', 'run.svg', 'slot.svg', 'controller.svg', 'README.md'],
    );
    for (const [name, wanted] of files) assert.fixture(textOf(name), wanted, name);
  },
  slow,
);

t(
  'one transition more gives other coordinates, the same machine the same ones',
  async () => {
    const small = (more: Record<string, string>) =>
      setup({}).createMachine({
        id: 'run',
        initial: 'none',
        states: { none: { on: { 'job.reserved': 'gone', ...more } }, gone: { type: 'final' } },
      });
    const before = JSON.stringify(await layoutOf(small({})));
    assert.is(JSON.stringify(await layoutOf(small({}))), before);
    assert.is.not(JSON.stringify(await layoutOf(small({ 'job.lost': 'gone' }))), before);
    assert.is.not(JSON.stringify(await layoutOf(small({ 'job.lost': 'none' }))), before);
  },
  slow,
);

t('a README with a stale or a missing block is told apart', () => {
  const stale = readme.replace('attesting --> queued', 'attesting --> running');
  assert.is.not(stale, readme);
  assert.is(withCharts(stale, all), readme);
  for (const marker of ['<!-- generated: chart job -->', '<!-- end: atlas -->']) {
    assert.throws(() => withCharts(readme.replace(marker, ''), all), /README\.md lacks/);
  }
});

/** `state fact guard target` of each transition of the machine. */
const rowsOf = (machine: AnyStateMachine): string[] =>
  compileTable(machine)
    .rows()
    .map(
      ({ state, event, guard, target }) =>
        `${state} ${factName(machine.id as MachineName, event)} ${guard} ${target ?? state}`,
    )
    .sort();

for (const machine of machines) {
  const chart = charts[machine.id as MachineName];

  t(`the chart of the ${machine.id} has every state and every transition, and no other`, () => {
    const wanted = rowsOf(machine);
    assert.ok(wanted.length > 5);
    const drawn = chart.edges.flatMap(({ from, to, guard, facts }) =>
      facts.map((fact) => `${from} ${fact} ${guard} ${to}`),
    );
    assert.equal(drawn.sort(), wanted);
    const written = [
      ...mermaidOf(chart).matchAll(/^ {2}(\w+) --> (\w+): ([^[\n]+?)(?: \[(\w+)\])?$/gm),
    ].flatMap(([, from, to, facts = '', guard = null]) =>
      facts.split(', ').map((fact) => `${from} ${fact} ${guard} ${to}`),
    );
    assert.equal(written.sort(), wanted);
    assert.equal(
      chart.states.map(({ name }) => name),
      compileTable(machine).states,
    );
  });

  t(`in the picture of the ${machine.id} no box lies on another, and each arrow joins its two states`, () => {
    const labels = chart.edges.flatMap(({ label }) => (label ? [label.box] : []));
    const boxes = [...chart.states.map(({ box }) => box), ...labels];
    assert.ok(labels.length > 5);
    for (const [i, box] of boxes.entries()) {
      assert.ok(box.x >= 0 && box.x + box.width <= chart.width, 'inside the picture');
      assert.ok(box.y >= 0 && box.y + box.height <= chart.height, 'inside the picture');
      for (const other of boxes.slice(i + 1)) assert.not(overlap(box, other), JSON.stringify([box, other]));
    }
    for (const { from, to, points } of chart.edges) {
      assert.ok(points.length >= 2);
      assert.ok(isOnBorder(boxOf(chart, from), points[0]!), `${from} → ${to} begins at ${from}`);
      assert.ok(isOnBorder(boxOf(chart, to), points.at(-1)!), `${from} → ${to} ends at ${to}`);
    }
  });

  t(`the picture of the ${machine.id} says each state and each label, in both colour schemes`, () => {
    const svg = svgOf(chart);
    assert.match(svg, /@media \(prefers-color-scheme:dark\)/);
    for (const { name } of chart.states) assert.match(svg, new RegExp(`>${name}</text>`));
    const lines = chart.edges.flatMap(({ label }) => label?.lines ?? []);
    for (const line of lines) assert.ok(svg.includes(`${line}</text>`), line);
    assert.is(svg.match(/<path class="h /g)?.length, chart.edges.length, 'a head for each arrow');
  });
}

t('an arrow without a label leads to the state that its only fact is named after', () => {
  const silent = all.flatMap(({ edges }) => edges).filter(({ label }) => label === null);
  assert.ok(silent.length > 5);
  for (const { facts, to } of silent) assert.equal(facts, [to]);
});

t('failures are told from the rest by more than a colour', () => {
  const failure = charts.job.edges.find(({ facts }) => facts.includes('crashed'))!;
  const svg = svgOf({ ...charts.job, edges: [failure] });
  assert.match(svg, /path\.f\{[^}]*stroke-dasharray/);
  assert.match(svg, />! crashed<\/text>/);
});

t('a way has round corners and ends inside its head, whose tip is its last point', () => {
  const points = [
    { x: 0, y: 0 },
    { x: 0, y: 40 },
    { x: 30, y: 40 },
  ];
  assert.is(wayOf(points), 'M0 0L0 34Q0 40 6 40L24 40');
  assert.is(headOf(points), 'M30 40L22 44L22 36z');
  assert.is(wayOf([]) + headOf([]), '');
});

t('the atlas has a complete row for each transition but the nine of a good job', () => {
  const [, , ...rows] = atlas().split('\n');
  assert.is(rows.length, compileTable(jobMachine).rows().length - 9);
  for (const row of rows) {
    const [, state, fact, , next, by, user] = row.split('|').map((cell) => cell.trim());
    for (const cell of [state, fact, next, by, user]) assert.ok(cell, row);
  }
});

const boxOf = ({ states }: Chart, name: string): Box => states.find((state) => state.name === name)!.box;

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

/** On the border but for half a unit, as numbers are rounded. */
function isOnBorder({ x, y, width, height }: Box, point: Point): boolean {
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 0.5;
  const isInX = point.x >= x - 0.5 && point.x <= x + width + 0.5;
  const isInY = point.y >= y - 0.5 && point.y <= y + height + 0.5;
  const isOnSide = near(point.x, x) || near(point.x, x + width);
  const isOnEnd = near(point.y, y) || near(point.y, y + height);
  return (isInY && isOnSide) || (isInX && isOnEnd);
}

t.run();
