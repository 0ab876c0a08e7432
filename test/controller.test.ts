/** One life: it recovers to the state it left, says so in the log, and a stop ends in time with nothing held. */
import * as assert from 'uvu/assert';
import { castAround, stateText } from '../src/cast.ts';
import { foldsVersion } from '../src/checkpointing.ts';
import { fold, newState } from '../src/jobs/state.ts';
import { nodeSha256 } from '../src/log/hash-node.ts';
import { submission } from './jobs/desk.ts';
import { LifeOnDisk } from './life.ts';
import { suite } from './suite.ts';

const t = suite('controller');
const exited = { how: 'exited', exitCode: 0, stdout: new Uint8Array() } as const;
const cut = { fromSeq: 6, bytes: 120, file: 'x.torn', ids: ['job.acme.a:3'], idCount: 1 };

t('a life begins with recovered, configured and the fleet, in this order and durable', async () => {
  const life = new LifeOnDisk();
  const controller = await life.begin();
  assert.equal(life.types.slice(0, 3), ['controller.recovered', 'controller.configured', 'slot.added']);
  assert.is(controller.gate.closed, null);
  assert.ok(controller.log.durable >= 3);
});

t('after a power cut it comes back to the very state, and writes its hash', async () => {
  const life = new LifeOnDisk();
  await life.begin();
  await life.run('a');
  life.powerCut();
  const kept = [...life.disk.records];
  const state = newState();
  const { blobs, sign, clock } = life.parts();
  const cast = castAround(state, { blobs, sign, clock, killWaitMs: 500, wake: () => undefined });
  for (const record of kept) {
    const change = fold(state, record);
    for (const actor of cast.all) actor.fold(change);
  }
  const controller = await life.begin();
  const expected = { ofSeq: kept.length, stateHash: nodeSha256(stateText(state, cast.all)) };
  assert.equal(controller.recovered, expected);
  const recovered = life.disk.records[kept.length];
  assert.equal(recovered?.data, { epoch: 2, folds: foldsVersion, ...expected });
});

t('a guest of a former life is lost, not started again, and its job ends', async () => {
  const life = new LifeOnDisk();
  await life.begin();
  await life.run('a');
  life.powerCut();
  await life.begin();
  await life.settle();
  assert.is(life.stateOf('a'), 'failed', 'no loss is allowed here');
  assert.is(life.backend.fencesStarted.length, 1);
});

t('a stop that finishes waits for those that run, starts nothing new, and ends clean', async () => {
  const life = new LifeOnDisk();
  const controller = await life.begin();
  await life.run('a');
  const stopped = controller.drain('finish', 10_000);
  await life.settle();
  const refused = await life.through(controller.ask(submission('b'), 'test'));
  assert.is('refused' in refused && refused.refused, 'ERR_DRAINING');
  life.backend.live[0]?.finish(exited);
  await life.through(stopped, 5);
  assert.is(life.stateOf('a'), 'succeeded');
  const last = life.disk.records.at(-1);
  assert.equal(
    [last?.type, last?.data['running'], life.disk.durable],
    ['controller.stopped', 0, life.disk.records.length],
  );
});

t(
  'at the deadline, or at once when asked, the rest goes back to the queue and loses nothing by it',
  async () => {
    for (const [mode, deadlineMs] of [
      ['finish', 300],
      ['requeue', 300],
    ] as const) {
      const life = new LifeOnDisk();
      const controller = await life.begin();
      await life.run('a');
      const fromMs = life.clock.monotonicMs();
      await life.through(controller.drain(mode, deadlineMs), 5);
      const tookMs = life.clock.monotonicMs() - fromMs;
      assert.ok(
        mode === 'finish' ? tookMs >= deadlineMs && tookMs < deadlineMs + 500 : tookMs < 200,
        `${mode} took ${tookMs} ms`,
      );
      assert.is(life.stateOf('a'), 'queued');
      const { losses, failures } = controller.state.jobs.get('a')?.context ?? {};
      assert.equal([losses, failures, life.types.includes('job.evicted')], [0, 0, true]);
      assert.is(controller.state.usage.size, 0);
      // The next life takes it up again.
      await life.begin();
      await life.settle();
      assert.is(life.stateOf('a'), 'starting');
    }
  },
);

t('a guest that does not die is not waited for beyond the time a kill takes', async () => {
  const life = new LifeOnDisk();
  const controller = await life.begin();
  await life.run('a');
  for (const run of life.backend.live) run.kill = () => undefined;
  const fromMs = life.clock.monotonicMs();
  await life.through(controller.drain('requeue', 0), 5);
  assert.ok(life.clock.monotonicMs() - fromMs < 2_000);
  assert.is(life.types.at(-1), 'controller.stopped');
});

t('a torn tail keeps the door shut over restarts until it is accepted, and reads stay open', async () => {
  const life = new LifeOnDisk();
  await life.begin();
  life.powerCut();
  assert.is((await life.begin({ cut })).gate.closed?.code, 'ERR_TORN_TAIL');
  const { data } =
    life.disk.records.find(({ type, epoch }) => type === 'controller.recovered' && epoch === 2) ?? {};
  assert.equal([data?.['bytes'], data?.['fromSeq'], data?.['lostIds']], [120, 6, 1]);
  life.powerCut();
  const third = await life.begin();
  assert.is(third.gate.closed?.code, 'ERR_TORN_TAIL');
  assert.ok(third.views.state.tenants.has('acme'));
  life.powerCut();
  assert.is((await life.begin({ acceptTornTail: true })).gate.closed, null);
  assert.ok(life.types.includes('controller.tailAccepted'));
  life.powerCut();
  assert.is((await life.begin()).gate.closed, null, 'once accepted, it stays accepted');
});

t('a GPU that the setting no longer names drains, and serves again when it is named again', async () => {
  const life = new LifeOnDisk();
  await life.begin({ fleet: '2xH100-80GB' });
  life.powerCut();
  const gpu = async (fleet: string) => {
    const controller = await life.begin({ fleet });
    life.powerCut();
    return controller.state.fleet.get('gpu-1')?.machine.state;
  };
  assert.is(await gpu('1xH100-80GB'), 'drained');
  assert.is(await gpu('1xH100-80GB'), 'drained');
  assert.is(await gpu('2xH100-80GB'), 'serving');
  const error = await life.begin({ fleet: '2xA30-24GB' }).catch((thrown: { code?: string }) => thrown);
  assert.is((error as { code?: string }).code, 'ERR_CONFIG');
});

t('whoever asked is answered even when the life ends before its facts can be seen', async () => {
  const life = new LifeOnDisk();
  const controller = await life.begin();
  const answer = controller.ask(submission('a'), 'test').then(
    () => 'answered',
    (error: { code?: string }) => error.code,
  );
  await new Promise((resolve) => setImmediate(resolve));
  await controller.end();
  assert.ok(['ERR_READ_ONLY', 'ERR_LOG_FAILED'].includes(String(await life.through(answer))));
});

t('end is final and may be asked twice: guests are stopped, and nothing is armed any more', async () => {
  const life = new LifeOnDisk();
  const controller = await life.begin();
  await life.run('a');
  await Promise.all([controller.end(), controller.end()]);
  assert.equal([life.backend.live.length, life.clock.nextMs(), life.faults], [0, null, []]);
  await controller.drain('finish', 1_000);
});

t.run();
