/**
 * What each tenant is entitled to, uses, and is owed.
 *
 * Why "owed" is counted in turns: round robin keeps a virtual time for each tenant, which grows by 1/weight with every job that is
 * selected. Who is behind the furthest of those that wait gets the next turns. One that does not wait is owed nothing, for turns
 * can't be saved up. Test: `test/dashboard/tenant-shares.test.ts`.
 */
import { type TenantView, tenantsView } from '../views/tenants-view.ts';
import type { Views } from '../views/views.ts';

export interface TenantShare extends Omit<TenantView, 'blobBytes'> {
  /** Its weight as a share of all weights, 0 to 1: what round robin gives it while all wait. Null: others are not seen. */
  readonly entitled: number | null;
  /** Its slices as a share of all that are held, 0 to 1. Null: others are not seen. */
  readonly held: number | null;
  /** Queued, and so in line for a turn. */
  readonly queued: number;
  /** Turns that it gets before the tenant furthest ahead gets one; null when turns are not counted, or it is not in line. */
  readonly owed: number | null;
}

/**
 * All tenants of this log, by name.
 * @param seesAll  is all of the log here? A tenant's part knows no other tenant, so a share of the whole can't be told
 */
export function tenantShares(views: Views, seesAll: boolean): readonly TenantShare[] {
  const { sight } = views.scheduler;
  // Whoever holds a log may read all that stands in it; blobs don't.
  const { tenants } = tenantsView(views.state, { tenant: '', admin: true }, () => 0, views.seq);
  const queued = new Map<string, number>();
  for (const { tenant, jobs } of sight.queue.classes())
    queued.set(tenant, (queued.get(tenant) ?? 0) + jobs.length);
  const served = (name: string): number => sight.candidate(name, 0).served;
  const furthest = Math.max(0, ...[...queued.keys()].map(served));
  const weights = tenants.reduce((sum, { terms }) => sum + terms.weight, 0);
  const slices = tenants.reduce((sum, { usage }) => sum + usage.slices, 0);
  const countsTurns = sight.policy.name.startsWith('round-robin');
  return tenants.map(({ blobBytes: _, ...tenant }) => ({
    ...tenant,
    entitled: seesAll ? tenant.terms.weight / weights : null,
    held: !seesAll ? null : slices === 0 ? 0 : tenant.usage.slices / slices,
    queued: queued.get(tenant.name) ?? 0,
    owed:
      seesAll && countsTurns && queued.has(tenant.name)
        ? Math.round((furthest - served(tenant.name)) * tenant.terms.weight)
        : null,
  }));
}
