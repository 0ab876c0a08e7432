/** Clients that send too much, too deep, too slowly, or leave in the middle: each gets an answer, and the server stays. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { newWorld, pause, simulatedBackend, type World } from './world.ts';

const t = suite('limits');
const mib = 1024 * 1024;
const blobBytesMax = 8 * mib;
let world: World;

t.before(async () => {
  const limits = {
    textMsMax: 300,
    lingerMsMax: 1_500,
    headersMsMax: 500,
    requestMsMax: 2_000,
    stopMsMax: 300,
    tenantUploadsMax: 20,
  };
  world = await newWorld({ blobBytesMax, limits });
});
t.after(() => world.end());

const anySha = 'a'.repeat(64);
const isAlive = async (): Promise<boolean> => (await world.ask('GET', '/readyz')).status === 200;
/** Files of acme's that are no whole blob. */
const drafts = (): string[] =>
  readdirSync(join(world.blobDir, 'acme')).filter((name) => !/^[0-9a-f]{64}$/.test(name));

async function gone(what: () => unknown[]): Promise<void> {
  for (let tries = 0; tries < 200 && what().length > 0; tries += 1) await pause(10);
  assert.equal(what(), []);
}

interface Sent {
  readonly status: number;
  readonly code: string;
  readonly bytesSent: number;
  readonly ms: number;
}

/** Sends `total` zero bytes as fast as the server takes them, whether or not it answers meanwhile. */
async function flood(path: string, total: number, headers: Record<string, string>): Promise<Sent> {
  const authorization = `Bearer ${await world.token('acme')}`;
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const method = path.includes('blobs') ? 'PUT' : 'POST';
    const request = httpRequest(world.http.url + path, {
      method,
      headers: { authorization, ...headers },
      agent: false,
    });
    let sent = 0;
    let answer: Sent | null = null;
    const chunk = Buffer.alloc(64 * 1024, 32);
    const send = (): void => {
      while (sent < total && !request.destroyed) {
        sent += chunk.length;
        if (!request.write(chunk)) return void request.once('drain', send);
      }
      request.end();
    };
    request.on('response', (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => {
        const { code } = JSON.parse(text) as { code: string };
        answer = {
          status: response.statusCode ?? 0,
          code,
          bytesSent: sent,
          ms: performance.now() - startedAt,
        };
        resolve(answer);
      });
    });
    // A client that goes on sending is cut in the end; what counts is that the answer had come before.
    request.on('error', (error) => {
      if (!answer) reject(error);
    });
    send();
  });
}

/** Raw bytes to the server; what came back when it closed, or when `ms` were over. */
function raw(bytes: string, ms = 5_000): Promise<{ text: string; closed: boolean }> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(world.http.port, '127.0.0.1', () => socket.write(bytes));
    const timer = setTimeout(() => finish(false), ms);
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed });
    };
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => finish(true));
  });
}

t('10 MB of JSON are refused by their announced length and by their real one', async () => {
  const type = { 'content-type': 'application/json' };
  const announced = await flood('/v1/jobs', 10 * mib, { ...type, 'content-length': String(10 * mib) });
  assert.equal([announced.status, announced.code], [413, 'ERR_TOO_LARGE']);
  const chunked = await flood('/v1/jobs', 10 * mib, type);
  assert.equal([chunked.status, chunked.code], [413, 'ERR_TOO_LARGE']);
  assert.ok(await isAlive());
  const counted = async () =>
    (await world.ask('GET', '/v1/log?subject=intake.acme.refused', { as: 'acme' })).json.facts;
  for (let tries = 0; tries < 200 && (await counted()).length === 0; tries += 1) await pause(20);
  const [refused] = await counted();
  assert.equal([refused.data.code, refused.data.count], ['ERR_TOO_LARGE', 2]);
});

t('deep nesting is refused before it is parsed, at once', async () => {
  const headers = { 'content-type': 'application/json' };
  for (const path of ['/v1/jobs', '/v1/jobs:validate', '/v1/tenants']) {
    const before = performance.now();
    const answer = await world.ask('POST', path, {
      as: path.endsWith('tenants') ? 'admin' : 'acme',
      raw: '['.repeat(250_000),
      headers,
    });
    assert.equal([answer.status, answer.json.code], [400, 'ERR_BAD_REQUEST'], path);
    assert.match(answer.json.detail, 'nested');
    assert.ok(performance.now() - before < 1_000);
  }
});

t('a blob of 100 MB is refused while the client still sends, and the server stays', async () => {
  const total = 100 * mib;
  const announced = await flood(`/v1/blobs/${anySha}`, total, { 'content-length': String(total) });
  assert.equal([announced.status, announced.code], [413, 'ERR_TOO_LARGE']);
  assert.ok(announced.bytesSent < total, 'the answer came before the last byte');
  const chunked = await flood(`/v1/blobs/${anySha}`, total, {});
  assert.equal([chunked.status, chunked.code], [413, 'ERR_TOO_LARGE']);
  assert.ok(await isAlive());
  await gone(drafts);
  assert.is((await world.ask('GET', `/v1/blobs/${anySha}`, { as: 'acme' })).status, 404);
});

t('a refused stranger is answered although it is still sending', async () => {
  const request = flood(`/v1/blobs/${anySha}`, 100 * mib, {
    authorization: 'Bearer x.y.z',
    'content-length': String(100 * mib),
  });
  assert.is((await request).status, 401);
});

t('with Expect: 100-continue a body is asked for only when it is wanted', async () => {
  const bytes = Buffer.from('expected');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const authorization = `Bearer ${await world.token('acme')}`;
  const ask = (path: string, length: number) =>
    new Promise<{ status: number; continued: boolean }>((resolve, reject) => {
      const headers = { authorization, expect: '100-continue', 'content-length': String(length) };
      const request = httpRequest(world.http.url + path, { method: 'PUT', headers, agent: false });
      let continued = false;
      request.on('continue', () => {
        continued = true;
        request.end(bytes);
      });
      request.on('response', (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0, continued });
        request.destroy();
      });
      request.on('error', reject);
      request.flushHeaders();
    });
  assert.equal(await ask(`/v1/blobs/${sha256}`, bytes.length), { status: 201, continued: true });
  assert.equal(await ask(`/v1/blobs/${sha256}`, blobBytesMax + 1), { status: 413, continued: false });
  assert.equal(await ask('/v1/nothing', 10), { status: 404, continued: false });
});

t('bytes that do not hash to their name are refused and not kept', async () => {
  const answer = await world.ask('PUT', `/v1/blobs/${anySha}`, { as: 'acme', raw: 'other bytes' });
  assert.equal([answer.status, answer.json.code], [422, 'ERR_BLOB_DIGEST']);
  assert.equal(drafts(), []);
});

t('a client that hangs up in the middle of an upload leaves nothing behind', async () => {
  const authorization = `Bearer ${await world.token('acme')}`;
  const sockets: Socket[] = [];
  for (let i = 0; i < 20; i += 1) {
    const socket = connect(world.http.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const framing = i % 2 === 0 ? 'content-length: 5000000' : 'transfer-encoding: chunked';
    const body =
      i % 2 === 0 ? 'x'.repeat(100_000) : `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`;
    socket.write(
      `PUT /v1/blobs/${anySha} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n${framing}\r\n\r\n${body}`,
    );
    sockets.push(socket);
  }
  for (let tries = 0; tries < 200 && drafts().length < 20; tries += 1) await pause(10);
  assert.is(drafts().length, 20, 'the uploads had begun');
  sockets.forEach((socket, i) => {
    if (i % 3 === 0) socket.resetAndDestroy();
    else socket.destroy();
  });
  await gone(drafts);
  assert.ok(world.blobs.usage('acme') < 10_000, 'what was reserved is given back');
  assert.ok(await isAlive());
  assert.equal(
    world.told.filter(({ level }) => level === 'error'),
    [],
  );
});

t('a body that does not come is given up, and so is a head', async () => {
  const authorization = `Bearer ${await world.token('acme')}`;
  const head = `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n`;
  const body = await raw(`${head}{`);
  assert.match(body.text, /^HTTP\/1\.1 400 /);
  assert.match(body.text, 'within 300 ms');
  assert.ok(body.closed);
  const slowHead = await raw('GET /livez HTTP/1.1\r\nhost: x\r\n');
  assert.match(slowHead.text, /^HTTP\/1\.1 408 /);
  assert.ok(slowHead.closed);
});

t('what is no HTTP, or too long a head, is answered with a problem and closed', async () => {
  const garbage = await raw('\x16\x03\x01 hello\r\n\r\n');
  assert.match(garbage.text, /^HTTP\/1\.1 400 /);
  assert.match(garbage.text, 'application/problem+json');
  const long = await raw(`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(20_000)}\r\n\r\n`);
  assert.match(long.text, /^HTTP\/1\.1 431 /);
  assert.ok(garbage.closed && long.closed);
  const smuggled = await raw(
    'POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  );
  assert.match(smuggled.text, /^HTTP\/1\.1 400 /);
  assert.ok(await isAlive());
});

t('bytes that are no UTF-8 are no JSON', async () => {
  const headers = { 'content-type': 'application/json' };
  const answer = await world.ask('POST', '/v1/jobs', {
    as: 'acme',
    raw: Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d),
    headers,
  });
  assert.equal([answer.status, answer.json.detail], [400, 'the body is not UTF-8']);
});

t('a kept connection serves many requests, also after a small body that nobody wanted', async () => {
  const body = `${'z'.repeat(1_000)}`;
  const one = `GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const { text } = await raw(`${one}${one}GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  assert.is(text.match(/HTTP\/1\.1 200/g)?.length, 3);
});

t('a full queue answers 429 with Retry-After, and a job that leaves makes room', async () => {
  const full = await newWorld({ queuedMax: 2, backend: simulatedBackend(() => 'runs until killed', 1) });
  try {
    const running = await full.submit({ limits: { wallMs: 60_000 } });
    await full.until(running, 'running');
    await full.submit();
    const last = await full.submit();
    const refused = await full.ask('POST', '/v1/jobs', {
      as: 'acme',
      body: { job: { module: full.module, slot: '1g.10gb' } },
    });
    assert.equal([refused.status, refused.json.code, refused.json.retryable], [429, 'ERR_QUEUE_FULL', true]);
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    const ready = await full.ask('GET', '/readyz');
    assert.equal([ready.status, ready.json.state], [200, 'full']);
    assert.is((await full.ask('POST', `/v1/jobs/${last}/cancel`, { as: 'acme' })).status, 202);
    await full.until(last, 'cancelled');
    await full.submit();
  } finally {
    await full.end();
  }
});

t('a draining controller answers 503 and goes on to answer reads', async () => {
  const draining = await newWorld({ backend: simulatedBackend(() => 'runs until killed', 1) });
  try {
    const running = await draining.submit({ limits: { wallMs: 60_000 } });
    await draining.until(running, 'running');
    const drained = draining.life.drain('finish', 700);
    await pause(100);
    const refused = await draining.ask('POST', '/v1/jobs', {
      as: 'acme',
      body: { job: { module: draining.module, slot: '1g.10gb' } },
    });
    assert.equal([refused.status, refused.json.code], [503, 'ERR_DRAINING']);
    assert.ok(refused.headers['retry-after']);
    const ready = await draining.ask('GET', '/readyz');
    assert.equal([ready.status, ready.json.state, ready.json.code], [503, 'draining', 'ERR_DRAINING']);
    assert.is((await draining.ask('GET', `/v1/jobs/${running}`, { as: 'acme' })).status, 200);
    await drained;
  } finally {
    await draining.end();
  }
});

t('more requests than the bound are answered 503 at once, and probes as ever', async () => {
  const small = await newWorld({ limits: { requestsMax: 2, textMsMax: 600 } });
  try {
    const authorization = `Bearer ${await small.token('acme')}`;
    const head = `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n`;
    const held = [0, 1].map(() => {
      const socket = connect(small.http.port, '127.0.0.1', () => socket.write(head));
      return socket;
    });
    await pause(200);
    const refused = await small.ask('GET', '/v1/jobs', { as: 'globex' });
    assert.equal([refused.status, refused.json.code], [503, 'ERR_BUSY']);
    for (const path of ['/livez', '/readyz?x=1', '/metrics'])
      assert.is((await small.ask('GET', path)).status, 200, path);
    for (const socket of held) socket.destroy();
    await pause(1_000);
    assert.is((await small.ask('GET', '/v1/jobs', { as: 'globex' })).status, 200);
  } finally {
    await small.end();
  }
});

t('stop ends within its bound although a client holds a request open', async () => {
  const held = await newWorld({ limits: { stopMsMax: 200, textMsMax: 60_000 } });
  const authorization = `Bearer ${await held.token('acme')}`;
  const socket = connect(held.http.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(
    `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n`,
  );
  await pause(100);
  const before = performance.now();
  await held.end();
  assert.ok(performance.now() - before < 2_000);
  await closed;
  assert.is(
    await held.ask('GET', '/livez').then(
      () => 'answered',
      (error: { code: string }) => error.code,
    ),
    'ECONNREFUSED',
  );
});

t.run();
