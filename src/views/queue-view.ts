/**
 * The queue as one reader may see it: its own waiting jobs with their reasons, of all others only how many.
 *
 * Why reasons stand at the class and not at the job: a thousand like jobs of one tenant wait for the same
 * thing. Asked once, shown once. `GET /jobs/{id}/explain` gives the reasons of one job alone.
 * Test: `test/intake/jobs.test.ts`.
 */
import { z } from 'zod';
import { explain } from '../scheduler/explain.ts';
import type { JobClass, Waiting } from '../scheduler/queue.ts';
import type { Sight } from '../scheduler/scheduler.ts';
import { reasonSchema } from './explanation.ts';
import type { Reader } from './log-view.ts';
import type { Views } from './views.ts';

/** Classes and jobs that one view shows; `totals` counts all. */
const classesMax = 100;
const jobsMax = 200;

const count = z.number().int();

export const queueViewSchema = z.strictObject({
  asOfSeq: count,
  classes: z.array(
    z.strictObject({
      gpus: count,
      /** How many of these jobs wait in the queue. */
      queued: count,
      /** Why the first of them does not start. */
      reasons: z.array(reasonSchema),
      slot: z.string(),
      tenant: z.string(),
    }),
  ),
  /** Own jobs in the queue, first come first; at most 200 are shown. */
  jobs: z.array(
    z.strictObject({
      gpus: count,
      id: z.string(),
      /** 1 for the first of all waiting jobs by arrival, whosever they are. */
      position: count,
      queuedAtMs: count.nullable(),
      slot: z.string(),
      tenant: z.string(),
    }),
  ),
  policy: z.string(),
  runners: z.strictObject({ busy: count, total: count }),
  /** Waiting is attesting, queued, reserving and backoff; `bound` is what the door lets in. */
  totals: z.strictObject({ bound: count.nullable(), queued: count, waiting: count, waitingOwn: count }),
});
export type QueueView = z.infer<typeof queueViewSchema>;

/** The queue at the durable point. */
export function queueView(views: Views, reader: Reader): QueueView {
  const { sight } = views.scheduler;
  const { waiting, controller } = views.state;
  const classes = [...sight.queue.classes()];
  const own = classes.filter(({ tenant }) => reader.admin || tenant === reader.tenant);
  return {
    asOfSeq: views.seq,
    classes: own.slice(0, classesMax).map((each) => classView(sight, views, each)),
    jobs: firstOf(own).map(({ job, from: { tenant, shape } }) => ({
      gpus: shape.gpus,
      id: job.id,
      position: 1 + classes.reduce((sum, each) => sum + earlierIn(each.jobs, job.waitSince), 0),
      queuedAtMs: views.state.jobs.get(job.id)?.context.times.queuedAtMs ?? null,
      slot: shape.profile,
      tenant,
    })),
    policy: sight.policy.name,
    runners: { busy: sight.busyRunners, total: sight.runners },
    totals: {
      bound: controller.configured?.queuedMax ?? null,
      queued: sight.queue.size,
      waiting: waiting.total,
      waitingOwn: reader.admin ? waiting.total : (waiting.byTenant.get(reader.tenant) ?? 0),
    },
  };
}

function classView(
  sight: Sight,
  views: Views,
  { tenant, shape, jobs }: JobClass,
): QueueView['classes'][number] {
  const head = views.state.jobs.get(jobs[0]?.id ?? '');
  const reasons = head ? explain(sight, head).reasons : [];
  return { gpus: shape.gpus, queued: jobs.length, reasons: [...reasons], slot: shape.profile, tenant };
}

/** The first jobs of all these classes, by arrival. Each class is sorted, so no class gives more than it may need to. */
function firstOf(classes: readonly JobClass[]): { readonly job: Waiting; readonly from: JobClass }[] {
  const heads = classes.flatMap((from) => from.jobs.slice(0, jobsMax).map((job) => ({ job, from })));
  return heads.sort((a, b) => a.job.waitSince - b.job.waitSince).slice(0, jobsMax);
}

/** How many of these began to wait before `waitSince`: a binary search, for they stand in that order. */
function earlierIn(jobs: readonly Waiting[], waitSince: number): number {
  let low = 0;
  let high = jobs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((jobs[middle] as Waiting).waitSince < waitSince) low = middle + 1;
    else high = middle;
  }
  return low;
}
