/**
 * One small scenario, crashed at each of its crash points in turn: every append, every call of the disk, every start and
 * kill of a guest, every reply.
 *
 * Why all of them and not a sample: the window in which a crash hurts may be one instruction wide. A scenario is run
 * once to count its points, and then once for each; up to the crash every one of these runs is the same history.
 * A crash that strikes while the one before is mended is tried too, for a sample of pairs.
 * Source: the crash tests of SQLite ("How SQLite is tested", 3.3). Test: `test/simulate/simulate.long.test.ts`.
 */
import { optionsOf, type RunChoice } from './options.ts';
import { Random } from './random.ts';
import { type SimulationResult, simulate } from './simulation.ts';

/** A crash right after a crash lies within so many points of it: the length of a recovery and a little more. */
const recoveryPoints = 40;

export interface CrashedEverywhere {
  /** Crash points of the scenario. */
  readonly points: number;
  readonly runs: number;
  readonly lifecycles: number;
  /** The run without a crash. */
  readonly plain: SimulationResult;
  /** The runs that broke a law. */
  readonly failures: readonly SimulationResult[];
}

/**
 * Runs `scenario` and crashes it everywhere.
 * @param doubles  for how many of the points a second crash is tried, shortly after the first
 */
export async function crashEverywhere(
  scenario: RunChoice,
  { doubles }: { doubles: number },
): Promise<CrashedEverywhere> {
  const plain = await simulate(optionsOf({ ...scenario, crashAt: [] }));
  const failures = plain.violation ? [plain] : [];
  let runs = 1;
  let lifecycles = 0;
  const random = new Random(scenario.seed).fork('doubles');
  const each = async (crashAt: readonly number[]): Promise<void> => {
    const result = await simulate(optionsOf({ ...scenario, crashAt }));
    runs += 1;
    for (const count of Object.values(result.ended)) lifecycles += count;
    if (result.violation) failures.push(result);
  };
  for (let at = 1; at <= plain.points; at += 1) {
    await each([at]);
    if (random.chance(doubles / plain.points)) await each([at, at + 1 + random.below(recoveryPoints)]);
  }
  return { plain, points: plain.points, runs, lifecycles, failures };
}
