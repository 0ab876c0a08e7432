/**
 * Why a job waits: every reason that holds now, ranked, each with the action that would lift it.
 *
 * Why all of them and not one: with one reason shown, the user lifts it and meets the next. And a wrong
 * reason is worse than none, so each is asked of the very functions that the scheduler and the slot
 * manager decide with. Computed when someone reads; the decision path never pays for it.
 * Test: `test/scheduler/explain.test.ts`.
 */
import type { Job } from '../jobs/state.ts';
import { slicesOf } from '../slots/fleet.ts';
import { couldEverFit, fitsWithMoves, place, type Shape, sizeIn } from '../slots/placement.ts';
import type { JobClass } from './queue.ts';
import type { Sight } from './scheduler.ts';

export type ReasonCode =
  | 'NeverFits'
  | 'NotBefore'
  | 'QuotaExceeded'
  | 'TenantLimit'
  | 'AheadInQueue'
  | 'FairShareDeficit'
  | 'NoFreeSlice'
  | 'Fragmented'
  | 'NoExecutor'
  | 'Draining'
  | 'LogUnavailable'
  | 'NotEvaluated';

export interface Reason {
  readonly code: ReasonCode;
  readonly tier: 'never' | 'policy' | 'order' | 'capacity' | 'health' | 'unknown';
  readonly message: string;
  /** What would lift it. */
  readonly action: string;
}

export interface Explanation {
  readonly state: string;
  /** Empty exactly when the job does not wait. */
  readonly reasons: readonly Reason[];
  /** 1 for the first of all waiting jobs by arrival; null when not in the queue. */
  readonly position: number | null;
}

/**
 * All reasons why `job` does not run yet.
 * @param logWritable  false while the log can't be written: then nothing moves, whatever else holds
 */
export function explain(sight: Sight, job: Job, logWritable = true): Explanation {
  const explanation = explainState(sight, job);
  if (logWritable || explanation.reasons.length === 0) return explanation;
  return { ...explanation, reasons: [...explanation.reasons, logUnavailable] };
}

const logUnavailable: Reason = {
  code: 'LogUnavailable',
  tier: 'health',
  message: 'the log cannot be written, so nothing can happen',
  action: 'make room on the disk; the controller mends itself',
};

function explainState(sight: Sight, job: Job): Explanation {
  const { state, context } = job;
  const nothing = { state, reasons: [], position: null };
  if (state === 'attesting')
    return { ...nothing, reasons: [notEvaluated('its module and signature are being verified')] };
  if (state === 'backoff') {
    const { atMs, ms } = context.deadline ?? { atMs: 0, ms: 0 };
    const reason: Reason = {
      code: 'NotBefore',
      tier: 'policy',
      message: `attempt ${context.attempt} failed; the next one not before ${new Date(atMs + ms).toISOString()}`,
      action: 'wait, or cancel and submit with a shorter backoffMs',
    };
    return { ...nothing, reasons: [reason] };
  }
  if (state === 'reserving')
    return { ...nothing, reasons: [notEvaluated('it is selected; its slot is being reserved')] };
  if (state !== 'queued' || !context.spec) return nothing;
  const shape = { profile: context.spec.slot, gpus: context.spec.gpus };
  const reasons = classReasons(sight, context.tenant, shape);
  reasons.push(...orderReasons(sight, context.tenant, shape, context.waitSince));
  if (reasons.length === 0) reasons.push(notEvaluated('it was queued a moment ago and is looked at next'));
  return {
    state,
    reasons: reasons.sort((a, b) => tiers.indexOf(a.tier) - tiers.indexOf(b.tier)),
    position: positionOf(sight, context.waitSince),
  };
}

const tiers: readonly Reason['tier'][] = ['never', 'policy', 'order', 'capacity', 'health', 'unknown'];

const notEvaluated = (message: string): Reason => ({
  code: 'NotEvaluated',
  tier: 'unknown',
  message,
  action: 'nothing; look again in a moment',
});

/** Reasons that hold for every job of the class alike: asked once a class, however many jobs it has. */
export function classReasons(sight: Sight, tenant: string, shape: Shape): Reason[] {
  const wants = `${shape.gpus} × ${shape.profile}`;
  const never = couldEverFit(sight.fleet, shape) ? null : 'no serving GPU of this fleet can hold it any more';
  return [
    ...(never
      ? [
          {
            code: 'NeverFits',
            tier: 'never',
            message: `${wants}: ${never}`,
            action: 'restore a GPU, or submit with another slot',
          } as const,
        ]
      : []),
    ...quotaReasons(sight, tenant, shape),
    ...(never ? [] : capacityReasons(sight, shape, wants)),
    ...healthReasons(sight),
  ];
}

function quotaReasons(sight: Sight, tenant: string, shape: Shape): Reason[] {
  const terms = sight.tenants.get(tenant)?.terms;
  const { jobs, slices } = sight.holdingOf(tenant);
  if (!terms) return [];
  // What it would get now; without room, the least it could get: boards may cut one profile differently.
  const slots = place(sight.fleet, shape, sight.promised);
  const size = slots ? slicesOf(slots) : (sizeIn(sight.fleet, shape.profile) ?? 0) * shape.gpus;
  const reasons: Reason[] = [];
  if (slices + size > terms.slicesMax) {
    reasons.push({
      code: 'QuotaExceeded',
      tier: 'policy',
      message: `you hold ${slices} of ${terms.slicesMax} slices, this job wants ${size}`,
      action: 'wait for a job of yours to end, or ask for more slices',
    });
  }
  if (jobs + 1 > terms.jobsMax) {
    reasons.push({
      code: 'TenantLimit',
      tier: 'policy',
      message: `${jobs} jobs of yours hold slots, your limit is ${terms.jobsMax}`,
      action: 'wait for a job of yours to end, or ask for a higher limit',
    });
  }
  return reasons;
}

function capacityReasons(sight: Sight, shape: Shape, wants: string): Reason[] {
  if (place(sight.fleet, shape, sight.promised)) return [];
  if (fitsWithMoves(sight.fleet, shape, sight.promised)) {
    return [
      {
        code: 'Fragmented',
        tier: 'capacity',
        message: `enough slices for ${wants} are free, but not side by side at a legal start`,
        action: 'wait for the right neighbour to end, or take a smaller slot',
      },
    ];
  }
  return [
    {
      code: 'NoFreeSlice',
      tier: 'capacity',
      message: `no room for ${wants}: all fitting slices are held`,
      action: 'wait for a job to end, add a GPU, or take a smaller slot',
    },
  ];
}

function healthReasons(sight: Sight): Reason[] {
  const reasons: Reason[] = [];
  if (sight.busyRunners >= sight.runners) {
    const message =
      sight.runners === 0 ? 'this controller has no runners' : `all ${sight.runners} runners are busy`;
    reasons.push({
      code: 'NoExecutor',
      tier: 'health',
      message,
      action: 'wait for a job to end, or start with more --runners',
    });
  }
  if (sight.draining) {
    reasons.push({
      code: 'Draining',
      tier: 'health',
      message: 'the controller is shutting down and starts nothing new',
      action: 'wait for it to be back; the job is kept',
    });
  }
  return reasons;
}

/** Who goes first: jobs of the same class that came earlier, and classes that the policy prefers and that could start. */
function orderReasons(sight: Sight, tenant: string, shape: Shape, waitSince: number): Reason[] {
  const classes = [...sight.queue.classes()];
  const own = classes.find((other) => other.tenant === tenant && sameShape(other.shape, shape));
  const mine = sight.candidate(tenant, waitSince);
  const preferred = classes.filter(
    (other) => other !== own && isStartable(sight, other) && goesFirst(sight, other, mine),
  );
  const isFair = sight.policy.name.startsWith('round-robin');
  const servedLess = preferred.filter(
    (other) => isFair && sight.candidate(other.tenant, 0).served < mine.served,
  );
  // Where the shares are even, and within one tenant, the order of arrival decides.
  const cameEarlier = preferred.filter((other) => !servedLess.includes(other));
  const before = own ? earlierIn(own, waitSince) : 0;
  const others = cameEarlier.reduce((sum, other) => sum + earlierIn(other, waitSince), 0);
  const reasons: Reason[] = [];
  if (before + others > 0) {
    const which = [
      ...(before > 0 ? [`${before} of your jobs of this shape`] : []),
      ...(others > 0 ? [`${others} other jobs that could start`] : []),
    ];
    reasons.push({
      code: 'AheadInQueue',
      tier: 'order',
      message: `came earlier: ${which.join(', ')}`,
      action: before > 0 ? 'wait for them, or cancel yours' : 'wait for your turn',
    });
  }
  if (servedLess.length > 0) {
    reasons.push({
      code: 'FairShareDeficit',
      tier: 'order',
      message: 'other tenants have been served less and go first',
      action: 'wait for your turn',
    });
  }
  return reasons;
}

const earlierIn = ({ jobs }: JobClass, waitSince: number): number =>
  jobs.filter((job) => job.waitSince < waitSince).length;

const sameShape = (a: Shape, b: Shape): boolean => a.profile === b.profile && a.gpus === b.gpus;

function goesFirst(sight: Sight, other: JobClass, mine: ReturnType<Sight['candidate']>): boolean {
  const head = other.jobs[0];
  return head !== undefined && sight.policy.before(sight.candidate(other.tenant, head.waitSince), mine);
}

/** Could the head of this class start, but for runners? */
function isStartable(sight: Sight, { tenant, shape }: JobClass): boolean {
  const slots = place(sight.fleet, shape, sight.promised);
  const terms = sight.tenants.get(tenant)?.terms;
  const { jobs, slices } = sight.holdingOf(tenant);
  return (
    slots !== null &&
    terms !== undefined &&
    jobs + 1 <= terms.jobsMax &&
    slices + slicesOf(slots) <= terms.slicesMax
  );
}

function positionOf(sight: Sight, waitSince: number): number {
  let position = 1;
  for (const { jobs } of sight.queue.classes())
    for (const job of jobs) if (job.waitSince < waitSince) position += 1;
  return position;
}
