import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { Client } from '../../src/cli/client.ts';
import type { CommandError } from '../../src/cli/exit.ts';
import { serverEvents } from '../../src/events/sse.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('cli/client');
const servers: Server[] = [];

t.after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A client of a server that answers with `listener`. */
async function clientOf(listener: RequestListener): Promise<Client> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, null);
}

async function failure(promise: Promise<unknown>): Promise<CommandError> {
  try {
    await promise;
  } catch (error) {
    return error as CommandError;
  }
  throw new Error('it did not fail');
}

t('a problem keeps code, words, fields and hint of the server', async () => {
  const client = await clientOf((_, response) => {
    response.writeHead(422, { 'content-type': 'application/problem+json' });
    response.end(
      JSON.stringify({
        code: 'ERR_BLOB_MISSING',
        detail: 'no blob',
        next: 'put it',
        errors: [{ field: 'job.input', message: 'gone' }],
      }),
    );
  });
  const { code, message, next, fields } = await failure(client.json('GET', '/v1/jobs'));
  assert.equal(
    [code, message, next, fields],
    ['ERR_BLOB_MISSING', 'no blob', 'put it', [{ field: 'job.input', message: 'gone' }]],
  );
});

t('what is no Berth is said to be none', async () => {
  const page: RequestListener = (_, response) => response.writeHead(502).end('<html>Bad gateway</html>');
  const html: RequestListener = (_, response) => response.end('<html>hello</html>');
  for (const listener of [page, html]) {
    const { code, message } = await failure((await clientOf(listener)).json('GET', '/v1/jobs'));
    assert.is(code, 'ERR_UNREACHABLE');
    assert.match(message, /does not answer as Berth does/);
  }
});

t('a server that is not there, or goes away in the middle, is unreachable', async () => {
  const away = await failure(new Client('http://127.0.0.1:1', null).json('GET', '/livez'));
  assert.equal([away.code, away.message], ['ERR_UNREACHABLE', 'http://127.0.0.1:1: nothing listens there']);
  const client = await clientOf((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half');
    setImmediate(() => response.destroy());
  });
  assert.is((await failure(client.json('GET', '/'))).code, 'ERR_UNREACHABLE');
  const bytes = async (): Promise<void> => {
    for await (const _ of client.bytes('/'));
  };
  assert.is((await failure(bytes())).code, 'ERR_UNREACHABLE');
});

t('an upload that is refused half-way gives the refusal, not a broken pipe', async () => {
  const client = await clientOf((request, response) => {
    request.once('data', () => {
      response.writeHead(413, { connection: 'close' });
      response.end(JSON.stringify({ code: 'ERR_TOO_LARGE', detail: 'over the limit' }));
    });
  });
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 200; i += 1) yield new Uint8Array(64 * 1024);
  };
  assert.is((await failure(client.open('PUT', '/v1/blobs/x', { body: body() }))).code, 'ERR_TOO_LARGE');
});

t('--server must be an http or https URL', () => {
  for (const server of ['', 'localhost:7070', 'ftp://x', 'nonsense']) {
    assert.throws(() => new Client(server, null), /must be an http:\/\/ or https:\/\/ URL/);
  }
});

t('server-sent events are the same however the bytes are cut', async () => {
  const text =
    'id: 1\ndata: {"a":"é"}\n\n: beat\n\nid: 2\nevent: x\ndata: one\ndata: two\r\n\r\ndata: no id of its own\n\ndata: unfinished';
  const expected = [
    { id: '1', event: 'message', data: '{"a":"é"}' },
    { id: '2', event: 'x', data: 'one\ntwo' },
    { id: '2', event: 'message', data: 'no id of its own' },
  ];
  const bytes = Buffer.from(text);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }), async (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = async function* (): AsyncGenerator<Uint8Array> {
        for (let i = 1; i < places.length; i += 1) yield bytes.subarray(places[i - 1], places[i]);
      };
      const events = [];
      for await (const event of serverEvents(chunks())) events.push(event);
      assert.equal(events, expected);
    }),
    { seed: seed(), numRuns: runs(200) },
  );
});

t.run();
