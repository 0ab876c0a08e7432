/** Scenarios of guests that break a limit: each is one file of `wasm/`, one limit, one cause. */
import type { ErrorCode } from '../errors.ts';
import { admitted, placed, type Scenario } from './scenario.ts';
import type { DemoJob } from './stage.ts';

interface Villain {
  readonly name: string;
  readonly learns: string;
  readonly job: Omit<DemoJob, 'slot'>;
  readonly state: string;
  /** What follows `started`. */
  readonly after: string;
  readonly cause: ErrorCode;
}

const crashed = { state: 'failed', after: 'crashed released failed' } as const;

const villains: readonly Villain[] = [
  {
    name: 'run-timeout',
    learns: 'a guest that never returns is killed at its deadline, and its slot comes free',
    job: { guest: 'loop', limits: { wallMs: 500 } },
    state: 'timedOut',
    after: 'overdue stopped released timedOut',
    cause: 'ERR_RUN_TIMEOUT',
  },
  {
    name: 'trap',
    learns: 'a guest that traps ends alone; its runner and its neighbours do not notice',
    job: { guest: 'trap' },
    ...crashed,
    cause: 'ERR_GUEST_TRAP',
  },
  {
    name: 'memory-bomb',
    learns: 'a guest that takes all memory gets its limit and no more',
    job: { guest: 'membomb', limits: { memoryMiB: 16 } },
    ...crashed,
    cause: 'ERR_GUEST_MEMORY',
  },
  {
    name: 'output-flood',
    learns: 'a guest that writes for ever is stopped at its output limit',
    job: { guest: 'flood', limits: { outputBytes: 65_536 } },
    ...crashed,
    cause: 'ERR_GUEST_OUTPUT',
  },
  {
    name: 'recursion',
    learns: 'a guest that calls itself without end exhausts its own stack, not the controller',
    job: { guest: 'recurse' },
    ...crashed,
    cause: 'ERR_GUEST_STACK',
  },
];

function scenarioOf({ after, cause, job, learns, name, state }: Villain): Scenario {
  return {
    name,
    setting: 'two-gpus',
    learns,
    async play(stage) {
      const id = await stage.submit({ ...job, slot: '1g.10gb' });
      const view = await stage.ends(id, state);
      stage.check(view.cause?.code === cause, `the cause is ${cause}`, view.cause?.code);
      return { jobs: { villain: id } };
    },
    expect: { jobs: { villain: { facts: `${admitted} ${placed} ${after}`, cause } } },
  };
}

/** In the order of the tour. */
export const villainScenarios: readonly Scenario[] = villains.map(scenarioOf);
