/** Tenants: a key is judged as of a place in the log, for ever alike; and terms say what is allowed. */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { allows, defaultTerms, foldTenantFact, keyAt, type Tenants } from '../../src/tenants/tenants.ts';
import { suite } from '../suite.ts';

const t = suite('tenants');
const kid = 'k'.repeat(43);
const key = { crv: 'Ed25519', kid, kty: 'OKP', x: 'x'.repeat(43) };

function folded(...facts: readonly (readonly [number, string, object])[]): Tenants {
  const tenants: Tenants = new Map();
  for (const [seq, type, data] of facts) {
    foldTenantFact(tenants, {
      seq,
      type,
      subject: `tenant.acme.${type.slice(7)}`,
      data,
    } as unknown as FactRecord);
  }
  return tenants;
}

t('a key is good from the seq of its registration until that of its revocation', () => {
  const acme = folded(
    [1, 'tenant.added', { terms: defaultTerms }],
    [5, 'tenant.keyAdded', { key }],
    [9, 'tenant.keyRevoked', { kid, reason: 'r' }],
  ).get('acme')!;
  assert.equal(
    [4, 5, 8, 9, 100].map((seq) => keyAt(acme, kid, seq) !== null),
    [false, true, true, false, false],
  );
  assert.is(keyAt(acme, 'another', 6), null);
});

t('a second revocation does not make a key good again for the time between', () => {
  const revoke = { kid, reason: 'r' };
  const acme = folded(
    [1, 'tenant.added', { terms: defaultTerms }],
    [5, 'tenant.keyAdded', { key }],
    [9, 'tenant.keyRevoked', revoke],
    [20, 'tenant.keyRevoked', revoke],
  ).get('acme')!;
  assert.is(keyAt(acme, kid, 15), null);
});

t('changed terms replace the old ones and keep the keys; facts of a stranger change nothing', () => {
  const terms = { ...defaultTerms, weight: 7 };
  const tenants = folded(
    [1, 'tenant.added', { terms: defaultTerms }],
    [2, 'tenant.keyAdded', { key }],
    [3, 'tenant.changed', { terms }],
  );
  assert.equal([tenants.get('acme')?.terms.weight, tenants.get('acme')?.keys.length], [7, 1]);
  assert.is(folded([2, 'tenant.keyAdded', { key }], [3, 'tenant.changed', { terms }]).size, 0);
});

t(
  'a capability is allowed by its name, and env:* stands for every environment name and for nothing else',
  () => {
    const of = (...capabilities: string[]) => ({ ...defaultTerms, capabilities });
    assert.ok(
      allows(of('stdio'), 'stdio') && allows(of('env:*'), 'env:PATH') && allows(of('env:HOME'), 'env:HOME'),
    );
    assert.not(
      allows(of('env:*'), 'stdio') ||
        allows(of('env:HOME'), 'env:PATH') ||
        allows(of(), 'args') ||
        allows(of('clock:*'), 'clock:real'),
    );
  },
);

t.run();
