/**
 * One attempt: from the reserved slot to the guest that is certainly gone.
 *
 * Why apart from the job: a job may have many attempts, an attempt has one guest and one fence. What
 * the executor has to do is this machine's state: `starting` means start it, `stopping` means kill it,
 * `gone` means forget it. Folded from the same job facts as the job.
 * Used by `src/executor/executor.ts` and the job view. Test: `test/machines/others.test.ts`.
 */
import { assign, setup } from 'xstate';
import type { FactData, JobFactType } from '../src/events/facts.ts';
import type { JobFact } from './job.ts';

export interface RunContext {
  /** Seq of `reserved`; every report about this attempt names it. */
  readonly fence: number;
  readonly runner: string | null;
  /** Wall clock, ms since the Unix epoch. */
  readonly reservedAtMs: number;
  readonly startedAtMs: number | null;
  readonly goneAtMs: number | null;
  /** The fact by which the guest is known to be gone, `job.` left out. */
  readonly end: string | null;
}

export type RunState = 'none' | 'starting' | 'running' | 'stopping' | 'gone';

type RunEvent = Extract<
  JobFact,
  {
    type: Extract<
      JobFactType,
      | 'job.reserved'
      | 'job.started'
      | 'job.overdue'
      | 'job.cancelRequested'
      | 'job.evicted'
      | 'job.exited'
      | 'job.crashed'
      | 'job.stopped'
      | 'job.lost'
    >;
  }
>;

export const newRun: RunContext = {
  fence: 0,
  runner: null,
  reservedAtMs: 0,
  startedAtMs: null,
  goneAtMs: null,
  end: null,
};

export const runMachine = setup({
  types: { context: {} as RunContext, events: {} as RunEvent },
  actions: {
    take: assign(({ event }) => ({ fence: event.seq, reservedAtMs: event.at })),
    start: assign(({ event }) => ({
      startedAtMs: event.at,
      runner: (event.data as FactData<'job.started'>).runner,
    })),
    finish: assign(({ event }) => ({ goneAtMs: event.at, end: event.type.slice('job.'.length) })),
  },
}).createMachine({
  id: 'run',
  context: newRun,
  initial: 'none',
  states: {
    none: { on: { 'job.reserved': { target: 'starting', actions: 'take' } } },
    starting: {
      on: {
        'job.started': { target: 'running', actions: 'start' },
        'job.overdue': 'stopping',
        'job.cancelRequested': 'stopping',
        'job.evicted': 'stopping',
        'job.crashed': { target: 'gone', actions: 'finish' },
        'job.lost': { target: 'gone', actions: 'finish' },
      },
    },
    running: {
      on: {
        'job.overdue': 'stopping',
        'job.cancelRequested': 'stopping',
        'job.evicted': 'stopping',
        'job.exited': { target: 'gone', actions: 'finish' },
        'job.crashed': { target: 'gone', actions: 'finish' },
        'job.lost': { target: 'gone', actions: 'finish' },
      },
    },
    stopping: {
      on: {
        'job.stopped': { target: 'gone', actions: 'finish' },
        'job.lost': { target: 'gone', actions: 'finish' },
      },
    },
    gone: { type: 'final' },
  },
});
