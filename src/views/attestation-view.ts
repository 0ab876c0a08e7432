/** What attestation found about a job, read from the two facts that can hold it. Shape: `attestationSchema`. */
import { z } from 'zod';
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { jobViewSchema } from './job-view.ts';

export const attestationSchema = z.strictObject({
  /** Does the report say that the job may run? */
  affirms: z.boolean(),
  cause: jobViewSchema.shape.cause,
  id: z.string(),
  imports: z.array(z.string()),
  /** Signed report, compact JWS by a key of /.well-known/jwks.json; null when there was nothing to report on. */
  report: z.string().nullable(),
  seq: z.number().int(),
});
export type Attestation = z.infer<typeof attestationSchema>;

/** The finding among a job's first facts; null while there is none. */
export function attestationOf(
  id: string,
  facts: readonly Pick<FactRecord, 'type' | 'seq' | 'data'>[],
): Attestation | null {
  for (const { type, seq, data } of facts) {
    if (type === 'job.attested') {
      const { affirms, imports, report } = data as FactData<'job.attested'>;
      return { affirms, cause: null, id, imports, report, seq };
    }
    if (type === 'job.rejected') {
      const { cause, report } = data as FactData<'job.rejected'>;
      return { affirms: false, cause, id, imports: [], report, seq };
    }
  }
  return null;
}
