/**
 * Tenants as a fold: terms (weight, quota, limits) and public keys, each key with the seqs between which it held.
 *
 * Why facts and not a table: a signature made last month must be judged by the keys of last month.
 * With registration and revocation in the same log as the jobs, "was this key good at seq N?" has an answer.
 * Test: `test/tenants/tenants.test.ts`.
 */
import type { FactData, TenantTerms } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';

export interface TenantKey {
  readonly kid: string;
  /** Ed25519 public key, base64url of 32 bytes. */
  readonly x: string;
  readonly addedAtSeq: number;
  readonly revokedAtSeq: number | null;
}

export interface Tenant {
  readonly name: string;
  readonly terms: TenantTerms;
  readonly keys: readonly TenantKey[];
}

export type Tenants = Map<string, Tenant>;

/** What a new tenant may use unless told otherwise. */
export const defaultTerms: TenantTerms = {
  capabilities: ['args', 'clock:real', 'clock:virtual', 'env:*', 'random:crypto', 'random:seeded', 'stdio'],
  jobsMax: 64,
  queuedMax: 2_000,
  slicesMax: 64,
  unsigned: false,
  weight: 1,
};

/** Keys a tenant may have at once, revoked ones included: a bound on the fold. */
export const keysMax = 64;

export function foldTenantFact(tenants: Tenants, record: FactRecord): void {
  const name = record.subject.split('.')[1] ?? '';
  const tenant = tenants.get(name);
  switch (record.type) {
    case 'tenant.added':
      tenants.set(name, { name, terms: (record.data as FactData<'tenant.added'>).terms, keys: [] });
      return;
    case 'tenant.changed':
      if (tenant) tenants.set(name, { ...tenant, terms: (record.data as FactData<'tenant.changed'>).terms });
      return;
    case 'tenant.keyAdded': {
      const { kid, x } = (record.data as FactData<'tenant.keyAdded'>).key;
      const key = { kid, x, addedAtSeq: record.seq, revokedAtSeq: null };
      if (tenant) tenants.set(name, { ...tenant, keys: [...tenant.keys, key] });
      return;
    }
    case 'tenant.keyRevoked': {
      const { kid } = record.data as FactData<'tenant.keyRevoked'>;
      const revoke = (key: TenantKey) =>
        // The first revocation counts, for ever: a second must not make the key good again for the time between.
        key.kid === kid && key.revokedAtSeq === null ? { ...key, revokedAtSeq: record.seq } : key;
      if (tenant) tenants.set(name, { ...tenant, keys: tenant.keys.map(revoke) });
      return;
    }
  }
}

/** The tenant's key with this id if it was good at `seq`: registered before, not yet revoked. */
export function keyAt(tenant: Tenant, kid: string, seq: number): TenantKey | null {
  const key = tenant.keys.find((candidate) => candidate.kid === kid);
  if (!key || key.addedAtSeq > seq) return null;
  return key.revokedAtSeq === null || key.revokedAtSeq > seq ? key : null;
}

/** Does the tenant's policy allow this capability? */
export function allows(terms: TenantTerms, capability: string): boolean {
  return (
    terms.capabilities.includes(capability) ||
    (capability.startsWith('env:') && terms.capabilities.includes('env:*'))
  );
}
