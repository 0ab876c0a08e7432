/** The tables of MIG geometry: counted by brute force, they give the numbers that NVIDIA's own tables give. */
import * as assert from 'uvu/assert';
import { type Board, boards, type Profile, profileOf } from '../../src/slots/boards.ts';
import { slotMask } from '../../src/slots/fleet.ts';
import { suite } from '../suite.ts';

const t = suite('boards');

/** Layouts of a board to which nothing can be added, as sets of (profile, start), from these profiles. */
function maximalLayouts(board: Board, profiles: readonly Profile[]): Set<string> {
  const places = profiles.flatMap((profile) => profile.starts.map((start) => ({ profile, start })));
  const isFree = (mask: number, media: boolean, { profile, start }: (typeof places)[number]): boolean =>
    (mask & slotMask({ start, size: profile.memorySlices })) === 0 && !(media && profile.mediaExtensions);
  const found = new Set<string>();
  const extend = (
    from: number,
    mask: number,
    media: boolean,
    compute: number,
    chosen: readonly string[],
  ): void => {
    const fits = (place: (typeof places)[number]): boolean =>
      isFree(mask, media, place) && compute + place.profile.computeSlices <= board.computeSlices;
    if (!places.some(fits)) found.add([...chosen].sort().join(' '));
    for (let i = from; i < places.length; i += 1) {
      const place = places[i];
      if (!place || !fits(place)) continue;
      const { profile, start } = place;
      const bits = slotMask({ start, size: profile.memorySlices });
      extend(i + 1, mask | bits, media || profile.mediaExtensions, compute + profile.computeSlices, [
        ...chosen,
        `${profile.name}@${start}`,
      ]);
    }
  };
  extend(0, 0, false, 0, []);
  return found;
}

const isDouble = ({ computeSlices, memorySlices }: Profile): boolean =>
  computeSlices === 1 && memorySlices === 2;
const sevenSlices = Object.values(boards).filter(({ computeSlices }) => computeSlices === 7);

t(
  'a board of seven slices has 19 maximal layouts, 78 with the double-memory profile, 239 with media extensions',
  () => {
    assert.is(sevenSlices.length, 7);
    for (const board of sevenSlices) {
      const base = board.profiles.filter((profile) => !isDouble(profile) && !profile.mediaExtensions);
      const double = board.profiles.filter((profile) => !profile.mediaExtensions);
      const counts = [base, double, board.profiles].map((profiles) => maximalLayouts(board, profiles).size);
      assert.equal(counts, [19, 78, 239], board.name);
    }
  },
);

t('an A30 has 5 maximal layouts, 17 with media extensions', () => {
  const board = boards['A30-24GB'] ?? assert.unreachable('no A30');
  const base = (board as Board).profiles.filter(({ mediaExtensions }) => !mediaExtensions);
  assert.is(maximalLayouts(board as Board, base).size, 5);
  assert.is(maximalLayouts(board as Board, (board as Board).profiles).size, 17);
});

t('no layout that fits in memory slices takes more compute slices than the board has', () => {
  for (const board of Object.values(boards)) {
    const unlimited = { ...board, computeSlices: 99 };
    assert.equal(
      [...maximalLayouts(board, board.profiles)],
      [...maximalLayouts(unlimited, board.profiles)],
      board.name,
    );
  }
});

t('every profile lies on its board at every start, ascending, and its name says its compute slices', () => {
  for (const board of Object.values(boards)) {
    for (const { name, computeSlices, memorySlices, memoryMiB, starts, mediaExtensions } of board.profiles) {
      assert.is(Number.parseInt(name, 10), computeSlices, `${board.name} ${name}`);
      assert.is(mediaExtensions, name.endsWith('+me'));
      assert.ok(
        starts.every(
          (start, i) => start + memorySlices <= board.memorySlices && start > (starts[i - 1] ?? -1),
        ),
        name,
      );
      const shareMiB = (board.memoryGB * 1024 * memorySlices) / board.memorySlices;
      assert.ok(
        memoryMiB > 0.8 * shareMiB && memoryMiB < 1.1 * shareMiB,
        `${board.name} ${name}: ${memoryMiB} MiB`,
      );
    }
    assert.is(new Set(board.profiles.map(({ name }) => name)).size, board.profiles.length);
  }
});

t('a profile is found by board and name, and a board that is not there has none', () => {
  assert.is(profileOf('H100-80GB', '3g.40gb')?.memorySlices, 4);
  assert.is(profileOf('H100-80GB', '3g.20gb'), null);
  assert.is(profileOf('V100', '1g.10gb'), null);
});

t.run();
