/** The HTTP door from outside: jobs, blobs and probes as their owner uses them. */
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { newWorld, type World } from './world.ts';

const t = suite('http');
let world: World;

t.before(async () => {
  world = await newWorld();
});
t.after(() => world.end());

t('a job goes from upload to result over HTTP', async () => {
  const input = new TextEncoder().encode('some input');
  const sha256 = createHash('sha256').update(input).digest('hex');
  const put = await world.ask('PUT', `/v1/blobs/${sha256}`, { as: 'acme', raw: input });
  assert.is(put.status, 201);
  assert.equal(put.json, { sha256, bytes: input.length });
  assert.is((await world.ask('PUT', `/v1/blobs/${sha256}`, { as: 'acme', raw: input })).status, 200);
  const got = await world.ask('GET', `/v1/blobs/${sha256}`, { as: 'acme' });
  assert.equal([got.status, got.text], [200, 'some input']);

  const answer = await world.ask('POST', '/v1/jobs', {
    as: 'acme',
    body: { job: { module: world.module, input: `sha256:${sha256}`, slot: '1g.10gb' } },
  });
  assert.is(answer.status, 202, answer.text);
  assert.is(answer.headers['location'], `/v1/jobs/${answer.json.id}`);
  assert.is(answer.json.state, 'attesting');
  const view = await world.until(answer.json.id, 'succeeded');
  assert.equal((view['result'] as { bytes: number }).bytes, 6);
  const result = await world.ask('GET', `/v1/jobs/${answer.json.id}/result`, { as: 'acme' });
  assert.equal(
    [result.status, result.text, result.headers['content-type']],
    [200, 'hello\n', 'application/octet-stream'],
  );
});

t('a signed job needs no token', async () => {
  const job = { module: world.module, slot: '1g.10gb' };
  const raw = await world.signed('acme', job);
  const answer = await world.ask('POST', '/v1/jobs', {
    raw,
    headers: { 'content-type': 'application/jose' },
  });
  assert.is(answer.status, 202, answer.text);
  const again = await world.ask('POST', '/v1/jobs', { raw, headers: { 'content-type': 'application/jose' } });
  assert.equal([again.status, again.json.id], [202, answer.json.id]);
});

t('probes answer without a key', async () => {
  assert.is((await world.ask('GET', '/livez')).status, 200);
  const ready = await world.ask('GET', '/readyz');
  assert.equal(
    [ready.status, ready.json],
    [200, { code: null, ready: true, reason: null, state: 'accepting' }],
  );
  assert.match((await world.ask('GET', '/metrics')).text, 'nothing yet');
  assert.match((await world.ask('GET', '/')).text, '<title>Berth</title>');
});

t('an address that cannot be had is named, with the reason and the next step', async () => {
  const cases: [string, number, RegExp][] = [
    ['127.0.0.1', world.http.port, /^--listen 127\.0\.0\.1:\d+: another program listens there; stop it, or /],
    ['192.0.2.1', 0, /^--listen 192\.0\.2\.1:0: this machine has no such address; /],
  ];
  for (const [host, port, said] of cases) {
    const error = await newWorld({ listen: { host, port } }).then(
      () => null,
      (thrown: { code: string; message: string }) => thrown,
    );
    assert.is(error?.code, 'ERR_CONFIG');
    assert.match(error?.message ?? '', said);
  }
});

t.run();
