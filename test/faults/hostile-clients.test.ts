/** Clients that send too much, too slowly, twice, or leave in the middle, against the real server with its real limits. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Caller, eventually, type HttpAnswer, pause, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { judge } from './history.ts';

const t = suite('faults/hostile clients');
const mib = 1024 * 1024;
let server: ServerProcess;
let acme: Caller;
let noop: string;
const accepted: string[] = [];

t.before(async () => {
  const flags = ['--fleet', '1xH100-80GB', '--runners', '1', '--log-level', 'error'];
  server = await ServerProcess.begin({ flags });
  acme = new Caller(server);
  noop = await acme.put(sampleGuest('noop'));
});
t.after(async () => {
  acme.close();
  const { code } = await server.end();
  await judge(server.data, accepted);
  await server.remove();
  assert.is(code, 0, server.stderr);
});
// Whatever a test did: afterwards the server is alive and a job still comes to its end.
t.after.each(async () => {
  assert.is((await acme.ask('GET', '/livez')).status, 200);
  assert.is((await acme.ask('GET', '/readyz')).status, 200);
  const { id } = await acme.submit({ module: noop });
  accepted.push(id);
  assert.is((await acme.until(id)).state, 'succeeded');
});

const codeOf = ({ json }: HttpAnswer): string => (json as { code: string }).code;
const rssMiB = (): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
const leftovers = (): string[] =>
  readdirSync(join(server.data, 'blobs', 'acme')).filter((name) => !/^[0-9a-f]{64}$/.test(name));
const address = () => ({ host: new URL(server.url).hostname, port: Number(new URL(server.url).port) });

/** A raw connection; `closed` resolves with all that came, when the server ends it. */
function raw(): { socket: Socket; closed: Promise<string> } {
  const socket = connect(address());
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve(text))) };
}

/** Sends `bytes` zero bytes without saying how many will come; stops when the answer is here. */
async function pour(
  method: string,
  path: string,
  bytes: number,
): Promise<{ status: number; code: string; peakMiB: number }> {
  const authorization = await acme.bearer();
  const headers = { authorization, 'transfer-encoding': 'chunked', 'content-type': 'application/json' };
  let peakMiB = 0;
  return new Promise((resolve, reject) => {
    const request = httpRequest(server.url + path, { method, headers, agent: false });
    let answered = false;
    request.on('error', (error) => (answered ? undefined : reject(error)));
    request.on('response', (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        request.destroy();
        const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
        resolve({ status: response.statusCode ?? 0, code, peakMiB });
      });
    });
    const chunk = Buffer.alloc(mib);
    const send = (left: number): void => {
      peakMiB = Math.max(peakMiB, rssMiB());
      if (answered) return;
      if (left === 0) return void request.end();
      request.write(chunk, () => send(left - 1));
    };
    send(bytes / mib);
  });
}

t('10 MiB of JSON are refused with 413, announced or not, and cost the server no memory', async () => {
  const before = rssMiB();
  const body = Buffer.alloc(10 * mib, '[');
  const announced = await acme.ask('POST', '/v1/jobs', {
    body,
    headers: { 'content-type': 'application/json' },
  });
  assert.equal([announced.status, codeOf(announced)], [413, 'ERR_TOO_LARGE']);
  const { status, code, peakMiB } = await pour('POST', '/v1/jobs', 10 * mib);
  assert.equal([status, code], [413, 'ERR_TOO_LARGE']);
  assert.ok(peakMiB - before < 32, `grew by ${peakMiB - before} MiB`);
});

t('a blob of 100 MiB is refused with 413 and costs neither memory nor disk', async () => {
  const before = rssMiB();
  const { status, code, peakMiB } = await pour('PUT', `/v1/blobs/${'a'.repeat(64)}`, 100 * mib);
  assert.equal([status, code], [413, 'ERR_TOO_LARGE']);
  assert.ok(peakMiB - before < 64, `grew by ${peakMiB - before} MiB`);
  await eventually('the half blob is gone', () => leftovers().length === 0);
});

t('a client that hangs up in the middle of an upload leaves nothing behind', async () => {
  const bytes = Buffer.alloc(4 * mib, 7);
  const digest = createHash('sha256').update(bytes).digest('hex');
  for (let n = 0; n < 5; n += 1) {
    const { socket, closed } = raw();
    const head = `PUT /v1/blobs/${digest} HTTP/1.1\r\nhost: x\r\nauthorization: ${await acme.bearer()}\r\n`;
    socket.write(`${head}content-length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes.subarray(0, mib));
    await eventually('the upload has begun', () => leftovers().length > 0);
    socket.resetAndDestroy();
    await closed;
    await eventually('the half blob is gone', () => leftovers().length === 0);
  }
  assert.is((await acme.ask('GET', `/v1/blobs/${digest}`)).status, 404);
  assert.is(await acme.put(bytes), `sha256:${digest}`);
});

t(
  'clients that leave their event streams free their places: three times a hundred, where the bound is 256',
  async () => {
    const authorization = await acme.bearer();
    const open = async (): Promise<Socket> => {
      const { socket } = raw();
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      socket.write(
        `GET /v1/log HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\naccept: text/event-stream\r\n\r\n`,
      );
      await eventually('the stream begins', () => text.includes('\r\n\r\n'));
      assert.match(text, /^HTTP\/1\.1 200 /);
      return socket;
    };
    for (let round = 0; round < 3; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 100 }, open));
      for (const socket of sockets) socket.resetAndDestroy();
      await pause(50);
    }
    const last = await open();
    last.destroy();
  },
);

t(
  'a header that comes letter by letter is answered with 408, and hinders nobody meanwhile',
  async () => {
    const lorises = Array.from({ length: 20 }, () => raw());
    let dripping = true;
    const drip = (async () => {
      for (const { socket } of lorises) socket.write('GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ');
      while (dripping) {
        for (const { socket } of lorises) if (socket.writable) socket.write('a');
        await pause(500);
      }
    })();
    const startedAt = performance.now();
    const { id } = await acme.submit({ module: noop });
    accepted.push(id);
    assert.is((await acme.until(id)).state, 'succeeded');
    assert.ok(performance.now() - startedAt < 5_000);
    for (const { closed } of lorises) assert.match(await closed, /^HTTP\/1\.1 408 /);
    dripping = false;
    await drip;
  },
  { limitMs: 40_000 },
);

t('200 connections at once are all answered', async () => {
  const authorization = await acme.bearer();
  const sockets = Array.from({ length: 200 }, () => raw());
  for (const { socket } of sockets) {
    socket.write(
      `GET /v1/jobs?limit=1 HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\nconnection: close\r\n\r\n`,
    );
  }
  for (const { closed } of sockets) assert.match(await closed, /^HTTP\/1\.1 200 /);
});

t(
  'the same request sent 16 times at once is one job; with another job under the same key it is refused',
  async () => {
    const request = await acme.signed({ module: noop, labels: { once: 'only' } }, 'one-key');
    const answers = await Promise.all(Array.from({ length: 16 }, () => acme.send(request)));
    assert.equal([...new Set(answers.map(({ status }) => status))], [202]);
    const ids = new Set(answers.map(({ json }) => (json as { id: string }).id));
    assert.is(ids.size, 1);
    accepted.push(...ids);
    const { json } = await acme.ask('GET', '/v1/jobs?label=once%3Donly');
    assert.is((json as { jobs: unknown[] }).jobs.length, 1);
    // Signed anew, the same key and job: still that job. The same key and another job: refused.
    const again = await acme.send(await acme.signed({ module: noop, labels: { once: 'only' } }, 'one-key'));
    assert.equal([again.status, (again.json as { id: string }).id], [202, [...ids][0]]);
    const other = await acme.send(await acme.signed({ module: noop, priority: 1 }, 'one-key'));
    assert.equal([other.status, codeOf(other)], [422, 'ERR_IDEMPOTENCY']);
  },
);

t('a wrong content type, none, broken JSON and another method get their own codes', async () => {
  const request = await acme.signed({ module: noop });
  const send = async (type: string | null, body: string): Promise<[number, string]> => {
    const headers = type === null ? {} : { 'content-type': type };
    const answer = await acme.ask('POST', '/v1/jobs', { body, headers });
    return [answer.status, codeOf(answer)];
  };
  for (const type of [
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'APPLICATION/',
    '',
    null,
  ]) {
    assert.equal(await send(type, request), [415, 'ERR_UNSUPPORTED_TYPE'], String(type));
  }
  const globex = new Caller(server, 'globex');
  for (const body of [
    '{',
    '[]',
    'null',
    '"job"',
    '{"job":',
    '\u0000',
    `${'{"job":'.repeat(200)}1${'}'.repeat(200)}`,
  ]) {
    const headers = { 'content-type': 'application/json' };
    const answer = await globex.ask('POST', '/v1/jobs', { body, headers });
    assert.equal([answer.status, codeOf(answer)], [400, 'ERR_BAD_REQUEST'], body);
  }
  globex.close();
  const put = await acme.ask('PUT', '/v1/jobs', { body: request });
  assert.equal([put.status, codeOf(put)], [405, 'ERR_METHOD']);
});

t.run();
