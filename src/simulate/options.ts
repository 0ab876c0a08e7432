/**
 * What one simulated run is: the machine, the work, and how often each thing goes wrong; all drawn from the seed.
 *
 * Why each run has only some kinds of fault: where everything goes wrong at once, nothing gets far, and two faults can
 * hide each other. Each seed draws a handful of kinds and their rates, so that over many seeds every pair is met.
 * Source: "Swarm testing", Groce and others, ISSTA 2012. Test: `test/simulate/parts.test.ts`.
 */
import type { ControllerSettings } from '../controller.ts';
import { fleetOfPreset } from '../slots/fleet-setting.ts';
import { Random } from './random.ts';

/**
 * Every kind of fault, with its usual rate. Kinds ending in `EveryMs`: mean time between two, ms. All others: share of
 * the occasions at which it happens.
 */
export const usualFaults = {
  // The machine
  killEveryMs: 5_000,
  powerCutEveryMs: 5_000,
  crashAtPoints: 0.0005,
  crashInRecovery: 0.02,
  shutdownEveryMs: 6_000,
  clockJumpEveryMs: 1_500,
  spoiltCheckpoints: 0.15,
  crashAfterFaults: 0.3,
  tornTurns: 0.01,
  // The disk
  failedWrites: 0.003,
  fullWrites: 0.002,
  failedSyncs: 0.005,
  forgetfulSyncs: 0.5,
  failedNames: 0.02,
  hangs: 0.001,
  fullDiskEveryMs: 6_000,
  // Messages
  lostMessages: 0.08,
  doubledMessages: 0.08,
  lateMessages: 0.1,
  busBreaks: 0.1,
  // Runners and guests
  guestCrashes: 0.1,
  guestFails: 0.1,
  guestHangs: 0.08,
  guestFloods: 0.04,
  slowStarts: 0.08,
  noStarts: 0.04,
  runnersLost: 0.06,
  runnersSilent: 0.04,
  deafRunners: 0.3,
  lateResults: 0.3,
  busyRunners: 0.1,
  slowDeaths: 0.3,
  // The store of blobs
  failedReads: 0.03,
  failedPuts: 0.1,
  fullPuts: 0.03,
  spoiltBlobs: 0.01,
  // People
  cancels: 0.2,
  snoops: 0.1,
  drainEveryMs: 1_500,
  termsEveryMs: 2_000,
} as const;

export type FaultKind = keyof typeof usualFaults;
export type Faults = Readonly<Record<FaultKind, number>>;
export const faultKinds = Object.keys(usualFaults) as FaultKind[];

export interface SimulationOptions {
  readonly seed: number;
  /** Jobs that clients want to have run. */
  readonly jobs: number;
  /** Rates by kind; 0: never. */
  readonly faults: Faults;
  readonly without: readonly FaultKind[];
  /** Points of the run, counted from 1, at which the power goes; see `machine.ts`. */
  readonly crashAt: readonly number[];
  readonly fleet: string;
  readonly policy: string;
  readonly runners: number;
  readonly queuedMax: number;
  readonly lossesMax: number;
  /** Mean time between two jobs, ms. */
  readonly arrivalMs: number;
  /** Longest time that a call of the disk takes, ms. */
  readonly diskMsMax: number;
  /** How long a call of the disk takes that hangs, ms. */
  readonly hangMs: number;
  readonly segmentBytesMax: number;
  /** Ended jobs that the folds keep. */
  readonly retainedMax: number;
  /** Facts between two checkpoints; 0: none are taken. */
  readonly checkpointFacts: number;
  /** Durable facts between two signed heads. */
  readonly headEvery: number;
  /** Whether segments of forgotten jobs are moved aside. */
  readonly retires: boolean;
  /** Whether facts are published. */
  readonly publishes: boolean;
}

/** Where the log lies on the simulated disk. */
export const logFolder = '/data/log';
/** How long after its kill an unseen guest is surely dead, ms. */
export const killWaitMs = 300;

const fleets = ['1xA30-24GB', '2xA30-24GB', '1xH100-80GB', '2xH100-80GB', '1xA100-40GB,1xA30-24GB'];

/** What tells one run from all others; everything else follows from it. */
export interface RunChoice {
  readonly seed: number;
  readonly jobs: number;
  /** Kinds of fault that are switched off; the others keep their rates. */
  readonly without: readonly FaultKind[];
  /** Crash points at which the power goes, or the process. */
  readonly crashAt: readonly number[];
}

/** The whole run that a choice stands for. */
export function optionsOf({ seed, jobs, without, crashAt }: RunChoice): SimulationOptions {
  const random = new Random(seed).fork('options');
  const rates = random.fork('rates');
  const faults = Object.fromEntries(
    faultKinds.map((kind) => [kind, rateOf(rates.fork(kind), kind, without.includes(kind))]),
  ) as Record<FaultKind, number>;
  const size = random.fork('size');
  return {
    seed,
    jobs,
    faults,
    without,
    crashAt,
    fleet: size.pick(fleets),
    policy: size.pick(['fifo', 'round-robin']),
    runners: 1 + size.below(5),
    queuedMax: size.pick([4, 8, 16, 64]),
    lossesMax: size.below(4),
    arrivalMs: size.pick([2, 5, 15, 30]),
    diskMsMax: size.pick([0, 1, 5]),
    segmentBytesMax: size.pick([8 * 1024, 64 * 1024, 1024 * 1024]),
    retainedMax: size.pick([10, 100, 100_000]),
    checkpointFacts: size.pick([0, 50, 300]),
    headEvery: size.fork('heads').pick([20, 200, 100_000]),
    hangMs: size.fork('hangs').pick([1_500, 6_000]),
    ...size.pick([
      { retires: true, publishes: false },
      { retires: true, publishes: true },
      { retires: false, publishes: true },
      { retires: false, publishes: false },
    ]),
  };
}

function rateOf(random: Random, kind: FaultKind, off: boolean): number {
  const on = random.chance(0.4);
  const factor = random.pick([0.3, 1, 3]);
  if (!on || off) return 0;
  const usual = usualFaults[kind];
  // A mean time is never zero, and a share never more than a half, or nothing would ever come through.
  return kind.endsWith('EveryMs') ? usual / factor : Math.min(usual * factor, 0.5);
}

/** The controller's settings in a run. */
export function settingsOf(options: SimulationOptions): ControllerSettings {
  const { checkpointFacts, lossesMax, policy, queuedMax, retainedMax } = options;
  return {
    fleet: fleetOfPreset(options.fleet),
    policy,
    attestMs: 400,
    stopMs: 200,
    lossesMax,
    queuedMax,
    retainedMax,
    checkpointFacts,
    killWaitMs,
    version: 'simulated',
  };
}
