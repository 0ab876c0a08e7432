/** The hunt: the simulator in a copy of the tree, from a seed on, until it names a broken law. */
import { spawn } from 'node:child_process';
import { ended } from './child.ts';

/** Simulated jobs of each seed. */
export const jobsEach = 100;
/** Beyond the time that the simulator keeps by itself, for its start and for a run that never ends, ms. */
const startMsMax = 120_000;

/** How far a hunt goes. */
export interface HuntLimits {
  readonly firstSeed: number;
  readonly lifecyclesMax: number;
  readonly msMax: number;
}

export interface Hunt {
  readonly found: { readonly seed: number; readonly law: string; readonly message: string } | null;
  readonly seeds: number;
  /** Jobs that came to an end. */
  readonly lifecycles: number;
  readonly ms: number;
}

/** Throws when the simulator itself ends without an answer. */
export async function hunt(copy: string, limits: HuntLimits): Promise<Hunt> {
  const { firstSeed, lifecyclesMax, msMax } = limits;
  const numbers = [firstSeed, lifecyclesMax, jobsEach, msMax].map(String);
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'test/faults/mutants/drive-simulation.ts', ...numbers],
    { cwd: copy, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  const { code, late, output } = await ended(child, msMax + startMsMax);
  const answer = output
    .trimEnd()
    .split('\n')
    .findLast((line) => line.startsWith('{"found"'));
  if (answer !== undefined) return JSON.parse(answer) as Hunt;
  throw new Error(
    `the simulator gave no answer (${late ? 'it did not end' : `code ${code}`}): ${output.slice(-1_000)}`,
  );
}
