/**
 * A controller to be killed: starts a pool, runs an endless guest in it, prints `PID of the runner` and waits.
 * Arguments: folder, leaseMs, tools to do without.
 */
import { systemClock } from '../../src/clock.ts';
import type { Tool } from '../../src/executor/launch.ts';
import { startWasmPool } from '../../src/executor/pool.ts';
import { guests, requestFor } from './guests.ts';

const [dir = '', leaseMs = '', ...without] = process.argv.slice(2);
const pool = await startWasmPool({
  runners: 1,
  dir,
  clock: systemClock,
  leaseMs: Number(leaseMs),
  graceMs: 1_000,
  memoryMiBMax: 64,
  without: without as Tool[],
});
const run = pool.run(requestFor(guests.loop));
const started = await run?.started;
console.log(started?.runner.replace('runner-', ''));
