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

/** Starts of the seven-slice boards: A100 to GB300 are cut alike. */
const each = [0, 1, 2, 3, 4, 5, 6];
const even = [0, 2, 4, 6];
const pairs = [0, 2, 4];
const halves = [0, 4];
const whole = [0];

export const boards: Readonly<Record<string, Board>> = Object.fromEntries(
  [
    board('A100-40GB', 7, 8, 40, [
      ['1g.5gb', 1, 1, 4864, each],
      ['1g.5gb+me', 1, 1, 4864, each],
      ['1g.10gb', 1, 2, 9856, even],
      ['2g.10gb', 2, 2, 9856, pairs],
      ['3g.20gb', 3, 4, 19968, halves],
      ['4g.20gb', 4, 4, 19968, whole],
      ['7g.40gb', 7, 8, 40192, whole],
    ]),
    board('A100-80GB', 7, 8, 80, [
      ['1g.10gb', 1, 1, 9856, each],
      ['1g.10gb+me', 1, 1, 9856, each],
      ['1g.20gb', 1, 2, 19968, even],
      ['2g.20gb', 2, 2, 19968, pairs],
      ['3g.40gb', 3, 4, 40192, halves],
      ['4g.40gb', 4, 4, 40192, whole],
      ['7g.80gb', 7, 8, 80384, whole],
    ]),
    board('H100-80GB', 7, 8, 80, [
      ['1g.10gb', 1, 1, 9984, each],
      ['1g.10gb+me', 1, 1, 9984, each],
      ['1g.20gb', 1, 2, 20096, even],
      ['2g.20gb', 2, 2, 20096, pairs],
      ['3g.40gb', 3, 4, 40448, halves],
      ['4g.40gb', 4, 4, 40448, whole],
      ['7g.80gb', 7, 8, 81152, whole],
    ]),
    board('H200-141GB', 7, 8, 141, [
      ['1g.18gb', 1, 1, 18432, each],
      ['1g.18gb+me', 1, 1, 18432, each],
      ['1g.35gb', 1, 2, 35840, even],
      ['2g.35gb', 2, 2, 35840, pairs],
      ['3g.71gb', 3, 4, 72704, halves],
      ['4g.71gb', 4, 4, 72704, whole],
      ['7g.141gb', 7, 8, 144384, whole],
    ]),
    board('B200-180GB', 7, 8, 180, [
      ['1g.23gb', 1, 1, 23040, each],
      ['1g.23gb+me', 1, 1, 23040, each],
      ['1g.45gb', 1, 2, 46080, even],
      ['2g.45gb', 2, 2, 46080, pairs],
      ['3g.90gb', 3, 4, 92160, halves],
      ['4g.90gb', 4, 4, 92160, whole],
      ['7g.180gb', 7, 8, 184320, whole],
    ]),
    board('GB200-186GB', 7, 8, 186, [
      ['1g.23gb', 1, 1, 23808, each],
      ['1g.23gb+me', 1, 1, 23808, each],
      ['1g.47gb', 1, 2, 47616, even],
      ['2g.47gb', 2, 2, 47616, pairs],
      ['3g.93gb', 3, 4, 95232, halves],
      ['4g.93gb', 4, 4, 95232, whole],
      ['7g.186gb', 7, 8, 190464, whole],
    ]),
    board('GB300-278GB', 7, 8, 278, [
      ['1g.35gb', 1, 1, 35584, each],
      ['1g.35gb+me', 1, 1, 35584, each],
      ['1g.70gb', 1, 2, 71168, even],
      ['2g.70gb', 2, 2, 71168, pairs],
      ['3g.139gb', 3, 4, 142336, halves],
      ['4g.139gb', 4, 4, 142336, whole],
      ['7g.278gb', 7, 8, 284672, whole],
    ]),
    board('A30-24GB', 4, 4, 24, [
      ['1g.6gb', 1, 1, 5836, [0, 1, 2, 3]],
      ['1g.6gb+me', 1, 1, 5836, [0, 1, 2, 3]],
      ['2g.12gb', 2, 2, 11672, [0, 2]],
      ['2g.12gb+me', 2, 2, 11672, [0, 2]],
      ['4g.24gb', 4, 4, 23344, whole],
    ]),
  ].map((entry) => [entry.name, entry]),
);

/** The profile of this name on this board, if the board has it. */
export function profileOf(boardName: string, profile: string): Profile | null {
  return boards[boardName]?.profiles.find(({ name }) => name === profile) ?? null;
}
