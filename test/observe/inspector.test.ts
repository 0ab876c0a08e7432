/** `/inspect` on a real server: the genuine receiver of `@statelyai/inspect` understands it, and strangers are kept out. */
import { createConnection, type Socket } from 'node:net';
import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { Caller, eventually, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';

const t = suite('observe/inspector');
let server: ServerProcess;
let acme: Caller;
let admin: Caller;
t.before(async () => {
  server = await ServerProcess.begin();
  acme = new Caller(server);
  admin = new Caller(server, 'admin');
});
t.after(async () => {
  acme.close();
  admin.close();
  await server.remove();
});

const socketUrl = (path: string): string => `${server.url.replace(/^http/, 'ws')}${path}`;

/** Whether a WebSocket opens; the status it was refused with otherwise. */
function knock(path: string, headers: Record<string, string> = {}): Promise<WebSocket | number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(socketUrl(path), { headers });
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.once('error', () => resolve(0));
  });
}

t('the genuine receiver sees a job take its way, with the chart to draw it on', async () => {
  const seen: StatelyInspectionEvent[] = [];
  const subscription = createWebSocketReceiver({ server: socketUrl('/inspect') }).subscribe((event) => {
    seen.push(event);
  });
  await eventually('the controller is shown', () => seen.some(({ sessionId }) => sessionId === 'controller'));
  const module = await acme.put(sampleGuest('hello'));
  const { id } = await acme.submit({ module, args: ['world'] });
  const session = `job.${id}`;
  await eventually('the job is shown to its end', () =>
    seen.some(
      (each) =>
        each.type === '@xstate.snapshot' && each.sessionId === session && each.snapshot.status === 'done',
    ),
  );
  const actor = seen.find((each) => each.type === '@xstate.actor' && each.sessionId === session);
  assert.ok(actor?.type === '@xstate.actor' && actor.definition);
  const { states } = JSON.parse(actor.definition) as { states: Record<string, unknown> };
  const values = seen.flatMap((each) =>
    each.type === '@xstate.snapshot' && each.sessionId === session
      ? [(each.snapshot as unknown as { value: string }).value]
      : [],
  );
  assert.is(values.at(-1), 'succeeded');
  for (const value of values) assert.ok(value in states, `${value} is no state of the chart`);
  subscription.unsubscribe();
});

t('no foreign page, no tenant and no forger gets in; the operator does', async () => {
  for (const origin of ['https://example.org', 'http://localhost:1', 'null'])
    assert.is(await knock('/inspect', { origin }), 403, origin);
  assert.is(await knock('/inspect', { host: 'rebound.example.org' }), 403);
  assert.is(await knock('/inspect', { origin: 'https://stately.ai' }), 401);
  assert.is(await knock('/inspect', { authorization: await acme.bearer() }), 401);
  assert.is(await knock('/inspect?token=a.b.c'), 401);
  assert.is(await knock('/elsewhere'), 404);
  const token = (await admin.bearer()).slice('Bearer '.length);
  for (const path of ['/inspect', '/inspect/v4']) {
    const socket = await knock(`${path}?token=${token}`, { origin: server.url });
    assert.ok(socket instanceof WebSocket);
    socket.terminate();
  }
});

t('no more than eight watch at once, and one that leaves makes room', async () => {
  const open: WebSocket[] = [];
  const full = await eventually('the ninth is refused', async () => {
    const socket = await knock('/inspect');
    if (socket instanceof WebSocket) open.push(socket);
    return socket === 503 ? socket : null;
  });
  assert.is(full, 503);
  assert.ok(open.length <= 8, `${open.length} are in`);
  open.pop()?.terminate();
  const next = await eventually('there is room again', async () => {
    const socket = await knock('/inspect');
    return socket instanceof WebSocket ? socket : null;
  });
  for (const socket of [...open, next]) socket.terminate();
});

t('what an inspector sends changes nothing, and too much of it ends its connection alone', async () => {
  const socket = await knock('/inspect/v4');
  assert.ok(socket instanceof WebSocket);
  const head = ((await admin.ask('GET', '/v1/about')).json as { headSeq: number }).headSeq;
  socket.send(
    JSON.stringify({ type: 'xstate.event', event: '{"type":"controller.draining"}', service: 'controller' }),
  );
  socket.send('no json {');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.send('x'.repeat(100_000));
  assert.is(await closed, 1009);
  assert.is(((await admin.ask('GET', '/v1/about')).json as { headSeq: number }).headSeq, head);
});

/** Sends these bytes as a request and resolves with what came back, when the other end has closed. */
function raw(text: string): Promise<string> {
  return new Promise((resolve) => {
    const { port } = new URL(server.url);
    let answer = '';
    // Half open: only the server's own end closes it.
    const socket = createConnection({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.write(text),
    );
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.on('end', () => {
      socket.destroy();
      resolve(answer);
    });
    socket.on('error', () => resolve(answer));
  });
}

t('an upgrade that makes no sense is refused and cut, and the controller goes on', async () => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nHost: 127.0.0.1\r\n\r\n';
  for (const target of ['//', '//:80', 'http://', '*', '/inspect%', '/inspect?token=%E0%A4%A', '/v1/jobs'])
    assert.match(await raw(`GET ${target} HTTP/1.1\r\n${upgrade}`), /^HTTP\/1\.1 4\d\d /, target);
  assert.match(await raw(`GET /inspect HTTP/1.1\r\n${upgrade}`), /^HTTP\/1\.1 4\d\d /, 'no WebSocket key');
  assert.is((await admin.ask('GET', '/livez')).status, 200);
});

t('who asks for another protocol is answered in this one, bodies too', async () => {
  const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
  const get = `GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n${h2c}Accept: */*\r\n\r\n`;
  assert.match(
    await raw(`${get}GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    /200 OK[\s\S]*200 OK/,
  );
  const body = JSON.stringify({ as: 'acme', kind: 'token' });
  const post = `POST /demo/sign HTTP/1.1\r\nHost: 127.0.0.1\r\n${h2c}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const last = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  assert.match(await raw(`${post}${last}`), /"jws"/);
});

t('a clean stop lets inspectors go and does not wait for them', async () => {
  const socket = await knock('/inspect');
  assert.ok(socket instanceof WebSocket);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const mute = await knock('/inspect');
  assert.ok(mute instanceof WebSocket);
  // It reads nothing any more, so it answers no goodbye.
  (mute as unknown as { _socket: Socket })._socket.pause();
  const { code } = await eventually('it ends', () => server.end('SIGTERM'), 15_000);
  assert.is(code, 0);
  mute.terminate();
  assert.is(await closed, 1001);
});

t.run();
