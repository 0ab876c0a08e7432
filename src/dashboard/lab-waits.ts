/**
 * The named failures of the Lab that need more than a bad guest: waiting in vain, cancels in each state, a lost runner, a drained
 * GPU, bounds that are reached. Test: `test/dashboard/lab.test.ts`.
 */
import { heavyGuest, longInput, newInput } from './lab-bytes.ts';
import { mainRole, type Run, type Scenario } from './lab-run.ts';
import {
  cancels,
  crowds,
  drains,
  hears,
  isRefused,
  type LabJob,
  letsGo,
  reaches,
  restores,
  setsTerms,
  specOf,
  staysQueued,
  strikes,
  submits,
  triesUntil,
} from './lab-steps.ts';

/** Wants more whole GPUs than are free while one is held. */
const waiter: LabJob = { guest: 'noop', slot: 'crowd' };
/** Bytes that take the server tens of milliseconds to read. */
const largeInput = 16 * 1_048_576;
/** The product of `longInput` is 5,308,416 bytes. */
const longJob: LabJob = { guest: 'matmul', input: longInput, limits: { outputBytes: 6_000_000 } };

/** Waits for a fact and cancels within the same turn: the state that it begins is short. */
const cancelsUpon =
  (fact: string) =>
  async (run: Run): Promise<void> => {
    await run.until(`the fact ${fact}`, () => run.facts(mainRole).some(({ type }) => type === `job.${fact}`));
    // Too late is no error: the job has moved on, and the next one is tried.
    await run.port.cancel(run.id(mainRole)).catch(() => undefined);
  };

const waits: readonly Scenario[] = [
  {
    name: 'queue-timeout',
    title: 'A job that waits in vain',
    about:
      'It may wait for 500 ms and the fleet is held: it expires. It never held a slot, so nothing has to be given back.',
    needs: ['runner'],
    takes: ['queued expired expired'],
    steps: [crowds(), submits({ ...waiter, limits: { queueMs: 500 } }), reaches('expired'), letsGo()],
  },
  {
    name: 'slot-exhaustion',
    title: 'A fleet that is full',
    about:
      'A job waits for a slot and goes on when one comes free; Explain tells why it waits. Nothing is lost by waiting.',
    needs: ['runner'],
    takes: ['attesting queued queued', 'queued selected reserving', 'releasing succeeded succeeded'],
    steps: [crowds(), submits(waiter), reaches('queued'), staysQueued(), letsGo(), reaches('succeeded')],
  },
  {
    name: 'queue-overflow',
    title: 'A queue that is full',
    about:
      'The tenant’s bound is set to two more than wait now; the third job is refused with 429, not taken and forgotten.',
    needs: ['runner', 'admin'],
    takes: ['queued selected reserving'],
    tells: [{ type: 'tenant.changed' }, { type: 'intake.refused', code: 'ERR_QUEUE_FULL' }],
    steps: [
      crowds(),
      setsTerms('lower the bound of waiting jobs, as the operator', ({ waiting }) => ({
        queuedMax: waiting + 2,
      })),
      submits(waiter),
      submits(waiter, 'second'),
      isRefused('submit a third', 'ERR_QUEUE_FULL', async (run) =>
        run.port.submit(await specOf(run, waiter)),
      ),
      letsGo(),
      reaches('succeeded'),
    ],
  },
  {
    name: 'quota',
    title: 'A tenant at its quota',
    about:
      'Its quota is set to one slot more than it holds. The second job waits (QuotaExceeded), however much of the fleet is free.',
    needs: ['runner', 'admin'],
    takes: ['attesting queued queued', 'queued selected reserving', 'releasing succeeded succeeded'],
    tells: [{ type: 'tenant.changed' }],
    steps: [
      setsTerms('lower the quota, as the operator', ({ slices, smallSlices }) => ({
        slicesMax: slices + smallSlices,
      })),
      submits({ guest: 'loop' }, 'first'),
      reaches('running', 'first'),
      submits({ guest: 'noop' }),
      reaches('queued'),
      staysQueued(),
      cancels('first'),
      reaches('succeeded'),
    ],
  },
  {
    name: 'drained-gpu',
    title: 'A GPU that is drained',
    about:
      'A drained GPU takes nothing new, whoever waits: the job stays in the queue until the operator restores it.',
    needs: ['runner', 'admin'],
    takes: ['attesting queued queued', 'queued selected reserving', 'releasing succeeded succeeded'],
    tells: [{ type: 'slot.drained' }, { type: 'slot.restored' }],
    steps: [
      crowds(),
      submits(waiter),
      reaches('queued'),
      drains(),
      letsGo(),
      staysQueued(),
      restores(),
      reaches('succeeded'),
    ],
  },
];

const cancelling: readonly Scenario[] = [
  {
    name: 'cancel-attesting',
    title: 'Cancelled before it was verified',
    about:
      'Its input takes a while to be hashed, and the cancel comes meanwhile: it is over at once, and never stood in the queue.',
    needs: [],
    takes: ['attesting cancelled cancelled'],
    steps: [
      triesUntil(
        'cancel while its input is hashed',
        'attesting cancelled cancelled',
        { guest: 'noop', input: () => newInput(largeInput) },
        (run) => run.port.cancel(run.id(mainRole)).catch(() => undefined),
      ),
    ],
  },
  {
    name: 'cancel-queued',
    title: 'Cancelled in the queue',
    about:
      'A job that waits is cancelled at once: there is no guest to be killed and no slot to be given back.',
    needs: ['runner'],
    takes: ['queued cancelled cancelled'],
    steps: [crowds(), submits(waiter), reaches('queued'), cancels(), reaches('cancelled'), letsGo()],
  },
  {
    name: 'cancel-starting',
    title: 'Cancelled while it starts',
    about:
      'The slot is held, the guest’s input is on its way. The start is called off, and the slot comes free.',
    needs: ['runner'],
    takes: [
      'starting cancelRequested stopping',
      'stopping stopped releasing',
      'releasing cancelled cancelled',
    ],
    steps: [
      triesUntil(
        'cancel between slot and start',
        'starting cancelRequested stopping',
        { guest: 'noop', input: () => newInput(largeInput) },
        cancelsUpon('reserved'),
      ),
    ],
  },
  {
    name: 'cancel-running',
    title: 'Cancelled while it runs',
    about:
      'The guest is killed first; the job is cancelled when it is certainly gone, for only then may another have the slot.',
    needs: ['runner'],
    takes: [
      'running cancelRequested stopping',
      'stopping stopped releasing',
      'releasing cancelled cancelled',
    ],
    steps: [submits({ guest: 'loop' }), reaches('running'), cancels(), reaches('cancelled')],
  },
  {
    name: 'cancel-stopping',
    title: 'Cancelled while it is being stopped',
    about:
      'It ran too long and is being killed when the cancel comes. The stop goes on, and ends as cancelled: what the user said last counts.',
    needs: ['runner'],
    takes: ['stopping cancelRequested stopping', 'releasing cancelled cancelled'],
    steps: [
      triesUntil(
        'cancel a job that is past its time',
        'stopping cancelRequested stopping',
        { guest: () => heavyGuest(256), limits: { memoryMiB: 300, wallMs: 300 } },
        cancelsUpon('overdue'),
      ),
    ],
  },
  {
    name: 'cancel-backoff',
    title: 'Cancelled between two attempts',
    about:
      'It failed once and would be tried again in a minute. The cancel ends it now, and no second attempt is made.',
    needs: ['runner'],
    takes: ['releasing retryScheduled backoff', 'backoff cancelled cancelled'],
    steps: [
      submits({ guest: 'trap', attempts: { max: 2, backoffMs: 60_000 } }),
      reaches('backoff'),
      cancels(),
      reaches('cancelled'),
    ],
  },
];

const losses: readonly Scenario[] = [
  {
    name: 'runner-killed',
    title: 'A runner that dies',
    about:
      'The process in which the guest runs is killed. That is noticed, the job goes back to the queue, and it still succeeds.',
    needs: ['runner', 'strike'],
    takes: ['running lost releasing', 'releasing queued queued', 'releasing succeeded succeeded'],
    steps: [submits(longJob), hears('started'), strikes(), hears('lost'), reaches('succeeded')],
  },
  {
    name: 'late-start',
    title: 'A guest that is never started in time',
    about:
      'From slot to start it has 1 ms, and its input alone takes longer. Each late start counts as a loss, not as an attempt; after the last one it has failed.',
    needs: ['runner'],
    takes: ['starting overdue stopping', 'releasing queued queued', 'releasing failed failed'],
    steps: [
      submits({ guest: 'noop', input: () => newInput(largeInput / 2), limits: { startMs: 1 } }),
      reaches('failed'),
    ],
  },
];

/** In the order in which they are shown. */
export const waitScenarios: readonly { readonly title: string; readonly scenarios: readonly Scenario[] }[] = [
  { title: 'Jobs that wait', scenarios: waits },
  { title: 'Jobs that are cancelled', scenarios: cancelling },
  { title: 'Attempts that Berth loses', scenarios: losses },
];
