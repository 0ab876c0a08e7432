/** How many, in which state, and since when: by the log's own time. */
import * as assert from 'uvu/assert';
import { censusOf, groupOf, inStateMs, lastEnded, lateMs, nowOf } from '../../src/dashboard/census.ts';
import { jobTable } from '../../src/jobs/state.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: census');

async function busy(): Promise<World> {
  const world = await World.start({ runners: 2, gpus: 1 });
  await world.tenant('acme');
  await world.submit({ plan: 'exit:0:10' });
  await world.submit({ plan: 'crash:20' });
  for (let i = 0; i < 5; i += 1) await world.submit({ plan: 'loop', limits: { wallMs: 86_400_000 } });
  await world.pass(1_000);
  return world;
}

t('every state of the machine belongs to one group, and the groups add up to all jobs', async () => {
  const world = await busy();
  const { state } = world.life.views;
  const { byGroup, byState } = censusOf(state, world.clock.wallMs());
  assert.equal(byGroup, { waiting: 3, running: 2, succeeded: 1, failed: 1, cancelled: 0 });
  assert.is(
    [...byState.values()].reduce((sum, n) => sum + n, 0),
    state.jobs.size,
  );
  for (const name of jobTable.states) assert.ok(groupOf(name) in byGroup, name);
  await world.end();
});

t('what ended within the last minute of the log counts, and nothing older', async () => {
  const world = await busy();
  const { state } = world.life.views;
  const [last] = lastEnded(state, 1);
  const endedAtMs = last!.context.times.endedAtMs!;
  assert.is(censusOf(state, endedAtMs).ended, 2);
  assert.is(censusOf(state, endedAtMs).failed, 1);
  assert.is(censusOf(state, endedAtMs + lateMs - 1).ended, 1);
  assert.is(censusOf(state, endedAtMs + lateMs).ended, 0);
  await world.end();
});

t('where ended jobs are forgotten, the number says that there may be more', async () => {
  const world = await busy();
  const { state } = world.life.views;
  const nowMs = lastEnded(state, 1)[0]!.context.times.endedAtMs!;
  assert.is(censusOf(state, nowMs).isAtLeast, false);
  const { controller } = state;
  const bounded = { ...controller, configured: { ...controller.configured!, retainedMax: 2 } };
  assert.is(censusOf({ ...state, controller: bounded }, nowMs).isAtLeast, true);
  await world.end();
});

t('the last to end stands first', async () => {
  const world = await busy();
  assert.equal(
    lastEnded(world.life.views.state, 10).map(({ state }) => state),
    ['failed', 'succeeded'],
  );
  assert.is(lastEnded(world.life.views.state, 1).length, 1);
  await world.end();
});

t('time in a state runs from the fact that entered it to the newest one', async () => {
  const world = await busy();
  const records = await world.facts();
  const job = [...world.life.views.state.jobs.values()].find(({ state }) => state === 'running')!;
  const model = {
    moment: { seq: records.at(-1)!.seq },
    recordAt: (seq: number) => records.find((record) => record.seq === seq),
  };
  const nowMs = nowOf(model)!;
  assert.is(nowMs, records.at(-1)!.at);
  assert.is(inStateMs(model, job, nowMs), nowMs - job.context.times.startedAtMs!);
  assert.is(inStateMs({ ...model, recordAt: () => undefined }, job, nowMs), null);
  // A clock set back is no negative age.
  assert.is(inStateMs(model, job, 0), 0);
  await world.end();
});

t.run();
