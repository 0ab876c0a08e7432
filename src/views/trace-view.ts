/** The form in which a job's trace leaves; spans are made in `observe/job-spans.ts`. */
import { z } from 'zod';

const count = z.number().int();

export const traceViewSchema = z.strictObject({
  jobId: z.string(),
  /** Oldest first; the first is the job's own. */
  spans: z.array(
    z.strictObject({
      attributes: z.record(z.string(), z.union([z.string(), z.number()])),
      endMs: count.nullable(),
      error: z.string().nullable(),
      events: z.array(z.strictObject({ atMs: count, name: z.string(), seq: count })),
      name: z.string(),
      parentSpanId: z.string().nullable(),
      spanId: z.string(),
      startMs: count,
    }),
  ),
  /** Facts between the last span's events and the end that a very long trace leaves out. */
  stepsLeftOut: count,
  traceId: z.string(),
  traceparent: z.string(),
});
