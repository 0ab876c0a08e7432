/** The pictures and the failure atlas in `machines/README.md` show the machines as they are. */
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { compileTable } from '../../machines/compile.ts';
import { atlas, chartOf, machines, withCharts } from '../../machines/draw.ts';
import { jobMachine } from '../../machines/job.ts';
import { suite } from '../suite.ts';

const readme = readFileSync(new URL('../../machines/README.md', import.meta.url), 'utf8');

const t = suite('charts');

t('the README is current; otherwise: npm run build:charts', () => {
  assert.fixture(withCharts(readme), readme);
});

t('a README with a stale or a missing block is told apart', () => {
  const stale = readme.replace('attesting --> queued', 'attesting --> running');
  assert.is.not(stale, readme);
  assert.is(withCharts(stale), readme);
  for (const marker of ['<!-- generated: chart job -->', '<!-- end: atlas -->']) {
    assert.throws(() => withCharts(readme.replace(marker, '')), /README\.md lacks/);
  }
});

for (const machine of machines) {
  t(`the chart of the ${machine.id} has every state and every transition, and no other`, () => {
    const table = compileTable(machine);
    const drawn = [
      ...chartOf(machine).matchAll(/^ {2}(\w+) --> (\w+): ([^[\n]+?)(?: \[(\w+)\])?$/gm),
    ].flatMap(([, from, to, facts, guard]) =>
      facts!.split(', ').map((fact) => `${from} ${fact} ${guard} ${to}`),
    );
    const short = (event: string) =>
      machine.id === 'job' || machine.id === 'run' ? event.replace('job.', '') : event;
    const wanted = table.rows().map(({ state, event, guard, target }) => {
      return `${state} ${short(event)} ${guard ?? undefined} ${target ?? state}`;
    });
    assert.ok(wanted.length > 5);
    assert.equal(drawn.sort(), wanted.sort());
    for (const state of table.states) assert.match(chartOf(machine), new RegExp(`\\b${state}\\b`));
  });
}

t('the atlas has a complete row for each transition but the nine of a good job', () => {
  const [, , ...rows] = atlas().split('\n');
  assert.is(rows.length, compileTable(jobMachine).rows().length - 9);
  for (const row of rows) {
    const [, state, fact, , next, by, user] = row.split('|').map((cell) => cell.trim());
    for (const cell of [state, fact, next, by, user]) assert.ok(cell, row);
  }
});

t.run();
