/**
 * The life of a job: what may happen next, and what it means.
 *
 * Why a statechart: "what if the runner dies while we are cancelling because of a time-out?" has an
 * answer here, on one line, instead of in whichever `if` happened to run first. The machine holds
 * rules only. It has no timers, starts nothing and calls nobody: facts come in, a new state comes out,
 * so the same machine serves the live controller, recovery, the simulator and the inspector.
 *
 * The table it must equal is `test/machines/job-table.ts`, written by hand. `src/jobs/host.ts` runs a
 * table compiled from this machine (`machines/compile.ts`).
 */
import { assign, setup } from 'xstate';
import type { Cause } from '../src/errors.ts';
import type { FactData, JobFactType, Slot } from '../src/events/facts.ts';
import type { JobSpec } from '../src/events/spec.ts';
import { conclude, retryable } from './conclude.ts';

/** Why an attempt is being stopped. A cancel overrides every other reason until the guest is gone. */
export type StopReason = 'late' | 'deadline' | 'cancel' | 'evict';

/** How the present attempt's guest came to its end; it is certainly gone. */
export type Gone =
  | {
      readonly how: 'exited';
      readonly exitCode: number;
      readonly result: { readonly bytes: number; readonly sha256: string };
    }
  | { readonly how: 'crashed'; readonly code: Cause['code']; readonly message: string }
  | { readonly how: 'stopped' }
  | { readonly how: 'lost'; readonly message: string };

/** A duration under way. `setBy` is the seq of the fact that set it: the identity of its timer. */
export interface Deadline {
  readonly setBy: number;
  /** Wall clock of that fact, ms since the Unix epoch. */
  readonly atMs: number;
  readonly ms: number;
}

/** All that the machine remembers of a job. Plain data, replaced and never changed. */
export interface JobContext {
  readonly id: string;
  readonly tenant: string;
  readonly spec: JobSpec | null;
  readonly lossesMax: number;
  /** Seq of the fact that entered the present state. A decision that rests on an older visit is stale. */
  readonly visit: number;
  readonly deadline: Deadline | null;
  /** Seq of the `queued` that began the present wait: the place in the queue, kept when placing fails. */
  readonly waitSince: number;
  /** Attempts begun: counts `reserved`. */
  readonly attempt: number;
  /** Attempts that the guest itself spoiled. */
  readonly failures: number;
  /** Attempts that Berth spoiled: runner lost, start too late. */
  readonly losses: number;
  /** Seq of the last `reserved`; 0 before. Only reports with this fence count. */
  readonly fence: number;
  /** Held from `reserved` to `released`. */
  readonly slots: readonly Slot[] | null;
  readonly affirmed: boolean;
  readonly reason: StopReason | null;
  readonly gone: Gone | null;
  /** Why it ended without success. */
  readonly cause: Cause | null;
  readonly times: JobTimes;
}

/** Wall clock of milestones, ms since the Unix epoch; null while not reached. */
export interface JobTimes {
  readonly submittedAtMs: number | null;
  readonly queuedAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** A fact as the machine sees it: a record's type, place, time and data. */
export type JobFact = {
  [T in JobFactType]: {
    readonly type: T;
    readonly seq: number;
    readonly at: number;
    readonly data: FactData<T>;
  };
}[JobFactType];

/**
 * A job before its first fact. Members stand in sorted order, here and in what actions make: a job is then written
 * in canonical form by the engine itself, and ten thousand of them are hashed at each start.
 */
export function newJob(id: string, tenant: string): JobContext {
  return {
    affirmed: false,
    attempt: 0,
    cause: null,
    deadline: null,
    failures: 0,
    fence: 0,
    gone: null,
    id,
    losses: 0,
    lossesMax: 0,
    reason: null,
    slots: null,
    spec: null,
    tenant,
    times: { endedAtMs: null, queuedAtMs: null, startedAtMs: null, submittedAtMs: null },
    visit: 0,
    waitSince: 0,
  };
}

interface Step {
  readonly context: JobContext;
  readonly event: JobFact;
}

/** The fact's data; each action is only ever wired to facts of type `T`. */
const dataOf = <T extends JobFactType>(step: Step): FactData<T> => step.event.data as FactData<T>;

/** Entering a state by a fact that starts a watchdog. */
const entered = ({ event }: Step) => ({
  visit: event.seq,
  deadline: { atMs: event.at, ms: (event.data as { deadlineMs: number }).deadlineMs, setBy: event.seq },
});

/** Entering a state that nothing watches. */
const enteredUnwatched = ({ event }: Step) => ({ visit: event.seq, deadline: null });

const endedWith = (step: Step, cause: Cause | null) => ({
  ...enteredUnwatched(step),
  cause,
  times: { ...step.context.times, endedAtMs: step.event.at },
});

const concludes = (fact: JobFactType) => (step: Step) =>
  step.context.slots === null && conclude(step.context).fact === fact;

/** The job machine. Flat; every guard and action has a name; one action a transition. */
export const jobMachine = setup({
  types: { context: {} as JobContext, events: {} as JobFact, input: {} as { id: string; tenant: string } },
  guards: {
    notYetAttested: ({ context }) => !context.affirmed,
    reportAffirms: ({ context }) => context.affirmed,
    startIsOverdue: ({ event }) => event.type === 'job.overdue' && event.data.what === 'start',
    runIsOverdue: ({ event }) => event.type === 'job.overdue' && event.data.what === 'run',
    reasonIsNotCancel: ({ context }) => context.reason !== 'cancel',
    wouldRunAgain: ({ context }) => retryable(conclude(context).fact),
    slotHeld: ({ context }) => context.slots !== null,
    concludesSucceeded: concludes('job.succeeded'),
    concludesFailed: concludes('job.failed'),
    concludesTimedOut: concludes('job.timedOut'),
    concludesCancelled: concludes('job.cancelled'),
    concludesQueued: concludes('job.queued'),
    concludesRetry: concludes('job.retryScheduled'),
  },
  actions: {
    accept: assign((step) => {
      const { spec, lossesMax } = dataOf<'job.submitted'>(step);
      return {
        ...entered(step),
        spec,
        lossesMax,
        times: { ...step.context.times, submittedAtMs: step.event.at },
      };
    }),
    keepReport: assign((step) => ({ affirmed: dataOf<'job.attested'>(step).affirms })),
    joinQueue: assign((step) => ({
      ...entered(step),
      waitSince: step.event.seq,
      reason: null,
      gone: null,
      times: { ...step.context.times, queuedAtMs: step.event.at },
    })),
    // The wait goes on: being selected neither restarts nor stops the queue's clock.
    leaveQueue: assign((step) => ({ visit: step.event.seq })),
    rejoinQueue: assign((step) => ({ visit: step.event.seq })),
    takeSlot: assign((step) => ({
      ...entered(step),
      slots: dataOf<'job.reserved'>(step).slots,
      fence: step.event.seq,
      attempt: step.context.attempt + 1,
      reason: null,
      gone: null,
    })),
    begin: assign((step) => ({
      ...entered(step),
      times: { ...step.context.times, startedAtMs: step.event.at },
    })),
    stopLate: assign((step) => ({
      ...entered(step),
      reason: 'late' as const,
      losses: step.context.losses + 1,
    })),
    stopAtDeadline: assign((step) => ({ ...entered(step), reason: 'deadline' as const })),
    stopForCancel: assign((step) => ({ ...entered(step), reason: 'cancel' as const })),
    stopForEviction: assign((step) => ({ ...entered(step), reason: 'evict' as const })),
    overrideByCancel: assign(() => ({ reason: 'cancel' as const })),
    noteExit: assign((step) => {
      const { exitCode, result } = dataOf<'job.exited'>(step);
      const failures = step.context.failures + (exitCode === 0 ? 0 : 1);
      return { ...enteredUnwatched(step), failures, gone: { exitCode, how: 'exited' as const, result } };
    }),
    noteCrash: assign((step) => {
      const { code, message } = dataOf<'job.crashed'>(step);
      return {
        ...enteredUnwatched(step),
        failures: step.context.failures + 1,
        gone: { code, how: 'crashed' as const, message },
      };
    }),
    noteLoss: assign((step) => ({
      ...enteredUnwatched(step),
      losses: step.context.losses + 1,
      gone: { how: 'lost' as const, message: dataOf<'job.lost'>(step).message },
    })),
    // Stopping had its reason already; how the guest went adds nothing to the count.
    noteStopped: assign((step) => ({ ...enteredUnwatched(step), gone: { how: 'stopped' as const } })),
    noteLostWhileStopping: assign((step) => ({
      ...enteredUnwatched(step),
      gone: { how: 'lost' as const, message: dataOf<'job.lost'>(step).message },
    })),
    freeSlot: assign(() => ({ slots: null })),
    backOff: assign((step) => entered(step)),
    end: assign((step) => endedWith(step, null)),
    endWithCause: assign((step) => endedWith(step, (step.event.data as { cause: Cause }).cause)),
  },
}).createMachine({
  id: 'job',
  context: ({ input }) => newJob(input?.id ?? '', input?.tenant ?? ''),
  initial: 'new',
  states: {
    new: { on: { 'job.submitted': { target: 'attesting', actions: 'accept' } } },
    attesting: {
      on: {
        'job.attested': { guard: 'notYetAttested', actions: 'keepReport' },
        'job.queued': { guard: 'reportAffirms', target: 'queued', actions: 'joinQueue' },
        'job.rejected': { target: 'rejected', actions: 'endWithCause' },
        'job.expired': { target: 'expired', actions: 'endWithCause' },
        'job.cancelled': { target: 'cancelled', actions: 'endWithCause' },
      },
    },
    queued: {
      on: {
        'job.selected': { target: 'reserving', actions: 'leaveQueue' },
        'job.expired': { target: 'expired', actions: 'endWithCause' },
        'job.cancelled': { target: 'cancelled', actions: 'endWithCause' },
      },
    },
    reserving: {
      on: {
        'job.reserved': { target: 'starting', actions: 'takeSlot' },
        'job.unplaced': { target: 'queued', actions: 'rejoinQueue' },
        'job.expired': { target: 'expired', actions: 'endWithCause' },
        'job.cancelled': { target: 'cancelled', actions: 'endWithCause' },
      },
    },
    starting: {
      on: {
        'job.started': { target: 'running', actions: 'begin' },
        'job.crashed': { target: 'releasing', actions: 'noteCrash' },
        'job.lost': { target: 'releasing', actions: 'noteLoss' },
        'job.overdue': { guard: 'startIsOverdue', target: 'stopping', actions: 'stopLate' },
        'job.cancelRequested': { target: 'stopping', actions: 'stopForCancel' },
        'job.evicted': { target: 'stopping', actions: 'stopForEviction' },
      },
    },
    running: {
      on: {
        'job.exited': { target: 'releasing', actions: 'noteExit' },
        'job.crashed': { target: 'releasing', actions: 'noteCrash' },
        'job.lost': { target: 'releasing', actions: 'noteLoss' },
        'job.overdue': { guard: 'runIsOverdue', target: 'stopping', actions: 'stopAtDeadline' },
        'job.cancelRequested': { target: 'stopping', actions: 'stopForCancel' },
        'job.evicted': { target: 'stopping', actions: 'stopForEviction' },
      },
    },
    stopping: {
      on: {
        'job.stopped': { target: 'releasing', actions: 'noteStopped' },
        'job.lost': { target: 'releasing', actions: 'noteLostWhileStopping' },
        'job.cancelRequested': { guard: 'reasonIsNotCancel', actions: 'overrideByCancel' },
      },
    },
    releasing: {
      on: {
        'job.released': { guard: 'slotHeld', actions: 'freeSlot' },
        'job.cancelRequested': { guard: 'wouldRunAgain', actions: 'overrideByCancel' },
        'job.succeeded': { guard: 'concludesSucceeded', target: 'succeeded', actions: 'end' },
        'job.failed': { guard: 'concludesFailed', target: 'failed', actions: 'endWithCause' },
        'job.timedOut': { guard: 'concludesTimedOut', target: 'timedOut', actions: 'endWithCause' },
        'job.cancelled': { guard: 'concludesCancelled', target: 'cancelled', actions: 'endWithCause' },
        'job.queued': { guard: 'concludesQueued', target: 'queued', actions: 'joinQueue' },
        'job.retryScheduled': { guard: 'concludesRetry', target: 'backoff', actions: 'backOff' },
      },
    },
    backoff: {
      on: {
        'job.queued': { target: 'queued', actions: 'joinQueue' },
        'job.cancelled': { target: 'cancelled', actions: 'endWithCause' },
      },
    },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
    timedOut: { type: 'final' },
    expired: { type: 'final' },
    cancelled: { type: 'final' },
    rejected: { type: 'final' },
  },
});

export type JobState =
  | 'new'
  | 'attesting'
  | 'queued'
  | 'reserving'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'releasing'
  | 'backoff'
  | EndState;
export type EndState = 'succeeded' | 'failed' | 'timedOut' | 'expired' | 'cancelled' | 'rejected';

const endStates: ReadonlySet<JobState> = new Set([
  'succeeded',
  'failed',
  'timedOut',
  'expired',
  'cancelled',
  'rejected',
]);

/** Is this one of the six ends, never left? */
export const isEnd = (state: JobState): state is EndState => endStates.has(state);
