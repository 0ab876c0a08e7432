/**
 * Run inside a copy: simulations, seed by seed, until one breaks a law or the bound is reached.
 *
 * Its last line is the answer as JSON. Options: first seed, lifecycles at most, jobs a seed, ms at most.
 */
import { optionsOf } from '../../../src/simulate/options.ts';
import { simulate } from '../../../src/simulate/simulation.ts';

const [first = 1, lifecyclesMax = 0, jobs = 0, msMax = 0] = process.argv.slice(2).map(Number);
const beganMs = performance.now();
let lifecycles = 0;
let seeds = 0;
let found: { seed: number; law: string; message: string } | null = null;
while (!found && lifecycles < lifecyclesMax && performance.now() - beganMs < msMax) {
  const seed = first + seeds;
  seeds += 1;
  const { ended, violation } = await simulate(optionsOf({ seed, jobs, without: [], crashAt: [] }));
  for (const count of Object.values(ended)) lifecycles += count;
  if (violation) found = { seed, law: violation.invariant, message: violation.message };
}
console.log(JSON.stringify({ found, seeds, lifecycles, ms: Math.round(performance.now() - beganMs) }));
// What a broken controller left under way must not keep the process.
process.exit(0);
