/**
 * `berth demo [NAME…]`: the scripted tour, against controllers that it starts and takes away again.
 *
 * Why Ctrl-C is handled here: what the tour started must be gone before the command is. The tour itself is in
 * `src/demo/`. Test: `test/demo.serial.test.ts`.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { Leftovers } from '../demo/processes.ts';
import type { Scenario } from '../demo/scenario.ts';
import { scenarios } from '../demo/scenarios.ts';
import { type Teller, tellList, tellPeople, tellPrograms } from '../demo/telling.ts';
import { type Closed, type Opened, type Outcome, tour } from '../demo/tour.ts';
import { exits, usage } from './exit.ts';
import { Output } from './output.ts';

/** How long our own signal may come behind the end of a child that the same Ctrl-C ended, ms. */
const signalMsMax = 200;

const options = { json: { type: 'boolean' }, keep: { type: 'boolean' }, list: { type: 'boolean' } } as const;

/** Runs the tour. `argv`: names, `--list`, `--keep`, `--json`. Resolves with the exit code. */
export async function demo(argv: string[]): Promise<number> {
  const { chosen, json, keep, list } = asked(argv);
  const out = new Output({ format: json ? 'json' : 'table' });
  try {
    if (list) {
      await tellList(out, chosen, json);
      return exits.done;
    }
    return await interruptible(chosen, json ? tellPrograms(out) : tellPeople(out, lookOf(out)), keep);
  } finally {
    out.release();
  }
}

function asked(argv: string[]) {
  const { positionals, values } = parse(argv);
  const unknown = positionals.find((name) => !scenarios.some((each) => each.name === name));
  if (unknown !== undefined) throw usage(`${unknown}: there is no such scenario`, 'berth demo --list');
  const chosen = scenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  return { chosen, json: values.json === true, keep: values.keep === true, list: values.list === true };
}

function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv, options, allowPositionals: true });
  } catch (cause) {
    throw usage((cause as Error).message, 'berth demo --help');
  }
}

function lookOf(out: Output): { colour: boolean; columns: number } {
  const colour = out.terminal && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
  return { colour, columns: out.terminal ? process.stdout.columns : Number.POSITIVE_INFINITY };
}

/** Plays; whatever ends it, a signal included, nothing that it started is left. */
async function interruptible(chosen: readonly Scenario[], teller: Teller, keep: boolean): Promise<number> {
  const leftovers = new Leftovers();
  let onSignal = (): void => undefined;
  const signalled = new Promise<'signalled'>((resolve) => {
    onSignal = () => resolve('signalled');
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const played = play(chosen, teller, leftovers, keep);
    // Ctrl-C reaches our children too: the tour may fail on that a moment before we hear of it ourselves.
    const told = played.catch(async (error: unknown) => {
      await new Promise<void>((resolve) => systemClock.after(signalMsMax, resolve));
      throw error;
    });
    told.catch(() => undefined);
    const passed = await Promise.race([told, signalled]);
    return passed === 'signalled' ? exits.interrupted : passed ? exits.done : exits.error;
  } finally {
    await leftovers.clear(keep);
    for (const signal of signals) process.off(signal, onSignal);
  }
}

async function play(
  chosen: readonly Scenario[],
  teller: Teller,
  leftovers: Leftovers,
  keep: boolean,
): Promise<boolean> {
  const fromMs = systemClock.monotonicMs();
  const outcomes: Outcome[] = [];
  const controllers: (Opened & Closed)[] = [];
  let open: Opened | null = null;
  await teller.begin(chosen);
  await tour(chosen, {
    clock: systemClock,
    env: environment(),
    leftovers,
    async onOpened(opened) {
      open = opened;
      await teller.opened(opened);
    },
    async onOutcome(outcome) {
      outcomes.push(outcome);
      await teller.outcome(outcome);
    },
    async onClosed(closed) {
      if (open) controllers.push({ ...open, ...closed });
      await teller.closed(closed);
    },
  });
  const passed =
    outcomes.length === chosen.length && [...outcomes, ...controllers].every((each) => each.passed);
  const ms = Math.round(systemClock.monotonicMs() - fromMs);
  const kept = keep ? leftovers.folders : [];
  await teller.end({ passed, ms, scenarios: outcomes, controllers, kept });
  return passed;
}

/** No setting of the user's own controller may reach ours. */
function environment(): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('BERTH_'));
  return Object.fromEntries(own) as Record<string, string>;
}
