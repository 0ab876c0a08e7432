/** The picture of the fleet says what placement would. */
import * as assert from 'uvu/assert';
import { blocksOf, drainPlan, drainWords, roomOf, roomOn } from '../../src/dashboard/fleet-shape.ts';
import { Fragmentation } from '../../src/observe/gauges.ts';
import { boards } from '../../src/slots/boards.ts';
import type { Fleet, Gpu } from '../../src/slots/fleet.ts';
import { place } from '../../src/slots/placement.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: the shape of the fleet');

/** A GPU with these profiles held, each at the first place that placement gives it. */
function gpuWith(id: string, board: string, profiles: readonly string[], state = 'serving'): Gpu {
  let gpu = {
    id,
    board,
    enforcement: 'simulated',
    holdings: [],
    machine: { state: 'serving', context: { held: 0 } },
  } as Gpu;
  for (const profile of profiles) {
    const slot = place(new Map([[id, gpu]]), { profile, gpus: 1 })![0]!;
    const holding = { slot, job: `j${slot.start}`, tenant: 'acme', fence: 1 };
    gpu = { ...gpu, holdings: [...gpu.holdings, holding] };
  }
  return { ...gpu, machine: { state, context: { held: gpu.holdings.length } } } as Gpu;
}

const fleetOf = (...gpus: Gpu[]): Fleet => new Map(gpus.map((gpu) => [gpu.id, gpu]));

t('blocks cover every memory slice of every board once, in order', () => {
  for (const { name, memorySlices, profiles } of Object.values(boards)) {
    for (const { name: profile } of profiles) {
      const blocks = blocksOf(gpuWith('g', name, [profile]));
      let next = 0;
      for (const { start, size, holding } of blocks) {
        assert.is(start, next);
        assert.ok(holding === null ? size === 1 : size === holding.slot.size);
        next += size;
      }
      assert.is(next, memorySlices, `${name} ${profile}`);
      assert.is(blocks.filter(({ holding }) => holding).length, 1);
    }
  }
});

t('the largest profile that is said to fit is placed, and no larger one would be', () => {
  let seen = 0;
  for (const { name: board, profiles } of Object.values(boards)) {
    for (const { name: one } of profiles) {
      for (const { name: two } of profiles) {
        const first = gpuWith('g', board, [one]);
        if (!place(fleetOf(first), { profile: two, gpus: 1 })) continue;
        const gpu = gpuWith('g', board, [one, two]);
        const { largest } = roomOn(gpu);
        const fitting = profiles.filter(({ name: profile }) => place(fleetOf(gpu), { profile, gpus: 1 }));
        const sizes = fitting.map(({ memorySlices }) => memorySlices);
        assert.is(
          profiles.find(({ name }) => name === largest)?.memorySlices ?? 0,
          Math.max(0, ...sizes),
          `${board} ${one} ${two}`,
        );
        seen += 1;
      }
    }
  }
  assert.ok(seen > 100, `${seen} layouts seen`);
});

t('what is unusable is the free slices that no slot of the profile takes', () => {
  // 1g at 0 leaves slices 1 to 7: three 1g.20gb (2, 4, 6), one 3g at 4, no 7g.
  const { free, fits, largest } = roomOn(gpuWith('g', 'H100-80GB', ['1g.10gb']));
  const fit = (profile: string) => fits.find((each) => each.profile === profile)!;
  assert.is(free, 7);
  assert.is(largest, '3g.40gb');
  assert.equal([fit('1g.20gb').count, fit('1g.20gb').unusable], [3, 1 - 6 / 7]);
  assert.equal([fit('3g.40gb').count, fit('3g.40gb').unusable], [1, 1 - 4 / 7]);
  assert.equal([fit('7g.80gb').count, fit('7g.80gb').unusable], [0, 1]);
});

t('GPUs out of service give no room, a full fleet has nothing that is unusable', () => {
  const draining = gpuWith('a', 'H100-80GB', ['1g.10gb'], 'draining');
  assert.equal(roomOf(fleetOf(draining)), { slices: 0, free: 0, largest: null, fits: [], fragmentation: 0 });
  const full = roomOf(fleetOf(gpuWith('b', 'H100-80GB', ['7g.80gb'])));
  assert.is(full.free, 0);
  assert.ok(full.fits.every(({ count, unusable }) => count === 0 && unusable === 0));
});

t('fragmentation is the metric, of the fleet and of a GPU alone', () => {
  // A 1g that sits in the middle keeps a 4g out; moved aside it would not.
  const slot = { gpu: 'a', profile: '1g.10gb', size: 1, start: 2 };
  const badly = {
    ...gpuWith('a', 'H100-80GB', []),
    holdings: [{ slot, job: 'j', tenant: 'acme', fence: 1 }],
  };
  const other = { ...slot, gpu: 'a', start: 5 };
  const worse = {
    ...badly,
    holdings: [...badly.holdings, { slot: other, job: 'k', tenant: 'acme', fence: 2 }],
  };
  const fleet = fleetOf(worse, gpuWith('b', 'H100-80GB', []));
  assert.is(roomOf(fleet).fragmentation, new Fragmentation().ratio(fleet));
  assert.ok(roomOf(fleet).fragmentation > 0);
  assert.is(roomOn(gpuWith('b', 'H100-80GB', [])).fragmentation, 0);
});

t('a drain is planned as it then happens: jobs run on, stranded ones wait for a GPU that fits', async () => {
  const world = await World.start({ gpus: 1, runners: 2 });
  await world.tenant('acme');
  const limits = { wallMs: 86_400_000 };
  await world.submit({ plan: 'loop', slot: '4g.40gb', limits });
  await world.submit({ plan: 'loop', slot: '7g.80gb', limits });
  await world.settle();
  const { views } = world.life;
  const plan = drainPlan(views, 'gpu0');
  assert.equal(plan, { jobs: 1, stranded: 1, others: 0 });
  await world.ask({ kind: 'Note', type: 'slot.drained', stream: 'slot.gpu0', data: { reason: 'test' } });
  await world.settle();
  assert.is(views.state.fleet.get('gpu0')?.machine.state, 'draining');
  assert.is(views.state.fleet.get('gpu0')?.holdings.length, plan.jobs);
  await world.end();
});

t('the sentence says what runs on, what is left, and who is stranded', () => {
  assert.is(
    drainWords('gpu-0', { jobs: 2, stranded: 0, others: 1 }),
    'Drain gpu-0? 2 jobs run on it to their end; nothing new is placed; 1 GPU stays in service.',
  );
  assert.is(
    drainWords('gpu-0', { jobs: 0, stranded: 3, others: 0 }),
    'Drain gpu-0? Nothing runs on it; nothing new is placed; no GPU is left in service. 3 queued jobs would fit on no other GPU and wait.',
  );
});

t.run();
