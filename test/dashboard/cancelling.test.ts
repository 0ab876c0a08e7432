/** Cancelling many jobs: what is said beforehand is what the writer then does. */
import * as assert from 'uvu/assert';
import { cancelAll, cancelPlan, planWords } from '../../src/dashboard/cancelling.ts';
import type { Job } from '../../src/jobs/state.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: cancelling');

t(
  'the plan says what the writer does: who waits ends at once, who runs is stopped, who ended is left out',
  async () => {
    const world = await World.start({ runners: 2, gpus: 1 });
    await world.tenant('acme');
    await world.tenant('globex');
    await world.submit({ plan: 'exit:0:10' });
    await world.pass(100);
    for (const tenant of ['acme', 'acme', 'globex', 'globex', 'globex'])
      await world.submit({ plan: 'loop', tenant, limits: { wallMs: 86_400_000 } });
    await world.settle();
    const { state } = world.life.views;
    const plan = cancelPlan(state.jobs.values());
    assert.equal(
      { ...plan, ids: plan.ids.length },
      { ids: 5, tenants: 2, waits: 3, runs: 2, stopping: 0, ended: 1 },
    );
    const states = new Map<string, string>();
    const off = world.life.views.onChange(({ before, after }) => {
      // The first change of each job is the answer to its cancel.
      if (before && after && !states.has(after.context.id)) states.set(after.context.id, after.state);
    });
    const refused = await cancelAll(
      plan.ids,
      (id) => world.cancel(id),
      () => undefined,
    );
    await world.settle();
    off();
    assert.equal(refused, []);
    const first = [...states.values()];
    assert.is(first.filter((name) => name === 'cancelled').length, plan.waits);
    assert.is(first.filter((name) => name === 'stopping').length, plan.runs);
    await world.end();
  },
);

t('a job that was told to stop is not told again', () => {
  const stopping = { state: 'stopping', context: { id: 'a', tenant: 'acme', reason: 'cancel' } } as Job;
  const late = { state: 'stopping', context: { id: 'b', tenant: 'acme', reason: 'deadline' } } as Job;
  const plan = cancelPlan([stopping, late]);
  assert.equal([plan.ids, plan.stopping, plan.runs], [['b'], 1, 1]);
});

t('the sentence counts and is grammatical', () => {
  const none = { ids: [], tenants: 0, waits: 0, runs: 0, stopping: 0, ended: 0 };
  const ids = Array.from({ length: 37 }, (_, i) => `j${i}`);
  assert.is(
    planWords({ ...none, ids, tenants: 2, waits: 30, runs: 7 }),
    'Cancel 37 jobs of 2 tenants: 30 wait and end at once; 7 run and are stopped, without a result.',
  );
  assert.is(
    planWords({ ...none, ids: ['j'], tenants: 1, runs: 1, ended: 2, stopping: 1 }),
    'Cancel 1 job of 1 tenant: 1 runs and is stopped, without a result. Left out: 2 jobs ended already, 1 job being stopped already.',
  );
  assert.is(planWords({ ...none, ended: 1 }), 'Nothing to cancel. Left out: 1 job ended already.');
});

t('refusals are told one by one, the rest goes on, and few are asked at once', async () => {
  const ids = Array.from({ length: 20 }, (_, i) => `j${i}`);
  let underWay = 0;
  let most = 0;
  const heard: number[] = [];
  const refused = await cancelAll(
    ids,
    async (id) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      if (id === 'j3') throw Object.assign(new Error('its verdict is settled'), { code: 'ERR_JOB_ENDED' });
    },
    (done) => heard.push(done),
  );
  assert.equal(refused, [{ id: 'j3', code: 'ERR_JOB_ENDED', message: 'its verdict is settled' }]);
  assert.equal(
    heard,
    ids.map((_, i) => i + 1),
  );
  assert.ok(most > 1 && most <= 4, `${most} at once`);
});

t.run();
