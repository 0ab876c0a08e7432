/**
 * Where a slot goes: first fit over the fleet in its order, lowest legal start first.
 *
 * Why pure and shared: the scheduler asks "would it fit?" and the slot manager "where?"; if they asked
 * different code, a job could be selected and refused for ever. The placement policy is one function,
 * so others (best fit, least fragmentation) are one more file.
 * Cost: O(GPUs × starts). Test: `test/slots/placement.test.ts`.
 */
import type { Slot } from '../events/facts.ts';
import { boards, type Profile, profileOf } from './boards.ts';
import { type Fleet, type Gpu, maskOf, slotMask } from './fleet.ts';

/** What a job wants: `gpus` instances of one profile, each on a GPU of its own. */
export interface Shape {
  readonly profile: string;
  readonly gpus: number;
}

export const placementName = 'first-fit/1';

/**
 * Chooses slots for `shape`, or says why not.
 * @param reserved  slots promised but not yet in the fleet's fold: they count as taken
 */
export function place(fleet: Fleet, shape: Shape, reserved: readonly Slot[] = []): readonly Slot[] | null {
  const slots: Slot[] = [];
  for (const gpu of fleet.values()) {
    if (slots.length === shape.gpus) break;
    if (gpu.machine.state !== 'serving') continue;
    const start = startOn(gpu, shape.profile, reserved);
    const profile = profileOf(gpu.board, shape.profile);
    if (start !== null && profile)
      slots.push({ gpu: gpu.id, profile: profile.name, size: profile.memorySlices, start });
  }
  return slots.length === shape.gpus ? slots : null;
}

/** Lowest legal start of `profile` on this GPU, or null. */
function startOn(gpu: Gpu, profileName: string, reserved: readonly Slot[]): number | null {
  const profile = profileOf(gpu.board, profileName);
  if (!profile) return null;
  const here = reserved.filter((slot) => slot.gpu === gpu.id);
  const mask = here.reduce((sum, slot) => sum | slotMask(slot), maskOf(gpu));
  if (profile.mediaExtensions && [...gpu.holdings.map((held) => held.slot), ...here].some(hasMediaExtensions))
    return null;
  return (
    profile.starts.find((start) => (mask & slotMask({ start, size: profile.memorySlices })) === 0) ?? null
  );
}

const hasMediaExtensions = (slot: Slot): boolean => slot.profile.endsWith('+me');

/** Are these slots legal and free right now? What the log's writer asks just before it appends `reserved`. */
export function isFree(fleet: Fleet, slots: readonly Slot[]): boolean {
  const gpus = new Set(slots.map(({ gpu }) => gpu));
  if (gpus.size !== slots.length) return false;
  return slots.every((slot) => {
    const gpu = fleet.get(slot.gpu);
    const profile = gpu && profileOf(gpu.board, slot.profile);
    if (
      gpu?.machine.state !== 'serving' ||
      profile?.memorySlices !== slot.size ||
      !profile.starts.includes(slot.start)
    )
      return false;
    if (profile.mediaExtensions && gpu.holdings.some((held) => hasMediaExtensions(held.slot))) return false;
    return (maskOf(gpu) & slotMask(slot)) === 0;
  });
}

/**
 * The fewest memory slices that one instance of this profile takes on any board of the fleet; null when none has it.
 * Boards cut one name differently: `1g.10gb` is two slices of an A100-40GB and one of an A100-80GB.
 */
export function sizeIn(fleet: Fleet, profileName: string): number | null {
  let least: number | null = null;
  for (const gpu of fleet.values()) {
    const size = profileOf(gpu.board, profileName)?.memorySlices;
    if (size !== undefined && (least === null || size < least)) least = size;
  }
  return least;
}

/** Could an empty fleet hold `shape`? Drained GPUs don't count, for they may never return. */
export function couldEverFit(fleet: Fleet, shape: Shape): boolean {
  let fitting = 0;
  for (const gpu of fleet.values()) {
    if (gpu.machine.state === 'serving' && profileOf(gpu.board, shape.profile)) fitting += 1;
  }
  return fitting >= shape.gpus;
}

/**
 * Would `shape` fit if the slots held now could be moved about? Then the fleet is fragmented, not full.
 * @param reserved  slots promised but not yet in the fleet's fold: they are moved about with the rest
 */
export function fitsWithMoves(fleet: Fleet, shape: Shape, reserved: readonly Slot[] = []): boolean {
  let fitting = 0;
  for (const gpu of fleet.values()) {
    if (gpu.machine.state !== 'serving') continue;
    const profile = profileOf(gpu.board, shape.profile);
    if (profile && packs(gpu, profile, reserved)) fitting += 1;
  }
  return fitting >= shape.gpus;
}

/** Can what this GPU holds be laid out anew beside one more `profile`? Tries all; at most seven instances. */
function packs(gpu: Gpu, extra: Profile, reserved: readonly Slot[]): boolean {
  const slots = [...gpu.holdings.map(({ slot }) => slot), ...reserved.filter((slot) => slot.gpu === gpu.id)];
  const held = slots.map((slot) => profileOf(gpu.board, slot.profile)).filter((found) => found !== null);
  const all = [extra, ...held].sort((a, b) => b.memorySlices - a.memorySlices);
  if (all.filter((profile) => profile.mediaExtensions).length > 1) return false;
  const slices = boards[gpu.board]?.memorySlices ?? 0;
  if (all.reduce((sum, profile) => sum + profile.memorySlices, 0) > slices) return false;
  const fit = (index: number, mask: number): boolean => {
    const profile = all[index];
    if (!profile) return true;
    return profile.starts.some((start) => {
      const bits = slotMask({ start, size: profile.memorySlices });
      return (mask & bits) === 0 && fit(index + 1, mask | bits);
    });
  };
  return fit(0, 0);
}
