/**
 * Plants each bug in a copy of the tree, asks the unit tests, then the simulator, and writes the table.
 *
 * Usage: `node --import tsx test/faults/mutants/run.ts [--unit] [--write] [--only PATTERN] [--seed N] [--at-once N]
 * [--lifecycles N]`.
 * `--unit` runs the ordinary unit tests first, which must pass; `--write` puts the table into `test/faults/README.md`.
 * Exits with 1 when a patch no longer applies, a unit test fails, a bug is not found, or the control breaks a law.
 */
import { parseArgs } from 'node:util';
import { type Hunt, hunt, jobsEach } from './hunt.ts';
import { filesOf, type Mutant, mutants, planted, remove } from './mutant.ts';
import { type Row, writeTable } from './table.ts';
import { leftOutText, unitsCatch } from './units.ts';

/** A bug that is not found within so many lifecycles counts as not found. */
const lifecyclesMaxDefault = 50_000;
/** As long as those may take on a busy machine, ms. */
const huntMsMax = 1_800_000;

interface Options {
  readonly unit: boolean;
  readonly seed: number;
  readonly lifecyclesMax: number;
}

/** What became of one bug. */
async function judge(mutant: Mutant, { unit, seed, lifecyclesMax }: Options): Promise<Row> {
  const copy = planted(mutant);
  try {
    const caughtBy = unit ? await unitsCatch(copy, filesOf(mutant)) : undefined;
    return { mutant, caughtBy, hunt: await hunt(copy, { firstSeed: seed, lifecyclesMax, msMax: huntMsMax }) };
  } finally {
    remove(copy);
  }
}

/** @returns the row, or null when the bug could not be judged */
async function judged(mutant: Mutant, options: Options): Promise<Row | null> {
  try {
    const row = await judge(mutant, options);
    tell(mutant.name, row);
    if (!row.hunt.found || row.caughtBy) process.exitCode = 1;
    return row;
  } catch (error) {
    console.log(`${mutant.name}: ${(error as Error).message}`);
    process.exitCode = 1;
    return null;
  }
}

function tell(name: string, { caughtBy, hunt }: Omit<Row, 'mutant'>): void {
  const units =
    caughtBy === undefined ? '' : caughtBy === null ? 'unit tests pass; ' : `CAUGHT by ${caughtBy}; `;
  const { found, lifecycles, ms, seeds } = hunt;
  const what = found ? `found by ${found.law}, seed ${found.seed}` : 'no law was broken';
  console.log(
    `${name}: ${units}${what}; ${lifecycles} lifecycles, ${seeds} seeds, ${(ms / 1_000).toFixed(1)} s`,
  );
}

/** The tree as it is must break no law, over as many lifecycles as the longest hunt that found its bug. */
async function control(rows: readonly Row[], { seed }: Options): Promise<Hunt> {
  const longest = Math.max(jobsEach, ...rows.map(({ hunt }) => (hunt.found ? hunt.lifecycles : 0)));
  const copy = planted(null);
  try {
    const found = await hunt(copy, { firstSeed: seed, lifecyclesMax: longest, msMax: huntMsMax });
    tell('without a bug', { caughtBy: undefined, hunt: found });
    if (found.found) process.exitCode = 1;
    return found;
  } finally {
    remove(copy);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      unit: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      seed: { type: 'string', default: '1' },
      lifecycles: { type: 'string', default: String(lifecyclesMaxDefault) },
      'at-once': { type: 'string', default: '2' },
    },
  });
  const options: Options = {
    unit: values.unit,
    seed: Number(values.seed),
    lifecyclesMax: Number(values.lifecycles),
  };
  const only = new RegExp(values.only);
  const all = mutants();
  const allNames = all.map(({ name }) => name);
  const chosen = all.filter(({ name }) => only.test(name));
  if (chosen.length === 0) throw new Error(`no bug matches ${values.only}`);
  const waiting = [...chosen];
  const rows: Row[] = [];
  // After each row, so that a run that is stopped has told how far it came.
  const write = (clean: Hunt | null): void => {
    const command = `node --import tsx test/faults/mutants/run.ts ${process.argv.slice(2).join(' ')}`;
    if (values.write) writeTable(rows, legendOf(rows, clean, options, command), allNames);
  };
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const row = await judged(next, options);
      if (!row) continue;
      rows.push(row);
      write(null);
    }
  };
  await Promise.all(Array.from({ length: Number(values['at-once']) }, work));
  write(await control(rows, options));
}

function legendOf(
  rows: readonly Row[],
  clean: Hunt | null,
  { seed, lifecyclesMax }: Options,
  command: string,
): string {
  const found = rows.filter(({ hunt }) => hunt.found).length;
  const law = clean?.found ? `${clean.found.law} is broken` : 'no law is broken';
  return [
    `Last run (each run replaces the rows of its own bugs): \`${command}\``,
    `on ${new Date().toISOString().slice(0, 10)}: ${found} of ${rows.length} found, bound ${lifecyclesMax.toLocaleString('en')} lifecycles each, ${jobsEach}`,
    `jobs a run, seeds from ${seed} on.`,
    ...(clean
      ? [`Without a bug, ${clean.lifecycles.toLocaleString('en')} lifecycles from the same seeds: ${law}.`]
      : []),
    `"Unit tests" are those of \`mutants/units.ts\` that load a changed file; left out: ${leftOutText()}.`,
  ].join('\n');
}

await main();
