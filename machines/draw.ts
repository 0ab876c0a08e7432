/**
 * `npm run build:charts`: draws every machine into `machines/README.md`; `--check` only compares, and exits 1.
 *
 * Why drawn from the compiled rows: a chart that someone drew by hand is right on the day it was drawn. These show what
 * the host folds with, and a test fails when they are out of date. Only words are written here: who writes each fact
 * that leads off the good way, and what the user sees then. A row without words is an error, not an empty cell.
 * Test: `test/machines/charts.test.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { AnyStateMachine } from 'xstate';
import { compileTable } from './compile.ts';
import { controllerMachine } from './controller.ts';
import { jobMachine } from './job.ts';
import { runMachine } from './run.ts';
import { slotMachine } from './slot.ts';

const readmeUrl = new URL('./README.md', import.meta.url);

/** The machines, in the order of the README. */
export const machines: readonly AnyStateMachine[] = [jobMachine, runMachine, slotMachine, controllerMachine];

/** `text` of the README with every generated block drawn anew. Throws when a block or its end is missing. */
export function withCharts(text: string): string {
  const drawn = machines.reduce(
    (before, machine) => withBlock(before, `chart ${machine.id}`, chartOf(machine)),
    text,
  );
  return withBlock(drawn, 'atlas', atlas());
}

function withBlock(text: string, name: string, content: string): string {
  const begin = `<!-- generated: ${name} -->`;
  const end = `<!-- end: ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`machines/README.md lacks ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}

/** A Mermaid state diagram: one arrow for each pair of states and guard, labelled with its facts. */
export function chartOf(machine: AnyStateMachine): string {
  const table = compileTable(machine);
  const arrows = new Map<string, { from: string; to: string; guard: string | null; facts: string[] }>();
  for (const { state, event, guard, target } of table.rows()) {
    const to = target ?? state;
    const key = `${state} ${to} ${guard ?? ''}`;
    const arrow = arrows.get(key) ?? { from: state, to, guard, facts: [] };
    arrow.facts.push(machine.id === 'job' || machine.id === 'run' ? factName(event) : event);
    arrows.set(key, arrow);
  }
  const ends = table.states.filter((state) => table.eventsOf(state).length === 0);
  return [
    '```mermaid',
    'stateDiagram-v2',
    `  [*] --> ${table.initial}`,
    ...[...arrows.values()].map(
      ({ from, to, guard, facts }) => `  ${from} --> ${to}: ${facts.join(', ')}${guard ? ` [${guard}]` : ''}`,
    ),
    ...ends.map((state) => `  ${state} --> [*]`),
    '```',
  ].join('\n');
}

const factName = (type: string): string => type.slice(type.indexOf('.') + 1);

/** The nine facts of a job that goes well, by the state in which they come. All else is in the atlas. */
const goodWay: ReadonlySet<string> = new Set([
  'new submitted',
  'attesting attested',
  'attesting queued',
  'queued selected',
  'reserving reserved',
  'starting started',
  'running exited',
  'releasing released',
  'releasing succeeded',
]);

interface Words {
  /** The actor whose command becomes the fact. */
  readonly by: string;
  readonly user: string;
}

const words = (by: string, user: string): Words => ({ by, user });
const cancelled = words('jobs, on a cancel', '`cancelled` at once, ERR_CANCELLED; no slot was held');
const queueExpired = words('timekeeper, after `queueMs`', '`expired`, ERR_QUEUE_TIMEOUT');
const cancelAsked = words('jobs, on a cancel', '`stopping`; the guest is killed, then `cancelled`');
const evicted = words('jobs, on a shutdown or a drain', '`stopping`, then `queued` again; costs no attempt');
const crashed = words('executor', '`releasing`; then a retry, or `failed` with the code of the crash');
const lost = words(
  'executor, when the guest is known to be dead',
  '`releasing`; then `queued` again, or `failed` with ERR_RUNNER_LOST',
);

/** By state and fact: what the atlas says of each transition off the good way. */
const off: Readonly<Record<string, Words>> = {
  'attesting rejected': words('attestor', '`rejected`, with the code of what it found'),
  'attesting expired': words('timekeeper, after `attestMs`', '`expired`, ERR_ATTEST_TIMEOUT'),
  'attesting cancelled': cancelled,
  'queued expired': queueExpired,
  'queued cancelled': cancelled,
  'reserving unplaced': words('slots', '`queued` again, at the same place; the wait goes on'),
  'reserving expired': queueExpired,
  'reserving cancelled': cancelled,
  'starting crashed': crashed,
  'starting lost': lost,
  'starting overdue': words(
    'timekeeper, after `startMs`',
    '`stopping`, then `queued` again, or `failed` with ERR_RUNNER_LOST',
  ),
  'starting cancelRequested': cancelAsked,
  'starting evicted': evicted,
  'running crashed': crashed,
  'running lost': lost,
  'running overdue': words('timekeeper, after `wallMs`', '`stopping`, then `timedOut`, ERR_RUN_TIMEOUT'),
  'running cancelRequested': cancelAsked,
  'running evicted': evicted,
  'stopping stopped': words('executor', '`releasing`; the reason for stopping decides what follows'),
  'stopping lost': words(
    'executor, when its runner had to be killed',
    '`releasing`; the reason for stopping decides what follows',
  ),
  'stopping cancelRequested': words('jobs, on a cancel', 'the stop goes on and now ends as `cancelled`'),
  'releasing cancelRequested': words(
    'jobs, on a cancel',
    'no further attempt: `cancelled` when the slot is free',
  ),
  'releasing failed': words('jobs', '`failed`, with the code of the last attempt'),
  'releasing timedOut': words('jobs', '`timedOut`, ERR_RUN_TIMEOUT'),
  'releasing cancelled': words('jobs', '`cancelled`, ERR_CANCELLED'),
  'releasing queued': words('jobs', '`queued` again, a new wait of `queueMs`'),
  'releasing retryScheduled': words('jobs', '`backoff`: the next attempt after a wait that doubles'),
  'backoff queued': words('jobs, when the wait is over', '`queued` again, a new wait of `queueMs`'),
  'backoff cancelled': cancelled,
};

/** The failure atlas: every transition of a job that is not on the good way. Throws when one has no words, or words no transition. */
export function atlas(): string {
  const rows = compileTable(jobMachine)
    .rows()
    .map((row) => ({ ...row, fact: factName(row.event) }));
  const keys = rows.map(({ state, fact }) => `${state} ${fact}`);
  const unused = [...goodWay, ...Object.keys(off)].filter((key) => !keys.includes(key));
  if (unused.length > 0) throw new Error(`no such transition: ${unused.join(', ')}`);
  const lines = rows
    .filter(({ state, fact }) => !goodWay.has(`${state} ${fact}`))
    .map(({ state, fact, guard, target }) => {
      const said = off[`${state} ${fact}`];
      if (!said)
        throw new Error(`machines/draw.ts: say who writes ${fact} in ${state}, and what the user sees`);
      return `| \`${state}\` | \`${fact}\` | ${guard ? `\`${guard}\`` : ''} | \`${target ?? state}\` | ${said.by} | ${said.user} |`;
    });
  return [
    '| in | fact | if | then | written by | the user sees |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const before = readFileSync(readmeUrl, 'utf8');
  const after = withCharts(before);
  if (!process.argv.includes('--check')) writeFileSync(readmeUrl, after);
  else if (before !== after) {
    console.error('machines/README.md is out of date; next: npm run build:charts');
    process.exitCode = 1;
  }
}
