/**
 * The handbook of the metrics, made of the catalogue and `advice.ts`: a table in the README, and rules for Prometheus.
 *
 * Why generated: a table by hand falls behind with the first metric that is added, and rules that name a metric which is no
 * more never fire and never say so. `npm run build:metrics` writes both. Test: `test/observe/handbook.test.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Advice, type Alert, advice } from './advice.ts';
import { catalogue, type Metric } from './catalogue.ts';

const begin = '<!-- generated: metrics -->';
const end = '<!-- end: metrics -->';

/** What advice there is for a metric. Throws when there is none: a metric without a use is not to be added. */
export function adviceFor({ name }: Pick<Metric, 'name'>): Advice {
  const found = advice[name];
  if (!found) throw new Error(`advice.ts says nothing of ${name}`);
  return found;
}

/** One row a metric: meaning, use, alerts. */
export function metricsTable(): string {
  const rows = catalogue.map((metric) => {
    const { why, alerts } = adviceFor(metric);
    const set = alerts.map(({ name, severity }) => `${name} (${severity})`).join('<br>');
    return `| \`${metric.name}\` | ${metric.type} | ${metric.help} | ${why} | ${set || 'none by itself'} |`;
  });
  return [
    '| metric | type | what it is | why one looks | alert in `alerts.yml` |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** The README with its table made anew. Throws when it has no place for it. */
export function withTable(readme: string): string {
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`src/observe/README.md lacks ${begin} … ${end}`);
  return `${readme.slice(0, from + begin.length)}\n\n${metricsTable()}\n\n${readme.slice(to)}`;
}

/** All alerts as a rule file of Prometheus. */
export function alertRules(): string {
  const rules = catalogue.flatMap((metric) => adviceFor(metric).alerts.map(ruleOf));
  return [
    '# Made by `npm run build:metrics` from src/observe/advice.ts: edit there, or copy this file and edit the copy.',
    '# Load it with `rule_files:` in prometheus.yml. The numbers are where to begin; the README says what each metric means.',
    'groups:',
    '  - name: berth',
    '    rules:',
    ...rules,
    '',
  ].join('\n');
}

/** A JSON string is a YAML string, too. */
const quoted = (text: string): string => JSON.stringify(text);

const ruleOf = ({ name, expr, forMinutes, severity, summary }: Alert): string =>
  [
    `      - alert: ${name}`,
    `        expr: ${quoted(expr)}`,
    ...(forMinutes > 0 ? [`        for: ${forMinutes}m`] : []),
    '        labels:',
    `          severity: ${severity}`,
    '        annotations:',
    `          summary: ${quoted(summary)}`,
  ].join('\n');

function main(): void {
  const readme = new URL('README.md', import.meta.url);
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8')));
  writeFileSync(new URL('alerts.yml', import.meta.url), alertRules());
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main();
