/** What tenants are owed is what the scheduler then gives them. */
import * as assert from 'uvu/assert';
import { tenantShares } from '../../src/dashboard/tenant-shares.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: shares of tenants');
const limits = { wallMs: 86_400_000 };

const shareOf = (world: World, name: string) =>
  tenantShares(world.life.views, true).find((each) => each.name === name)!;

t('entitled is the weight among all weights, held the slices among those held', async () => {
  const world = await World.start({ policy: 'round-robin' });
  await world.tenant('acme', { weight: 3 });
  await world.tenant('globex');
  await world.submit({ plan: 'loop', slot: '3g.40gb', limits });
  await world.settle();
  const [acme, globex] = tenantShares(world.life.views, true);
  assert.equal([acme!.entitled, globex!.entitled], [0.75, 0.25]);
  assert.equal([acme!.held, globex!.held], [1, 0]);
  assert.equal(acme!.usage, { jobs: 1, slices: 4, waiting: 0 });
  assert.not.ok('blobBytes' in acme!);
  await world.end();
});

t('under round robin the one that is owed turns gets the next ones, as many as it is owed', async () => {
  const world = await World.start({ policy: 'round-robin', runners: 1 });
  await world.tenant('acme');
  await world.tenant('globex', { weight: 3 });
  await world.submit({ plan: 'exit:0:100', tenant: 'acme' });
  await world.settle();
  for (let i = 0; i < 4; i += 1)
    for (const tenant of ['acme', 'globex']) await world.submit({ plan: 'exit:0:100', tenant });
  await world.settle();
  const owed = shareOf(world, 'globex').owed!;
  assert.is(shareOf(world, 'acme').owed, 0);
  assert.ok(owed > 0, `${owed} turns`);
  const before = (await world.facts()).length;
  await world.pass(1_000);
  const turns = (await world.facts())
    .slice(before)
    .filter(({ type }) => type === 'job.selected')
    .map(({ subject }) => subject.split('.')[1]);
  assert.equal(turns.slice(0, owed), Array(owed).fill('globex'));
  await world.end();
});

t('nobody is owed anything who does not wait, or where turns are not counted', async () => {
  const world = await World.start({ policy: 'fifo', runners: 1 });
  await world.tenant('acme');
  for (let i = 0; i < 3; i += 1) await world.submit({ plan: 'loop', limits });
  await world.settle();
  assert.equal([shareOf(world, 'acme').owed, shareOf(world, 'acme').queued], [null, 2]);
  await world.end();
  const fair = await World.start({ policy: 'round-robin' });
  await fair.tenant('acme');
  assert.is(shareOf(fair, 'acme').owed, null);
  await fair.end();
});

t.run();
