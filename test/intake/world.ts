/**
 * A whole controller behind a real HTTP server, for tests of the door: log in memory, blobs in a folder of its
 * own, tenants and keys as facts. Only the backend is simulated unless a test brings another one.
 */

import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type KeyPair, newKeyPair } from '../../src/attestation/keys.ts';
import { type Blobs, openBlobs } from '../../src/blobs/blobs.ts';
import { randomIds, systemClock } from '../../src/clock.ts';
import { Controller } from '../../src/controller.ts';
import { dashboardPage } from '../../src/dashboard/bundle.ts';
import type { TenantTerms } from '../../src/events/facts.ts';
import type { Backend, Run, RunOutcome, RunRequest } from '../../src/executor/backend.ts';
import { Door } from '../../src/intake/door.ts';
import { type HttpLimits, type RunningHttp, startHttp } from '../../src/intake/http.ts';
import type { Demo } from '../../src/intake/route.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { createWindows } from '../../src/observe/windows.ts';
import { sampleGuests } from '../../src/sample-guests.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';

export interface WorldOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly queuedMax?: number;
  readonly blobBytesMax?: number;
  readonly backend?: () => Promise<Backend>;
  readonly terms?: Partial<TenantTerms>;
  readonly demo?: Demo;
  /** Pairs that take the place of fresh ones. */
  readonly keys?: Partial<Record<Who, KeyPair>>;
}

/** The names in the world: `stranger` has a key that nobody registered. */
export type Who = 'acme' | 'globex' | 'admin' | 'stranger';

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Parsed body; only for answers that are JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies member by member and assert what they find.
  readonly json: any;
}

export interface Asking {
  readonly as?: Who | undefined;
  readonly body?: unknown;
  readonly raw?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface World {
  readonly http: RunningHttp;
  readonly life: Controller;
  readonly blobs: Blobs;
  readonly blobDir: string;
  readonly keys: Readonly<Record<Who, KeyPair>>;
  /** What the server told its operator. */
  readonly told: { level: string; message: string }[];
  /** Digest of the stored `noop.wasm`, which both tenants have. */
  readonly module: string;
  /** Replaces what `life()` gives: null while the controller recovers. */
  present: Controller | null;
  metrics: () => Promise<string>;
  ask(method: string, path: string, asking?: Asking): Promise<Answered>;
  token(who: Who, claims?: Record<string, unknown>): Promise<string>;
  signed(who: Who, job: unknown, claims?: Record<string, unknown>): Promise<string>;
  /** Submits a job of acme's and gives its id. */
  submit(job?: Record<string, unknown>, who?: Who): Promise<string>;
  /** Waits until the job is in one of these states; gives its view. */
  until(id: string, ...states: string[]): Promise<Record<string, unknown>>;
  end(): Promise<void>;
}

/** What a simulated guest does: ends at once, or runs until it is killed. */
export type Behaviour = (request: RunRequest) => RunOutcome | 'runs until killed';

export const saysHello: Behaviour = () => ({
  how: 'exited',
  exitCode: 0,
  stdout: new TextEncoder().encode('hello\n'),
});

/** A backend in which no process is started: each run follows `behaviour`. Named so because nothing real runs. */
export function simulatedBackend(behaviour: Behaviour = saysHello, runners = 4): () => Promise<Backend> {
  const live = new Set<Run>();
  const run = (request: RunRequest): Run | null => {
    if (live.size >= runners) return null;
    const outcome = behaviour(request);
    let kill = (): void => undefined;
    const ended = new Promise<RunOutcome>((resolve) => {
      kill = () => resolve({ how: 'killed' });
      if (outcome !== 'runs until killed') setImmediate(() => resolve(outcome));
    });
    const mine: Run = {
      fence: request.fence,
      started: Promise.resolve({ runner: 'simulated' }),
      ended,
      logs: () => `guest ${request.args.join(' ')}`.trim(),
      kill: () => kill(),
    };
    live.add(mine);
    void ended.then(() => live.delete(mine));
    return mine;
  };
  return async () => ({
    runners,
    probe: () => ({ name: 'simulated', isolation: 'L0', notes: [] }),
    run,
    stop: async () => {
      for (const each of live) each.kill();
    },
  });
}

/** Begins a life and opens the door. Two tenants, acme (also unsigned) and globex (also unsigned), each with one key. */
export async function newWorld(options: WorldOptions = {}): Promise<World> {
  const blobDir = await mkdtemp(join(tmpdir(), 'berth-intake-'));
  const blobBytesMax = options.blobBytesMax ?? 64 * 1024 * 1024;
  const blobs = await openBlobs({ dir: blobDir, blobBytesMax, tenantBytesMax: 1e9 });
  const [acme, globex, admin, stranger] = await Promise.all([
    newKeyPair(),
    newKeyPair(),
    newKeyPair(),
    newKeyPair(),
  ]);
  const keys = { acme, globex, admin, stranger, ...options.keys };
  const life = await Controller.begin({
    clock: systemClock,
    sha256: nodeSha256,
    blobs,
    sign: (claims) => keys.admin.sign(claims, 'eat+jwt'),
    settings: {
      fleet: [{ id: 'gpu0', board: 'H100-80GB', enforcement: 'simulated' }],
      policy: 'fifo',
      attestMs: 10_000,
      stopMs: 1_000,
      lossesMax: 3,
      queuedMax: options.queuedMax ?? 1_000,
      retainedMax: 10_000,
      checkpointFacts: 0,
      killWaitMs: 1_000,
      version: 'test',
    },
    defer: (fn) => void setImmediate(fn),
    openLog: async () => openMemoryLog({ sha256: nodeSha256 }),
    killFormerGuests: async () => 0,
    startBackend: options.backend ?? simulatedBackend(),
    acceptTornTail: false,
    onFault: (error) => told.push({ level: 'fault', message: String(error) }),
  });
  const told: { level: string; message: string }[] = [];
  const adminKey = { ...keys.admin.publicJwk, addedAtSeq: 0, revokedAtSeq: null };
  const world = { present: life as Controller | null, metrics: async () => '# nothing yet\n' };
  const door = new Door({
    submitsPerSecondMax: 10_000,
    life: () => world.present,
    admin: { name: 'admin', terms: defaultTerms, keys: [adminKey] },
    blobs,
    clock: systemClock,
    ids: randomIds,
    sha256: nodeSha256,
  });
  for (const name of ['acme', 'globex'] as const) {
    const terms = { ...defaultTerms, unsigned: true, ...options.terms };
    await life.ask({ kind: 'Note', type: 'tenant.added', stream: `tenant.${name}`, data: { terms } }, 'test');
    const data = { key: keys[name].publicJwk };
    await life.ask({ kind: 'Note', type: 'tenant.keyAdded', stream: `tenant.${name}`, data }, 'test');
  }
  const windows = createWindows({
    clock: systemClock,
    onError: (error) => told.push({ level: 'error', message: String(error) }),
  });
  const http = await startHttp({
    rates: () => windows.latest,
    listen: options.listen ?? { host: '127.0.0.1', port: 0 },
    door,
    life: () => world.present,
    blobs,
    publicKeys: () => [keys.admin.publicJwk],
    newestHead: () => ({ head: { seq: 1, hash: 'a'.repeat(64), epoch: 1, at: 1, log: null }, jws: 'a.b.c' }),
    metricsText: () => world.metrics(),
    clock: systemClock,
    logger: (level, message) => told.push({ level, message }),
    blobBytesMax,
    page: dashboardPage,
    version: 'test',
    demo: options.demo ?? null,
    guests: sampleGuests(fileURLToPath(new URL('../../wasm/', import.meta.url))),
    ...(options.limits ? { limits: options.limits } : {}),
  }).catch(async (error: unknown) => {
    windows.stop();
    await life.end();
    await rm(blobDir, { recursive: true, force: true });
    throw error;
  });
  const wasm = await readFile(new URL('../../wasm/noop.wasm', import.meta.url));
  const { sha256 } = await blobs.putBytes('acme', wasm);
  await blobs.putBytes('globex', wasm);
  return Object.assign(world, tools({ http, life, keys, module: `sha256:${sha256}` }), {
    http,
    life,
    blobs,
    blobDir,
    keys,
    told,
    module: `sha256:${sha256}`,
    end: async () => {
      windows.stop();
      await http.stop();
      await life.end();
      await rm(blobDir, { recursive: true, force: true });
    },
  });
}

function tools({ http, life, keys, module }: Pick<World, 'http' | 'life' | 'keys' | 'module'>) {
  const claimsOf = (who: Who) => {
    const iat = Math.floor(Date.now() / 1000);
    return { aud: 'berth', iss: who, iat, exp: iat + 60, jti: randomUUID() };
  };
  const token = (who: Who, claims: Record<string, unknown> = {}) =>
    keys[who].sign({ ...claimsOf(who), ...claims }, 'JWT');
  const ask = async (
    method: string,
    path: string,
    { as, body, raw, headers = {} }: Asking = {},
  ): Promise<Answered> => {
    const bytes = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    return exchange(http.url + path, method, bytes, {
      ...(as ? { authorization: `Bearer ${await token(as)}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    });
  };
  return {
    token,
    ask,
    signed: (who: Who, job: unknown, claims: Record<string, unknown> = {}) =>
      keys[who].sign({ ...claimsOf(who), job, ...claims }, 'berth-job+jws'),
    submit: async (job: Record<string, unknown> = {}, who: Who = 'acme'): Promise<string> => {
      const answer = await ask('POST', '/v1/jobs', {
        as: who,
        body: { job: { module, slot: '1g.10gb', ...job } },
      });
      if (answer.status !== 202) throw new Error(`submit: ${answer.status} ${answer.text}`);
      return answer.json.id as string;
    },
    until: async (id: string, ...states: string[]): Promise<Record<string, unknown>> => {
      for (let tries = 0; tries < 500; tries += 1) {
        const job = life.views.job(id);
        if (job && states.includes(job.job.state))
          return (await ask('GET', `/v1/jobs/${id}`, { as: 'admin' })).json;
        await pause(10);
      }
      throw new Error(`job ${id} is ${life.views.job(id)?.job.state}, not ${states.join(' or ')}`);
    },
  };
}

export const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));

/** One request and its whole answer. An answer that comes before the body is sent counts, as it does for any client. */
export function exchange(
  url: string,
  method: string,
  body: string | Uint8Array | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    // The path as it was written: a URL object would mend what a test wants broken.
    const [, host, port, path] = /^http:\/\/([^:/]+):(\d+)(.*)$/.exec(url) ?? [];
    const options = { host, port, path, method, headers: { ...length, ...headers }, agent: false as const };
    const request = httpRequest(options, (response) => {
      const chunks: Uint8Array[] = [];
      response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = /json/.test(response.headers['content-type'] ?? '');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
