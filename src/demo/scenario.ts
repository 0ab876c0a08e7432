/**
 * What a scenario is: something to do against a real controller, and what the log must say afterwards.
 *
 * Why the two are apart: whoever does a thing also tends to believe in it. `play` acts and looks at answers;
 * `expect` is plain data that another process holds against the log, without a word from `play` but the ids.
 * Test: `test/demo.serial.test.ts`.
 */
import type { ErrorCode } from '../errors.ts';
import type { Stage } from './stage.ts';

/** Where a scenario plays; those that name the same one share a controller. */
export type Setting = 'two-gpus' | 'one-gpu' | 'restarts';

export interface ExpectedJob {
  /** The job's stream from its first fact to its end, without `job.`; the last word is the end state. */
  readonly facts: string;
  /** Code of the cause that the end carries; left out for success, which has none. */
  readonly cause?: ErrorCode;
}

/** What must be true once the scenario is over. Nothing else may have happened to any job meanwhile. */
export interface Expectation {
  /** By role: a name that the scenario gives a job. */
  readonly jobs: Readonly<Record<string, ExpectedJob>>;
  /** Refusals at the door: exactly so many facts' worth. */
  readonly refused?: readonly { readonly tenant: string; readonly code: ErrorCode; readonly count: number }[];
  /** Facts of the controller meanwhile, without `controller.`; none unless told. */
  readonly controller?: string;
  /** `role.fact` that must come before another `role.fact`; the first of its kind counts on both sides. */
  readonly order?: readonly (readonly [before: string, after: string])[];
}

/** What a played scenario leaves for the judge. */
export interface Played {
  /** Role → id. */
  readonly jobs: Readonly<Record<string, string>>;
  /** Role → SHA-256 of the result that was computed here, apart from the guest. */
  readonly results?: Readonly<Record<string, string>>;
}

export interface Scenario {
  readonly name: string;
  readonly setting: Setting;
  /** What one learns, in one line. */
  readonly learns: string;
  /** Acts. Throws StepFailed when an answer is not what it should be. */
  play(stage: Stage): Promise<Played>;
  readonly expect: Expectation;
}

/** A step was not what the scenario says it is. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

/** From the door to the queue. */
export const admitted = 'submitted attested queued';
/** From the queue to a running guest. */
export const placed = 'selected reserved started';
/** The nine facts of a job that goes well. */
export const good = `${admitted} ${placed} exited released succeeded`;
/** A running job whose guest was killed because its tenant said so. */
export const cancelledWhileRunning = `${admitted} ${placed} cancelRequested stopped released cancelled`;
