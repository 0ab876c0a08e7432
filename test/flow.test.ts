/**
 * One job from request to result, through the real door, log, sandbox and disk. Read this first.
 *
 * Each law below is one hop of ARCHITECTURE.md, "The way of one job"; the file that makes it true is named.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type KeyPair, loadKey } from '../src/attestation/keys.ts';
import { readSettings } from '../src/config.ts';
import type { FactRecord } from '../src/events/record.ts';
import { type Server, startServer } from '../src/main.ts';
import type { JobView } from '../src/views/job-view.ts';
import { suite } from './suite.ts';

const data = mkdtempSync(join(tmpdir(), 'berth-flow-'));
const input = Buffer.from('the quick brown fox');
let server: Server;
let acme: KeyPair;
let job: JobView;
let facts: FactRecord[];

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** A bearer token: who is asking. */
const token = async (): Promise<string> =>
  `Bearer ${await acme.sign({ iss: 'acme', aud: 'berth', iat: nowSeconds(), exp: nowSeconds() + 60 }, 'JWT')}`;

const get = async (path: string): Promise<Response> =>
  fetch(`${server.url}${path}`, { headers: { authorization: await token() } });

async function put(bytes: Uint8Array): Promise<string> {
  const digest = sha256(bytes);
  const headers = { authorization: await token() };
  const answer = await fetch(`${server.url}/v1/blobs/${digest}`, { method: 'PUT', body: bytes, headers });
  assert.ok(answer.ok, await answer.text());
  return `sha256:${digest}`;
}

const t = suite('flow: one job from request to result');

t.before(async () => {
  const flags = { data, listen: '127.0.0.1:0', demo: true, runners: 1, logLevel: 'error' };
  server = await startServer(readSettings(flags, {}).settings);
  acme = await loadKey(join(data, 'tenants', 'acme.jwk'));
});
t.after(async () => {
  await server.stop();
  rmSync(data, { recursive: true });
});

t('the door takes a signed request and answers 202 with the job (src/intake/door.ts)', async () => {
  const module = await put(await readFile(new URL('../wasm/sha256.wasm', import.meta.url)));
  const spec = { module, input: await put(input), slot: '1g.10gb' };
  const claims = {
    iss: 'acme',
    aud: 'berth',
    jti: 'flow-test-1',
    iat: nowSeconds(),
    exp: nowSeconds() + 60,
    job: spec,
  };
  const body = await acme.sign(claims, 'berth-job+jws');
  const answer = await fetch(`${server.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body,
  });
  assert.is(answer.status, 202);
  job = (await answer.json()) as JobView;
  assert.is(answer.headers.get('location'), `/v1/jobs/${job.id}`);
});

t('the job runs to its end (src/controller.ts turns the wheel)', async () => {
  while (job.times.endedAtMs === null) job = (await (await get(`/v1/jobs/${job.id}`)).json()) as JobView;
  assert.is(job.state, 'succeeded');
});

t(
  'its life is nine facts, each written for the actor whose command it was (src/jobs/decide.ts)',
  async () => {
    facts = ((await (await get(`/v1/jobs/${job.id}/events`)).json()) as { facts: FactRecord[] }).facts;
    assert.equal(
      facts.map(({ type, author }) => `${type.slice(4)} by ${author}`),
      [
        'submitted by intake', //   src/intake/door.ts         admitted: identity, signature, blobs, bounds
        'attested by attestor', //  src/attestation/attestor.ts imports ⊆ declared ⊆ permitted; report signed
        'queued by jobs', //        src/jobs/concluder.ts      attested, so it may wait for a slot
        'selected by scheduler', // src/scheduler/scheduler.ts who is next, among what fits
        'reserved by slots', //     src/slots/slot-manager.ts  where: a MIG slot; its seq is the fence
        'started by executor', //   src/executor/executor.ts   a runner entered the guest
        'exited by executor', //    src/executor/executor.ts   exit code and result, stored durably
        'released by slots', //     src/slots/slot-manager.ts  the slot is free
        'succeeded by jobs', //     machines/conclude.ts       the verdict; nothing follows it
      ],
    );
  },
);

t('the facts are one chain, and every report names the fence (src/log/file.ts, machines/run.ts)', () => {
  for (const [i, fact] of facts.entries()) assert.is(fact.version, i + 1);
  const fence = facts[4]?.seq;
  for (const { data } of facts.slice(5, 8)) assert.is(data['fence'], fence);
});

t('the result is what the guest computed (src/executor/runner.ts, src/blobs/blobs.ts)', async () => {
  const result = await (await get(`/v1/jobs/${job.id}/result`)).text();
  assert.is(result, `${sha256(input)}\n`);
  assert.is(job.result?.sha256, sha256(Buffer.from(result)));
});

t('the slot is free again (src/slots/fleet.ts)', async () => {
  const text = await (await get('/v1/slots')).text();
  assert.not.match(text, job.id);
});

t('asking again with the same token gives the same job, not a second one (src/jobs/decide.ts)', async () => {
  const spec = { module: job.spec.module, input: job.spec.input, slot: '1g.10gb' };
  const claims = {
    iss: 'acme',
    aud: 'berth',
    jti: 'flow-test-1',
    iat: nowSeconds(),
    exp: nowSeconds() + 60,
    job: spec,
  };
  const answer = await fetch(`${server.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body: await acme.sign(claims, 'berth-job+jws'),
  });
  assert.is(answer.status, 202);
  assert.is(((await answer.json()) as JobView).id, job.id);
});

t.run();
