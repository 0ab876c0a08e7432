import * as assert from 'uvu/assert';
import type { Slot } from '../../src/events/facts.ts';
import { depthByTenant, Fragmentation, pendingByReason, slotsByProfile } from '../../src/observe/gauges.ts';
import type { Counts } from '../../src/observe/tally.ts';
import { boards } from '../../src/slots/boards.ts';
import type { Fleet, Gpu } from '../../src/slots/fleet.ts';
import { place } from '../../src/slots/placement.ts';
import { suite } from '../suite.ts';
import { World } from './world.ts';

const t = suite('observe/gauges');

t(
  'free is exactly how often placement finds room for the profile, on every board and from every layout',
  () => {
    let compared = 0;
    for (const board of Object.values(boards)) {
      for (const layout of layoutsOf(board.name)) {
        const fleet = fleetOf(gpu('g', board.name, layout));
        const slots = slotsByProfile(fleet);
        for (const { name } of board.profiles) {
          assert.is(
            slots.get(`${name} free`),
            placings(fleet, name),
            `${board.name} ${JSON.stringify(layout)} ${name}`,
          );
          compared += 1;
        }
      }
    }
    assert.ok(compared > 1_000, `${compared} compared`);
  },
);

t('a slot held on a draining GPU is draining, and nothing is free there', () => {
  const held = [{ gpu: 'g', profile: '3g.40gb', size: 4, start: 0 }];
  const slots = slotsByProfile(fleetOf(gpu('g', 'H100-80GB', held, 'draining'), gpu('h', 'H100-80GB', [])));
  assert.equal(
    [slots.get('3g.40gb held'), slots.get('3g.40gb draining'), slots.get('3g.40gb free')],
    [0, 1, 2],
  );
  assert.is(slots.get('1g.10gb+me free'), 1);
});

t(
  'an empty and a full fleet are not fragmented; one badly placed slot fragments exactly by what it blocks',
  () => {
    const ratio = (...gpus: Gpu[]): number => new Fragmentation().ratio(fleetOf(...gpus));
    const one = (profile: string, size: number, start: number): Slot => ({ gpu: 'g', profile, size, start });
    assert.is(ratio(), 0);
    assert.is(ratio(gpu('g', 'H100-80GB', [])), 0);
    assert.is(ratio(gpu('g', 'H100-80GB', [one('7g.80gb', 8, 0)])), 0);
    // 1g at 0 and at 4 leave 2-slice slots; side by side they would leave a 4-slice one.
    const bad = [one('1g.10gb', 1, 0), one('1g.10gb', 1, 4)];
    assert.is(ratio(gpu('g', 'H100-80GB', bad)), 0.5);
    assert.is(ratio(gpu('g', 'H100-80GB', bad), gpu('h', 'H100-80GB', [])), 1 - (2 + 8) / (4 + 8));
    assert.is(ratio(gpu('g', 'H100-80GB', bad, 'draining')), 0);
  },
);

t('each waiting job counts under the reason that explain gives its class', async () => {
  const world = await World.start({ gpus: 1, runners: 16 });
  for (const name of ['full', 'poor', 'few'])
    await world.tenant(name, name === 'poor' ? { slicesMax: 2 } : name === 'few' ? { jobsMax: 1 } : {});
  const pending = (): Counts => pendingByReason(world.life.views, jobsByState(world));
  await world.submit({ tenant: 'few', plan: 'loop' });
  await world.submit({ tenant: 'few', plan: 'loop' });
  await world.submit({ tenant: 'poor', plan: 'loop', slot: '1g.20gb' });
  await world.submit({ tenant: 'poor', plan: 'loop' });
  await world.submit({ tenant: 'full', plan: 'loop', slot: '7g.80gb' });
  await world.submit({ tenant: 'full', plan: 'crash:1', attempts: 3, backoffMs: 60_000 });
  await world.pass(10);
  const found = Object.fromEntries([...pending()].filter(([, jobs]) => jobs > 0));
  assert.equal(found, { TenantLimit: 1, QuotaExceeded: 1, NoFreeSlice: 1, NotBefore: 1 });
  assert.equal(
    [...depthByTenant(world.life.views)],
    [
      ['full', 2],
      ['poor', 1],
      ['few', 1],
    ],
  );
  await world.end();
});

t('without a runner every job of the queue waits for one', async () => {
  const world = await World.start({ runners: 0 });
  await world.tenant('acme');
  for (let job = 0; job < 3; job += 1) await world.submit({ plan: 'loop' });
  await world.settle();
  assert.is(pendingByReason(world.life.views, jobsByState(world)).get('NoExecutor'), 3);
  await world.end();
});

function jobsByState(world: World): Counts {
  const counts: Counts = new Map();
  for (const { state } of world.life.views.state.jobs.values())
    counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

function gpu(
  id: string,
  board: string,
  slots: readonly Slot[],
  state: 'serving' | 'draining' = 'serving',
): Gpu {
  const holdings = slots.map((slot) => ({ slot: { ...slot, gpu: id }, job: 'j', tenant: 'acme', fence: 1 }));
  return {
    id,
    board,
    enforcement: 'simulated',
    machine: { state, context: { held: slots.length } },
    holdings,
  };
}

const fleetOf = (...gpus: Gpu[]): Fleet => new Map(gpus.map((each) => [each.id, each]));

/** How many of one profile placement takes, one after the other. */
function placings(fleet: Fleet, profile: string): number {
  const placed: Slot[] = [];
  for (let more = place(fleet, { profile, gpus: 1 }); more; more = place(fleet, { profile, gpus: 1 }, placed))
    placed.push(...more);
  return placed.length;
}

/** No slot, each single slot, and each legal pair. */
function layoutsOf(board: string): Slot[][] {
  const all = (boards[board]?.profiles ?? []).flatMap(({ name, memorySlices, starts }) =>
    starts.map((start) => ({ gpu: 'g', profile: name, size: memorySlices, start })),
  );
  const apart = (a: Slot, b: Slot): boolean => a.start + a.size <= b.start || b.start + b.size <= a.start;
  const single = (a: Slot, b: Slot): boolean => !(a.profile.endsWith('+me') && b.profile.endsWith('+me'));
  const pairs = all.flatMap((a, at) =>
    all.slice(at + 1).flatMap((b) => (apart(a, b) && single(a, b) ? [[a, b]] : [])),
  );
  return [[], ...all.map((slot) => [slot]), ...pairs];
}

t.run();
