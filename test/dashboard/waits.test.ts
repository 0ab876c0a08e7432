/** One reason for each job, the same that the metrics count. */
import * as assert from 'uvu/assert';
import { censusOf } from '../../src/dashboard/census.ts';
import { Waits } from '../../src/dashboard/waits.ts';
import { isWaiting } from '../../src/jobs/state.ts';
import { pendingByReason } from '../../src/observe/gauges.ts';
import { Queue } from '../../src/scheduler/queue.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: waits');
const long = { wallMs: 86_400_000 };

/** Jobs that wait for a slice, for quota, for a runner, and between two attempts. */
async function crowded(): Promise<World> {
  const world = await World.start({ runners: 3, gpus: 1 });
  await world.tenant('acme');
  await world.tenant('globex', { slicesMax: 1 });
  await world.submit({ plan: 'crash:10', attempts: 3, backoffMs: 60_000 });
  await world.pass(100);
  await world.submit({ plan: 'loop', slot: '4g.40gb', limits: long });
  await world.submit({ plan: 'loop', tenant: 'globex', limits: long });
  await world.settle();
  for (let i = 0; i < 3; i += 1) await world.submit({ plan: 'loop', slot: '7g.80gb', limits: long });
  for (let i = 0; i < 2; i += 1) await world.submit({ plan: 'loop', tenant: 'globex', limits: long });
  await world.settle();
  return world;
}

t('counted over all jobs, the reasons are those of the metric', async () => {
  const world = await crowded();
  const { views } = world.life;
  const waits = new Waits(views);
  const counts = new Map<string, number>();
  for (const job of views.state.jobs.values()) {
    const code = waits.whyOf(job)?.code;
    if (isWaiting(job) && code) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  const metric = pendingByReason(views, censusOf(views.state, 0).byState);
  assert.equal([...counts].sort(), [...metric].filter(([, jobs]) => jobs > 0).sort());
  assert.equal([...counts.keys()].sort(), ['NoFreeSlice', 'NotBefore', 'QuotaExceeded']);
  await world.end();
});

t('a class that nothing holds back: its head is looked at next, the others are behind it', async () => {
  const world = await World.start();
  await world.tenant('acme');
  const [first, second] = [await world.submit({ plan: 'loop' }), await world.submit({ plan: 'loop' })];
  await world.settle();
  const { state, scheduler } = world.life.views;
  // The moment before the scheduler acts is too short to meet, so the queue is filled by hand.
  const queue = new Queue();
  for (const [i, id] of [first, second].entries())
    queue.join('acme', { profile: '1g.10gb', gpus: 1 }, { id, visit: i, waitSince: i });
  const waits = new Waits({ scheduler: { sight: { ...scheduler.sight, queue } } });
  const codes = [first, second].map((id) => waits.whyOf({ ...state.jobs.get(id)!, state: 'queued' })?.code);
  assert.equal(codes, ['NotEvaluated', 'AheadInQueue']);
  await world.end();
});

t('who ended badly tells the cause, who is being stopped the order, who runs nothing', async () => {
  const world = await World.start();
  await world.tenant('acme');
  const crashed = await world.submit({ plan: 'crash:10' });
  const running = await world.submit({ plan: 'loop', limits: long });
  await world.pass(100);
  const { views } = world.life;
  const why = (id: string) => new Waits(views).whyOf(views.state.jobs.get(id)!);
  assert.is(why(crashed)?.code, 'ERR_GUEST_TRAP');
  assert.is(why(running), null);
  const job = views.state.jobs.get(running)!;
  const stopping = {
    ...job,
    state: 'stopping' as const,
    context: { ...job.context, reason: 'deadline' as const },
  };
  assert.is(new Waits(views).whyOf(stopping)?.code, 'deadline');
  await world.end();
});

t.run();
