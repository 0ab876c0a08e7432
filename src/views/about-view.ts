/** What kind of controller this is: for the page's banner, and for whoever wants to know before trusting it. */
import { z } from 'zod';
import type { Controller } from '../controller.ts';

const count = z.number().int();

export const aboutSchema = z.strictObject({
  /** May demo tenants be acted as without a key (`--demo`)? */
  demo: z.boolean(),
  demoTenants: z.array(z.string()),
  durability: z.string(),
  /** What stands behind the slots; several when GPUs differ. */
  enforcement: z.array(z.enum(['simulated', 'advisory', 'enforced'])),
  headSeq: count,
  isolation: z.string(),
  /** Hash of the first record: which log this is; null when it is not known any more, or not yet. */
  log: z.string().nullable(),
  policy: z.string().nullable(),
  version: z.string(),
});
export type About = z.infer<typeof aboutSchema>;

/** Of this life, at the durable point. */
export function aboutView(
  life: Controller,
  own: Pick<About, 'demo' | 'demoTenants' | 'version' | 'log'>,
): About {
  const { views, log, backend } = life;
  const found = new Set([...views.state.fleet.values()].map(({ enforcement }) => enforcement));
  return {
    ...own,
    durability: log.durability,
    enforcement: [...found].sort() as About['enforcement'],
    headSeq: views.seq,
    isolation: backend?.probe().isolation ?? 'none',
    policy: views.state.controller.configured?.policy ?? null,
  };
}
