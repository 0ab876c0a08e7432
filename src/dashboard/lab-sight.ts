/**
 * What a scenario has to know of this controller before it begins: which slots there are, and what can be crowded.
 *
 * Why worked out and not fixed: the Lab meets a server with one small GPU, and one with twelve large ones. A failure that can
 * only be shown on the author's fleet is an anecdote. Test: `test/dashboard/lab-sight.test.ts`.
 */
import type { TenantTerms } from '../events/facts.ts';
import type { State } from '../jobs/state.ts';
import { boards, type Profile } from '../slots/boards.ts';

/** The most GPUs that one job may ask for. */
const gpusMax = 8;

export interface LabSight {
  /** The smallest slot of the fleet. */
  readonly small: string;
  /** Memory slices that it takes. */
  readonly smallSlices: number;
  /** A slot that takes a GPU whole. */
  readonly whole: string;
  /** So many whole GPUs does one job want at most; they are never all free while `held` of them are not. */
  readonly crowd: number;
  readonly held: number;
  /** GPUs that have `whole`, in the fleet's order. */
  readonly gpus: readonly string[];
  readonly terms: TenantTerms;
  /** The tenant's own, now. */
  readonly waiting: number;
  readonly slices: number;
  readonly runners: number;
}

/** Null when the tenant is unknown, or when no GPU serves. */
export function sightOf(
  { fleet, tenants, usage, waiting, controller }: State,
  tenant: string,
): LabSight | null {
  const terms = tenants.get(tenant)?.terms;
  const byWhole = new Map<string, string[]>();
  let small: Profile | null = null;
  for (const gpu of fleet.values()) {
    const profiles = boards[gpu.board]?.profiles.filter(({ mediaExtensions }) => !mediaExtensions) ?? [];
    const bySize = [...profiles].sort((a, b) => a.memorySlices - b.memorySlices);
    const whole = bySize.at(-1)?.name;
    if (gpu.machine.state !== 'serving' || whole === undefined) continue;
    byWhole.set(whole, [...(byWhole.get(whole) ?? []), gpu.id]);
    small ??= bySize[0] ?? null;
  }
  const [rarest] = [...byWhole].sort(([, a], [, b]) => a.length - b.length);
  if (!terms || !small || !rarest) return null;
  const [whole, gpus] = rarest;
  const crowd = Math.min(gpus.length, gpusMax);
  return {
    small: small.name,
    smallSlices: small.memorySlices,
    whole,
    crowd,
    held: gpus.length - crowd + 1,
    gpus,
    terms,
    waiting: waiting.byTenant.get(tenant) ?? 0,
    slices: usage.get(tenant)?.slices ?? 0,
    runners: controller.configured?.runners ?? 0,
  };
}

/** All profiles of the fleet by name, smallest first: what a slot can be asked for. */
export function profilesOf({ fleet }: Pick<State, 'fleet'>): readonly string[] {
  const sizes = new Map<string, number>();
  for (const { board } of fleet.values())
    for (const { name, memorySlices } of boards[board]?.profiles ?? []) sizes.set(name, memorySlices);
  return [...sizes].sort(([, a], [, b]) => a - b).map(([name]) => name);
}
