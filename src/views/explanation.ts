/** The form in which reasons for waiting leave; what they say is decided in `scheduler/explain.ts`. */
import { z } from 'zod';

export const reasonSchema = z.strictObject({
  action: z.string(),
  code: z.string(),
  message: z.string(),
  tier: z.enum(['never', 'policy', 'order', 'capacity', 'health', 'unknown']),
});

export const explanationSchema = z.strictObject({
  asOfSeq: z.number().int(),
  id: z.string(),
  /** 1 for the first of all waiting jobs by arrival; null when not in the queue. */
  position: z.number().int().nullable(),
  reasons: z.array(reasonSchema),
  state: z.string(),
});
