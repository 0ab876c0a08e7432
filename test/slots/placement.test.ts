/** Placement: what is chosen is legal and free, what is said to fit with moves does, and asked twice it answers alike. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Slot } from '../../src/events/facts.ts';
import { boards, type Profile, profileOf } from '../../src/slots/boards.ts';
import { type Fleet, type Gpu, maskOf, slotMask } from '../../src/slots/fleet.ts';
import { couldEverFit, fitsWithMoves, isFree, place, sizeIn } from '../../src/slots/placement.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('placement');

const gpu = (
  id: string,
  board: string,
  slots: readonly Slot[] = [],
  state: 'serving' | 'draining' | 'drained' = 'serving',
): Gpu => ({
  id,
  board,
  enforcement: 'simulated',
  machine: { state, context: { held: slots.length } },
  holdings: slots.map((slot, i) => ({ slot, job: `job${i}`, tenant: 'acme', fence: i + 1 })),
});
const fleetOf = (...gpus: Gpu[]): Fleet => new Map(gpus.map((each) => [each.id, each]));
const slotOf = (id: string, board: string, profile: string, start: number): Slot => {
  const found = profileOf(board, profile);
  return { gpu: id, profile, size: found?.memorySlices ?? 0, start };
};

const boardNames = Object.keys(boards);
/** A GPU on which random instances were placed as long as they were legal. */
const anyGpu = (id: string) =>
  fc
    .tuple(
      fc.constantFrom(...boardNames),
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 7 }),
      fc.nat({ max: 5 }),
    )
    .map(([board, wishes, state]) => {
      let made = gpu(id, board);
      for (const [p, s] of wishes) {
        const profiles = boards[board]?.profiles ?? [];
        const profile = profiles[p % profiles.length] as Profile;
        const slot = slotOf(id, board, profile.name, profile.starts[s % profile.starts.length] as number);
        if (isFree(fleetOf(made), [slot]))
          made = gpu(id, board, [...made.holdings.map((held) => held.slot), slot]);
      }
      return state === 0
        ? gpu(
            id,
            board,
            made.holdings.map((held) => held.slot),
            'draining',
          )
        : made;
    });
const anyFleet = fc.tuple(anyGpu('gpu-0'), anyGpu('gpu-1'), anyGpu('gpu-2')).map((gpus) => fleetOf(...gpus));
const anyShape = fc.record({
  profile: fc.constantFrom(
    ...new Set(Object.values(boards).flatMap(({ profiles }) => profiles.map(({ name }) => name))),
  ),
  gpus: fc.integer({ min: 1, max: 3 }),
});
const options = { seed: seed(), numRuns: runs(2_000) };

t('what place chooses is legal, free, and on as many different GPUs as were asked for', () => {
  let placed = 0;
  void fc.assert(
    fc.property(anyFleet, anyShape, (fleet, shape) => {
      const slots = place(fleet, shape);
      if (!slots) return;
      placed += 1;
      assert.is(slots.length, shape.gpus);
      assert.ok(isFree(fleet, slots), JSON.stringify(slots));
    }),
    options,
  );
  assert.ok(placed > 100, `only ${placed} placed`);
});

t('place finds a place exactly when there is one', () => {
  let none = 0;
  void fc.assert(
    fc.property(anyFleet, anyShape, (fleet, shape) => {
      const fitting = [...fleet.values()].filter(({ id, board }) =>
        (profileOf(board, shape.profile)?.starts ?? []).some((start) =>
          isFree(fleet, [slotOf(id, board, shape.profile, start)]),
        ),
      );
      if (fitting.length < shape.gpus) none += 1;
      assert.is(place(fleet, shape) !== null, fitting.length >= shape.gpus);
    }),
    options,
  );
  assert.ok(none > 100, `always room`);
});

t('promised slots count as taken: placed one after the other, jobs never meet', () => {
  void fc.assert(
    fc.property(anyFleet, fc.array(anyShape, { maxLength: 8 }), (fleet, shapes) => {
      const promised: Slot[] = [];
      for (const shape of shapes) promised.push(...(place(fleet, shape, promised) ?? []));
      for (const { id } of fleet.values()) {
        const here = promised.filter((slot) => slot.gpu === id);
        const masks = [maskOf(fleet.get(id) as Gpu), ...here.map(slotMask)];
        assert.is(
          masks.reduce((sum, mask) => sum + mask, 0),
          masks.reduce((sum, mask) => sum | mask, 0),
          'two overlap',
        );
        const media = [...(fleet.get(id)?.holdings.map((held) => held.slot) ?? []), ...here].filter(
          ({ profile }) => profile.endsWith('+me'),
        );
        assert.ok(media.length <= 1, 'two instances with media extensions');
      }
    }),
    options,
  );
});

/** Every way to lay out these profiles on a board, by plain enumeration of all starts. */
function canBeLaidOut(profiles: readonly Profile[]): boolean {
  if (profiles.filter(({ mediaExtensions }) => mediaExtensions).length > 1) return false;
  let masks = [0];
  for (const { starts, memorySlices } of profiles) {
    const bits = starts.map((start) => slotMask({ start, size: memorySlices }));
    masks = [
      ...new Set(masks.flatMap((mask) => bits.filter((bit) => (mask & bit) === 0).map((bit) => mask | bit))),
    ];
  }
  return masks.length > 0;
}

t('fitsWithMoves says yes exactly when some layout of all held and promised instances leaves room', () => {
  let fragmented = 0;
  void fc.assert(
    fc.property(anyFleet, anyShape, anyShape, (fleet, shape, other) => {
      const promised = place(fleet, other) ?? [];
      for (const reserved of [[], promised]) {
        const fitting = [...fleet.values()].filter(({ id, board, machine, holdings }) => {
          const wanted = profileOf(board, shape.profile);
          const here = [...holdings.map(({ slot }) => slot), ...reserved.filter((slot) => slot.gpu === id)];
          const held = here.map(({ profile }) => profileOf(board, profile) as Profile);
          return machine.state === 'serving' && wanted && canBeLaidOut([wanted, ...held]);
        });
        assert.is(fitsWithMoves(fleet, shape, reserved), fitting.length >= shape.gpus);
        if (fitsWithMoves(fleet, shape, reserved) && !place(fleet, shape, reserved)) fragmented += 1;
        if (place(fleet, shape, reserved)) assert.ok(fitsWithMoves(fleet, shape, reserved));
      }
    }),
    options,
  );
  assert.ok(fragmented > 5, `only ${fragmented} fragmented fleets`);
});

t('a GPU has at most one instance with media extensions, wherever there is room', () => {
  const fleet = fleetOf(gpu('gpu-0', 'H100-80GB', [slotOf('gpu-0', 'H100-80GB', '1g.10gb+me', 0)]));
  assert.is(place(fleet, { profile: '1g.10gb+me', gpus: 1 }), null);
  assert.not(isFree(fleet, [slotOf('gpu-0', 'H100-80GB', '1g.10gb+me', 3)]));
  assert.not(fitsWithMoves(fleet, { profile: '1g.10gb+me', gpus: 1 }));
  assert.equal(place(fleet, { profile: '1g.10gb', gpus: 1 }), [slotOf('gpu-0', 'H100-80GB', '1g.10gb', 1)]);
});

t('first fit: fleet order, then the lowest legal start', () => {
  const board = 'H100-80GB';
  const fleet = fleetOf(gpu('b', board, [slotOf('b', board, '1g.10gb', 0)]), gpu('a', board));
  assert.equal(place(fleet, { profile: '3g.40gb', gpus: 2 }), [
    slotOf('b', board, '3g.40gb', 4),
    slotOf('a', board, '3g.40gb', 0),
  ]);
});

t('draining and drained GPUs take nothing and promise nothing', () => {
  for (const state of ['draining', 'drained'] as const) {
    const fleet = fleetOf(gpu('gpu-0', 'H100-80GB', [], state));
    const shape = { profile: '1g.10gb', gpus: 1 };
    assert.equal(
      [place(fleet, shape), couldEverFit(fleet, shape), fitsWithMoves(fleet, shape)],
      [null, false, false],
    );
    assert.not(isFree(fleet, [slotOf('gpu-0', 'H100-80GB', '1g.10gb', 0)]));
  }
});

t('isFree refuses what the tables do not know: size, start, profile, GPU, the same GPU twice', () => {
  const fleet = fleetOf(gpu('gpu-0', 'H100-80GB'), gpu('gpu-1', 'H100-80GB'));
  const good = slotOf('gpu-0', 'H100-80GB', '2g.20gb', 2);
  assert.ok(isFree(fleet, [good]));
  for (const wrong of [{ size: 1 }, { start: 1 }, { start: 6 }, { profile: '9g.90gb' }, { gpu: 'gpu-7' }]) {
    assert.not(isFree(fleet, [{ ...good, ...wrong }]), JSON.stringify(wrong));
  }
  assert.not(isFree(fleet, [good, { ...good, start: 4 }]));
});

t(
  'the size of a profile is the smallest that the fleet could give, for boards may cut one name differently',
  () => {
    // 1g.10gb is two slices of an A100-40GB and one of an A100-80GB.
    const mixed = fleetOf(gpu('a', 'A100-40GB'), gpu('b', 'A100-80GB'));
    assert.is(sizeIn(mixed, '1g.10gb'), 1);
    assert.is(sizeIn(fleetOf(gpu('a', 'A100-40GB')), '1g.10gb'), 2);
    assert.is(sizeIn(mixed, '9g.90gb'), null);
  },
);

t.run();
