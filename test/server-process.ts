/**
 * `berth serve` as a process of its own, to be killed, stopped, starved and traced; and a client of it.
 *
 * Why a process and not `startServer`: what a crash leaves behind (page cache, half a write, orphaned runners,
 * a held lock) exists only when a process really dies. Every server that a test starts dies with that test's process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadKey } from '../src/attestation/keys.ts';
import { type Identity, signJob, TokenSource } from '../src/cli/sign.ts';
import type { JobView } from '../src/views/job-view.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const startMsMax = 60_000;
const answerMsMax = 30_000;

export const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));
export const sampleGuest = (name: string): Buffer => readFileSync(join(root, 'wasm', `${name}.wasm`));

/** Asks again and again until `found` gives something; fails with `what` after `limitMs`. */
export async function eventually<T>(
  what: string,
  found: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  limitMs = 20_000,
): Promise<T> {
  const lastMs = performance.now() + limitMs;
  for (;;) {
    const value = await found();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > lastMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await pause(20);
  }
}

export interface ServeOptions {
  readonly flags?: readonly string[];
  /** The script that is the server; `bin/berth.js` when absent, which transpiles at each start. */
  readonly program?: string;
  /** Program and arguments that run node, such as strace. */
  readonly around?: readonly string[];
  /** Arguments of node itself. */
  readonly node?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const alive = new Set<ServerProcess>();
process.on('exit', () => {
  for (const server of alive) server.signal('SIGKILL');
});

/** One data directory and the controllers that run on it, one after the other. */
export class ServerProcess {
  readonly data: string;
  /** Where the present controller listens. */
  url = '';
  /** Stderr of all controllers so far. */
  stderr = '';
  stdout = '';
  /** How the present controller ended. */
  ended: Promise<Ended> = Promise.resolve({ code: null, signal: null });
  #child: ChildProcess | null = null;
  /** The node process; another than the child when something is around it. */
  #pid = -1;
  readonly #options: ServeOptions;

  /** Starts a controller on a fresh directory and waits until it listens. */
  static async begin(options: ServeOptions = {}): Promise<ServerProcess> {
    const server = await ServerProcess.idle(options);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.remove();
      throw error;
    }
  }

  /** A fresh directory; nothing runs yet. */
  static async idle(options: ServeOptions = {}): Promise<ServerProcess> {
    return new ServerProcess(await mkdtemp(join(tmpdir(), 'berth-faults-')), options);
  }

  constructor(data: string, options: ServeOptions = {}) {
    this.data = data;
    this.#options = options;
  }

  get pid(): number {
    return this.#pid;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** Starts the next controller on the same directory and waits until it listens. */
  async start(more: ServeOptions = {}): Promise<void> {
    this.launch(more);
    await this.listening();
  }

  /** Starts it, without waiting. */
  launch(more: ServeOptions = {}): void {
    const { program = join(root, 'bin', 'berth.js'), ...rest } = { ...this.#options, ...more };
    const { flags = [], around = [], node = [], env = {} } = rest;
    const command = [...around, process.execPath, ...node, program];
    const serve = ['serve', '--demo', '--data', this.data, '--listen', '127.0.0.1:0', ...flags];
    const [runs = '', ...args] = [...command, ...serve];
    // No setting of the one who runs the tests may show through.
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('BERTH_'));
    const child = spawn(runs, args, {
      cwd: root,
      env: { ...Object.fromEntries(own), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.url = '';
    this.stdout = '';
    this.#pid = around.length > 0 ? -1 : (child.pid ?? -1);
    alive.add(this);
    child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        if (this.#child === child) this.#child = null;
        alive.delete(this);
        resolve({ code, signal });
      });
    });
  }

  /** Resolves when it says where it listens; rejects with what it said instead. */
  async listening(): Promise<void> {
    const match = await eventually(
      'the server listens',
      () => {
        const found = /^listening on (http:\S+)$/m.exec(this.stdout);
        if (!found && this.#child === null) throw new Error(`the server ended:\n${this.stderr}`);
        return found;
      },
      startMsMax,
    );
    this.url = match[1] ?? '';
    if (this.#pid < 0) this.#pid = onlyChildOf(this.#child?.pid ?? -1);
  }

  signal(signal: NodeJS.Signals): void {
    // While it starts behind another program, only that one's id is known.
    const pid = this.#pid > 0 ? this.#pid : (this.#child?.pid ?? -1);
    if (this.#child === null || pid <= 0) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(signal);
    return this.ended;
  }

  /** Kills what runs and removes the directory. */
  async remove(): Promise<void> {
    await this.end('SIGKILL');
    await rm(this.data, { recursive: true, force: true });
  }
}

/** The process that strace and the like run. */
function onlyChildOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return Number(children[0]);
}

/** The runner processes that were started from this data directory and still run: no zombies. */
export function runnersOf(data: string): number[] {
  const bundle = join(data, 'runners', 'runner.mjs');
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (!readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(bundle)) return [];
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
      return state === 'Z' || state === 'X' ? [] : [Number(name)];
    } catch {
      return [];
    }
  });
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The body as JSON, for those who know that it is. */
  readonly json: unknown;
}

/** What a test sends beyond method and path. */
export interface Sending {
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client with a tenant's key. Its server may be restarted elsewhere meanwhile. */
export class Caller {
  readonly tenant: string;
  readonly #server: { readonly url: string; readonly data: string };
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  #signer: Promise<Identity> | null = null;
  #tokens: Promise<TokenSource> | null = null;

  constructor(server: { readonly url: string; readonly data: string }, tenant = 'acme') {
    this.#server = server;
    this.tenant = tenant;
  }

  #identity(): Promise<Identity> {
    const { tenant } = this;
    const file = tenant === 'admin' ? ['keys', 'admin.jwk'] : ['tenants', `${tenant}.jwk`];
    this.#signer ??= loadKey(join(this.#server.data, ...file)).then((key) => ({ name: tenant, key }));
    return this.#signer;
  }

  async bearer(): Promise<string> {
    this.#tokens ??= this.#identity().then((identity) => new TokenSource(identity));
    return `Bearer ${await (await this.#tokens).bearer()}`;
  }

  /** One request with the tenant's token; rejects when the connection breaks. */
  async ask(method: string, path: string, { body, headers = {} }: Sending = {}): Promise<HttpAnswer> {
    const authorization = await this.bearer();
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        this.#server.url + path,
        { method, agent: this.#agent, headers: { authorization, ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => resolve(answerOf(response.statusCode ?? 0, response.headers, chunks)));
        },
      );
      request.setTimeout(answerMsMax, () => request.destroy(new Error(`no answer: ${method} ${path}`)));
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Stores a blob and gives its name, `sha256:…`. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const { status, bytes: text } = await this.ask('PUT', `/v1/blobs/${digest}`, { body: bytes });
    if (status >= 300) throw new Error(`PUT blob: ${status} ${text}`);
    return `sha256:${digest}`;
  }

  /** A signed request for `spec`; sent again, it is the same request. */
  async signed(spec: object, idempotencyKey?: string): Promise<string> {
    return signJob(await this.#identity(), { slot: '1g.10gb', ...spec }, { idempotencyKey });
  }

  send(request: string): Promise<HttpAnswer> {
    return this.ask('POST', '/v1/jobs', { body: request, headers: { 'content-type': 'application/jose' } });
  }

  /** Submits and gives the accepted job; throws when it is refused. */
  async submit(spec: object): Promise<JobView> {
    const { status, json } = await this.send(await this.signed(spec));
    if (status !== 202) throw new Error(`submit: ${status} ${JSON.stringify(json)}`);
    return json as JobView;
  }

  async view(id: string): Promise<JobView> {
    const { status, json } = await this.ask('GET', `/v1/jobs/${id}`);
    if (status !== 200) throw new Error(`GET job ${id}: ${status} ${JSON.stringify(json)}`);
    return json as JobView;
  }

  /** Waits until the job is in `state`; any end when none is named. */
  until(id: string, state?: string, limitMs = 20_000): Promise<JobView> {
    return eventually(
      `job ${id} is ${state ?? 'over'}`,
      async () => {
        const view = await this.view(id);
        return (state === undefined ? view.times.endedAtMs !== null : view.state === state) && view;
      },
      limitMs,
    );
  }

  /** Lets go of kept connections. */
  close(): void {
    this.#agent.destroy();
  }
}

function answerOf(status: number, headers: IncomingHttpHeaders, chunks: Buffer[]): HttpAnswer {
  const bytes = Buffer.concat(chunks);
  return {
    status,
    headers,
    bytes,
    get json() {
      return JSON.parse(bytes.toString()) as unknown;
    },
  };
}
