/** A page with a tenant's eyes says nothing of others that the server did not tell it. */
import * as assert from 'uvu/assert';
import { censusOf } from '../../src/dashboard/census.ts';
import { roomOf } from '../../src/dashboard/fleet-shape.ts';
import { Player } from '../../src/dashboard/player.ts';
import { tenantShares } from '../../src/dashboard/tenant-shares.ts';
import { fleetAsTold, pendingAsTold } from '../../src/dashboard/tenant-sight.ts';
import { Waits } from '../../src/dashboard/waits.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { explain } from '../../src/scheduler/explain.ts';
import { factView, maySee } from '../../src/views/log-view.ts';
import { queueView } from '../../src/views/queue-view.ts';
import { slotsView } from '../../src/views/slots-view.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: a tenant’s sight');
const globex = { tenant: 'globex', admin: false };
const long = { wallMs: 86_400_000 };

/** A fleet of one GPU that acme holds; globex waits, acme's jobs before it. */
async function crowded(): Promise<World> {
  const world = await World.start({ runners: 3, gpus: 1, policy: 'round-robin' });
  await world.tenant('acme', { weight: 3 });
  await world.tenant('globex');
  await world.submit({ plan: 'loop', slot: '4g.40gb', limits: long });
  for (let i = 0; i < 3; i += 1) await world.submit({ plan: 'loop', slot: '7g.80gb', limits: long });
  await world.settle();
  for (let i = 0; i < 2; i += 1)
    await world.submit({ plan: 'loop', tenant: 'globex', slot: '7g.80gb', limits: long });
  await world.settle();
  return world;
}

/** What globex's page folds. */
async function itsMoment(world: World) {
  const player = new Player(nodeSha256);
  const facts = await world.facts();
  player.append(facts.filter(({ subject }) => maySee(globex, subject)).map((fact) => factView(fact, globex)));
  player.seek(player.headSeq);
  return player.moment;
}

t('reasons in the list are the server’s, and without its word none is told', async () => {
  const world = await crowded();
  const { state, views } = await itsMoment(world);
  const own = [...state.jobs.values()].filter((job) => job.state === 'queued');
  assert.is(own.length, 2);
  const truth = own.map((job) => explain(world.life.views.scheduler.sight, job).reasons[0]?.code);
  const folded = own.map((job) => new Waits(views).whyOf(job)?.code);
  assert.not.equal(folded, truth, 'this world can not tell a fold from the truth');
  const told = queueView(world.life.views, globex);
  assert.equal(
    own.map((job) => new Waits(views, told).whyOf(job)?.code),
    own.map(() => truth[0]),
  );
  assert.equal(
    own.map((job) => new Waits(views, null).whyOf(job)?.code),
    ['NotSeen', 'NotSeen'],
  );
  const census = censusOf(state, 0);
  assert.equal([...pendingAsTold(told, census.byState)], [[truth[0], 2]]);
  assert.equal([...pendingAsTold(null, census.byState)], []);
  await world.end();
});

t('room is that of the whole fleet, and holders of other tenants stay unnamed', async () => {
  const world = await crowded();
  const { state } = await itsMoment(world);
  const truth = roomOf(world.life.views.state.fleet);
  assert.not.equal(roomOf(state.fleet), truth, 'this world can not tell a fold from the truth');
  const told = slotsView(world.life.views.state.fleet, globex, 0).gpus;
  const fleet = fleetAsTold(state.fleet, told);
  assert.equal(roomOf(fleet), truth);
  const holders = [...fleet.values()].flatMap(({ holdings }) =>
    holdings.map(({ job, tenant }) => [job, tenant]),
  );
  assert.equal(holders, [['', '']]);
  await world.end();
});

t('a GPU that others still hold is draining for everybody', async () => {
  const world = await crowded();
  const { state } = await itsMoment(world);
  const [gpu] = slotsView(world.life.views.state.fleet, globex, 0).gpus;
  const fleet = fleetAsTold(state.fleet, [{ ...gpu!, state: 'draining' }]);
  assert.is(fleet.get(gpu!.gpu)?.machine.state, 'draining');
  await world.end();
});

t('no share of a whole that is not seen, and nothing owed', async () => {
  const world = await crowded();
  const { views } = await itsMoment(world);
  const [share, ...others] = tenantShares(views, false);
  assert.equal(others, []);
  assert.equal([share?.entitled, share?.held, share?.owed], [null, null, null]);
  assert.is(share?.queued, 2);
  await world.end();
});

t.run();
