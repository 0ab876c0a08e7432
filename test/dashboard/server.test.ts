/** What the page says to its server, and what it makes of answers that are none. */
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import * as assert from 'uvu/assert';
import { Problem, Server, type Signer } from '../../src/dashboard/server.ts';
import { demoNames, demoSigner } from '../../src/dashboard/signer.ts';
import { suite } from '../suite.ts';

const t = suite('page server');

type Answering = (request: IncomingMessage, response: ServerResponse) => void;

const running: HttpServer[] = [];
t.after(async () => {
  for (const server of running) {
    server.closeAllConnections();
    await new Promise((resume) => server.close(resume));
  }
});

/** The address of a server that answers so. */
async function answering(answer: Answering): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  running.push(server);
  await new Promise((resume) => server.once('listening', resume));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Makes `token-1`, `token-2` …, one more each time that it has to forget. */
function countingSigner(): Signer {
  let count = 1;
  return {
    names: ['admin'],
    token: async () => `token-${count}`,
    forget: () => {
      count += 1;
    },
    request: async () => 'a.b.c',
  };
}

const pageAt = (base: string, more: { signer?: Signer; silentMsMax?: number } = {}): Server =>
  new Server({ signer: countingSigner(), name: 'admin', base, fetch, ...more });

async function failure(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, Error);
  return error as Error;
}

const fact = (seq: number): string => `id: ${seq}\ndata: ${JSON.stringify({ seq })}\n\n`;

async function first(page: Server, signal = new AbortController().signal): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const facts of page.facts(1, signal)) found.push(...facts);
  return found;
}

t('facts come as the server writes them; a stream that ends, ends', async () => {
  const url = await answering((request, response) => {
    assert.is(request.url, '/v1/log?from=1');
    assert.is(request.headers.accept, 'text/event-stream');
    response.write(`: beat\n\n${fact(1)}${fact(2)}`);
    setTimeout(() => response.end(fact(3)), 20);
  });
  assert.equal(await first(pageAt(url)), [{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
});

t('a stream that falls silent is given up; one that only beats is not', async () => {
  const silent = await answering((_, response) => void response.write(fact(1)));
  assert.match((await failure(first(pageAt(silent, { silentMsMax: 100 })))).message, 'fell silent');
  const beating = await answering((_, response) => {
    let beats = 0;
    const timer = setInterval(() => {
      beats += 1;
      response.write(': beat\n\n');
      if (beats < 12) return;
      clearInterval(timer);
      response.end(fact(1));
    }, 50);
  });
  assert.equal(await first(pageAt(beating, { silentMsMax: 400 })), [{ seq: 1 }]);
});

t('an answer that is a problem is one, with its code and the next step', async () => {
  const url = await answering((_, response) => {
    response.writeHead(503, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'ERR_READ_ONLY', detail: 'recovering', next: 'come back' }));
  });
  for (const work of [pageAt(url).json('/v1/about'), first(pageAt(url))]) {
    const problem = (await failure(work)) as Problem;
    assert.instance(problem, Problem);
    assert.equal(
      [problem.status, problem.code, problem.message, problem.next],
      [503, 'ERR_READ_ONLY', 'recovering', 'come back'],
    );
  }
  const empty = await answering((_, response) => void response.writeHead(502).end('<html>'));
  assert.is(((await failure(pageAt(empty).json('/x'))) as Problem).code, 'HTTP 502');
});

t('a token that is not taken is made anew, once', async () => {
  const seen: string[] = [];
  const url = await answering((request, response) => {
    const { authorization = '' } = request.headers;
    seen.push(authorization);
    response.writeHead(authorization === 'Bearer token-2' ? 200 : 401).end('{}');
  });
  const page = pageAt(url);
  assert.equal(await page.json('/v1/about'), {});
  assert.equal(seen, ['Bearer token-1', 'Bearer token-2']);
  const closed = await answering((_, response) => void response.writeHead(401).end('{}'));
  assert.is((await pageAt(closed).ask('/v1/about')).status, 401);
  // Keys of the user's are what they are: a second try would be the same.
  const { forget: _forget, ...fixed } = countingSigner();
  seen.length = 0;
  assert.is((await pageAt(url, { signer: fixed }).ask('/v1/about')).status, 401);
  assert.is(seen.length, 1);
});

t('a server that does not sign for the page is told from one that is in trouble', async () => {
  for (const [status, asPage] of [
    [404, 401],
    [403, 401],
    [503, 503],
  ]) {
    const url = await answering(
      (_, response) => void response.writeHead(status!).end('{"detail":"so it is"}'),
    );
    const problem = (await failure(demoSigner(url).token('admin'))) as Problem;
    assert.is(problem.status, asPage);
    assert.is(problem.next !== '', asPage === 401);
  }
});

t('the page asks for whom the server signs', async () => {
  const url = await answering((request, response) => {
    assert.equal([request.method, request.url], ['GET', '/demo/sign']);
    response.end('{"names":["admin","acme"]}');
  });
  assert.equal(await demoNames(url), ['admin', 'acme']);
  const busy = await answering((_, response) => void response.writeHead(503).end('{}'));
  assert.is(((await failure(demoNames(busy))) as Problem).status, 503);
});

t('a question that nobody wants answered any more is called off', async () => {
  let isGone = false;
  const url = await answering((request) => void request.on('close', () => (isGone = true)));
  const ends = new AbortController();
  setTimeout(() => ends.abort(), 50);
  assert.is((await failure(pageAt(url).json('/x', { signal: ends.signal }))).name, 'AbortError');
  for (let i = 0; i < 100 && !isGone; i += 1) await new Promise((resume) => setTimeout(resume, 10));
  assert.ok(isGone);
});

t('many requests at a time ask for one token', async () => {
  let signed = 0;
  const url = await answering((_, response) => {
    signed += 1;
    response.end('{"jws":"a.b.c"}');
  });
  const signer = demoSigner(url);
  assert.equal(await Promise.all([signer.token('acme'), signer.token('acme')]), ['a.b.c', 'a.b.c']);
  assert.is(signed, 1);
  signer.forget?.('acme');
  await signer.token('acme');
  assert.is(signed, 2);
});

t.run();
