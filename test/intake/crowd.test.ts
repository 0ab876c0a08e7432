/** Many clients at once that don't read, don't send, or don't stop: each harms itself at most, and probes are answered. */
import { connect, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { newWorld, pause, simulatedBackend, type World } from './world.ts';

const t = suite('crowd');
const mib = 1024 * 1024;

/** A socket that has sent this and reads nothing until it is resumed. */
function sending(world: World, text: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(world.http.port, '127.0.0.1', () => {
      socket.write(text, () => resolve(socket));
    });
    socket.on('error', () => undefined);
    socket.pause();
  });
}

const bearer = async (world: World, who: 'acme' | 'globex' | 'admin'): Promise<string> =>
  `authorization: Bearer ${await world.token(who)}`;
const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\nhost: x\r\n`;

async function within(ms: number, what: () => boolean | Promise<boolean>, law: string): Promise<void> {
  const endMs = performance.now() + ms;
  while (!(await what())) {
    if (performance.now() > endMs) assert.unreachable(law);
    await pause(20);
  }
}

async function probesAnswer(world: World): Promise<void> {
  for (const path of ['/livez', '/readyz', '/metrics'])
    assert.is((await world.ask('GET', path)).status, 200, path);
}

/** What a socket has been sent, read to its end. */
async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (piece) => {
    text += piece.toString('latin1');
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.resume();
  await closed;
  return text;
}

t(
  'clients that read no page hold a bounded memory, and are let go',
  async () => {
    const world = await newWorld({
      limits: { drainMsMax: 2_500 },
      backend: simulatedBackend(() => 'runs until killed', 1),
    });
    const sockets: Socket[] = [];
    try {
      const args = Array.from({ length: 60 }, () => 'x'.repeat(4_000));
      let id = '';
      for (let i = 0; i < 120; i += 1) id = await world.submit({ args });
      const asks = ['/v1/jobs?limit=1000', '/v1/log?limit=1000', `/v1/jobs/${id}/events?limit=1000`];
      globalThis.gc?.();
      const before = process.memoryUsage().rss;
      let peak = before;
      const watch = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().rss);
      }, 20);
      for (let i = 0; i < 60; i += 1) {
        const path = asks[i % 10 < 8 ? 0 : i % 10 < 9 ? 1 : 2];
        sockets.push(
          await sending(world, `${head(`GET ${path} HTTP/1.1`, await bearer(world, 'acme'))}\r\n`),
        );
      }
      await pause(1_200);
      const globex = await world.ask('GET', '/v1/jobs', { as: 'globex' });
      assert.is(globex.status, 200, 'a neighbour is served meanwhile');
      await probesAnswer(world);
      clearInterval(watch);
      const grown = Math.round((peak - before) / mib);
      console.log(
        `rss ${Math.round(before / mib)} MiB, at most ${Math.round(peak / mib)} MiB with 60 that don't read`,
      );
      assert.ok(grown < 512, `${grown} MiB more`);
      await within(
        6_000,
        async () => (await world.ask('GET', '/v1/jobs?limit=1000', { as: 'acme' })).status === 200,
        'let go',
      );
      const texts = await Promise.all(sockets.map(readAll));
      const refused = texts.filter((text) => text.startsWith('HTTP/1.1 429') && text.includes('ERR_RATE'));
      assert.ok(refused.length > 0, 'those beyond the bytes of one tenant were told so');
      assert.ok(refused.every((text) => /\r\nretry-after: 1\r\n/i.test(text)));
    } finally {
      for (const socket of sockets) socket.destroy();
      await world.end();
    }
  },
  { limitMs: 60_000 },
);

t('a page of large jobs or facts ends at its weight, and pages join', async () => {
  const world = await newWorld({ backend: simulatedBackend(() => 'runs until killed', 1) });
  try {
    const args = Array.from({ length: 60 }, () => 'x'.repeat(4_000));
    const ids: string[] = [];
    for (let i = 0; i < 40; i += 1) ids.push(await world.submit({ args }));
    const seen: string[] = [];
    let pages = 0;
    for (let cursor: string | null = ''; cursor !== null; pages += 1) {
      const page = await world.ask('GET', `/v1/jobs?limit=1000${cursor && `&cursor=${cursor}`}`, {
        as: 'acme',
      });
      assert.ok(page.text.length < 5 * mib, `${page.text.length} bytes`);
      seen.push(...page.json.jobs.map((job: { id: string }) => job.id));
      cursor = page.json.next;
    }
    assert.equal(seen, ids);
    assert.ok(pages >= 2);
    const facts: string[] = [];
    for (let from = 1, upTo = 1; from <= upTo; ) {
      const page = await world.ask('GET', `/v1/log?limit=1000&from=${from}`, { as: 'acme' });
      assert.ok(page.text.length < 6 * mib, `${page.text.length} bytes`);
      for (const { type, subject } of page.json.facts)
        if (type === 'job.submitted') facts.push(subject.split('.')[2]);
      [from, upTo] = [page.json.next, page.json.upTo];
    }
    assert.equal(facts, ids);
  } finally {
    await world.end();
  }
});

t(
  'a thousand strangers who send a job for ever keep nobody out, and probes are answered',
  async () => {
    const world = await newWorld();
    const sockets: Socket[] = [];
    try {
      const slow = `${head('POST /v1/jobs HTTP/1.1', 'content-type: application/jose', 'content-length: 60000')}\r\nx`;
      for (let i = 0; i < 1_030; i += 1) sockets.push(await sending(world, slow));
      await pause(200);
      await probesAnswer(world);
      assert.is((await world.ask('GET', '/v1/jobs', { as: 'acme' })).status, 200);
      await world.submit();
      const raw = await world.signed('acme', { module: world.module, slot: '1g.10gb' });
      const signed = await world.ask('POST', '/v1/jobs', {
        raw,
        headers: { 'content-type': 'application/jose' },
      });
      assert.is(signed.status, 202, 'a signed job gets in between the slow ones');
      const text = await readAll(sockets[0] as Socket);
      assert.match(text, /^HTTP\/1\.1 503 /);
      assert.match(text, 'this one has taken longest');
    } finally {
      for (const socket of sockets) socket.destroy();
      await world.end();
    }
  },
  { limitMs: 40_000 },
);

t("one tenant's slow uploads take its own places, and a client that hangs up gives them back", async () => {
  const world = await newWorld();
  const sockets: Socket[] = [];
  try {
    const auth = await bearer(world, 'acme');
    const upload = `${head(`PUT /v1/blobs/${'a'.repeat(64)} HTTP/1.1`, auth, 'content-length: 1000000')}\r\nx`;
    for (let i = 0; i < 16; i += 1) sockets.push(await sending(world, upload));
    await pause(200);
    const put = (as: 'acme' | 'globex') =>
      world.ask('PUT', `/v1/blobs/${world.module.slice(7)}`, { as, raw: 'whatever' });
    const refused = await put('acme');
    assert.equal([refused.status, refused.json.code], [429, 'ERR_RATE']);
    assert.match(refused.json.detail, 'acme has 16 uploads under way; at most 16');
    assert.is(refused.headers['retry-after'], '1');
    assert.is((await put('globex')).status, 422, "another tenant's is read: its bytes are wrong");
    await world.submit();
    for (const socket of sockets) socket.destroy();
    await within(3_000, async () => (await put('acme')).status === 422, 'given back');
  } finally {
    for (const socket of sockets) socket.destroy();
    await world.end();
  }
});

t('one tenant takes a part of the requests, and has places again when they are done', async () => {
  const world = await newWorld({ limits: { ownerRequestsMax: 3, textMsMax: 1_500 } });
  const sockets: Socket[] = [];
  try {
    const auth = await bearer(world, 'acme');
    const post = `${head('POST /v1/jobs HTTP/1.1', auth, 'content-type: application/json', 'content-length: 9')}\r\n`;
    for (let i = 0; i < 3; i += 1) sockets.push(await sending(world, post));
    await pause(100);
    const refused = await world.ask('GET', '/v1/queue', { as: 'acme' });
    assert.equal([refused.status, refused.json.code], [429, 'ERR_RATE']);
    assert.is((await world.ask('GET', '/v1/queue', { as: 'globex' })).status, 200);
    await within(
      4_000,
      async () => (await world.ask('GET', '/v1/queue', { as: 'acme' })).status === 200,
      'again',
    );
  } finally {
    for (const socket of sockets) socket.destroy();
    await world.end();
  }
});

t('whoever asks for pages behind one that they do not read keeps no probe from the others', async () => {
  const world = await newWorld({ limits: { probeRequestsMax: 2 } });
  const sockets: Socket[] = [];
  try {
    world.metrics = async () => 'x'.repeat(8 * mib);
    const asks = ['/metrics', ...Array.from({ length: 20 }, () => '/livez')];
    const text = asks.map((path) => `${head(`GET ${path} HTTP/1.1`)}\r\n`).join('');
    for (let i = 0; i < 3; i += 1) sockets.push(await sending(world, text));
    await pause(200);
    assert.is((await world.ask('GET', '/livez')).status, 200);
    assert.is((await world.ask('GET', '/readyz')).status, 200);
  } finally {
    for (const socket of sockets) socket.destroy();
    await world.end();
  }
});

t.run();
