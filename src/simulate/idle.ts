/**
 * Work is conserved: where nothing is under way, no job waits that could start.
 *
 * Why beside "every job ends": a scheduler that forgets to look again is woken by the next arrival, or by whatever
 * comes; each job still ends, only later than it had to. So the law is asked in a moment in which everyone has seen all
 * and nobody has anything to say.
 */
import type { Controller } from '../controller.ts';
import { slicesOf } from '../slots/fleet.ts';
import { place } from '../slots/placement.ts';
import { law } from './violation.ts';

/** So long nothing was written: whoever still had something to do would have done it, ms. */
export const quietMs = 60;

const onRunner = new Set(['starting', 'running', 'stopping', 'reserving']);

/** @param runners  guests that may run at once  @param setAside  jobs that were not placed since capacity last changed */
export function worksIfItCan({ state }: Controller, runners: number, setAside: boolean): void {
  const jobs = [...state.jobs.values()];
  if (setAside || jobs.filter((job) => onRunner.has(job.state)).length >= runners) return;
  for (const { context, state: at } of jobs) {
    const { id, spec, tenant } = context;
    const terms = state.tenants.get(tenant)?.terms;
    if (at !== 'queued' || !spec || !terms) continue;
    const slots = place(state.fleet, { profile: spec.slot, gpus: spec.gpus });
    if (slots === null) continue;
    const own = jobs.filter((job) => job.context.tenant === tenant && job.context.slots !== null);
    const slices = own.reduce((sum, job) => sum + slicesOf(job.context.slots ?? []), 0);
    const hasRoom = own.length + 1 <= terms.jobsMax && slices + slicesOf(slots) <= terms.slicesMax;
    law(!hasRoom, 'idle', `${id} of ${tenant} is queued, has a place and a runner, and nothing happens`);
  }
}
