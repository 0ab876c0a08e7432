/** The page's routes: the page, about, sample guests, and what a demo lets its own page do and nobody else. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type KeyPair, newKeyPair, saveKey } from '../../src/attestation/keys.ts';
import { randomIds, systemClock } from '../../src/clock.ts';
import { demoFor } from '../../src/demo-signing.ts';
import { startWasmPool } from '../../src/executor/pool.ts';
import { suite } from '../suite.ts';
import { type Answered, newWorld, type World } from './world.ts';

const t = suite('routes of the page');
/** Without a demo. */
let plain: World;
/** With one, and with real runner processes. */
let demo: World;
let data: string;

t.before(async () => {
  plain = await newWorld();
  data = await mkdtemp(join(tmpdir(), 'berth-page-'));
  const keys = new Map<string, KeyPair>();
  for (const name of ['admin', 'acme', 'globex']) keys.set(name, await newKeyPair());
  const fileOf = (name: string): string =>
    name === 'admin' ? join(data, 'keys', 'admin.jwk') : join(data, 'tenants', `${name}.jwk`);
  for (const [name, pair] of keys) await saveKey(fileOf(name), pair);
  const strike = (job: string): boolean => demo.life.executor.strike(job);
  demo = await newWorld({
    demo: await demoFor({ dataDirectory: data, clock: systemClock, ids: randomIds, strike }),
    keys: { admin: keys.get('admin')!, acme: keys.get('acme')!, globex: keys.get('globex')! },
    backend: () =>
      startWasmPool({
        runners: 2,
        dir: join(data, 'runners'),
        clock: systemClock,
        leaseMs: 5_000,
        graceMs: 1_000,
        memoryMiBMax: 64,
      }),
  });
});
t.after(async () => {
  await plain.end();
  await demo.end();
  await rm(data, { recursive: true, force: true });
});

const jsonType = { 'content-type': 'application/json' };

const sign = (body: unknown, headers: Record<string, string> = {}): Promise<Answered> =>
  demo.ask('POST', '/demo/sign', { body, headers });

t('the page is whole: one script and one style, both named by its policy, and nothing to fetch', async () => {
  const { status, text, headers } = await plain.ask('GET', '/');
  assert.is(status, 200);
  assert.is(headers['content-type'], 'text/html; charset=utf-8');
  const policy = String(headers['content-security-policy']);
  for (const element of ['script', 'style']) {
    const bodies = [...text.matchAll(new RegExp(`<${element}[^>]*>([\\s\\S]*?)</${element}>`, 'g'))];
    assert.is(bodies.length, 1, element);
    const digest = createHash('sha256').update(bodies[0]![1]!).digest('base64');
    assert.match(policy, `${element}-src 'sha256-${digest}'`);
  }
  assert.match(policy, "default-src 'none'");
  assert.match(policy, "connect-src 'self'");
  assert.match(policy, "frame-ancestors 'none'");
  assert.not.match(text.replace(/<script[\s\S]*<\/script>/, ''), /\b(src|href)="(?!data:,")/);
});

t('the page is sent once: its tag answers 304, and HEAD sends no body', async () => {
  const { headers } = await plain.ask('GET', '/');
  const etag = String(headers.etag);
  const again = await plain.ask('GET', '/', { headers: { 'if-none-match': etag } });
  assert.equal([again.status, again.text, again.headers.etag], [304, '', etag]);
  const other = await plain.ask('GET', '/', { headers: { 'if-none-match': '"another"' } });
  assert.is(other.status, 200);
  const head = await plain.ask('HEAD', '/');
  assert.equal([head.status, head.text, head.headers.etag], [200, '', etag]);
  assert.is(head.headers['content-length'], String(Buffer.byteLength(other.text)));
});

t('about tells each who has a key what runs here, and nobody else', async () => {
  for (const as of ['admin', 'acme'] as const) {
    const { status, json } = await plain.ask('GET', '/v1/about', { as });
    assert.is(status, 200);
    const [first] = await plain.life.log.read(1, 1);
    assert.equal(json, {
      demo: false,
      demoTenants: [],
      durability: plain.life.log.durability,
      enforcement: ['simulated'],
      headSeq: plain.life.views.seq,
      isolation: 'L0',
      log: first?.hash,
      policy: 'fifo',
      version: 'test',
    });
  }
  assert.is((await plain.ask('GET', '/v1/about')).status, 401);
  assert.is((await plain.ask('GET', '/v1/about', { as: 'stranger' })).status, 401);
  const { json } = await demo.ask('GET', '/v1/about', { as: 'globex' });
  assert.equal([json.demo, json.demoTenants], [true, ['admin', 'acme', 'globex']]);
});

t('the sample guests are listed for everyone, and each comes as its digest says', async () => {
  const { status, json } = await plain.ask('GET', '/guests');
  assert.is(status, 200);
  assert.ok(json.guests.length > 8);
  for (const { name, bytes, sha256 } of json.guests) {
    const { headers, status: found } = await plain.ask('GET', `/guests/${name}`);
    assert.equal(
      [found, headers['content-type'], headers['content-length'], headers.etag],
      [200, 'application/wasm', String(bytes), `"${sha256}"`],
    );
    assert.match(String(headers['content-disposition']), `filename="${name}.wasm"`);
  }
  const { sha256 } = json.guests.find(({ name }: { name: string }) => name === 'hello');
  const response = await fetch(`${plain.http.url}/guests/hello`);
  const got = Buffer.from(await response.arrayBuffer());
  assert.ok(got.equals(await readFile(new URL('../../wasm/hello.wasm', import.meta.url))));
  const kept = await plain.ask('GET', '/guests/hello', { headers: { 'if-none-match': `"${sha256}"` } });
  assert.equal([kept.status, kept.text], [304, '']);
});

t('no name of a guest leads out of their folder', async () => {
  const cases: [string, number][] = [
    ['/guests/nothing', 404],
    ['/guests/', 404],
    ['/guests/../package.json', 404],
    ['/guests/..%2fpackage.json', 400],
    ['/guests/%2e%2e', 400],
    ['/guests/hello.wasm', 400],
    ['/guests/hello%00', 400],
    [`/guests/${'a'.repeat(33)}`, 400],
  ];
  for (const [path, status] of cases) assert.is((await plain.ask('GET', path)).status, status, path);
});

t('without a demo nobody signs, whoever asks', async () => {
  for (const as of [undefined, 'admin', 'acme'] as const) {
    const answer = await plain.ask('POST', '/demo/sign', { as, body: { as: 'acme', kind: 'token' } });
    assert.equal([answer.status, answer.json.code], [404, 'ERR_NOT_FOUND']);
    const strike = await plain.ask('POST', '/demo/strike', { as, body: { job: 'a', what: 'runner' } });
    assert.equal([strike.status, strike.json.code], [404, 'ERR_NOT_FOUND']);
  }
});

t('a page can ask for whom it may have signed, and gets no error where that is nobody', async () => {
  const none = await plain.ask('GET', '/demo/sign');
  assert.equal([none.status, none.json], [200, { names: [] }]);
  const some = await demo.ask('GET', '/demo/sign');
  assert.equal([some.status, some.json], [200, { names: ['admin', 'acme', 'globex'] }]);
});

t("a demo's token and request work for each of its names", async () => {
  for (const as of ['admin', 'acme', 'globex']) {
    const { status, json } = await sign({ as, kind: 'token' });
    assert.is(status, 200);
    const authorization = `Bearer ${json.jws}`;
    const about = await demo.ask('GET', '/v1/about', { headers: { authorization } });
    assert.is(about.status, 200, as);
    const drain = await demo.ask('GET', '/v1/tenants', { headers: { authorization } });
    assert.is(drain.json.tenants.length, as === 'admin' ? 2 : 1, as);
  }
  const other = await sign({ as: 'acme', kind: 'token' });
  assert.is.not(other.json.jws, (await sign({ as: 'acme', kind: 'token' })).json.jws, 'no two have one jti');
  for (const as of ['acme', 'globex']) {
    const job = { module: demo.module, slot: '1g.10gb' };
    const { json } = await sign({ as, kind: 'request', job });
    const headers = { 'content-type': 'application/jose' };
    const submitted = await demo.ask('POST', '/v1/jobs', { raw: json.jws, headers });
    assert.is(submitted.status, 202, submitted.text);
    const view = await demo.until(submitted.json.id, 'succeeded');
    assert.is(view['tenant'], as);
  }
});

/** Requests that the page of this server would never send, by what gives them away. */
const foreign: readonly Record<string, string>[] = [
  { host: 'evil.example' },
  { host: 'localhost.evil.example' },
  { host: '127.0.0.1.evil.example:80' },
  { host: '10.0.0.1' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'none' },
  { origin: 'https://evil.example' },
  { origin: 'http://127.0.0.1:1' },
  { origin: 'null' },
];

t(
  'only the page of this very server is served: no other site, and no name that merely leads here',
  async () => {
    const bodies: [string, unknown][] = [
      ['/demo/sign', { as: 'admin', kind: 'token' }],
      ['/demo/strike', { job: 'abc', what: 'runner' }],
    ];
    for (const [path, body] of bodies) {
      for (const headers of foreign) {
        const { status, json, text } = await demo.ask('POST', path, { body, headers });
        assert.equal([status, json.code], [403, 'ERR_FORBIDDEN'], `${path} ${JSON.stringify(headers)}`);
        assert.not.match(text, 'jws');
      }
    }
    for (const headers of foreign) {
      const { status, json } = await demo.ask('GET', '/demo/sign', { headers });
      assert.equal([status, json], [200, { names: [] }], JSON.stringify(headers));
    }
    const { port } = demo.http;
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
      const headers = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };
      assert.is((await sign({ as: 'acme', kind: 'token' }, headers)).status, 200, host);
    }
  },
);

t('unknown names, wrong and huge bodies and other content types get nothing', async () => {
  const wrong: [unknown, number, string][] = [
    [{ as: 'initech', kind: 'token' }, 404, 'ERR_NOT_FOUND'],
    [{ as: '../keys/controller', kind: 'token' }, 404, 'ERR_NOT_FOUND'],
    [{ as: 'a'.repeat(65), kind: 'token' }, 400, 'ERR_BAD_REQUEST'],
    [{ as: 'acme', kind: 'report' }, 400, 'ERR_BAD_REQUEST'],
    [{ as: 'acme' }, 400, 'ERR_BAD_REQUEST'],
    [{ as: 'acme', kind: 'token', exp: 1e12 }, 400, 'ERR_BAD_REQUEST'],
    [['acme'], 400, 'ERR_BAD_REQUEST'],
    [{ as: 'acme', kind: 'request', job: 'x'.repeat(300_000) }, 413, 'ERR_TOO_LARGE'],
  ];
  for (const [body, status, code] of wrong) {
    const answer = await sign(body);
    assert.equal([answer.status, answer.json.code], [status, code], JSON.stringify(body).slice(0, 80));
  }
  const raw = JSON.stringify({ as: 'admin', kind: 'token' });
  // What a form of another site can send without asking first.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    const headers = { 'content-type': type };
    assert.is((await demo.ask('POST', '/demo/sign', { raw, headers })).status, 415, type);
  }
  assert.is((await demo.ask('POST', '/demo/sign', { raw: '{"as":', headers: jsonType })).status, 400);
  assert.is((await demo.ask('PUT', '/demo/sign')).status, 405);
});

t('a strike kills the process under a job: the attempt is lost, and the job runs again', async () => {
  const wasm = await readFile(new URL('../../wasm/loop.wasm', import.meta.url));
  const { sha256 } = await demo.blobs.putBytes('globex', wasm);
  const id = await demo.submit({ module: `sha256:${sha256}`, limits: { wallMs: 60_000 } }, 'globex');
  await demo.until(id, 'running');
  const strike = (job: string) => demo.ask('POST', '/demo/strike', { body: { job, what: 'runner' } });
  const struck = await strike(id);
  assert.equal([struck.status, struck.json], [202, { job: id }]);
  const types = async (): Promise<string[]> => {
    const { json } = await demo.ask('GET', `/v1/jobs/${id}/events`, { as: 'globex' });
    return json.facts.map(({ type }: { type: string }) => type);
  };
  for (let tries = 0; !(await types()).includes('job.lost'); tries += 1) {
    assert.ok(tries < 500, 'no job.lost came');
    await new Promise((resume) => setTimeout(resume, 20));
  }
  await demo.until(id, 'running');
  assert.is((await types()).filter((type) => type === 'job.started').length, 2);
  await demo.ask('POST', `/v1/jobs/${id}/cancel`, { as: 'globex' });
  await demo.until(id, 'cancelled');
  for (const job of [id, 'nosuchjob']) {
    const { status, json } = await strike(job);
    assert.equal([status, json.code], [409, 'ERR_NOT_IN_STATE'], job);
  }
});

t.run();
