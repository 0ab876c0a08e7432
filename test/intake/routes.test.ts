/** Every route as every kind of caller, and what the router refuses before any handler runs. */
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import type { Route } from '../../src/intake/route.ts';
import { routes } from '../../src/intake/routes.ts';
import { suite } from '../suite.ts';
import {
  type Answered,
  type Asking,
  newWorld,
  saysHello,
  simulatedBackend,
  type Who,
  type World,
} from './world.ts';

const t = suite('routes');
const unknownId = 'zzzzzzzzzzzzzzzzzzzz';
let world: World;
/** A job of acme's that has ended with a result, and one of globex's that holds a slot. */
let mine: string;
let theirs: string;
let theirBlob: string;

t.before(async () => {
  const backend = simulatedBackend((request) =>
    request.tenant === 'globex' ? 'runs until killed' : saysHello(request),
  );
  world = await newWorld({ backend });
  mine = await world.submit({ labels: { team: 'red', kind: 'test' }, args: ['one'] });
  await world.until(mine, 'succeeded');
  theirs = await world.submit({ name: 'secret of globex', limits: { wallMs: 60_000 } }, 'globex');
  await world.until(theirs, 'running');
  const bytes = new TextEncoder().encode('only globex has this');
  theirBlob = createHash('sha256').update(bytes).digest('hex');
  await world.blobs.putBytes('globex', bytes);
});
t.after(() => world.end());

const keyOf = ({ method, path }: Route): string => `${method} ${path}`;

/** A well-formed request for each route that wants a body; those that are left out take none. */
async function sample(route: Route): Promise<Asking> {
  switch (keyOf(route)) {
    case 'POST /v1/jobs':
    case 'POST /v1/jobs:validate':
      return { body: { job: { module: world.module, slot: '1g.10gb' } } };
    case 'PUT /v1/blobs/{sha256}':
      return { raw: 'blob of the table test' };
    case 'POST /v1/tenants':
      return { body: { name: `t${Date.now()}` } };
    case 'PATCH /v1/tenants/{name}':
      return { body: { terms: { weight: 2 } } };
    case 'POST /v1/tenants/{name}/keys':
      return { body: { key: (await newKeyPair()).publicJwk } };
    case 'POST /demo/sign':
      return { body: { as: 'acme', kind: 'token' } };
    case 'POST /demo/strike':
      return { body: { job: mine, what: 'runner' } };
    default:
      return {};
  }
}

const blobHex = createHash('sha256').update('blob of the table test').digest('hex');

/** The path with ids that exist: acme's job, the sample's blob, the one GPU, tenant acme. */
function pathOf({ path }: Route, id: string = mine): string {
  const values: Record<string, string> = {
    id,
    sha256: blobHex,
    gpu: 'gpu0',
    name: path.startsWith('/guests/') ? 'hello' : 'acme',
    kid: 'k'.repeat(43),
  };
  return path.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}

async function call(route: Route, as: Who | undefined, path = pathOf(route)): Promise<Answered> {
  return world.ask(route.method, path, { ...(await sample(route)), as });
}

const isOfTenant = ({ auth }: Route): boolean => auth === 'tenant' || auth === 'request';

t('the table has every route of the contract', () => {
  const promised = [
    'POST /v1/jobs',
    'POST /v1/jobs:validate',
    'GET /v1/jobs',
    'GET /v1/jobs/{id}',
    'POST /v1/jobs/{id}/cancel',
    'GET /v1/jobs/{id}/events',
    'GET /v1/jobs/{id}/result',
    'GET /v1/jobs/{id}/logs',
    'GET /v1/jobs/{id}/explain',
    'GET /v1/jobs/{id}/attestation',
    'PUT /v1/blobs/{sha256}',
    'GET /v1/blobs/{sha256}',
    'GET /v1/slots',
    'GET /v1/queue',
    'GET /v1/tenants',
    'GET /v1/log',
    'GET /livez',
    'GET /readyz',
    'GET /metrics',
    'GET /openapi.json',
    'GET /asyncapi.json',
    'GET /.well-known/jwks.json',
    'GET /',
  ];
  const have = new Set(routes.map(keyOf));
  assert.is(have.size, routes.length, 'no row stands twice');
  assert.equal(
    promised.filter((each) => !have.has(each)),
    [],
  );
});

t('nobody and strangers get past no route that needs a key', async () => {
  for (const route of routes) {
    for (const who of [undefined, 'stranger'] as const) {
      const { status, json, headers } = await call(route, who);
      // What a demo allows is not there without one, for nobody. With one: `routes-page.test.ts`.
      if (keyOf(route).startsWith('POST /demo/')) assert.is(status, 404, `${keyOf(route)} as ${who}`);
      else if (route.auth === 'none') assert.ok(status < 400, `${keyOf(route)} as ${who}: ${status}`);
      else {
        assert.is(status, 401, `${keyOf(route)} as ${who}`);
        assert.is(json.code, 'ERR_UNAUTHENTICATED', keyOf(route));
        assert.match(headers['www-authenticate'] ?? '', 'Bearer');
      }
    }
  }
});

t("the admin's routes are closed to tenants, and the tenants' are open to them", async () => {
  for (const route of routes.filter(({ auth }) => auth !== 'none')) {
    const { status, json } = await call(route, 'acme');
    if (route.auth === 'admin') assert.equal([status, json.code], [403, 'ERR_FORBIDDEN'], keyOf(route));
    else assert.not.ok([401, 403].includes(status), `${keyOf(route)}: ${status}`);
  }
});

t('the admin reads everything', async () => {
  for (const route of routes.filter((each) => each.method === 'GET' && each.auth !== 'none')) {
    const path = route.path === '/v1/blobs/{sha256}' ? `/v1/blobs/${theirBlob}?tenant=globex` : pathOf(route);
    const { status, text } = await call(route, 'admin', path);
    const noTracer = route.path === '/v1/jobs/{id}/trace';
    assert.is(status, noTracer ? 404 : 200, `${keyOf(route)}: ${text}`);
  }
});

t("another tenant's job answers exactly as one that nobody has", async () => {
  const withId = routes.filter(({ path }) => path.includes('{id}'));
  assert.ok(withId.length >= 7);
  for (const route of withId) {
    const foreign = await call(route, 'acme', pathOf(route, theirs));
    const unknown = await call(route, 'acme', pathOf(route, unknownId));
    assert.is(foreign.status, 404, keyOf(route));
    assert.is(foreign.text.replaceAll(theirs, unknownId), unknown.text, keyOf(route));
    const { date: _a, ...headers } = foreign.headers;
    const { date: _b, ...others } = unknown.headers;
    assert.equal(headers, others, keyOf(route));
  }
});

t('no answer to a tenant names another tenant, its job or its blob', async () => {
  const secrets = ['globex', theirs, theirBlob, 'secret of'];
  const paths = routes
    .filter((route) => route.method === 'GET' && isOfTenant(route))
    .map((route) => pathOf(route));
  paths.push(
    '/v1/jobs?tenant=globex',
    '/v1/jobs?state=running',
    '/v1/log?limit=1000',
    '/v1/log?subject=job.globex.>',
  );
  for (const path of paths) {
    const { text } = await world.ask('GET', path, { as: 'acme' });
    for (const secret of secrets) assert.not.ok(text.includes(secret), `${path} holds ${secret}`);
  }
  const slots = await world.ask('GET', '/v1/slots', { as: 'acme' });
  assert.equal(
    slots.json.gpus[0].held.map(({ holder }: { holder: unknown }) => holder),
    ['busy'],
  );
  const seen = await world.ask('GET', '/v1/slots', { as: 'globex' });
  assert.is(seen.json.gpus[0].held[0].holder.job, theirs);
});

t('a blob answers to the tenant that has it, not to one that knows its name', async () => {
  const path = `/v1/blobs/${theirBlob}`;
  assert.is((await world.ask('GET', path, { as: 'globex' })).text, 'only globex has this');
  assert.is((await world.ask('GET', path, { as: 'acme' })).status, 404);
  assert.is((await world.ask('GET', `${path}?tenant=globex`, { as: 'acme' })).status, 404);
  assert.is((await world.ask('GET', path, { as: 'admin' })).status, 400);
  assert.is(
    (await world.ask('PUT', `/v1/blobs/${blobHex}`, { as: 'admin', raw: 'blob of the table test' })).status,
    403,
  );
  const cached = await world.ask('GET', path, {
    as: 'globex',
    headers: { 'if-none-match': `"${theirBlob}"` },
  });
  assert.equal([cached.status, cached.text], [304, '']);
});

t('unknown paths, wrong methods, wrong content types and bad ids are told apart', async () => {
  const unknown = await world.ask('GET', '/v1/nothing', { as: 'acme' });
  assert.equal([unknown.status, unknown.json.code], [404, 'ERR_NOT_FOUND']);
  for (const path of ['/v1/jobs/', '/v1', '/v2/jobs', '//', '/v1/jobs/a/b/c', '/v1/jobs/../slots']) {
    assert.is((await world.ask('GET', path, { as: 'acme' })).status, 404, path);
  }
  const method = await world.ask('DELETE', '/v1/jobs', { as: 'acme' });
  assert.equal(
    [method.status, method.json.code, method.headers['allow']],
    [405, 'ERR_METHOD', 'POST, GET, HEAD'],
  );
  const type = await world.ask('POST', '/v1/jobs', {
    as: 'acme',
    raw: 'a=b',
    headers: { 'content-type': 'text/plain' },
  });
  assert.equal([type.status, type.json.code], [415, 'ERR_UNSUPPORTED_TYPE']);
  const charset = { 'content-type': 'application/json; charset=latin1' };
  assert.is((await world.ask('POST', '/v1/jobs', { as: 'acme', raw: '{}', headers: charset })).status, 415);
  const coding = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  assert.is((await world.ask('POST', '/v1/jobs', { as: 'acme', raw: '{}', headers: coding })).status, 415);
  const id = await world.ask('GET', '/v1/jobs/UPPER', { as: 'acme' });
  assert.equal([id.status, id.json.errors[0].field], [400, 'id']);
  assert.is((await world.ask('GET', '/v1/jobs/%zz', { as: 'acme' })).status, 400);
  assert.is((await world.ask('GET', '/v1/jobs/..%2f..%2fslots', { as: 'acme' })).status, 400);
});

t('a bad query or body names the field and its limit', async () => {
  const cases: [string, string, string][] = [
    ['/v1/jobs?limit=0', 'limit', '1'],
    ['/v1/jobs?limit=1001', 'limit', '1000'],
    ['/v1/jobs?limit=ten', 'limit', 'whole number from 1 to 1000'],
    ['/v1/jobs?limit=1&limit=2', 'limit', 'string'],
    ['/v1/jobs?state=asleep', 'state', 'queued'],
    ['/v1/jobs?colour=red', '', 'colour'],
    ['/v1/log?from=0', 'from', '1'],
    ['/v1/log?subject=a..b', 'subject', '`*`'],
    ['/v1/jobs?__proto__=1', '', '__proto__'],
  ];
  for (const [path, field, limit] of cases) {
    const { status, json } = await world.ask('GET', path, { as: 'acme' });
    assert.is(status, 400, path);
    assert.is(json.code, 'ERR_BAD_REQUEST', path);
    assert.ok(
      json.errors.some(
        (each: { field: string; message: string }) =>
          (field === '' || each.field === field) && each.message.includes(limit),
      ),
      `${path}: ${JSON.stringify(json.errors)}`,
    );
  }
  const body = await world.ask('POST', '/v1/tenants', {
    as: 'admin',
    body: { name: 'UPPER', terms: { weight: 0 }, more: 1 },
  });
  assert.equal(body.json.errors.map(({ field }: { field: string }) => field).sort(), [
    'body',
    'name',
    'terms.weight',
  ]);
  const spec = await world.ask('POST', '/v1/jobs', {
    as: 'acme',
    body: { job: { module: 'x', slot: '1g.10gb', limits: { wallMs: 0 } } },
  });
  assert.equal([spec.status, spec.json.code], [400, 'ERR_BAD_SPEC']);
  assert.equal(spec.json.errors.map(({ field }: { field: string }) => field).sort(), [
    'job.limits.wallMs',
    'job.module',
  ]);
});

t('every answer is guarded: no sniffing, no framing, no keeping', async () => {
  for (const path of [
    '/',
    '/v1/jobs',
    '/nothing',
    '/livez',
    `/v1/jobs/${mine}/result`,
    `/v1/jobs/${mine}/logs`,
  ]) {
    const { headers } = await world.ask('GET', path, { as: 'acme' });
    assert.is(headers['x-content-type-options'], 'nosniff', path);
    assert.is(headers['x-frame-options'], 'DENY', path);
    assert.match(String(headers['content-security-policy']), "default-src 'none'");
    // The page is nobody's secret: it may be kept, to be asked for by its tag.
    const keeping = path === '/' ? /^no-cache$/ : /no-store|private/;
    assert.match(String(headers['cache-control']), keeping, path);
    assert.not.ok('x-powered-by' in headers);
  }
  const result = await world.ask('GET', `/v1/jobs/${mine}/result`, { as: 'acme' });
  assert.match(result.headers['content-disposition'] ?? '', 'attachment');
});

t('HEAD answers as GET does, without the body', async () => {
  for (const path of [`/v1/jobs/${mine}`, `/v1/jobs/${mine}/result`, '/livez']) {
    const get = await world.ask('GET', path, { as: 'acme' });
    const head = await world.ask('HEAD', path, { as: 'acme' });
    assert.equal([head.status, head.text], [get.status, '']);
    assert.is(head.headers['content-length'], get.headers['content-length']);
  }
});

t('a fault of ours is a 500 that says nothing but its number; the stack goes to the operator', async () => {
  world.metrics = async () => {
    throw new Error('secret detail');
  };
  const { status, json, text } = await world.ask('GET', '/metrics');
  world.metrics = async () => '';
  assert.equal([status, json.code], [500, 'ERR_INTERNAL']);
  assert.not.ok(text.includes('secret') || text.includes('.ts'));
  assert.ok(world.told.some(({ level, message }) => level === 'error' && message.includes('secret detail')));
  assert.is((await world.ask('GET', '/livez')).status, 200);
});

t('while the controller recovers, /v1 says come back, and probes say why', async () => {
  world.present = null;
  try {
    for (const route of routes.filter(({ path }) => path.startsWith('/v1'))) {
      const { status, json, headers } = await call(route, 'acme');
      assert.equal([status, json.code], [503, 'ERR_READ_ONLY'], keyOf(route));
      assert.ok(headers['retry-after'], keyOf(route));
    }
    assert.is((await world.ask('GET', '/livez')).status, 200);
    const ready = await world.ask('GET', '/readyz');
    assert.equal([ready.status, ready.json.state, ready.json.ready], [503, 'recovering', false]);
  } finally {
    world.present = world.life;
  }
});

t.run();
