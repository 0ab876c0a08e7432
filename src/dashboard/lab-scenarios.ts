/**
 * The named failures of the Lab: what happens to a guest that misbehaves, and to a request that is not in order. Names are those
 * of `berth demo` where that has the same. Those of waiting, losing and cancelling are in `lab-waits.ts`.
 *
 * Why data: a card can then be read before it is run, and a test can run all of them. Test: `test/dashboard/lab.test.ts`.
 */
import { brokenGuest } from './lab-bytes.ts';
import type { Edge, Scenario } from './lab-run.ts';
import { isRefused, type LabJob, reaches, specOf, submits, submitsTwice } from './lab-steps.ts';
import { waitScenarios } from './lab-waits.ts';

const crash: readonly Edge[] = [
  'running crashed releasing',
  'releasing released releasing',
  'releasing failed failed',
];

const noop: LabJob = { guest: 'noop' };
const notStored = `sha256:${'0'.repeat(64)}`;

const guests: readonly Scenario[] = [
  {
    name: 'run-timeout',
    title: 'A guest that never returns',
    about:
      'It may run for 500 ms. Then it is killed, and its slot comes free: no guest can keep a GPU for ever.',
    needs: ['runner'],
    takes: ['running overdue stopping', 'stopping stopped releasing', 'releasing timedOut timedOut'],
    steps: [submits({ guest: 'loop', limits: { wallMs: 500 } }), reaches('timedOut')],
  },
  {
    name: 'trap',
    title: 'A guest that traps',
    about:
      'It comes to an instruction that may not be reached, and ends alone: its runner and its neighbours do not notice.',
    needs: ['runner'],
    takes: crash,
    steps: [submits({ guest: 'trap' }), reaches('failed')],
  },
  {
    name: 'memory-bomb',
    title: 'A guest that takes all memory',
    about:
      'It gets its 16 MiB and no more. The limit holds in the guest, long before the machine would run out.',
    needs: ['runner'],
    takes: crash,
    steps: [submits({ guest: 'membomb', limits: { memoryMiB: 16 } }), reaches('failed')],
  },
  {
    name: 'output-flood',
    title: 'A guest that writes for ever',
    about: 'It is stopped at 64 KiB of output, so a result can fill neither the disk nor the controller.',
    needs: ['runner'],
    takes: crash,
    steps: [submits({ guest: 'flood', limits: { outputBytes: 65_536 } }), reaches('failed')],
  },
  {
    name: 'recursion',
    title: 'A guest that calls itself without end',
    about: 'It exhausts its own stack, not that of the controller, which runs in another process.',
    needs: ['runner'],
    takes: crash,
    steps: [submits({ guest: 'recurse' }), reaches('failed')],
  },
  {
    name: 'broken-module',
    title: 'A module that no engine compiles',
    about:
      'Its sections are in order, so it is attested; its code is nonsense, so it crashes before it has started. A slot was held, and comes free.',
    needs: ['runner'],
    takes: ['starting crashed releasing', 'releasing failed failed'],
    steps: [submits({ guest: brokenGuest }), reaches('failed')],
  },
  {
    name: 'retry-then-success',
    title: 'A guest that fails once',
    about:
      'It exits with 1, waits in backoff, is run again and told that this is attempt 2: then it succeeds.',
    needs: ['runner'],
    takes: ['releasing retryScheduled backoff', 'backoff queued queued', 'releasing succeeded succeeded'],
    steps: [
      submits({
        guest: 'flaky',
        capabilities: ['stdio', 'env:BERTH_ATTEMPT'],
        attempts: { max: 2, backoffMs: 300 },
      }),
      reaches('succeeded'),
    ],
  },
  {
    name: 'retries-exhausted',
    title: 'A guest that fails each time',
    about:
      'Attempts are counted: after the second the job has failed, with the last cause. The wait between doubles each time.',
    needs: ['runner'],
    takes: ['releasing retryScheduled backoff', 'backoff queued queued', 'releasing failed failed'],
    steps: [submits({ guest: 'trap', attempts: { max: 2, backoffMs: 200 } }), reaches('failed')],
  },
];

const rejections: readonly Scenario[] = [
  {
    name: 'undeclared-capability',
    title: 'A guest that smuggles',
    about:
      'It imports a socket that its job does not declare. Imports are read before anything runs: it is rejected, no slot is held.',
    needs: [],
    takes: ['attesting rejected rejected'],
    steps: [submits({ guest: 'smuggle' }), reaches('rejected')],
  },
  {
    name: 'not-wasm',
    title: 'A module that is none',
    about: 'A line of text, sent as a module: no engine ever sees bytes that were not looked at first.',
    needs: [],
    takes: ['attesting rejected rejected'],
    steps: [submits({ guest: () => new TextEncoder().encode('this is no module\n') }), reaches('rejected')],
  },
  {
    name: 'never-fits',
    title: 'A slot that this fleet does not have',
    about: 'No GPU here could ever hold it. To let it wait would be a lie, so it is rejected at once.',
    needs: [],
    takes: ['attesting rejected rejected'],
    steps: [submits({ guest: 'noop', slot: '6g.999gb' }), reaches('rejected')],
  },
];

const door: readonly Scenario[] = [
  {
    name: 'wrong-module-hash',
    title: 'Bytes under a digest that is not theirs',
    about:
      'A module is known by its digest: other bytes are refused, and so is a job that names bytes which are not here. Neither becomes a job.',
    needs: [],
    takes: [],
    tells: [{ type: 'intake.refused', code: 'ERR_BLOB_MISSING' }],
    steps: [
      isRefused('upload trap under another digest', 'ERR_BLOB_DIGEST', async ({ port }) =>
        port.put(await port.guest('trap'), 'f'.repeat(64)),
      ),
      isRefused('submit a digest that is not here', 'ERR_BLOB_MISSING', async (run) =>
        run.port.submit({ ...(await specOf(run, noop)), module: notStored }),
      ),
    ],
  },
  {
    name: 'bad-signature',
    title: 'A job that the tenant did not sign',
    about:
      'The signature of one request is put under another job. It is refused with 401, is no job, and is counted in the log.',
    needs: [],
    takes: [],
    tells: [{ type: 'intake.refused', code: 'ERR_SIGNATURE' }],
    steps: [
      isRefused('swap the job under a signature', 'ERR_SIGNATURE', async (run) => {
        const spec = await specOf(run, noop);
        const [head, , signature] = (await run.port.signed(spec)).split('.');
        const [, other] = (await run.port.signed({ ...spec, slot: run.sight.whole })).split('.');
        return run.port.sendSigned(`${head}.${other}.${signature}`);
      }),
    ],
  },
  {
    name: 'idempotent-repeat',
    title: 'The same request twice',
    about:
      'Whoever lost the answer sends the request again, with the same key: the answer is the same job, and there is no second one.',
    needs: ['runner'],
    takes: ['new submitted attesting', 'releasing succeeded succeeded'],
    steps: [submitsTwice(noop)],
  },
  {
    name: 'replay-other-digest',
    title: 'An old key around another job',
    about:
      'A key that stands for one job can’t be used for another: 422, and the first job goes on as if nothing had been.',
    needs: ['runner'],
    takes: ['releasing succeeded succeeded'],
    tells: [{ type: 'intake.refused', code: 'ERR_IDEMPOTENCY' }],
    steps: [
      submitsTwice(noop),
      isRefused('send the same key with another job', 'ERR_IDEMPOTENCY', async (run) =>
        run.port.submit({ ...(await specOf(run, noop)), args: ['another'] }, run.key),
      ),
    ],
  },
];

/** All of them, in the order in which they are shown. */
export const labGroups: readonly { readonly title: string; readonly scenarios: readonly Scenario[] }[] = [
  { title: 'Guests that misbehave', scenarios: guests },
  { title: 'Jobs that never run', scenarios: rejections },
  { title: 'Requests that become no job', scenarios: door },
  ...waitScenarios,
];

/**
 * Edges of the job's chart off the good way that no request can bring about at will: by `state fact`, with the reason and where they can
 * be seen. With the edges that the scenarios take, these are all; a test holds it.
 */
export const notFromHere: Readonly<Record<string, string>> = {
  'attesting expired': 'only when verifying takes longer than `--attest-ms`',
  'reserving unplaced':
    'only when a slot is taken between selection and reservation: `berth simulate` meets it',
  'reserving expired': 'the wait would have to end within those few microseconds: `berth simulate` meets it',
  'reserving cancelled':
    'the cancel would have to come within those few microseconds: `berth simulate` meets it',
  'starting lost': 'the runner would have to die before its guest begins: `berth simulate` meets it',
  'starting evicted': 'needs the controller to be stopped: `berth demo shutdown-during-run` comes near',
  'running evicted': 'needs the controller to be stopped: `berth demo shutdown-during-run`',
  'stopping lost': 'only when a killed guest is not seen to end: `berth simulate` meets it',
  'releasing cancelRequested':
    'the cancel would have to come between the guest’s end and the verdict: `berth simulate` meets it',
};
