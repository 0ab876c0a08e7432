/** All scenarios in the order of the tour, and the controllers that they play against. */
import { attemptScenarios } from './attempts.ts';
import { doorScenarios } from './door.ts';
import { queuedMax, queueScenarios } from './queue.ts';
import { restartScenarios } from './restarts.ts';
import type { Scenario, Setting } from './scenario.ts';
import { villainScenarios } from './villains.ts';
import { wellScenarios } from './well.ts';

/** Every scenario; names are stable. */
export const scenarios: readonly Scenario[] = [
  ...wellScenarios,
  ...doorScenarios,
  ...villainScenarios,
  ...attemptScenarios,
  ...queueScenarios,
  ...restartScenarios,
];

/** Flags of `berth serve` for each setting. Runners: one more than slots where slots are to be the bound. */
export const settings: Readonly<Record<Setting, readonly string[]>> = {
  'two-gpus': ['--fleet', '2xH100-80GB', '--runners', '2'],
  'one-gpu': ['--fleet', '1xA30-24GB', '--runners', '5', '--queued-max', String(queuedMax)],
  restarts: ['--fleet', '1xH100-80GB', '--runners', '1', '--shutdown', 'requeue'],
};
