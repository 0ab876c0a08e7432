/**
 * `npm run sim`: runs simulations from seeds, says what was seen, and how to see a failure again.
 *
 * Why a seed is all that a failure needs: clocks, disk, network, guests and people are one program here, driven by one
 * stream of random numbers. The command that is printed runs the same history again, on any machine.
 * Test: `test/simulate/simulate.test.ts`.
 */
import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../clock.ts';
import { type FactRecord, sealRecord } from '../events/record.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { crashEverywhere } from './crash-everywhere.ts';
import { type FaultKind, faultKinds, optionsOf, type RunChoice } from './options.ts';
import { shrink } from './shrink.ts';
import { type SimulationResult, simulate } from './simulation.ts';

interface Flags {
  readonly seeds: number;
  readonly jobs: number;
  readonly seed: number;
  readonly crashAt: readonly number[];
  readonly without: readonly FaultKind[];
  readonly crashEverywhere: boolean;
  readonly shrink: boolean;
  readonly export?: string;
  readonly output: 'table' | 'json';
}

/** Points of a scenario at which a second crash follows the first, about. */
const doublesMax = 10;
/** Facts at the end of a history that a failure shows. */
const tailMax = 30;

/** What all runs of one command saw. */
interface Sum {
  seeds: number;
  lifecycles: number;
  facts: number;
  /** Over the head hashes of all runs: equal exactly when every history is. */
  hash: string;
  readonly counts: Record<string, number>;
}

async function run(flags: Flags): Promise<void> {
  const { crashAt, export: file, jobs, output, seed, seeds, without } = flags;
  const sum: Sum = { seeds: 0, lifecycles: 0, facts: 0, hash: '', counts: {} };
  const beganMs = systemClock.monotonicMs();
  for (let at = seed; at < seed + seeds; at += 1) {
    const choice = { seed: at, jobs, without, crashAt };
    const result = flags.crashEverywhere ? await everywhere(choice, sum) : await simulate(optionsOf(choice));
    add(sum, result);
    if (result.violation) {
      const failed = flags.shrink ? await smallest(result) : result;
      report(failed, flags);
      if (file) await writeLog(file, failed.history);
      process.exitCode = 1;
      return;
    }
    if (file && at === seed + seeds - 1) await writeLog(file, result.history);
    progress(`${sum.seeds} of ${seeds} seeds, ${sum.lifecycles} lifecycles`);
  }
  const seconds = (systemClock.monotonicMs() - beganMs) / 1_000;
  progress('');
  if (output === 'json') console.log(JSON.stringify({ ...sum, seconds, violation: null }));
  if (output === 'table') console.log(summaryOf(sum, flags, seconds));
}

/** Crashes the run of a choice at each of its points. Gives the first run that broke a law, or the one without crash. */
async function everywhere(choice: RunChoice, sum: Sum): Promise<SimulationResult> {
  const crashed = await crashEverywhere(choice, { doubles: doublesMax });
  sum.lifecycles += crashed.lifecycles;
  for (const [name, count] of Object.entries({ 'crash points tried': crashed.points, runs: crashed.runs }))
    sum.counts[name] = (sum.counts[name] ?? 0) + count;
  return crashed.failures[0] ?? crashed.plain;
}

function add(sum: Sum, { counts, ended, facts, headHash }: SimulationResult): void {
  sum.seeds += 1;
  sum.facts += facts;
  sum.hash = nodeSha256(sum.hash + headHash);
  for (const count of Object.values(ended)) sum.lifecycles += count;
  for (const [name, count] of Object.entries(counts)) sum.counts[name] = (sum.counts[name] ?? 0) + count;
}

function summaryOf({ counts, facts, lifecycles, seeds }: Sum, { seed }: Flags, seconds: number): string {
  const of = (name: string): number => counts[name] ?? 0;
  const lines = [
    `seeds ${seed} to ${seed + seeds - 1}: no law was broken`,
    `${lifecycles} lifecycles, ${facts} facts in ${seconds.toFixed(1)} s: ${Math.round(lifecycles / seconds)} lifecycles/s`,
    `${of('crashes by power')} power cuts, ${of('crashes by kill')} kills (${of('crashes in recovery')} in recovery), ` +
      `${of('recoveries')} recoveries, ${of('torn tails')} torn tails`,
  ];
  return [...lines, ...Object.entries(counts).map(([name, count]) => `  ${name}: ${count}`)].join('\n');
}

/** The smallest run that breaks the same law. */
async function smallest(result: SimulationResult): Promise<SimulationResult> {
  let last = result;
  const found = await shrink(result.options, {
    invariant: result.violation?.invariant ?? '',
    judge: async (choice) => {
      const tried = await simulate(optionsOf(choice));
      if (tried.violation?.invariant === result.violation?.invariant) last = tried;
      return tried.violation?.invariant ?? null;
    },
    onBetter: ({ jobs, without }) => progress(`${jobs} jobs, without ${without.length} kinds of fault`),
  });
  progress('');
  process.stderr.write(`made smaller in ${found.tries} runs\n`);
  return last;
}

/** All that is needed to find the reason, and the command that runs the same history again. */
function report(result: SimulationResult, { output }: Flags): void {
  const { history, options, violation, ...rest } = result;
  const tail = history.slice(-tailMax);
  const command = commandOf(options);
  if (output === 'json') {
    console.log(JSON.stringify({ ...rest, options, violation, tail, command }));
    return;
  }
  progress('');
  for (const { at, data, seq, subject } of tail)
    console.log(`${String(seq).padStart(6)} ${at} ${subject} ${JSON.stringify(data).slice(0, 160)}`);
  console.log(`seed ${options.seed}, options ${JSON.stringify(options)}`);
  console.log(`${violation?.message}`);
  console.log(`again: ${command}`);
}

/** The lines of the log, as `berth log export` writes them: the page opens them, and `berth log verify` judges them. */
async function writeLog(file: string, history: readonly FactRecord[]): Promise<void> {
  const lines = history.map((record) => `${sealRecord(record, nodeSha256).line}\n`);
  try {
    await writeFile(file, lines.join(''));
    const next = `open it in the page, or: berth log export --html FILE --from ${file}`;
    process.stderr.write(`${history.length} facts in ${file}; ${next}\n`);
  } catch (error) {
    process.stderr.write(`${file} can't be written: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

function commandOf({ crashAt, jobs, seed, without }: RunChoice): string {
  const parts = [`npm run sim -- --seed ${seed} --seeds 1 --jobs ${jobs}`];
  if (crashAt.length > 0) parts.push(`--crash-at ${crashAt.join(' ')}`);
  if (without.length > 0) parts.push(`--without ${without.join(' ')}`);
  return parts.join(' ');
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
}

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
};
/** Seeds and counts: large enough for anyone, and far from where whole numbers end. */
const countMax = 2 ** 48;
const count = (text: string): number => {
  const value = whole(text);
  if (value < 1 || value > countMax) throw new InvalidArgumentError(`must be 1 to ${countMax}`);
  return value;
};
const seedOf = (text: string): number => {
  const value = whole(text);
  if (value > countMax) throw new InvalidArgumentError(`must be 0 to ${countMax}`);
  return value;
};
const wholes = (text: string, before: readonly number[] = []): readonly number[] => [...before, whole(text)];
const kinds = (text: string, before: readonly FaultKind[] = []): readonly FaultKind[] => {
  const kind = faultKinds.find((known) => known === text);
  if (!kind) throw new InvalidArgumentError(`must be one of ${faultKinds.join(', ')}`);
  return [...before, kind];
};

await new Command('sim')
  .description('runs the controller in virtual time under faults, from seeds, and holds every law against it')
  .option('--seeds <N>', 'seeds to run, one after the other', count, 20)
  .option('--jobs <M>', 'jobs that clients want in each', count, 100)
  .option('--seed <S>', 'the first seed', seedOf, 1)
  .option('--crash-at <K...>', 'crash at the K-th crash point, counted from 1', wholes, [])
  .option('--without <KIND...>', `kinds of fault to leave out: ${faultKinds.join(', ')}`, kinds, [])
  .option('--crash-everywhere', 'crash each run at each of its points in turn; with few jobs', false)
  .option('--shrink', 'look for the smallest run that fails in the same way', false)
  .option('--export <FILE>', 'write the log of the failing run, or of the last one, for the page to open')
  .addOption(new Option('-o, --output <FORM>', 'what to print').choices(['table', 'json']).default('table'))
  .action(run)
  .parseAsync();
