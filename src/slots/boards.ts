/**
 * The boards: which slices a GPU can be cut into, and where each may begin.
 *
 * A MIG profile is a rectangle of hardware: `memorySlices` of the board's memory from a legal start on.
 * Two instances never overlap, and at most one instance a board has the media extensions (`+me`).
 *
 * Source: NVIDIA MIG User Guide (supported profiles and placements), `nvidia-smi mig -lgipp` listings,
 * NVIDIA mig-parted and go-nvml (Apache-2.0). Memory sizes of H200, B200, GB200 and GB300 are nominal.
 * Beware when comparing: go-nvml's mock boards give wrong placements for H100, H200 and B200.
 * Test: `test/slots/boards.test.ts` counts all maximal layouts against NVIDIA's own number, 19.
 */
export interface Profile {
  /** As `nvidia-smi` prints it: compute slices, then memory. */
  readonly name: string;
  readonly computeSlices: number;
  readonly memorySlices: number;
  readonly memoryMiB: number;
  /** Legal first memory slices, ascending. */
  readonly starts: readonly number[];
  readonly mediaExtensions: boolean;
}

export interface Board {
  readonly name: string;
  readonly computeSlices: number;
  readonly memorySlices: number;
  readonly memoryGB: number;
  readonly profiles: readonly Profile[];
}

/** name, compute slices, memory slices, MiB, starts */
type Row = readonly [string, number, number, number, readonly number[]];

function board(
  name: string,
  computeSlices: number,
  memorySlices: number,
  memoryGB: number,
  rows: readonly Row[],
): Board {
  const profiles = rows.map(([profile, compute, memory, memoryMiB, starts]) => ({
    name: profile,
    computeSlices: compute,
    memorySlices: memory,
    memoryMiB,
    starts,
    mediaExtensions: profile.endsWith('+me'),
  }));
  return { name, computeSlices, memorySlices, memoryGB, profiles };
}

/** Memory of a seven-slice board in one, two, four and all eight slices: as profile names say it (GB), and in MiB. */
interface SliceMemory {
  readonly gb: readonly [number, number, number, number];
  readonly mib: readonly [number, number, number, number];
}

/**
 * A board of seven compute and eight memory slices. From A100 to GB300 all are cut alike; only the memory
 * that a slice stands for differs.
 */
function sevenSlices(name: string, { gb, mib }: SliceMemory): Board {
  const [one, two, four, eight] = gb;
  return board(name, 7, 8, eight, [
    [`1g.${one}gb`, 1, 1, mib[0], [0, 1, 2, 3, 4, 5, 6]],
    [`1g.${one}gb+me`, 1, 1, mib[0], [0, 1, 2, 3, 4, 5, 6]],
    [`1g.${two}gb`, 1, 2, mib[1], [0, 2, 4, 6]],
    [`2g.${two}gb`, 2, 2, mib[1], [0, 2, 4]],
    [`3g.${four}gb`, 3, 4, mib[2], [0, 4]],
    [`4g.${four}gb`, 4, 4, mib[2], [0]],
    [`7g.${eight}gb`, 7, 8, mib[3], [0]],
  ]);
}

export const boards: Readonly<Record<string, Board>> = Object.fromEntries(
  [
    sevenSlices('A100-40GB', { gb: [5, 10, 20, 40], mib: [4864, 9856, 19968, 40192] }),
    sevenSlices('A100-80GB', { gb: [10, 20, 40, 80], mib: [9856, 19968, 40192, 80384] }),
    sevenSlices('H100-80GB', { gb: [10, 20, 40, 80], mib: [9984, 20096, 40448, 81152] }),
    sevenSlices('H200-141GB', { gb: [18, 35, 71, 141], mib: [18432, 35840, 72704, 144384] }),
    sevenSlices('B200-180GB', { gb: [23, 45, 90, 180], mib: [23040, 46080, 92160, 184320] }),
    sevenSlices('GB200-186GB', { gb: [23, 47, 93, 186], mib: [23808, 47616, 95232, 190464] }),
    sevenSlices('GB300-278GB', { gb: [35, 70, 139, 278], mib: [35584, 71168, 142336, 284672] }),
    board('A30-24GB', 4, 4, 24, [
      ['1g.6gb', 1, 1, 5836, [0, 1, 2, 3]],
      ['1g.6gb+me', 1, 1, 5836, [0, 1, 2, 3]],
      ['2g.12gb', 2, 2, 11672, [0, 2]],
      ['2g.12gb+me', 2, 2, 11672, [0, 2]],
      ['4g.24gb', 4, 4, 23344, [0]],
    ]),
  ].map((entry) => [entry.name, entry]),
);

/** The profile of this name on this board, if the board has it. */
export function profileOf(boardName: string, profile: string): Profile | null {
  return boards[boardName]?.profiles.find(({ name }) => name === profile) ?? null;
}
