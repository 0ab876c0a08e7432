/** The door: whoever comes in, by which way ever, meets the same checks; what it refuses is no job and is counted. */
import * as assert from 'uvu/assert';
import { type KeyPair, newKeyPair } from '../../src/attestation/keys.ts';
import type { Controller } from '../../src/controller.ts';
import type { Answer } from '../../src/intake/answer.ts';
import { Door } from '../../src/intake/door.ts';
import type { Submission } from '../../src/intake/submission.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { someDigest } from '../jobs/desk.ts';
import { LifeOnDisk } from '../life.ts';
import { suite } from '../suite.ts';

const t = suite('door');

const job = { module: someDigest, slot: '1g.10gb' };
const acme = { tenant: 'acme', admin: false };

class House {
  readonly life = new LifeOnDisk();
  readonly missing = new Set<string>();
  current: Controller | null = null;
  door!: Door;
  admin!: KeyPair;
  key!: KeyPair;
  #ids = 0;

  async open(): Promise<this> {
    this.current = await this.life.begin();
    [this.admin, this.key] = await Promise.all([newKeyPair(), newKeyPair()]);
    const { clock } = this.life;
    const keys = [{ kid: this.admin.kid, x: this.admin.publicJwk.x, addedAtSeq: 0, revokedAtSeq: null }];
    this.door = new Door({
      life: () => this.current,
      admin: { name: 'admin', terms: defaultTerms, keys },
      blobs: { has: async (_tenant, sha256) => !this.missing.has(sha256) },
      clock,
      ids: { jobId: () => `id${this.#ids++}` },
      sha256: nodeSha256,
      submitsPerSecondMax: 1_000,
    });
    await this.note('tenant.keyAdded', { key: this.key.publicJwk });
    return this;
  }
  async note(type: string, data: object): Promise<void> {
    const command = { kind: 'Note', type, stream: 'tenant.acme', data } as never;
    await this.life.through((this.current as Controller).ask(command, 'test'));
  }
  submit(body: unknown, over: Partial<Submission> = {}): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const rest = { form: 'json', identity: acme, idempotencyKey: null, trace: null, via: 'http' } as const;
    return this.life.through(this.door.submit({ text, ...rest, ...over }));
  }
  claims(over: object = {}): object {
    const now = Math.floor(this.life.clock.wallMs() / 1_000);
    return { iss: 'acme', aud: 'berth', iat: now, exp: now + 300, jti: 'token-0001', ...over };
  }
  get submitted(): number {
    return this.life.types.filter((type) => type === 'job.submitted').length;
  }
}
const said = ({ status, body }: Answer): string =>
  `${status} ${(body as { code?: string }).code ?? (body as { state?: string }).state}`;

t('a good job is 202 by either form, with its place, and stands in the log', async () => {
  const house = await new House().open();
  const json = await house.submit({ job });
  assert.is(said(json), '202 attesting');
  assert.is(json.headers?.['location'], '/v1/jobs/id0');
  const signed = await house.key.sign(house.claims({ job }), 'berth-job+jws');
  for (const via of ['http', 'nats'] as const)
    assert.is((await house.submit(signed, { form: 'signed', identity: null, via })).status, 202);
  assert.is(house.submitted, 2, 'the same token is the same job, by whichever way');
});

t('what is refused is no job, uses up no key, and says field and limit', async () => {
  const house = await new House().open();
  house.missing.add('f'.repeat(64));
  const cases: readonly (readonly [unknown, Partial<Submission>, string])[] = [
    ['no json', {}, '400 ERR_BAD_REQUEST'],
    ['[]', {}, '400 ERR_BAD_REQUEST'],
    ['['.repeat(30), {}, '400 ERR_BAD_REQUEST'],
    ['x'.repeat(300_000), {}, '413 ERR_TOO_LARGE'],
    [{ job: { ...job, slot: 'big' } }, {}, '400 ERR_BAD_SPEC'],
    [{ job: { ...job, more: 1 } }, {}, '400 ERR_BAD_SPEC'],
    [{ job: { ...job, module: `sha256:${'f'.repeat(64)}` } }, {}, '422 ERR_BLOB_MISSING'],
    [{ job }, { idempotencyKey: 'a key' }, '400 ERR_BAD_REQUEST'],
    [{ job }, { identity: null }, '401 ERR_UNAUTHENTICATED'],
    [{ job }, { identity: { tenant: 'admin', admin: true } }, '403 ERR_UNSIGNED'],
    [{ job }, { identity: { tenant: 'nobody', admin: false } }, '403 ERR_UNSIGNED'],
    ['a.b.c', { form: 'signed' }, '401 ERR_SIGNATURE'],
    [
      await (await newKeyPair()).sign(house.claims({ job }), 'berth-job+jws'),
      { form: 'signed' },
      '401 ERR_SIGNATURE',
    ],
  ];
  for (const [body, over, expected] of cases) {
    const answer = await house.submit(body, { idempotencyKey: 'k1', ...over });
    assert.is(said(answer), expected, JSON.stringify(body).slice(0, 60));
  }
  const bad = await house.submit({ job: { ...job, limits: { wallMs: 0 } } });
  assert.equal(
    (bad.body as { errors: { field: string }[] }).errors.map(({ field }) => field),
    ['job.limits.wallMs'],
  );
  assert.is(house.submitted, 0);
  assert.is((await house.submit({ job }, { idempotencyKey: 'k1' })).status, 202);
});

t('refusals become one fact a second for each tenant and code', async () => {
  const house = await new House().open();
  for (let i = 0; i < 5; i += 1) await house.submit('no json');
  house.life.clock.advance(1_000);
  await house.life.settle();
  const facts = house.life.disk.records.filter(({ type }) => type === 'intake.refused');
  assert.equal(
    facts.map(({ subject, data }) => [subject, data['code'], data['count']]),
    [['intake.acme.refused', 'ERR_BAD_REQUEST', 5]],
  );
});

t('the same key has the stored answer, with another job 422', async () => {
  const house = await new House().open();
  const first = await house.submit({ job, idempotencyKey: 'k' });
  const again = await house.submit({ idempotencyKey: 'k', job: { slot: job.slot, module: job.module } });
  assert.is((again.body as { id: string }).id, (first.body as { id: string }).id);
  assert.is(
    said(await house.submit({ job: { ...job, priority: 1 }, idempotencyKey: 'k' })),
    '422 ERR_IDEMPOTENCY',
  );
});

t('a token opens until it ends or its key is revoked, cached or not', async () => {
  const house = await new House().open();
  const token = `Bearer ${await house.key.sign(house.claims(), 'JWT')}`;
  assert.equal(await house.door.authenticate(token), acme);
  assert.equal(await house.door.authenticate(token), acme);
  for (const wrong of [undefined, '', 'Bearer', token.slice(0, -2), token.replace('Bearer', 'Basic')]) {
    assert.is(((await house.door.authenticate(wrong)) as Answer).status, 401);
  }
  await house.note('tenant.keyRevoked', { kid: house.key.kid, reason: 'test' });
  assert.is(
    ((await house.door.authenticate(token)) as Answer).status,
    401,
    'the cache does not outlive the key',
  );
  const admin = `Bearer ${await house.admin.sign(house.claims({ iss: 'admin' }), 'JWT')}`;
  assert.equal(await house.door.authenticate(admin), { tenant: 'admin', admin: true });
  house.life.clock.advance(331_000);
  assert.is(((await house.door.authenticate(admin)) as Answer).status, 401);
});

t('a dry run writes nothing; without a life all is 503; a foreign job is an unknown one', async () => {
  const house = await new House().open();
  const { head } = (house.current as Controller).log;
  const validated = await house.door.validate({
    text: JSON.stringify({ job }),
    form: 'json',
    identity: acme,
    idempotencyKey: null,
    trace: null,
    via: 'http',
  });
  assert.equal([validated.status, (validated.body as { fitsNow: boolean }).fitsNow], [200, true]);
  assert.is((house.current as Controller).log.head, head);
  await house.submit({ job });
  const stranger = { tenant: 'globex', admin: false };
  assert.equal(
    JSON.stringify(house.door.job('id0', stranger)).replaceAll('id0', 'x'),
    JSON.stringify(house.door.job('zzz', stranger)).replaceAll('zzz', 'x'),
  );
  assert.is((await house.life.through(house.door.cancel('id0', stranger))).status, 404);
  house.current = null;
  assert.is(said(await house.submit({ job })), '503 ERR_READ_ONLY');
});

t.run();
