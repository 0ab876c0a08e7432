import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type KeyPair, newKeyPair, saveKey } from '../../src/attestation/keys.ts';
import { isDenied, verifyRequest, verifyToken } from '../../src/attestation/request.ts';
import { adminIdentity, identityOf, signJob, TokenSource } from '../../src/cli/sign.ts';
import type { Tenant } from '../../src/tenants/tenants.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { suite } from '../suite.ts';

const t = suite('cli/sign');
let data = '';
let key: KeyPair;

t.before(async () => {
  data = await mkdtemp(join(tmpdir(), 'berth-sign-'));
  key = await newKeyPair();
});
t.after(() => rm(data, { recursive: true, force: true }));

const tenantWith = ({ kid, publicJwk: { x } }: KeyPair): Tenant => ({
  name: 'acme',
  terms: defaultTerms,
  keys: [{ kid, x, addedAtSeq: 1, revokedAtSeq: null }],
});

t('a signed job is what the door verifies, with its idempotency key', async () => {
  const nowMs = 1_700_000_000_000;
  const job = { module: `sha256:${'a'.repeat(64)}`, slot: '1g.10gb' };
  const text = await signJob({ name: 'acme', key }, job, { idempotencyKey: 'k', nowMs });
  const verified = await verifyRequest(text, tenantWith(key), { seq: 1, nowMs });
  assert.not(isDenied(verified));
  if (isDenied(verified)) return;
  assert.equal(
    [verified.iss, verified.kid, verified.idempotencyKey, verified.job],
    ['acme', key.kid, 'k', job],
  );
  const late = await verifyRequest(text, tenantWith(key), { seq: 1, nowMs: nowMs + 400_000 });
  assert.ok(isDenied(late), 'after its 300 s a request is worth nothing');
});

t('a token serves until it is nearly over, then another is minted', async () => {
  let nowMs = 1_700_000_000_000;
  const tokens = new TokenSource({ name: 'acme', key }, () => nowMs);
  const first = await tokens.bearer();
  assert.not(isDenied(await verifyToken(first, tenantWith(key), { seq: 1, nowMs })));
  nowMs += 260_000;
  assert.is(await tokens.bearer(), first);
  nowMs += 20_000;
  const second = await tokens.bearer();
  assert.is.not(second, first);
  assert.not(isDenied(await verifyToken(second, tenantWith(key), { seq: 1, nowMs })));
});

t('a request that is too long is refused here, with the limit', async () => {
  try {
    await signJob({ name: 'acme', key }, { args: ['x'.repeat(70_000)] });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /characters, the limit is 65536/);
  }
});

t('nobody is nobody; the demo tenant acme comes first; a name or a key file alone is enough', async () => {
  const none = { tenant: undefined, key: undefined, data };
  assert.is(await identityOf(none), null);
  await mkdir(join(data, 'tenants'));
  await saveKey(join(data, 'tenants', 'aaa.jwk'), await newKeyPair());
  assert.is((await identityOf(none))?.name, 'aaa');
  await saveKey(join(data, 'tenants', 'acme.jwk'), key);
  const acme = await identityOf(none);
  assert.equal([acme?.name, acme?.key.kid], ['acme', key.kid]);
  assert.is((await identityOf({ ...none, tenant: 'aaa' }))?.name, 'aaa');
  assert.is((await identityOf({ ...none, key: join(data, 'tenants', 'aaa.jwk') }))?.name, 'aaa');
});

t('a missing key says which file was looked for and what to pass', async () => {
  const next = async (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => assert.unreachable(),
      (error: { message: string; next: string }) => `${error.message} | ${error.next}`,
    ) as Promise<string>;
  assert.match(
    await next(identityOf({ tenant: 'nobody', key: undefined, data })),
    /nobody\.jwk does not exist \| pass --key FILE/,
  );
  assert.match(
    await next(identityOf({ tenant: undefined, key: 'absent.jwk', data })),
    /absent\.jwk: no such file/,
  );
  assert.match(
    await next(adminIdentity({ tenant: undefined, key: undefined, data })),
    /admin\.jwk does not exist \| pass --data DIR/,
  );
});

t.run();
