/**
 * The fleet as one reader may see it: every GPU, what is held on it, and where each profile could begin now.
 *
 * Why a foreign holder is `busy`: where capacity went is everybody's business, whose job took it is not.
 * Test: `test/views/slots-view.test.ts`.
 */
import { z } from 'zod';
import { boards } from '../slots/boards.ts';
import { type Fleet, type Gpu, maskOf, slotMask } from '../slots/fleet.ts';
import type { Reader } from './log-view.ts';

const count = z.number().int();

export const gpuViewSchema = z.strictObject({
  board: z.string(),
  /** `simulated`: no hardware behind it. `advisory`: hardware that does not stop a guest. `enforced`: it does. */
  enforcement: z.enum(['simulated', 'advisory', 'enforced']),
  /** What could be placed now, were it alone: profiles with their free legal starts. */
  free: z.array(z.strictObject({ profile: z.string(), starts: z.array(count) })),
  gpu: z.string(),
  held: z.array(
    z.strictObject({
      /** The job, for its tenant and the admin; else `busy`. */
      holder: z.union([
        z.literal('busy'),
        z.strictObject({ fence: count, job: z.string(), tenant: z.string() }),
      ]),
      profile: z.string(),
      size: count,
      start: count,
    }),
  ),
  /** Memory slices of the board, and how many are held. */
  slices: count,
  slicesHeld: count,
  state: z.enum(['serving', 'draining', 'drained']),
});
export type GpuView = z.infer<typeof gpuViewSchema>;

export const slotsViewSchema = z.strictObject({ asOfSeq: count, gpus: z.array(gpuViewSchema) });

/** All GPUs in the order in which they were added. */
export const slotsView = (
  fleet: Fleet,
  reader: Reader,
  asOfSeq: number,
): z.infer<typeof slotsViewSchema> => ({
  asOfSeq,
  gpus: [...fleet.values()].map((gpu) => gpuView(gpu, reader)),
});

/** One GPU. */
export function gpuView(gpu: Gpu, { tenant: own, admin }: Reader): GpuView {
  const held = gpu.holdings.map(({ slot: { profile, size, start }, job, tenant, fence }) => ({
    holder: admin || tenant === own ? { fence, job, tenant } : ('busy' as const),
    profile,
    size,
    start,
  }));
  return {
    board: gpu.board,
    enforcement: gpu.enforcement as GpuView['enforcement'],
    free: gpu.machine.state === 'serving' ? freeOn(gpu) : [],
    gpu: gpu.id,
    held: held.sort((a, b) => a.start - b.start),
    slices: boards[gpu.board]?.memorySlices ?? 0,
    slicesHeld: held.reduce((sum, { size }) => sum + size, 0),
    state: gpu.machine.state as GpuView['state'],
  };
}

function freeOn(gpu: Gpu): GpuView['free'] {
  const mask = maskOf(gpu);
  const hasMedia = gpu.holdings.some(({ slot }) => slot.profile.endsWith('+me'));
  return (boards[gpu.board]?.profiles ?? []).flatMap(({ name, memorySlices, starts, mediaExtensions }) => {
    if (mediaExtensions && hasMedia) return [];
    const free = starts.filter((start) => (mask & slotMask({ start, size: memorySlices })) === 0);
    return free.length > 0 ? [{ profile: name, starts: free }] : [];
  });
}
