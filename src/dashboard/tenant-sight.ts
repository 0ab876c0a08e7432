/**
 * What a tenant's page may say of the fleet and the queue: what the server tells it, and nothing folded.
 *
 * Why nothing folded: a tenant gets no facts of others' jobs, so its own fold holds a fleet in which they hold nothing and a
 * queue in which nobody stands before it. Such numbers look right and are wrong. Test: `test/dashboard/tenant-sight.test.ts`.
 */
import type { Fleet, Holding } from '../slots/fleet.ts';
import type { QueueView } from '../views/queue-view.ts';
import type { GpuView } from '../views/slots-view.ts';
import type { Census } from './census.ts';

/** Who holds what is not the tenant's: all that it may know. */
export const someoneElse = '';

/** The fleet with all that is held on it, as the server told; GPUs that it did not name stay as they were folded. */
export function fleetAsTold(folded: Fleet, told: readonly GpuView[]): Fleet {
  const byId = new Map(told.map((gpu) => [gpu.gpu, gpu]));
  return new Map(
    [...folded].map(([id, gpu]) => {
      const view = byId.get(id);
      if (!view) return [id, gpu];
      const machine = { ...gpu.machine, state: view.state };
      return [id, { ...gpu, machine, holdings: view.held.map((held) => holdingOf(id, held)) }];
    }),
  );
}

function holdingOf(gpu: string, { holder, profile, size, start }: GpuView['held'][number]): Holding {
  const { fence, job, tenant } =
    holder === 'busy' ? { fence: 0, job: someoneElse, tenant: someoneElse } : holder;
  return { slot: { gpu, profile, size, start }, job, tenant, fence };
}

/** The tenant's waiting jobs by the first reason that the server told; empty where it told nothing. */
export function pendingAsTold(
  told: Pick<QueueView, 'classes'> | null,
  byState: Census['byState'],
): ReadonlyMap<string, number> {
  const pending = new Map<string, number>();
  if (!told) return pending;
  const add = (code: string, jobs: number): void => {
    if (jobs > 0) pending.set(code, (pending.get(code) ?? 0) + jobs);
  };
  for (const { queued, reasons } of told.classes) if (reasons[0]) add(reasons[0].code, queued);
  add('NotBefore', byState.get('backoff') ?? 0);
  add('NotEvaluated', (byState.get('attesting') ?? 0) + (byState.get('reserving') ?? 0));
  return pending;
}
