/**
 * Gauges: what holds at this moment, computed from the views when someone scrapes and never before.
 *
 * Why not kept up to date: a gauge that is raised here and lowered there drifts the day one of the two is
 * forgotten. Asked of the same folds that decide, it can't say "free" about a slot that is held.
 * Test: `test/observe/gauges.test.ts`.
 */
import { classReasons, type ReasonCode } from '../scheduler/explain.ts';
import { boards } from '../slots/boards.ts';
import { type Fleet, type Gpu, maskOf, slotMask } from '../slots/fleet.ts';
import { fitsWithMoves, place } from '../slots/placement.ts';
import type { Views } from '../views/views.ts';
import type { Counts } from './tally.ts';

/** Tenants that get a time series of their own; all further ones share `other`. A series costs Prometheus memory for weeks. */
export const tenantLabelsMax = 50;
/** Job classes whose reasons are computed for one scrape; jobs of further ones count as NotEvaluated. */
const classesMax = 256;
/** Layouts whose fragmentation is remembered; a board has far fewer. */
const layoutsMax = 4_096;

/**
 * Waiting jobs by tenant, in the order in which tenants were registered: who has a series of its own
 * keeps it, whatever the queue does.
 */
export function depthByTenant({ state }: Views): Counts {
  const depths: Counts = new Map();
  for (const name of state.tenants.keys()) {
    const waiting = state.waiting.byTenant.get(name) ?? 0;
    if (depths.size < tenantLabelsMax) depths.set(name, waiting);
    else depths.set('other', (depths.get('other') ?? 0) + waiting);
  }
  return depths;
}

/**
 * Waiting jobs by reason. Each job counts once, under the first reason that holds for its class, so the
 * reasons add up to the queue's depth. A class that nothing holds back has its head looked at next
 * (NotEvaluated) and the rest behind it (AheadInQueue).
 */
export function pendingByReason({ scheduler }: Views, jobs: Counts, logWritable = true): Counts {
  const inState = (state: string): number => jobs.get(state) ?? 0;
  const pending: Record<ReasonCode, number> = {
    NeverFits: 0,
    NotBefore: inState('backoff'),
    QuotaExceeded: 0,
    TenantLimit: 0,
    AheadInQueue: 0,
    FairShareDeficit: 0,
    NoFreeSlice: 0,
    Fragmented: 0,
    NoExecutor: 0,
    Draining: 0,
    LogUnavailable: 0,
    NotEvaluated: inState('attesting') + inState('reserving'),
  };
  const { sight } = scheduler;
  let classes = 0;
  for (const { tenant, shape, jobs: waiting } of sight.queue.classes()) {
    classes += 1;
    if (classes > classesMax) {
      pending.NotEvaluated += waiting.length;
      continue;
    }
    const [first] = classReasons(sight, tenant, shape);
    if (first) pending[first.code] += waiting.length;
    else {
      // The head of a class that nothing holds back is looked at next, if anything can be written at all.
      if (logWritable) pending.NotEvaluated += 1;
      else pending.LogUnavailable += 1;
      pending.AheadInQueue += waiting.length - 1;
    }
  }
  return new Map(Object.entries(pending));
}

/**
 * Slots by profile and state. `held`; `draining`: held on a GPU that takes nothing new; `free`: how many of
 * this profile alone would fit now. The free ones of different profiles overlap: don't add them up.
 */
export function slotsByProfile(fleet: Fleet): Counts {
  const slots: Counts = new Map();
  const add = (profile: string, state: string, by: number): void => {
    const key = `${profile} ${state}`;
    slots.set(key, (slots.get(key) ?? 0) + by);
  };
  for (const gpu of fleet.values()) {
    const serving = gpu.machine.state === 'serving';
    for (const { name } of boards[gpu.board]?.profiles ?? []) {
      const held = gpu.holdings.filter(({ slot }) => slot.profile === name).length;
      add(name, 'held', serving ? held : 0);
      add(name, 'draining', serving ? 0 : held);
      add(name, 'free', serving ? freeOn(gpu, name) : 0);
    }
  }
  return slots;
}

/** Starts of one profile are as far apart as it is long, so counting the free ones is exact. */
function freeOn(gpu: Gpu, name: string): number {
  const profile = boards[gpu.board]?.profiles.find((each) => each.name === name);
  if (!profile) return 0;
  const mask = maskOf(gpu);
  const free = profile.starts.filter(
    (start) => (mask & slotMask({ start, size: profile.memorySlices })) === 0,
  ).length;
  if (!profile.mediaExtensions) return free;
  return gpu.holdings.some(({ slot }) => slot.profile.endsWith('+me')) ? 0 : Math.min(1, free);
}

/**
 * How much larger the largest placeable slot could be if held slots could be moved: 0 when moving would
 * gain nothing, 0.75 when 4-slice slots would fit but only 1-slice ones do. Over serving GPUs, by memory slices.
 *
 * Why not "free slices not in one piece": MIG has legal starts, so three free slices side by side may hold
 * nothing of size 2. This asks placement itself what fits.
 */
export class Fragmentation {
  readonly #layouts = new Map<string, { readonly now: number; readonly moved: number }>();

  ratio(fleet: Fleet): number {
    let now = 0;
    let moved = 0;
    for (const gpu of fleet.values()) {
      if (gpu.machine.state !== 'serving') continue;
      const largest = this.#largest(gpu);
      now += largest.now;
      moved += largest.moved;
    }
    return moved === 0 ? 0 : 1 - now / moved;
  }

  #largest(gpu: Gpu): { readonly now: number; readonly moved: number } {
    const held = gpu.holdings.map(({ slot }) => `${slot.profile}@${slot.start}`).sort();
    const key = `${gpu.board} ${held.join(' ')}`;
    const known = this.#layouts.get(key);
    if (known) return known;
    const alone: Fleet = new Map([[gpu.id, gpu]]);
    const found = { now: 0, moved: 0 };
    for (const { name, memorySlices } of boards[gpu.board]?.profiles ?? []) {
      const shape = { profile: name, gpus: 1 };
      if (place(alone, shape)) found.now = Math.max(found.now, memorySlices);
      if (fitsWithMoves(alone, shape)) found.moved = Math.max(found.moved, memorySlices);
    }
    if (this.#layouts.size >= layoutsMax) this.#layouts.clear();
    this.#layouts.set(key, found);
    return found;
  }
}
