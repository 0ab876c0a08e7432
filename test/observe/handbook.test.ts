/** The handbook of the metrics: each has its use, and what is committed is what the code says. */
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { advice } from '../../src/observe/advice.ts';
import { catalogue } from '../../src/observe/catalogue.ts';
import { adviceFor, alertRules, metricsTable, withTable } from '../../src/observe/handbook.ts';
import { suite } from '../suite.ts';

const t = suite('observe/handbook');
const textOf = (name: string): string =>
  readFileSync(new URL(`../../src/observe/${name}`, import.meta.url), 'utf8');

/** Names of series that a query reads, without what a histogram adds to its own. */
const namesIn = (expr: string): string[] =>
  [...expr.matchAll(/\bberth_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''));

t('every metric has its use, and no advice is for a metric that is not there', () => {
  assert.equal(Object.keys(advice).toSorted(), catalogue.map(({ name }) => name).toSorted());
  for (const metric of catalogue) assert.ok(adviceFor(metric).why.length > 20, metric.name);
  assert.throws(() => adviceFor({ name: 'berth_none' }), /nothing of berth_none/);
});

t('every alert has a name of its own and reads only metrics that exist, its own among them', () => {
  const known = new Set(catalogue.map(({ name }) => name));
  const alerts = catalogue.flatMap((metric) => adviceFor(metric).alerts.map((alert) => ({ metric, alert })));
  assert.ok(alerts.length > 15);
  assert.is(new Set(alerts.map(({ alert }) => alert.name)).size, alerts.length);
  for (const { metric, alert } of alerts) {
    const names = namesIn(alert.expr);
    assert.ok(names.includes(metric.name), `${alert.name} does not read ${metric.name}`);
    for (const name of names) assert.ok(known.has(name), `${alert.name} reads ${name}`);
  }
});

t('the table of the README and the rules are those of the code; next: npm run build:metrics', () => {
  const readme = textOf('README.md');
  assert.is(withTable(readme), readme);
  assert.is(metricsTable().split('\n').length, catalogue.length + 2);
  assert.is(textOf('alerts.yml'), alertRules());
  assert.throws(() => withTable('no markers'), /lacks/);
});

t.run();
