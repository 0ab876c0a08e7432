/**
 * The stage: what a scenario may do to its controller, all of it by the ways that a user has.
 *
 * Why every wait has an end and a sentence: a tour that hangs teaches nothing. Each `check` is kept, so that
 * `--json` can show what was looked at. Test: `test/demo.serial.test.ts`.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newKeyPair } from '../attestation/keys.ts';
import { Client } from '../cli/client.ts';
import { hasEnded } from '../cli/follow.ts';
import { adminIdentity, type Identity, identityOf, signJob, TokenSource } from '../cli/sign.ts';
import type { Clock } from '../clock.ts';
import type { TenantTerms } from '../events/facts.ts';
import type { Explanation } from '../scheduler/explain.ts';
import type { JobView } from '../views/job-view.ts';
import type { DemoServer } from './processes.ts';
import { StepFailed } from './scenario.ts';

/** A job that does not come so far by then never will, ms. Busy machines are slow, so this is long. */
const waitMsMax = 60_000;
const lookMs = 20;

/** Where a limit is not what a scenario is about, a busy machine must not run into it. */
const patient = { startMs: 60_000, wallMs: 60_000 };

/** A job as a scenario writes it: `guest` is a file of `wasm/`. */
export interface DemoJob {
  readonly guest: string;
  readonly input?: Uint8Array;
  /** MIG profile. */
  readonly slot: string;
  readonly args?: readonly string[];
  readonly capabilities?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
  readonly attempts?: { readonly max: number; readonly backoffMs: number };
}

/** An answer of the door, as it came. */
export interface Answer {
  readonly status: number;
  /** Error code; null when it was no problem. */
  readonly code: string | null;
  readonly id: string | null;
  readonly headers: Headers;
}

export class Stage {
  readonly #server: DemoServer;
  readonly #clock: Clock;
  readonly #identities = new Map<string, Identity>();
  readonly #clients = new Map<string, Client>();
  /** What was checked in the present scenario. */
  readonly steps: string[] = [];

  constructor(server: DemoServer, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  get data(): string {
    return this.#server.data;
  }

  /** Keeps a sentence that holds; throws with it when it does not. */
  check(holds: boolean, sentence: string, instead = ''): void {
    if (!holds) throw new StepFailed(`not so: ${sentence}${instead ? `; instead: ${instead}` : ''}`);
    this.steps.push(sentence);
  }

  /** A tenant with its key: a demo tenant, or one that `tenant` has added. */
  async as(name: string): Promise<Identity> {
    const known = this.#identities.get(name);
    if (known) return known;
    const claimed = { tenant: name, key: undefined, data: this.data };
    const identity =
      name === 'admin' ? await adminIdentity({ ...claimed, tenant: undefined }) : await identityOf(claimed);
    if (!identity) throw new StepFailed(`there is no key of ${name}`);
    this.#identities.set(name, identity);
    return identity;
  }

  async client(name = 'acme'): Promise<Client> {
    const key = `${name} ${this.#server.url}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const client = new Client(this.#server.url, new TokenSource(await this.as(name)));
    this.#clients.set(key, client);
    return client;
  }

  /** Adds a tenant with a key of its own, as the operator. */
  async tenant(name: string, terms: Partial<TenantTerms>): Promise<void> {
    const key = await newKeyPair();
    const body = JSON.stringify({ name, key: key.publicJwk, terms });
    const headers = { 'content-type': 'application/json' };
    const { status } = await (await this.client('admin')).answer('POST', '/v1/tenants', { body, headers });
    this.check(status === 201, `tenant ${name} is added with ${JSON.stringify(terms)}`, `status ${status}`);
    this.#identities.set(name, { name, key });
  }

  /** Uploads bytes under a digest, their own unless told otherwise. */
  async put(bytes: Uint8Array, { as = 'acme', name = sha256Of(bytes) } = {}): Promise<Answer> {
    const bearer = await new TokenSource(await this.as(as)).bearer();
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/octet-stream' };
    return this.#request('PUT', `/v1/blobs/${name}`, headers, bytes);
  }

  /** The job's spec; module and input are uploaded. */
  async spec(job: DemoJob, as = 'acme'): Promise<Record<string, unknown>> {
    const { guest, input, limits, ...rest } = job;
    const module = guestBytes(guest);
    for (const bytes of [module, input]) {
      const put = bytes && (await this.put(bytes, { as }));
      if (put?.code) throw new StepFailed(`the upload of ${guest} was refused: ${put.code}`);
    }
    const digests = {
      module: `sha256:${sha256Of(module)}`,
      ...(input ? { input: `sha256:${sha256Of(input)}` } : {}),
    };
    return { ...digests, ...rest, limits: { ...patient, ...limits } };
  }

  async signed(spec: unknown, { as = 'acme', key }: { as?: string; key?: string } = {}): Promise<string> {
    return signJob(await this.as(as), spec, { idempotencyKey: key });
  }

  /** Sends a signed request and gives whatever comes back. */
  async send(request: string): Promise<Answer> {
    return this.#request('POST', '/v1/jobs', { 'content-type': 'application/jose' }, request);
  }

  /** Submits a job that the door must take. Resolves with its id. */
  async submit(job: DemoJob, as = 'acme'): Promise<string> {
    return this.submitSpec(await this.spec(job, as), as);
  }

  async submitSpec(spec: unknown, as = 'acme'): Promise<string> {
    return this.accepted(await this.signed(spec, { as }));
  }

  /** Sends a signed request that the door must take. Resolves with the job's id. */
  async accepted(request: string): Promise<string> {
    const { id, status, code } = await this.send(request);
    if (status !== 202 || id === null) throw new StepFailed(`a job was not taken: ${status} ${code}`);
    return id;
  }

  /** Submits, and waits until the guest runs. */
  async running(job: DemoJob, as = 'acme'): Promise<string> {
    const id = await this.submit(job, as);
    await this.until(id, (view) => view.state === 'running', 'runs', as);
    return id;
  }

  async job(id: string, as = 'acme'): Promise<JobView> {
    return (await this.client(as)).json<JobView>('GET', `/v1/jobs/${id}`);
  }

  /** Looks at the job until it is as wished. */
  async until(id: string, holds: (view: JobView) => boolean, what: string, as = 'acme'): Promise<JobView> {
    const lastMs = this.#clock.monotonicMs() + waitMsMax;
    for (;;) {
      const view = await this.job(id, as);
      if (holds(view)) return view;
      if (hasEnded(view.state) || this.#clock.monotonicMs() > lastMs) {
        throw new StepFailed(
          `waited in vain until job ${id} ${what}; it is ${view.state} ${view.cause?.code ?? ''}`,
        );
      }
      await this.pause(lookMs);
    }
  }

  /** Waits for the end of a job, and checks which it is. */
  async ends(id: string, state: string, as = 'acme'): Promise<JobView> {
    const view = await this.until(id, (now) => hasEnded(now.state), 'ends', as);
    this.check(view.state === state, `the job ends as ${state}`, `${view.state} ${view.cause?.code ?? ''}`);
    return view;
  }

  /** Looks at why a job waits until the reason is among those given. */
  async explains(id: string, reason: string, as = 'acme'): Promise<void> {
    const client = await this.client(as);
    const lastMs = this.#clock.monotonicMs() + waitMsMax;
    for (;;) {
      const { reasons, state } = await client.json<Explanation>('GET', `/v1/jobs/${id}/explain`);
      const found = reasons.find(({ code }) => code === reason);
      if (found) return this.check(true, `explain says ${reason}: ${found.message}`);
      if (hasEnded(state) || this.#clock.monotonicMs() > lastMs) {
        throw new StepFailed(
          `explain never said ${reason}; now it says ${reasons.map(({ code }) => code).join(', ')}`,
        );
      }
      await this.pause(lookMs);
    }
  }

  async cancel(id: string, as = 'acme'): Promise<void> {
    const { status } = await (await this.client(as)).answer('POST', `/v1/jobs/${id}/cancel`);
    this.check(status === 202, 'the cancel is accepted', `status ${status}`);
  }

  /** The result's bytes. */
  async result(id: string, as = 'acme'): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await this.client(as)).bytes(`/v1/jobs/${id}/result`)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Kills the process in which the job's guest runs; it must be on our controller's list of its runners. */
  async killRunner(id: string): Promise<void> {
    const runner = (await this.job(id)).attempts.at(-1)?.runner ?? '';
    const pid = /^runner-([1-9][0-9]*)$/.exec(runner)?.[1];
    if (!pid || !existsSync(join(this.data, 'runners', `${pid}.json`))) {
      throw new StepFailed(`"${runner}" is no runner of this controller`);
    }
    process.kill(Number(pid), 'SIGKILL');
    this.steps.push('its runner is killed with SIGKILL');
  }

  /** Ends the controller. */
  async halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const code = await this.#server.halt(signal);
    const wanted = signal === 'SIGTERM' ? 0 : null;
    this.check(code === wanted, `the controller ends after ${signal}`, `exit code ${code}`);
  }

  /** Starts the controller again on the same data directory. */
  async restart(): Promise<void> {
    await this.#server.start();
    this.steps.push('the controller is started again on the same data');
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }

  async #request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array,
  ): Promise<Answer> {
    // Not the client of the command line: it turns refusals into errors and keeps no header of theirs.
    const answer = await fetch(new URL(path, this.#server.url), { method, headers, body });
    const text = await answer.text();
    const { code, id } = (text === '' ? {} : JSON.parse(text)) as { code?: string; id?: string };
    return { status: answer.status, code: code ?? null, id: id ?? null, headers: answer.headers };
  }
}

/** A guest of `wasm/`. */
export const guestBytes = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../wasm/${name}.wasm`, import.meta.url)));

/** SHA-256, lower-case hex. */
export const sha256Of = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');
