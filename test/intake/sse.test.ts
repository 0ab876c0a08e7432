/** Server-sent events: in order, resumable, bounded, and never a neighbour's fact. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { newWorld, pause, simulatedBackend, type Who, type World } from './world.ts';

const t = suite('sse');
let world: World;

t.before(async () => {
  world = await newWorld({ limits: { heartbeatMs: 120, streamsMax: 3, drainMsMax: 300 } });
});
t.after(() => world.end());

interface Event {
  readonly id: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read facts member by member and assert what they find.
  readonly data: any;
}

interface Following {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: Event[];
  text(): string;
  /** Waits until there are this many events. */
  until(count: number): Promise<Event[]>;
  readonly ended: Promise<void>;
  leave(): void;
}

async function follow(
  path: string,
  as: Who,
  headers: Record<string, string> = {},
  where = world,
): Promise<Following> {
  const authorization = `Bearer ${await where.token(as)}`;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const all = { authorization, accept: 'text/event-stream', ...headers };
    httpRequest(where.http.url + path, { headers: all, agent: false }, resolve)
      .on('error', reject)
      .end();
  });
  let text = '';
  let rest = '';
  const events: Event[] = [];
  response.setEncoding('utf8');
  response.on('error', () => undefined);
  response.on('data', (piece: string) => {
    text += piece;
    const frames = (rest + piece).split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const [, id, data] = /^id: (\d+)\ndata: (.*)$/.exec(frame) ?? [];
      if (id && data) events.push({ id: Number(id), data: JSON.parse(data) });
      else assert.is(frame, ': beat');
    }
  });
  const ended = new Promise<void>((resolve) => response.on('close', () => resolve()));
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    events,
    text: () => text,
    until: async (count) => {
      for (let tries = 0; tries < 500 && events.length < count; tries += 1) await pause(10);
      assert.ok(events.length >= count, `${events.length} of ${count} events came`);
      return events;
    },
    ended,
    leave: () => response.destroy(),
  };
}

/** Waits until the streams of the test before are closed at the server, too. */
const free = async (): Promise<void> => {
  for (let tries = 0; tries < 200; tries += 1) {
    const probe = await follow('/v1/log', 'admin');
    const [one, two] = await Promise.all([follow('/v1/log', 'admin'), follow('/v1/log', 'admin')]);
    for (const each of [probe, one, two]) each.leave();
    if ([probe, one, two].every(({ status }) => status === 200)) return void (await pause(50));
    await pause(20);
  }
};

t('the log is followed in order, each fact once, its seq as id', async () => {
  const following = await follow('/v1/log', 'admin');
  assert.is(following.status, 200);
  assert.match(String(following.headers['content-type']), 'text/event-stream');
  await world.until(await world.submit(), 'succeeded');
  const { seq } = world.life.views;
  const events = await following.until(seq);
  assert.equal(
    events.map(({ id }) => id),
    Array.from({ length: seq }, (_, i) => i + 1),
  );
  assert.ok(events.every(({ id, data }) => data.seq === id && typeof data.hash === 'string'));
  following.leave();
});

t('a reader that comes back with Last-Event-ID misses nothing and gets nothing twice', async () => {
  await free();
  const first = await follow('/v1/log', 'admin');
  await first.until(3);
  first.leave();
  const last = 3;
  await world.until(await world.submit(), 'succeeded');
  const again = await follow('/v1/log?from=1', 'admin', { 'last-event-id': String(last) });
  const events = await again.until(world.life.views.seq - last);
  assert.is(events[0]?.id, last + 1);
  assert.equal(
    events.map(({ id }) => id),
    events.map((_, i) => last + 1 + i),
  );
  again.leave();
});

t('a Last-Event-ID that is no seq, or of another log, is refused', async () => {
  await free();
  for (const id of ['abc', '-1', '999999']) {
    const refused = await follow('/v1/log', 'admin', { 'last-event-id': id });
    assert.is(refused.status, 400, id);
    refused.leave();
  }
});

t('a tenant follows its own facts, slots and controller, and no foreign one', async () => {
  await free();
  const following = await follow('/v1/log', 'acme');
  const theirs = await world.submit({}, 'globex');
  await world.until(theirs, 'succeeded');
  const mine = await world.submit();
  await world.until(mine, 'succeeded');
  for (
    let tries = 0;
    tries < 200 &&
    !following.events.some(({ data }) => data.type === 'job.succeeded' && data.subject.includes(mine));
    tries += 1
  )
    await pause(10);
  const text = following.text();
  assert.ok(
    text.includes(mine) && text.includes('slot.gpu0.added') && text.includes('controller.configured'),
  );
  assert.not.ok(text.includes(theirs) || text.includes('globex'));
  assert.not.ok(text.includes('"hash"') || text.includes('"prev"') || text.includes('"stateHash"'));
  following.leave();
});

t('a subject narrows the stream', async () => {
  await free();
  const following = await follow('/v1/log?subject=job.*.*.submitted', 'admin');
  await world.submit();
  const events = await following.until(4);
  assert.ok(events.every(({ data }) => data.type === 'job.submitted'));
  following.leave();
});

t("a job's stream ends with the job, and 204 tells who comes back to stay away", async () => {
  await free();
  const id = await world.submit();
  const following = await follow(`/v1/jobs/${id}/events`, 'acme');
  await following.ended;
  const types = following.events.map(({ data }) => data.type.replace('job.', ''));
  assert.is(types.join(' '), 'submitted attested queued selected reserved started exited released succeeded');
  const last = following.events.at(-1)?.id ?? 0;
  const again = await follow(`/v1/jobs/${id}/events`, 'acme', { 'last-event-id': String(last) });
  assert.is(again.status, 204);
  again.leave();
  const part = await follow(`/v1/jobs/${id}/events`, 'acme', {
    'last-event-id': String(following.events[3]?.id),
  });
  await part.ended;
  assert.equal(
    part.events.map(({ id: seq }) => seq),
    following.events.slice(4).map(({ id: seq }) => seq),
  );
  const page = await world.ask('GET', `/v1/jobs/${id}/events?limit=4`, { as: 'acme' });
  const rest = await world.ask('GET', `/v1/jobs/${id}/events?from=${page.json.next}`, { as: 'acme' });
  assert.equal(
    [...page.json.facts, ...rest.json.facts].map(({ seq }) => seq),
    following.events.map(({ id: seq }) => seq),
  );
});

t('views are shown anew when they change', async () => {
  await free();
  const following = await follow('/v1/slots', 'acme');
  const [first] = await following.until(1);
  assert.is(first?.data.gpus[0].state, 'serving');
  await world.ask('POST', '/v1/slots/gpu0/drain', { as: 'admin' });
  const events = await following.until(2);
  assert.is(events.at(-1)?.data.gpus[0].state, 'drained');
  await world.ask('POST', '/v1/slots/gpu0/restore', { as: 'admin' });
  following.leave();
});

t('an idle stream shows that it lives', async () => {
  await free();
  const following = await follow('/v1/log?subject=job.nobody.>', 'admin');
  await pause(500);
  assert.ok((following.text().match(/^: beat$/gm)?.length ?? 0) >= 2, following.text());
  following.leave();
});

t('streams beyond the bound are refused with 503, and one that closes makes room', async () => {
  await free();
  const open = [
    await follow('/v1/log', 'acme'),
    await follow('/v1/queue', 'acme'),
    await follow('/v1/tenants', 'acme'),
  ];
  for (const each of open) await each.until(1);
  const refused = await follow('/v1/log', 'acme');
  assert.is(refused.status, 503);
  assert.is((await world.ask('GET', '/v1/log', { as: 'acme' })).status, 200, 'pages are still served');
  open[0]?.leave();
  await pause(100);
  const admitted = await follow('/v1/log', 'acme');
  assert.is(admitted.status, 200);
  for (const each of [refused, admitted, ...open]) each.leave();
});

t('a client that reads nothing costs no memory and is let go', async () => {
  const own = await newWorld({ limits: { drainMsMax: 400 }, backend: simulatedBackend() });
  try {
    const submissions = 200;
    const args = Array.from({ length: 40 }, () => 'x'.repeat(4_000));
    for (let i = 0; i < submissions; i += 1) await own.submit({ args });
    const authorization = `Bearer ${await own.token('acme')}`;
    const socket = connect(own.http.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `GET /v1/log HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\naccept: text/event-stream\r\n\r\n`,
    );
    socket.pause();
    const before = process.memoryUsage().rss;
    let isClosed = false;
    socket.on('close', () => {
      isClosed = true;
    });
    await pause(1_500);
    assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024, 'nothing piles up');
    // The kernel holds what it took; reading it shows that the server has cut the rest.
    let bytes = 0;
    socket.on('data', (piece) => {
      bytes += piece.length;
    });
    socket.resume();
    for (let tries = 0; tries < 200 && !isClosed; tries += 1) await pause(10);
    assert.ok(isClosed, 'the server let it go');
    assert.ok(bytes < submissions * 160_000, 'it was not sent everything');
    assert.is((await own.ask('GET', '/livez')).status, 200);
  } finally {
    await own.end();
  }
});

t('a stream ends when its key is revoked, within a second, and not when its token expires', async () => {
  const own = await newWorld();
  try {
    const { kid } = own.keys.acme.publicJwk;
    // Clocks may differ by 30 s, so a token is over that much later than it says.
    const now = Math.floor(Date.now() / 1000);
    const until = await own.token('acme', { iat: now - 60, exp: now - 30 + 2 });
    const brief = await follow('/v1/log', 'acme', { authorization: `Bearer ${until}` }, own);
    const view = await follow('/v1/queue', 'acme', {}, own);
    const other = await follow('/v1/log', 'globex', {}, own);
    const operator = await follow('/v1/log', 'admin', {}, own);
    const ended: string[] = [];
    for (const [name, { ended: end }] of Object.entries({ brief, view, other, operator }))
      void end.then(() => ended.push(name));
    await brief.until(1);
    await pause(3_000);
    const late = await own.ask('GET', '/v1/jobs', { headers: { authorization: `Bearer ${until}` } });
    assert.is(late.status, 401, 'the token is over');
    assert.equal(ended, [], 'its stream is not');
    const before = brief.events.length;
    await own.submit();
    await brief.until(before + 9);
    const revoked = await own.ask('DELETE', `/v1/tenants/acme/keys/${kid}`, { as: 'admin' });
    assert.is(revoked.status, 200);
    for (let tries = 0; tries < 150 && ended.length < 2; tries += 1) await pause(10);
    assert.equal(ended.sort(), ['brief', 'view']);
    assert.not.ok(brief.text().includes('keyRevoked'), 'nothing that came after the revocation was told');
    await pause(100);
    assert.is(ended.length, 2, 'the others go on');
    for (const each of [other, operator]) each.leave();
  } finally {
    await own.end();
  }
});

t('streams end when the life ends or the server stops', async () => {
  const own = await newWorld();
  const one = await follow('/v1/log', 'acme', {}, own);
  await one.until(1);
  own.present = null;
  await one.ended;
  own.present = own.life;
  const two = await follow('/v1/log', 'acme', {}, own);
  await two.until(1);
  const before = performance.now();
  await own.end();
  await two.ended;
  assert.ok(performance.now() - before < 1_500);
});

t.run();
