/** Tenants as one reader may see them: itself, or, for the admin, everyone. Shape: `tenantViewSchema`. */
import { z } from 'zod';
import { tenantTermsSchema } from '../events/facts.ts';
import type { State } from '../jobs/state.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { Reader } from './log-view.ts';

const count = z.number().int();

export const tenantViewSchema = z.strictObject({
  blobBytes: count,
  /** Keys with the seqs between which they are good. */
  keys: z.array(
    z.strictObject({ addedAtSeq: count, kid: z.string(), revokedAtSeq: count.nullable(), x: z.string() }),
  ),
  name: z.string(),
  terms: tenantTermsSchema,
  /** Held now: jobs with slots and their memory slices, jobs that wait. */
  usage: z.strictObject({ jobs: count, slices: count, waiting: count }),
});
export type TenantView = z.infer<typeof tenantViewSchema>;

export const tenantsViewSchema = z.strictObject({ asOfSeq: count, tenants: z.array(tenantViewSchema) });

/** Bytes of blobs that a tenant has stored. */
export type BlobBytes = (tenant: string) => number;

/** All tenants that the reader may see, by name. */
export function tenantsView(
  state: State,
  reader: Reader,
  blobBytes: BlobBytes,
  asOfSeq: number,
): z.infer<typeof tenantsViewSchema> {
  const seen = [...state.tenants.values()].filter(({ name }) => reader.admin || name === reader.tenant);
  const byName = (a: Tenant, b: Tenant): number => (a.name < b.name ? -1 : 1);
  return { asOfSeq, tenants: seen.sort(byName).map((tenant) => tenantView(state, tenant, blobBytes)) };
}

/** One tenant. */
export function tenantView(state: State, { name, terms, keys }: Tenant, blobBytes: BlobBytes): TenantView {
  const { jobs, slices } = state.usage.get(name) ?? { jobs: 0, slices: 0 };
  return {
    blobBytes: blobBytes(name),
    keys: keys.map(({ addedAtSeq, kid, revokedAtSeq, x }) => ({ addedAtSeq, kid, revokedAtSeq, x })),
    name,
    terms: { ...terms, capabilities: [...terms.capabilities] },
    usage: { jobs, slices, waiting: state.waiting.byTenant.get(name) ?? 0 },
  };
}
