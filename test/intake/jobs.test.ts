/** Jobs, tenants, slots, queue and log over HTTP: the answers that people and scripts build on. */
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import { suite } from '../suite.ts';
import { newWorld, saysHello, simulatedBackend, type World } from './world.ts';

const t = suite('jobs over http');
let world: World;

t.before(async () => {
  const backend = simulatedBackend((request) => {
    const [word] = request.args;
    if (word === 'loop') return 'runs until killed';
    if (word === 'trap') return { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' };
    return saysHello(request);
  }, 2);
  world = await newWorld({ backend });
});
t.after(() => world.end());

const spec = (more: Record<string, unknown> = {}) => ({
  job: { module: world.module, slot: '1g.10gb', ...more },
});

t('an ETag spares the answer until the job moves', async () => {
  const id = await world.submit({ args: ['loop'], limits: { wallMs: 60_000 } });
  await world.until(id, 'running');
  const first = await world.ask('GET', `/v1/jobs/${id}`, { as: 'acme' });
  const etag = String(first.headers['etag']);
  for (const tag of [etag, `W/${etag}`, `"0", ${etag}`, '*']) {
    const same = await world.ask('GET', `/v1/jobs/${id}`, { as: 'acme', headers: { 'if-none-match': tag } });
    assert.equal([same.status, same.text, same.headers['etag']], [304, '', etag], tag);
  }
  const cancelled = await world.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'acme' });
  assert.is(cancelled.status, 202);
  const after = await world.ask('GET', `/v1/jobs/${id}`, { as: 'acme', headers: { 'if-none-match': etag } });
  assert.is(after.status, 200);
  await world.until(id, 'cancelled');
  const again = await world.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'acme' });
  assert.equal([again.status, again.json.code], [409, 'ERR_JOB_ENDED']);
  const result = await world.ask('GET', `/v1/jobs/${id}/result`, { as: 'acme' });
  assert.equal([result.status, result.json.code], [409, 'ERR_NO_RESULT']);
  assert.match(result.json.detail, 'ERR_CANCELLED');
});

t('result, logs and attestation say not yet before they say no', async () => {
  const id = await world.submit({ args: ['loop'], limits: { wallMs: 60_000 } });
  await world.until(id, 'running');
  const result = await world.ask('GET', `/v1/jobs/${id}/result`, { as: 'acme' });
  assert.equal([result.status, result.json.code, result.json.retryable], [404, 'ERR_NOT_YET', true]);
  const logs = await world.ask('GET', `/v1/jobs/${id}/logs`, { as: 'acme' });
  assert.equal(
    [logs.status, logs.text, logs.headers['content-type']],
    [200, 'guest loop', 'text/plain; charset=utf-8'],
  );
  const attestation = await world.ask('GET', `/v1/jobs/${id}/attestation`, { as: 'acme' });
  assert.equal(
    [attestation.json.affirms, attestation.json.cause, attestation.json.report.split('.').length],
    [true, null, 3],
  );
  await world.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'acme' });
  const rejected = await world.submit({ capabilities: ['stdio'], slot: '7g.80gb', gpus: 8 });
  await world.until(rejected, 'rejected');
  const verdict = await world.ask('GET', `/v1/jobs/${rejected}/attestation`, { as: 'acme' });
  assert.equal([verdict.json.affirms, verdict.json.cause.code], [false, 'ERR_NEVER_FITS']);
  const noLogs = await world.ask('GET', `/v1/jobs/${rejected}/logs`, { as: 'acme' });
  assert.equal([noLogs.status, noLogs.json.code], [404, 'ERR_NOT_FOUND']);
  const trapped = await world.submit({ args: ['trap'] });
  await world.until(trapped, 'failed');
  assert.is((await world.ask('GET', `/v1/jobs/${trapped}/result`, { as: 'acme' })).status, 409);
});

t('the same idempotency key is the same job, and another job under it is refused', async () => {
  const headers = { 'idempotency-key': 'key-1' };
  const first = await world.ask('POST', '/v1/jobs', { as: 'acme', body: spec(), headers });
  const again = await world.ask('POST', '/v1/jobs', { as: 'acme', body: spec(), headers });
  assert.equal([first.status, again.status, again.json.id], [202, 202, first.json.id]);
  const other = await world.ask('POST', '/v1/jobs', { as: 'acme', body: spec({ priority: 1 }), headers });
  assert.equal([other.status, other.json.code], [422, 'ERR_IDEMPOTENCY']);
  const neighbour = await world.ask('POST', '/v1/jobs', { as: 'globex', body: spec(), headers });
  assert.is(neighbour.status, 202);
  assert.is.not(neighbour.json.id, first.json.id);
  const bad = await world.ask('POST', '/v1/jobs', {
    as: 'acme',
    body: spec(),
    headers: { 'idempotency-key': 'k'.repeat(129) },
  });
  assert.is(bad.status, 400);
});

t('a traceparent reaches the log', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const { json } = await world.ask('POST', '/v1/jobs', {
    as: 'acme',
    body: spec(),
    headers: { traceparent },
  });
  const page = await world.ask('GET', `/v1/jobs/${json.id}/events?limit=1`, { as: 'acme' });
  assert.is(page.json.facts[0].trace, traceparent);
});

t('validate writes nothing and says whether the job fits', async () => {
  const before = world.life.state.jobs.size;
  const good = await world.ask('POST', '/v1/jobs:validate', { as: 'acme', body: spec() });
  assert.equal([good.status, good.json.admitted, good.json.everFits], [200, true, true]);
  const huge = await world.ask('POST', '/v1/jobs:validate', { as: 'acme', body: spec({ gpus: 8 }) });
  assert.equal([huge.json.everFits, huge.json.fitsNow], [false, false]);
  const signed = await world.signed('globex', spec().job);
  const headers = { 'content-type': 'application/jose' };
  assert.is((await world.ask('POST', '/v1/jobs:validate', { raw: signed, headers })).status, 200);
  assert.is(world.life.state.jobs.size, before);
});

t('pages cover all jobs in the order of their submission, whatever their size', async () => {
  for (let i = 0; i < 5; i += 1) await world.submit();
  const all = await world.ask('GET', '/v1/jobs?limit=1000', { as: 'acme' });
  const ids = all.json.jobs.map(({ id }: { id: string }) => id);
  const order = all.json.jobs.map(({ times }: { times: { submittedAtMs: number } }) => times.submittedAtMs);
  assert.equal(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.ok(ids.length > 6);
  for (const query of ['limit=1', 'limit=3', `limit=${ids.length}`, 'limit=2&order=newest']) {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { json: { jobs: { id: string }[]; next: string | null } } = await world.ask(
        'GET',
        `/v1/jobs?${query}${cursor === null ? '' : `&cursor=${cursor}`}`,
        { as: 'acme' },
      );
      seen.push(...page.json.jobs.map(({ id }) => id));
      cursor = page.json.next;
    } while (cursor !== null);
    assert.equal(seen, query.includes('newest') ? [...ids].reverse() : ids, query);
  }
});

t('lists are filtered by state, labels and, for the admin, tenant', async () => {
  const id = await world.submit({ labels: { team: 'blue', tier: '1' } });
  await world.until(id, 'succeeded');
  const list = async (query: string, as: 'acme' | 'admin' = 'acme'): Promise<string[]> =>
    (await world.ask('GET', `/v1/jobs?${query}`, { as })).json.jobs.map((job: { id: string }) => job.id);
  assert.equal(await list('label=team=blue'), [id]);
  assert.equal(await list('label=team&label=tier=1'), [id]);
  assert.equal(await list('label=team=blue&label=tier=2'), []);
  assert.equal(await list('state=succeeded&label=team'), [id]);
  assert.equal(await list('state=queued&label=team'), []);
  assert.equal(await list('tenant=globex'), []);
  const everyone = await list('limit=1000', 'admin');
  const theirs = await list('tenant=globex&limit=1000', 'admin');
  assert.ok(theirs.length > 0 && everyone.length > theirs.length);
  assert.ok(theirs.every((each) => everyone.includes(each)));
});

t('the log is read in pages that join without gap, by seq and by subject', async () => {
  const facts: { seq: number; type: string }[] = [];
  let from = 1;
  for (;;) {
    const { json } = await world.ask('GET', `/v1/log?from=${from}&limit=7`, { as: 'admin' });
    facts.push(...json.facts);
    from = json.next;
    if (json.next > json.upTo) break;
  }
  assert.equal(
    facts.map(({ seq }) => seq),
    facts.map((_, i) => i + 1),
  );
  const some = await world.ask('GET', '/v1/log?subject=job.globex.*.submitted&limit=1000', { as: 'admin' });
  assert.ok(some.json.facts.length > 0);
  assert.equal(
    some.json.facts.length,
    facts.filter(
      ({ type, ...rest }) =>
        type === 'job.submitted' &&
        (rest as unknown as { subject: string }).subject.startsWith('job.globex.'),
    ).length,
  );
  const foreign = await world.ask('GET', '/v1/log?subject=job.globex.>', { as: 'acme' });
  assert.equal(foreign.json.facts, []);
});

t('the queue shows own jobs with place and reasons, and of others only how many', async () => {
  const loops = [];
  for (let i = 0; i < 2; i += 1)
    loops.push(await world.submit({ args: ['loop'], limits: { wallMs: 60_000 } }, 'globex'));
  for (const id of loops) await world.until(id, 'running');
  const theirs = await world.submit({}, 'globex');
  const waiting = [await world.submit(), await world.submit()];
  for (const id of [theirs, ...waiting]) await world.until(id, 'queued');
  const { json, text } = await world.ask('GET', '/v1/queue', { as: 'acme' });
  assert.equal(
    json.jobs.map(({ id, position }: { id: string; position: number }) => [id, position]),
    [
      [waiting[0], 2],
      [waiting[1], 3],
    ],
  );
  assert.equal(
    [json.totals.queued, json.totals.waiting, json.totals.waitingOwn, json.runners.busy],
    [3, 3, 2, 2],
  );
  assert.equal(
    json.classes.map(({ queued, tenant }: { queued: number; tenant: string }) => [queued, tenant]),
    [[2, 'acme']],
  );
  assert.ok(json.classes[0].reasons.some(({ code }: { code: string }) => code === 'NoExecutor'));
  assert.not.ok(text.includes('globex') || text.includes(theirs));
  const whole = await world.ask('GET', '/v1/queue', { as: 'admin' });
  assert.is(whole.json.jobs.length, 3);
  const reasons = await world.ask('GET', `/v1/jobs/${waiting[1]}/explain`, { as: 'acme' });
  assert.equal([reasons.json.position, reasons.json.reasons.length > 0], [3, true]);
  for (const id of loops) await world.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'globex' });
  for (const id of waiting) await world.until(id, 'succeeded');
});

t('a tenant is added, changed, given keys and loses them, each by one fact', async () => {
  const key = await newKeyPair();
  const added = await world.ask('POST', '/v1/tenants', {
    as: 'admin',
    body: { name: 'initech', terms: { weight: 3 }, key: key.publicJwk },
  });
  assert.equal([added.status, added.json.terms.weight, added.json.keys.length], [201, 3, 1]);
  assert.is((await world.ask('POST', '/v1/tenants', { as: 'admin', body: { name: 'initech' } })).status, 409);
  const token = await key.sign(
    {
      aud: 'berth',
      iss: 'initech',
      iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 60,
    },
    'JWT',
  );
  const asInitech = { authorization: `Bearer ${token}` };
  const own = await world.ask('GET', '/v1/tenants', { headers: asInitech });
  assert.equal(
    own.json.tenants.map(({ name }: { name: string }) => name),
    ['initech'],
  );
  const changed = await world.ask('PATCH', '/v1/tenants/initech', {
    as: 'admin',
    body: { terms: { jobsMax: 1 } },
  });
  assert.equal([changed.json.terms.jobsMax, changed.json.terms.weight], [1, 3]);
  const again = await world.ask('POST', '/v1/tenants/initech/keys', {
    as: 'admin',
    body: { key: key.publicJwk },
  });
  assert.equal([again.status, again.json.keys.length], [200, 1]);
  const second = await newKeyPair();
  assert.is(
    (await world.ask('POST', '/v1/tenants/initech/keys', { as: 'admin', body: { key: second.publicJwk } }))
      .status,
    201,
  );
  const path = `/v1/tenants/initech/keys/${key.kid}`;
  for (let i = 0; i < 2; i += 1) {
    const revoked = await world.ask('DELETE', path, { as: 'admin' });
    assert.equal([revoked.status, revoked.json.keys[0].revokedAtSeq > 0], [200, true]);
  }
  assert.is(
    (await world.ask('GET', '/v1/tenants', { headers: asInitech })).status,
    401,
    'also a token that was cached',
  );
  const back = await world.ask('POST', '/v1/tenants/initech/keys', {
    as: 'admin',
    body: { key: key.publicJwk },
  });
  assert.equal([back.status, back.json.code], [409, 'ERR_EXISTS']);
  const types = (await world.ask('GET', '/v1/log?subject=tenant.initech.>', { as: 'admin' })).json.facts.map(
    ({ type }: { type: string }) => type,
  );
  assert.equal(types, [
    'tenant.added',
    'tenant.keyAdded',
    'tenant.changed',
    'tenant.keyAdded',
    'tenant.keyRevoked',
  ]);
  for (const [method, at] of [
    ['PATCH', '/v1/tenants/nobody'],
    ['DELETE', `/v1/tenants/nobody/keys/${key.kid}`],
  ] as const) {
    const body = method === 'PATCH' ? { body: { terms: {} } } : {};
    assert.is((await world.ask(method, at, { as: 'admin', ...body })).status, 404);
  }
});

t('names that mean something else, and keys whose name is not their thumbprint, are refused', async () => {
  for (const name of ['admin', 'unknown', 'evt', 'Acme', 'a.b', '', '-a', 'x'.repeat(33)]) {
    const { status, json } = await world.ask('POST', '/v1/tenants', { as: 'admin', body: { name } });
    assert.equal([status, json.errors[0].field], [400, 'name'], name);
  }
  const [one, two] = await Promise.all([newKeyPair(), newKeyPair()]);
  const swapped = { ...one.publicJwk, kid: two.kid };
  const refused = await world.ask('POST', '/v1/tenants/acme/keys', { as: 'admin', body: { key: swapped } });
  assert.equal([refused.status, refused.json.errors[0].field], [400, 'key.kid']);
  assert.match(refused.json.errors[0].message, one.kid);
  const secret = await world.ask('POST', '/v1/tenants/acme/keys', {
    as: 'admin',
    body: { key: one.privateJwk },
  });
  assert.is(secret.status, 400);
  assert.not.ok(
    secret.text.includes(String(one.privateJwk.d)),
    'a private key sent by mistake is not sent back',
  );
});

t('a GPU is drained and restored by the admin; asking twice changes nothing', async () => {
  for (const [verb, state] of [
    ['drain', 'drained'],
    ['drain', 'drained'],
    ['restore', 'serving'],
    ['restore', 'serving'],
  ] as const) {
    const { status, json } = await world.ask('POST', `/v1/slots/gpu0/${verb}`, {
      as: 'admin',
      body: { reason: 'a new fan' },
    });
    assert.equal([status, json.state], [200, state]);
  }
  const facts = (await world.ask('GET', '/v1/log?subject=slot.gpu0.>', { as: 'acme' })).json.facts;
  assert.equal(
    facts.map(({ type }: { type: string }) => type),
    ['slot.added', 'slot.drained', 'slot.restored'],
  );
  assert.is(facts[1].data.reason, 'a new fan');
  assert.is((await world.ask('POST', '/v1/slots/gpu9/drain', { as: 'admin' })).status, 404);
});

t('the key set verifies attestation reports', async () => {
  const { json } = await world.ask('GET', '/.well-known/jwks.json');
  assert.equal(
    json.keys.map(({ kid }: { kid: string }) => kid),
    [world.keys.admin.kid],
  );
  assert.not.ok(JSON.stringify(json).includes('"d"'));
});

t.run();
