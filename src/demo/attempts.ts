/** Scenarios of jobs that run more than once, and of one that is not let run to its end. */
import { admitted, cancelledWhileRunning, placed, type Scenario } from './scenario.ts';
import { sha256Of } from './stage.ts';
import { matrices } from './well.ts';

const slot = '1g.10gb';
const setting = 'two-gpus';

const retried: Scenario = {
  name: 'retry-then-success',
  setting,
  learns: 'a guest that fails once is run again after a pause, and told which attempt it is',
  async play(stage) {
    const capabilities = ['stdio', 'env:BERTH_ATTEMPT'];
    const id = await stage.submit({
      guest: 'flaky',
      slot,
      capabilities,
      attempts: { max: 2, backoffMs: 100 },
    });
    const { attempt } = await stage.ends(id, 'succeeded');
    stage.check(attempt === 2, 'it took two attempts', `${attempt}`);
    return { jobs: { flaky: id }, results: { flaky: sha256Of('second time lucky\n') } };
  },
  expect: {
    jobs: {
      flaky: {
        facts: `${admitted} ${placed} exited released retryScheduled queued ${placed} exited released succeeded`,
      },
    },
  },
};

const exhausted: Scenario = {
  name: 'retries-exhausted',
  setting,
  learns: 'attempts are counted: after the last one the job has failed, with the exit code as its cause',
  async play(stage) {
    // Without env:BERTH_ATTEMPT the guest never learns that it is not the first attempt.
    const capabilities = ['stdio', 'env:NOTHING'];
    const id = await stage.submit({
      guest: 'flaky',
      slot,
      capabilities,
      attempts: { max: 2, backoffMs: 50 },
    });
    const { attempt } = await stage.ends(id, 'failed');
    stage.check(attempt === 2, 'both attempts were made', `${attempt}`);
    return { jobs: { flaky: id } };
  },
  expect: {
    jobs: {
      flaky: {
        facts: `${admitted} ${placed} exited released retryScheduled queued ${placed} exited released failed`,
        cause: 'ERR_EXIT_CODE',
      },
    },
  },
};

/** About a second of work with a result that is known beforehand: the product with the identity. */
export function longJob(n = 1_152): { input: Uint8Array; result: string; limits: Record<string, number> } {
  const identity = new Float32Array(n * n);
  for (let i = 0; i < n; i += 1) identity[i * n + i] = 1;
  const b = Float32Array.from({ length: n * n }, (_, i) => (i % 8_191) / 64);
  const result = sha256Of(new Uint8Array(b.buffer));
  return { input: matrices(n, identity, b), result, limits: { outputBytes: 4 * n * n, wallMs: 120_000 } };
}

const runnerKilled: Scenario = {
  name: 'runner-killed',
  setting,
  learns: 'a runner that dies is noticed; its job goes back to the queue and still succeeds',
  async play(stage) {
    const { input, limits, result } = longJob();
    const id = await stage.running({ guest: 'matmul', slot, input, limits });
    await stage.killRunner(id);
    const { attempt } = await stage.ends(id, 'succeeded');
    stage.check(attempt === 2, 'the second runner brought the result', `attempt ${attempt}`);
    return { jobs: { job: id }, results: { job: result } };
  },
  expect: {
    jobs: {
      job: { facts: `${admitted} ${placed} lost released queued ${placed} exited released succeeded` },
    },
  },
};

const cancelRunning: Scenario = {
  name: 'cancel-running',
  setting,
  learns: 'a cancel kills the guest first; the job is cancelled once it is certainly gone',
  async play(stage) {
    const id = await stage.running({ guest: 'loop', slot });
    await stage.cancel(id);
    await stage.ends(id, 'cancelled');
    return { jobs: { loop: id } };
  },
  expect: { jobs: { loop: { facts: cancelledWhileRunning, cause: 'ERR_CANCELLED' } } },
};

/** In the order of the tour. */
export const attemptScenarios: readonly Scenario[] = [retried, exhausted, runnerKilled, cancelRunning];
