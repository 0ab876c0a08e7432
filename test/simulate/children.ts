/** Runs seeds in child processes, some at once, and adds up what they saw. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What `npm run sim -- -o json` prints. */
export interface Summary {
  readonly seeds: number;
  readonly lifecycles: number;
  readonly facts: number;
  readonly hash: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly violation: { readonly message: string } | null;
  /** The command that runs a failure again. */
  readonly command?: string;
}

/** One run of the command line, in a process of its own. `node`: another Node than ours. */
export function simulateIn(args: readonly string[], node = process.execPath): Promise<Summary> {
  const child = spawn(node, ['--import', 'tsx', 'src/simulate/main.ts', ...args, '-o', 'json'], {
    cwd: root,
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let [out, complaints] = ['', ''];
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    complaints += bytes;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('exit', kill);
      const line = out.trimEnd().split('\n').at(-1) ?? '';
      if (code !== 0 && code !== 1) reject(new Error(`the simulator ended with ${code}: ${complaints}`));
      else if (!line.startsWith('{')) reject(new Error(`the simulator said nothing: ${out}${complaints}`));
      else resolve(JSON.parse(line) as Summary);
    });
  });
}

export interface Batch {
  readonly firstSeed: number;
  /** Seeds that one process runs. */
  readonly seedsEach: number;
  readonly args: readonly string[];
  /** Whether more is wanted, asked before each process. */
  readonly more: (sofar: {
    readonly lifecycles: number;
    readonly seeds: number;
    readonly counts: Readonly<Record<string, number>>;
  }) => boolean;
}

/** Runs batches over all cores until nothing more is wanted, or one breaks a law: that one is returned as it is. */
export async function simulateMany({ firstSeed, seedsEach, args, more }: Batch): Promise<Summary> {
  const counts: Record<string, number> = {};
  const sum = { seeds: 0, lifecycles: 0, facts: 0, seconds: 0, hash: '', counts, violation: null };
  let failed: Summary | null = null;
  let next = firstSeed;
  const worker = async (): Promise<void> => {
    while (failed === null && more({ lifecycles: sum.lifecycles, seeds: next - firstSeed, counts })) {
      const seed = next;
      next += seedsEach;
      const got = await simulateIn([...args, '--seed', String(seed), '--seeds', String(seedsEach)]);
      if (got.violation) failed = got;
      sum.seeds += got.seeds;
      sum.lifecycles += got.lifecycles;
      sum.facts += got.facts;
      sum.seconds += got.seconds;
      for (const [name, count] of Object.entries(got.counts)) counts[name] = (counts[name] ?? 0) + count;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return failed ?? sum;
}

/** The sentence for a failure: what broke, and how to see it again. */
export const failureOf = ({ command, violation }: Summary): string =>
  violation ? `${violation.message}\n    again: ${command}` : 'no law was broken';
