/**
 * The server behind the page: who we are to it, what we ask of it, and its facts as they come.
 *
 * Why the page makes its own tokens: a bearer is good for five minutes, and a page stays open for days. Either the
 * user hands it a key, which stays in this page's memory, or the server runs with `--demo`, whose tenants are public
 * on this machine anyway, and mints them. Test: `test/dashboard/server.test.ts`.
 */
import { serverEventBatches } from '../events/sse.ts';
import type { PlayedRecord } from './player.ts';

/** `GET /v1/about`: what kind of controller this is, for the banner. Shape: `aboutSchema` in `../views/about-view.ts`. */
export interface About {
  readonly version: string;
  readonly durability: string;
  readonly demo: boolean;
  readonly policy: string | null;
  /** What stands behind the slots: `simulated`, `advisory` or `enforced`; several when GPUs differ. */
  readonly enforcement: readonly string[];
  readonly isolation: string;
  /** Names of those who may be acted as without a key; empty but in a demo. */
  readonly demoTenants: readonly string[];
  /** Hash of the first record: which log this is; null while it is empty, or when that record is retired. */
  readonly log: string | null;
  readonly headSeq: number;
}

/** A problem document (RFC 9457) as an error. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  /** What to do about it. */
  readonly next: string;

  constructor(status: number, body: { code?: string; detail?: string; next?: string }) {
    super(body.detail ?? `the server answered ${status}`);
    this.status = status;
    this.code = body.code ?? `HTTP ${status}`;
    this.next = body.next ?? '';
  }
}

/** Makes bearer tokens, and signs requests of tenants who may not send unsigned ones. */
export interface Signer {
  /** Whom it can speak for; `admin` is the operator. */
  readonly names: readonly string[];
  token(name: string): Promise<string>;
  /** A signed job request, compact JWS. */
  request(name: string, job: unknown): Promise<string>;
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As whom; the page's own name unless told otherwise. */
  readonly as?: string;
  /** Sent as JSON, bytes as they are. */
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Server {
  readonly #signer: Signer;
  readonly #fetch: typeof fetch;
  readonly #base: string;
  /** Whose eyes the page sees with. */
  readonly name: string;

  constructor(parts: { signer: Signer; name: string; base: string; fetch: typeof fetch }) {
    this.#signer = parts.signer;
    this.#fetch = parts.fetch;
    this.#base = parts.base;
    this.name = parts.name;
  }

  /** Whom the page may act as. */
  get names(): readonly string[] {
    return this.#signer.names;
  }

  /** Does it see everything? Otherwise only what is its own. */
  get isAdmin(): boolean {
    return this.name === 'admin';
  }

  /** The answer, whatever its status. Rejects when the server can't be reached. */
  async ask(
    path: string,
    { method = 'GET', as = this.name, body, type, headers }: Call = {},
  ): Promise<Response> {
    const isBytes = body instanceof Uint8Array || typeof body === 'string';
    return this.#fetch(this.#base + path, {
      method,
      headers: {
        authorization: `Bearer ${await this.#signer.token(as)}`,
        ...(body === undefined
          ? {}
          : { 'content-type': type ?? (isBytes ? 'application/octet-stream' : 'application/json') }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? (body as string) : JSON.stringify(body) }),
    });
  }

  /** The body of a good answer. Rejects with a `Problem`. */
  async json<T>(path: string, call: Call = {}): Promise<T> {
    const response = await this.ask(path, call);
    const body = response.status === 204 ? null : await response.json().catch(() => ({}));
    if (!response.ok) throw new Problem(response.status, body as object);
    return body as T;
  }

  /** Sends a job as `name` does: unsigned where its terms allow that, else signed. */
  async submit(name: string, job: unknown, { unsigned, key }: { unsigned: boolean; key?: string }) {
    const headers = key === undefined ? {} : { 'idempotency-key': key };
    if (unsigned)
      return this.json<{ id: string }>('/v1/jobs', { method: 'POST', as: name, body: { job }, headers });
    const body = await this.#signer.request(name, job);
    return this.json<{ id: string }>('/v1/jobs', {
      method: 'POST',
      as: name,
      body,
      type: 'application/jose',
      headers,
    });
  }

  /** Facts from `from` on, in batches, for as long as the connection lasts. Rejects with a `Problem`. */
  async *facts(from: number, signal: AbortSignal): AsyncGenerator<PlayedRecord[]> {
    const response = await this.#fetch(`${this.#base}/v1/log?from=${from}`, {
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${await this.#signer.token(this.name)}`,
      },
      signal,
    });
    if (!response.ok || !response.body)
      throw new Problem(response.status, (await response.json().catch(() => ({}))) as object);
    // A web stream can be iterated in every browser we name, though not in every type library.
    const chunks = response.body as unknown as AsyncIterable<Uint8Array>;
    for await (const events of serverEventBatches(chunks))
      yield events.map(({ data }) => JSON.parse(data) as PlayedRecord);
  }
}
