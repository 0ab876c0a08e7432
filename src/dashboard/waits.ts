/**
 * Why each job is where it is, one reason a job: what a list can show and be filtered by.
 *
 * Why the class's first reason and not the job's own: a thousand like jobs wait for the same thing, so it is asked once; and the
 * numbers are those of `berth_pending_jobs{reason}`. All reasons of one job: the Explain view. Test: `test/dashboard/waits.test.ts`.
 */

import type { Job } from '../jobs/state.ts';
import { classReasons, explain, type Reason, type ReasonCode } from '../scheduler/explain.ts';
import { classKey } from '../scheduler/queue.ts';
import type { Sight } from '../scheduler/scheduler.ts';
import type { QueueView } from '../views/queue-view.ts';

/** A code with what it means for this job. */
export type Why = Pick<Reason, 'message'> & { readonly code: string };

/** What a waiting job waits for, in words that follow "because". */
export const waitWords: Readonly<Record<ReasonCode, string>> = {
  NeverFits: 'no GPU in service can hold them',
  NotBefore: 'they pause before their next attempt',
  QuotaExceeded: 'their tenant holds all the slices it may',
  TenantLimit: 'their tenant runs as many jobs as it may',
  AheadInQueue: 'jobs that came earlier go first',
  FairShareDeficit: 'other tenants have been served less and go first',
  NoFreeSlice: 'no slice that fits is free',
  Fragmented: 'the free slices do not lie side by side',
  NoExecutor: 'all runners are busy',
  Draining: 'the controller is shutting down',
  LogUnavailable: 'the log cannot be written',
  NotEvaluated: 'they have just come and are looked at next',
};

const ahead: Why = { code: 'AheadInQueue', message: 'jobs of the same tenant and shape came earlier' };
const next: Why = { code: 'NotEvaluated', message: 'it is looked at next' };

const notSeen: Why = {
  code: 'NotSeen',
  message: 'it depends on jobs of other tenants; only the operator sees why',
};

/** What the server told a tenant's page of its own classes; `all`: every fact is here, and nobody has to be asked. */
export type ToldClasses = Pick<QueueView, 'classes'> | null | 'all';

/** One moment's answers; to be made anew when the moment has moved. */
export class Waits {
  readonly #sight: Sight;
  readonly #heads = new Map<string, string>();
  readonly #first = new Map<string, Why | null>();
  readonly #seesAll: boolean;

  /** @param told  null: nobody could be asked, or the answer is not there yet */
  constructor({ scheduler }: { readonly scheduler: { readonly sight: Sight } }, told: ToldClasses = 'all') {
    this.#sight = scheduler.sight;
    this.#seesAll = told === 'all';
    if (told !== 'all')
      for (const { tenant, slot, gpus, reasons } of told?.classes ?? [])
        this.#first.set(classKey(tenant, { profile: slot, gpus }), lastingReason(reasons));
    for (const { tenant, shape, jobs } of this.#sight.queue.classes())
      this.#heads.set(classKey(tenant, shape), jobs[0]?.id ?? '');
  }

  /** Why it waits, is being stopped, or ended badly; null when there is nothing to say. */
  whyOf(job: Job): Why | null {
    const { state, context } = job;
    if (state === 'queued') return this.#queued(job);
    if (state === 'attesting' || state === 'reserving' || state === 'backoff')
      return explain(this.#sight, job).reasons[0] ?? null;
    if (context.cause) return context.cause;
    return context.reason ? { code: context.reason, message: stopWords[context.reason] } : null;
  }

  #queued({ context: { id, tenant, spec } }: Job): Why | null {
    if (!spec) return null;
    const shape = { profile: spec.slot, gpus: spec.gpus };
    const key = classKey(tenant, shape);
    let first = this.#first.get(key);
    if (first === undefined) {
      if (!this.#seesAll) return notSeen;
      first = classReasons(this.#sight, tenant, shape)[0] ?? null;
      this.#first.set(key, first);
    }
    return first ?? (this.#heads.get(key) === id ? next : ahead);
  }
}

/** What holds back the whole class; null where its first job is looked at next. */
const lastingReason = ([first]: QueueView['classes'][number]['reasons']): Why | null =>
  first && first.code !== 'NotEvaluated' ? first : null;

const stopWords = {
  late: 'its guest did not start in time',
  deadline: 'its wall time is over',
  cancel: 'someone cancelled it',
  evict: 'it gives way and will run again',
} as const;
