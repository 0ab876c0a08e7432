/**
 * Plants each bug in a copy of the tree, asks the unit tests, then the simulator, and writes the table.
 *
 * Usage: `node --import tsx test/faults/mutants/run.ts [--unit] [--write] [--only PATTERN] [--seed N] [--at-once N]`.
 * `--unit` runs the ordinary unit tests first, which must pass; `--write` puts the table into `test/faults/README.md`.
 * Exits with 1 when a patch no longer applies, a unit test fails, a bug is not found, or the control breaks a law.
 */
import { parseArgs } from 'node:util';
import { type Hunt, hunt, jobsEach } from './hunt.ts';
import { type Mutant, mutants, planted, remove } from './mutant.ts';
import { type Row, writeTable } from './table.ts';
import { leftOutText, unitsCatch, unitTests } from './units.ts';

/** A bug that is not found within so many lifecycles counts as not found. */
const lifecyclesMax = 50_000;
/** As long as those may take on a busy machine, ms. */
const huntMsMax = 1_800_000;

interface Options {
  readonly unit: boolean;
  readonly seed: number;
}

/** What became of one bug; null is the tree without any. */
async function judge(mutant: Mutant | null, { unit, seed }: Options): Promise<Omit<Row, 'mutant'>> {
  const copy = planted(mutant);
  try {
    const caughtBy = unit ? await unitsCatch(copy) : undefined;
    return { caughtBy, hunt: await hunt(copy, { firstSeed: seed, lifecyclesMax, msMax: huntMsMax }) };
  } finally {
    remove(copy);
  }
}

/** @returns the row, or null when the bug could not be judged */
async function judged(mutant: Mutant, options: Options): Promise<Row | null> {
  try {
    const row = { mutant, ...(await judge(mutant, options)) };
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

/** The tree as it is must break no law, over as many lifecycles as the longest hunt took. */
async function control(rows: readonly Row[], { seed }: Options): Promise<Hunt> {
  const longest = Math.max(jobsEach, ...rows.map(({ hunt }) => hunt.lifecycles));
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
      'at-once': { type: 'string', default: '2' },
    },
  });
  const options: Options = { unit: values.unit, seed: Number(values.seed) };
  const only = new RegExp(values.only);
  const chosen = mutants().filter(({ name }) => only.test(name));
  if (chosen.length === 0) throw new Error(`no bug matches ${values.only}`);
  const waiting = [...chosen];
  const rows: Row[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const row = await judged(next, options);
      if (row) rows.push(row);
    }
  };
  await Promise.all(Array.from({ length: Number(values['at-once']) }, work));
  const clean = await control(rows, options);
  rows.sort((a, b) => (a.mutant.name < b.mutant.name ? -1 : 1));
  if (values.write) writeTable(rows, legendOf(rows, clean, options, process.argv.slice(2)));
}

function legendOf(rows: readonly Row[], clean: Hunt, { seed }: Options, args: readonly string[]): string {
  const found = rows.filter(({ hunt }) => hunt.found).length;
  const copy = planted(null);
  const units = unitTests(copy).length;
  remove(copy);
  const { lifecycles, found: broken } = clean;
  return [
    `\`node --import tsx test/faults/mutants/run.ts ${args.join(' ')}\` on ${new Date().toISOString().slice(0, 10)}:`,
    `${found} of ${rows.length} planted bugs found; bound ${lifecyclesMax.toLocaleString('en')} lifecycles each, ${jobsEach}`,
    `jobs a seed, seeds from ${seed} on. The same tree without a bug, over ${lifecycles.toLocaleString('en')} lifecycles from the same seeds:`,
    `${broken ? `${broken.law} is broken` : 'no law is broken'}.`,
    `"Unit tests" are ${units} files; left out: ${leftOutText()}.`,
  ].join('\n');
}

await main();
