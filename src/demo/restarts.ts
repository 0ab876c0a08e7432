/** Scenarios of the controller's own end: told to stop, and killed. */
import { longJob } from './attempts.ts';
import { admitted, placed, type Scenario } from './scenario.ts';

const slot = '1g.10gb';
const setting = 'restarts';

const shutdown: Scenario = {
  name: 'shutdown-during-run',
  setting,
  learns: 'SIGTERM sends a running job back to the queue; the next life of the controller ends it',
  async play(stage) {
    const { input, limits, result } = longJob();
    const id = await stage.running({ guest: 'matmul', slot, input, limits });
    await stage.halt('SIGTERM');
    await stage.restart();
    const { attempt } = await stage.ends(id, 'succeeded');
    stage.check(attempt === 2, 'the second life brought the result', `attempt ${attempt}`);
    return { jobs: { job: id }, results: { job: result } };
  },
  expect: {
    jobs: {
      job: {
        facts: `${admitted} ${placed} evicted stopped released queued ${placed} exited released succeeded`,
      },
    },
    controller: 'draining stopped recovered configured',
    order: [['job.evicted', 'job.stopped']],
  },
};

const killed: Scenario = {
  name: 'kill-9-restart',
  setting,
  learns:
    'after kill -9 the log leads to the same state, by hash; the lost guest is certainly dead, its job ends',
  async play(stage) {
    const { input, limits, result } = longJob();
    const id = await stage.running({ guest: 'matmul', slot, input, limits });
    await stage.halt('SIGKILL');
    await stage.restart();
    const { attempt } = await stage.ends(id, 'succeeded');
    stage.check(attempt === 2, 'the second life brought the result', `attempt ${attempt}`);
    return { jobs: { job: id }, results: { job: result } };
  },
  expect: {
    jobs: {
      job: { facts: `${admitted} ${placed} lost released queued ${placed} exited released succeeded` },
    },
    controller: 'recovered configured',
    order: [['job.lost', 'job.released']],
  },
};

/** In the order of the tour. */
export const restartScenarios: readonly Scenario[] = [shutdown, killed];
