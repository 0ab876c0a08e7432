/**
 * The fleet as it is drawn: what lies where on each GPU, how much room there is, and for what.
 *
 * Why "free" alone says little: a slice that no profile can begin on, or that lies alone, is free and of no use. So every number
 * here is asked of placement itself. Test: `test/dashboard/fleet-shape.test.ts`.
 */
import { Fragmentation, slotsByProfile } from '../observe/gauges.ts';
import { boards } from '../slots/boards.ts';
import { type Fleet, type Gpu, type Holding, slicesOf } from '../slots/fleet.ts';
import { couldEverFit } from '../slots/placement.ts';
import type { Views } from '../views/views.ts';

/** A run of memory slices: held by one job, or one free slice. */
export interface Block {
  readonly start: number;
  readonly size: number;
  readonly holding: Holding | null;
}

/** All slices of a GPU from the first to the last. */
export function blocksOf({ board, holdings }: Gpu): readonly Block[] {
  const slices = boards[board]?.memorySlices ?? 0;
  const blocks: Block[] = [];
  for (let start = 0; start < slices; ) {
    const holding = holdings.find(({ slot }) => slot.start === start) ?? null;
    const size = holding?.slot.size ?? 1;
    blocks.push({ start, size, holding });
    start += size;
  }
  return blocks;
}

/** How often a profile fits now, and how much of what is free can't serve it. */
export interface Fit {
  readonly profile: string;
  readonly count: number;
  /** Share of the free slices that no slot of this profile could take, 0 to 1; 0 when nothing is free. */
  readonly unusable: number;
}

export interface Room {
  /** Memory slices of GPUs in service, and how many of them are free. */
  readonly slices: number;
  readonly free: number;
  /** The profile with the most slices that fits now, media extensions aside; null: none. */
  readonly largest: string | null;
  readonly fits: readonly Fit[];
  /** As `berth_fragmentation_ratio`: how much larger the largest slots could be if held ones could be moved. */
  readonly fragmentation: number;
}

// Layouts come again and again, and what fits beside one never changes.
const fragmentation = new Fragmentation();

/** Room on these GPUs, profiles from the smallest to the largest. O(GPUs × profiles). */
export function roomOf(fleet: Fleet): Room {
  let slices = 0;
  let free = 0;
  const fits = new Map<string, { count: number; usable: number; size: number }>();
  for (const gpu of fleet.values()) {
    const board = boards[gpu.board];
    if (gpu.machine.state !== 'serving' || !board) continue;
    slices += board.memorySlices;
    free += board.memorySlices - slicesOf(gpu.holdings.map(({ slot }) => slot));
    const slots = slotsByProfile(new Map([[gpu.id, gpu]]));
    for (const { name, memorySlices: size } of board.profiles) {
      const count = slots.get(`${name} free`) ?? 0;
      const fit = fits.get(name) ?? { count: 0, usable: 0, size };
      fits.set(name, {
        count: fit.count + count,
        usable: fit.usable + count * size,
        size: Math.max(fit.size, size),
      });
    }
  }
  const bySize = [...fits].sort(([, a], [, b]) => a.size - b.size);
  return {
    slices,
    free,
    largest: bySize.findLast(([name, { count }]) => count > 0 && !name.endsWith('+me'))?.[0] ?? null,
    fits: bySize.map(([profile, { count, usable }]) => ({
      profile,
      count,
      unusable: free === 0 ? 0 : 1 - usable / free,
    })),
    fragmentation: fragmentation.ratio(fleet),
  };
}

/** Room on one GPU alone. */
export const roomOn = (gpu: Gpu): Room => roomOf(new Map([[gpu.id, gpu]]));

/** What would follow if this GPU were taken out of service. */
export interface DrainPlan {
  /** Jobs that hold a slot on it and run to their end. */
  readonly jobs: number;
  /** Queued jobs that no GPU could hold any more. */
  readonly stranded: number;
  /** GPUs that would still be in service. */
  readonly others: number;
}

export function drainPlan({ state, scheduler }: Pick<Views, 'state' | 'scheduler'>, id: string): DrainPlan {
  const rest: Fleet = new Map([...state.fleet].filter(([other]) => other !== id));
  let stranded = 0;
  for (const { shape, jobs } of scheduler.sight.queue.classes())
    if (couldEverFit(state.fleet, shape) && !couldEverFit(rest, shape)) stranded += jobs.length;
  return {
    jobs: new Set(state.fleet.get(id)?.holdings.map(({ job }) => job)).size,
    stranded,
    others: [...rest.values()].filter(({ machine }) => machine.state === 'serving').length,
  };
}

/** The plan in a sentence, to be read before saying yes. */
export function drainWords(id: string, { jobs, stranded, others }: DrainPlan): string {
  const runs =
    jobs === 0
      ? 'Nothing runs on it'
      : `${jobs} job${jobs === 1 ? ' runs on it to its' : 's run on it to their'} end`;
  const left =
    others === 0
      ? 'no GPU is left in service'
      : `${others} GPU${others === 1 ? ' stays' : 's stay'} in service`;
  const waits =
    stranded === 0
      ? ''
      : ` ${stranded} queued job${stranded === 1 ? '' : 's'} would fit on no other GPU and wait.`;
  return `Drain ${id}? ${runs}; nothing new is placed; ${left}.${waits}`;
}
