/**
 * `berth machine …`: the four statecharts in a terminal, and on request with the path that one job took.
 *
 * Why drawn as a list: a terminal has no room for forty arrows, but it can say every transition of a state below that state,
 * with who writes it. The pictures are one flag away. Test: `test/cli/machine.test.ts`.
 */
import { type Command, Option } from 'commander';
import { type Chart, type ChartEdge, factType, mermaidOf } from '../../machines/chart.ts';
import { charts } from '../../machines/charts.ts';
import { svgOf } from '../../machines/svg.ts';
import { machineNames, rowWords, stateWords, subjects } from '../../machines/words.ts';
import type { FactView } from '../views/log-view.ts';
import type { Context } from './context.ts';
import { exits, usage } from './exit.ts';
import { jobPath } from './follow.ts';
import { factsFrom } from './pages.ts';
import { examples, type Run, verb } from './tree.ts';

interface ShowFlags {
  readonly job?: string;
  readonly svg?: boolean;
  readonly mermaid?: boolean;
}

/** Where a job is, and how often it took each row; rows by `rowKey`. */
interface Lit {
  readonly job: string;
  readonly state: string;
  readonly times: ReadonlyMap<string, number>;
  /** Seq of the last fact that took the row. */
  readonly lastSeq: ReadonlyMap<string, number>;
}

/** Adds `berth machine` and its verbs. */
export function addMachineCommands(program: Command, run: Run): void {
  const machine = program.command('machine').description('the statecharts: what may happen next');
  verb(machine, 'list', 'the four machines', run, list);
  const shown = verb(
    machine,
    'show <machine>',
    `every state and transition of ${machineNames.join(', ')}`,
    run,
    show,
  );
  shown
    .option('--job <id>', 'with the state that this job is in, and the path it took')
    .addOption(new Option('--svg', 'a picture, as SVG').conflicts(['mermaid', 'job']))
    .addOption(new Option('--mermaid', 'a Mermaid state diagram').conflicts(['svg', 'job']));
  examples(shown, [
    'berth machine show job',
    'berth machine show job --job ID',
    'berth machine show slot --svg > slot.svg',
    'berth machine show controller -o json',
  ]);
}

async function list(context: Context): Promise<number> {
  const rows = machineNames.map((name) => {
    const { states, edges } = charts[name];
    return {
      name,
      of: subjects[name],
      states: states.length,
      transitions: edges.flatMap(({ facts }) => facts).length,
    };
  });
  await context.out.rows(
    rows,
    [
      { name: 'machine', value: ({ name }) => name },
      { name: 'states', value: ({ states }) => String(states), right: true },
      { name: 'transitions', value: ({ transitions }) => String(transitions), right: true },
      { name: 'of', value: ({ of }) => of },
    ],
    '',
  );
  if (!context.out.machine) context.out.note('next: berth machine show job');
  return exits.done;
}

async function show(context: Context, [wanted = '']: readonly string[], flags: ShowFlags): Promise<number> {
  const { out } = context;
  const name = machineNames.find((known) => known === wanted);
  if (!name) throw usage(`${wanted}: must be one of ${machineNames.join(', ')}`, 'berth machine list');
  if (flags.job !== undefined && name !== 'job')
    throw usage(
      `--job goes with the machine of jobs, not with ${name}`,
      `berth machine show job --job ${flags.job}`,
    );
  const chart = charts[name];
  if (flags.svg) await out.write(svgOf(chart));
  else if (flags.mermaid) await out.write(`${mermaidOf(chart)}\n`);
  else {
    const lit = flags.job === undefined ? null : await litBy(context, flags.job);
    if (out.machine) await out.one(dataOf(chart, lit), []);
    else for (const line of drawingOf(chart, lit)) await out.line(line === '' ? '' : line);
  }
  return exits.done;
}

/** Folds the job's facts with the production table, which is loaded only for that. */
async function litBy(context: Context, id: string): Promise<Lit> {
  const client = await context.client();
  const facts: FactView[] = [];
  for await (const page of factsFrom(client, `${jobPath(id)}/events`, { signal: context.signal }))
    facts.push(...page);
  const { walkOf } = await import('../jobs/walk.ts');
  const { state, steps } = walkOf(facts);
  const times = new Map<string, number>();
  const lastSeq = new Map<string, number>();
  for (const { seq, from, to, fact } of steps) {
    const key = rowKey(from, fact, to);
    times.set(key, (times.get(key) ?? 0) + 1);
    lastSeq.set(key, seq);
  }
  return { job: id, state, times, lastSeq };
}

const rowKey = (from: string, fact: string, to: string): string => `${from} ${fact} ${to}`;

/** One row a transition, as programs like it. */
function dataOf({ machine, initial, states, edges }: Chart, lit: Lit | null): object {
  return {
    machine,
    initial,
    ...(lit ? { job: lit.job, state: lit.state } : {}),
    states: states.map(({ name, isEnd }) => ({ name, isEnd, ...stateWords(machine, name) })),
    rows: edges.flatMap(({ from, to, guard, kind, facts }) =>
      facts.map((fact) => ({
        from,
        fact: factType(machine, fact),
        guard,
        to,
        kind,
        ...rowWords(machine, from, fact),
        ...(lit ? { walked: lit.times.get(rowKey(from, fact, to)) ?? 0 } : {}),
      })),
    ),
  };
}

/** The drawing, line by line: states in their order, each with what leaves it. */
export function drawingOf(chart: Chart, lit: Lit | null): string[] {
  const { machine, states } = chart;
  const rows = chart.edges.flatMap((edge) => edge.facts.map((fact) => ({ ...edge, fact })));
  const widths = {
    fact: Math.max(...rows.map(({ fact }) => fact.length)),
    to: Math.max(...states.map(({ name }) => name.length)),
  };
  const lines = [`${machine}: ${subjects[machine]}`];
  for (const { name, isEnd } of states) {
    const { waits, watchdog } = stateWords(machine, name);
    const sign = lit?.state === name ? '▶' : isEnd ? '■' : '○';
    const here = lit?.state === name ? `   ◀ job ${lit.job} is here` : '';
    lines.push('', `${sign} ${name}  ${waits}${watchdog ? `; watchdog: ${watchdog}` : ''}${here}`);
    for (const row of rows) if (row.from === name) lines.push(rowLine(chart, row, widths, lit));
  }
  const legend = ['! failure', '■ an end'];
  if (lit) legend.unshift('▶ now', '✔ walked, with how often and the last seq');
  return [...lines, '', legend.join(' · ')];
}

function rowLine(
  { machine }: Chart,
  { from, to, guard, kind, fact }: ChartEdge & { readonly fact: string },
  widths: { readonly fact: number; readonly to: number },
  lit: Lit | null,
): string {
  const key = rowKey(from, fact, to);
  const times = lit?.times.get(key);
  const walked = times === undefined ? '  ' : '✔ ';
  const target = to === from ? '↺ stays' : `→ ${to}`;
  const parts = [
    `  ${walked}${kind === 'failure' ? '!' : ' '} ${fact.padEnd(widths.fact)}`,
    target.padEnd(widths.to + 2),
    rowWords(machine, from, fact).by.replaceAll('`', ''),
    ...(guard ? [`[${guard}]`] : []),
    ...(times === undefined ? [] : [`×${times}, seq ${lit?.lastSeq.get(key)}`]),
  ];
  return parts.join('  ').trimEnd();
}
