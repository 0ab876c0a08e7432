/** The table of planted bugs in `test/faults/README.md`, between its two markers: written by a run, read by the tests. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Hunt } from './hunt.ts';
import type { Mutant } from './mutant.ts';

/** What became of one planted bug. */
export interface Row {
  readonly mutant: Mutant;
  /** The unit test that caught it; null: they let it pass; undefined: not asked. */
  readonly caughtBy: string | null | undefined;
  readonly hunt: Hunt;
}

const page = fileURLToPath(new URL('../README.md', import.meta.url));
const begin = '<!-- planted bugs: written by test/faults/mutants/run.ts -->';
const end = '<!-- planted bugs: end -->';

const heading = `## Planted bugs

A simulator that never found anything may be one that can't. So each patch in \`mutants/\` is a mistake that a programmer
could have made, put into a copy of the tree (never into the tree itself): the ordinary unit tests let it pass, and the
simulator must name a law that it breaks. A patch that no longer applies is renewed by hand: the mistake stays the same, the
lines around it are the present ones. \`../faults/mutants.test.ts\` hunts some of them in each run, \`mutants.long.test.ts\`
all. **Found by** is the law as \`ARCHITECTURE.md\` numbers it, or a word: \`start\` means that a log which was whole did
not open. **Lifecycles** are the jobs that had come to an end when it was named, of **seeds** runs.`;

/**
 * Writes the rows, with the command that made them; the rest of the text stays as it is, and so do the rows of bugs that
 * were not judged now and are still there.
 */
export function writeTable(rows: readonly Row[], legend: string, names: readonly string[]): void {
  const text = readFileSync(page, 'utf8');
  const table = [
    begin,
    heading,
    legend,
    tableOf([...keptOf(text, rows, names), ...rows.map(cellsOf)]),
    end,
  ].join('\n\n');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  const whole =
    from < 0 ? `${text.trimEnd()}\n\n${table}\n` : text.slice(0, from) + table + text.slice(to + end.length);
  writeFileSync(page, whole);
}

/** What the table says of each bug that was found: from which seed on, and how far it was. */
export function foundInTable(): ReadonlyMap<string, { readonly seed: number; readonly lifecycles: number }> {
  const text = readFileSync(page, 'utf8');
  const rows = text.slice(text.indexOf(begin), text.indexOf(end)).matchAll(rowPattern);
  return new Map(
    [...rows].map(([, name, lifecycles, seed]) => [
      name!,
      { seed: Number(seed), lifecycles: Number(lifecycles?.replaceAll(',', '')) },
    ]),
  );
}

/** Bugs that a unit test caught: they say nothing about the simulator. */
export function caughtInTable(): string[] {
  const text = readFileSync(page, 'utf8');
  const rows = text.slice(text.indexOf(begin), text.indexOf(end)).matchAll(/^\| `([\w-]+)` .*\| FAIL +\|/gm);
  return [...rows].map(([, name]) => name!);
}

const rowPattern = /^\| `([\w-]+)` .*\| +([\d,]+) \| +\d+ \| +(\d+) \|$/gm;

const cellsOf = ({ mutant, caughtBy, hunt }: Row): string[] => [
  `\`${mutant.name}\``,
  mutant.text.replaceAll('|', '\\|'),
  caughtBy === undefined ? 'not asked' : caughtBy === null ? 'pass' : 'FAIL',
  hunt.found?.law ?? '**not found**',
  hunt.lifecycles.toLocaleString('en'),
  String(hunt.seeds),
  String(hunt.found?.seed ?? ''),
];

/** Cells of the rows of a former run. */
function keptOf(text: string, rows: readonly Row[], names: readonly string[]): string[][] {
  const lines = text.slice(text.indexOf(begin), text.indexOf(end)).split('\n');
  return lines
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    )
    .filter(([name]) => names.includes(name!.slice(1, -1)))
    .filter(([name]) => rows.every(({ mutant }) => `\`${mutant.name}\`` !== name));
}

/** In columns, as the formatter of this project's pages would write it. */
function tableOf(cells: readonly string[][]): string {
  const head = [
    'bug',
    'what it is, and what it costs',
    'unit tests',
    'found by',
    'lifecycles',
    'seeds',
    'seed',
  ];
  const lines = [...cells].sort(([a], [b]) => (a! < b! ? -1 : 1));
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]!.length)));
  const isNumber = (column: number): boolean => column >= 4;
  const row = (line: readonly string[]): string =>
    `| ${line.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (isNumber(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [row(head), rule, ...lines.map(row)].join('\n');
}
