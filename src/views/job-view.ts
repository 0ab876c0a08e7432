/** How a job looks from outside: the JSON that HTTP, NATS and the CLI show. Shape: `jobViewSchema`. */
import { z } from 'zod';
import { invariant } from '../errors.ts';
import { resultSchema } from '../events/facts.ts';
import { jobSpecSchema } from '../events/spec.ts';
import type { Job } from '../jobs/state.ts';
import type { JobTrail } from './views.ts';

const instant = z.number().int().nullable();

export const jobViewSchema = z.strictObject({
  id: z.string(),
  tenant: z.string(),
  state: z.string(),
  cause: z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() }).nullable(),
  /** Attempts begun. */
  attempt: z.number().int(),
  attempts: z.array(
    z.strictObject({
      fence: z.number().int(),
      state: z.string(),
      runner: z.string().nullable(),
      reservedAtMs: instant,
      startedAtMs: instant,
      goneAtMs: instant,
      end: z.string().nullable(),
    }),
  ),
  slots: z.array(
    z.strictObject({ gpu: z.string(), profile: z.string(), size: z.number(), start: z.number() }),
  ),
  result: resultSchema.nullable(),
  spec: jobSpecSchema,
  times: z.strictObject({
    submittedAtMs: instant,
    queuedAtMs: instant,
    startedAtMs: instant,
    endedAtMs: instant,
  }),
  /** Version of the job's stream: the ETag. */
  version: z.number().int(),
  /** Seq of its last fact. */
  seq: z.number().int(),
});
export type JobView = z.infer<typeof jobViewSchema>;

/** The view of one job. */
export function jobView({ state, context }: Job, trail: JobTrail): JobView {
  const { id, tenant, cause, attempt, slots, gone, spec, times } = context;
  invariant(spec, `job ${id} without spec`);
  return {
    id,
    tenant,
    state,
    cause: cause ? { ...cause } : null,
    attempt,
    attempts: trail.attempts.map((run) => ({ ...run.context, state: run.state })),
    slots: (slots ?? []).map((slot) => ({ ...slot })),
    result: state === 'succeeded' && gone?.how === 'exited' ? gone.result : null,
    spec,
    times,
    version: trail.version,
    seq: trail.seq,
  };
}
