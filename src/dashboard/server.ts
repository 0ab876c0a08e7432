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
  /** Which members of the request are wrong, such as `job.limits.wallMs`. */
  readonly fields: readonly { readonly field: string; readonly message: string }[];

  constructor(
    status: number,
    body: { code?: string; detail?: string; next?: string; errors?: Problem['fields'] },
  ) {
    super(body.detail ?? `the server answered ${status}`);
    this.status = status;
    this.code = body.code ?? `HTTP ${status}`;
    this.next = body.next ?? '';
    this.fields = body.errors ?? [];
  }
}

/** How a job is sent. */
export interface Sending {
  /** The tenant's terms allow unsigned requests. */
  readonly unsigned: boolean;
  /** Idempotency key. */
  readonly key?: string;
}

/** The answer of `POST /v1/jobs:validate`. */
export interface Validation {
  /** Would the door take it now? */
  readonly admitted: boolean;
  readonly everFits: boolean;
  readonly fitsNow: boolean;
  /** Complete, with all defaults. */
  readonly spec: unknown;
}

/** Makes bearer tokens, and signs requests of tenants who may not send unsigned ones. */
export interface Signer {
  /** Whom it can speak for; `admin` is the operator. */
  readonly names: readonly string[];
  token(name: string): Promise<string>;
  /** The server took the last token for nothing: makes another. Absent where another would be no better. */
  forget?(name: string): void;
  /** A signed job request, compact JWS. */
  request(name: string, job: unknown): Promise<string>;
}

/** A page of `GET /v1/log`. Shape: `factPageSchema` in `../views/log-view.ts`. */
export interface FactPage {
  readonly facts: readonly PlayedRecord[];
  /** Where to go on; above `upTo` when there is no more for now. */
  readonly next: number;
  readonly upTo: number;
}

/** Facts asked for at a time. */
const pageFactsMax = 1_000;
/** A stream says something every 15 s; one that is silent for three times as long has no server at its other end, ms. */
const silentMsMax = 45_000;

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As whom; the page's own name unless told otherwise. */
  readonly as?: string;
  /** Sent as JSON, bytes as they are. */
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends when the answer is no longer wanted. */
  readonly signal?: AbortSignal;
}

export class Server {
  readonly #signer: Signer;
  readonly #fetch: typeof fetch;
  readonly #base: string;
  readonly #silentMsMax: number;
  #clockMs: number | null = null;
  /** Whose eyes the page sees with. */
  readonly name: string;

  constructor(parts: {
    signer: Signer;
    name: string;
    base: string;
    fetch: typeof fetch;
    /** After how long a silent stream is given up, ms. */
    silentMsMax?: number;
  }) {
    this.#silentMsMax = parts.silentMsMax ?? silentMsMax;
    this.#signer = parts.signer;
    this.#fetch = parts.fetch;
    this.#base = parts.base;
    this.name = parts.name;
  }

  /** What the server's clock showed in its last answer, to the second, ms since the Unix epoch; null before there was one. */
  get clockMs(): number | null {
    return this.#clockMs;
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
    { method = 'GET', as = this.name, body, type, headers, signal }: Call = {},
  ): Promise<Response> {
    const isBytes = body instanceof Uint8Array || typeof body === 'string';
    return this.#asking(as, path, {
      method,
      ...(signal ? { signal } : {}),
      headers: {
        ...(body === undefined
          ? {}
          : { 'content-type': type ?? (isBytes ? 'application/octet-stream' : 'application/json') }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? (body as string) : JSON.stringify(body) }),
    });
  }

  /** Asks again with a fresh token when the first is not taken: another server may stand there now, with other keys. */
  async #asking(as: string, path: string, init: RequestInit): Promise<Response> {
    const once = async (): Promise<Response> => {
      const authorization = `Bearer ${await this.#signer.token(as)}`;
      return this.#fetch(this.#base + path, { ...init, headers: { ...init.headers, authorization } });
    };
    const response = await once();
    const clockMs = Date.parse(response.headers.get('date') ?? '');
    if (!Number.isNaN(clockMs)) this.#clockMs = clockMs;
    if (response.status !== 401 || !this.#signer.forget) return response;
    this.#signer.forget(as);
    return once();
  }

  /** The body of a good answer. Rejects with a `Problem`. */
  async json<T>(path: string, call: Call = {}): Promise<T> {
    const response = await this.ask(path, call);
    const body = response.status === 204 ? null : await response.json().catch(() => ({}));
    if (!response.ok) throw new Problem(response.status, body as object);
    return body as T;
  }

  /** Sends a job as `name` does: unsigned where its terms allow that, else signed. */
  async submit(name: string, job: unknown, sending: Sending): Promise<{ id: string }> {
    return this.#send('/v1/jobs', name, job, sending);
  }

  /** Asks what would become of a job, without sending it. */
  async validate(name: string, job: unknown, sending: Sending): Promise<Validation> {
    return this.#send('/v1/jobs:validate', name, job, sending);
  }

  /** A signed request for a job, as text that can be sent. */
  signed(name: string, job: unknown): Promise<string> {
    return this.#signer.request(name, job);
  }

  /** Sends what `signed` gave. */
  async sendSigned(
    name: string,
    request: string,
    { path = '/v1/jobs', headers = {} }: { path?: string; headers?: Readonly<Record<string, string>> } = {},
  ): Promise<unknown> {
    return this.json(path, { method: 'POST', as: name, body: request, type: 'application/jose', headers });
  }

  async #send<T>(path: string, name: string, job: unknown, { unsigned, key }: Sending): Promise<T> {
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    if (unsigned) return this.json<T>(path, { method: 'POST', as: name, body: { job }, headers });
    return (await this.sendSigned(name, await this.signed(name, job), { path, headers })) as T;
  }

  /** Facts from `from` on that are there now, at most a page of them. Rejects with a `Problem`. */
  page(from: number, limit = pageFactsMax): Promise<FactPage> {
    return this.json<FactPage>(`/v1/log?from=${from}&limit=${limit}`);
  }

  /**
   * Facts from `from` on as they come, in batches, for as long as the connection lasts; first an empty one, as soon as the
   * server has let us in. Rejects with a `Problem`, and when the server falls silent: a machine that was unplugged closes no
   * connection.
   */
  async *facts(from: number, signal: AbortSignal): AsyncGenerator<PlayedRecord[]> {
    const silence = new AbortController();
    const response = await this.#asking(this.name, `/v1/log?from=${from}`, {
      headers: { accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok || !response.body)
      throw new Problem(response.status, (await response.json().catch(() => ({}))) as object);
    yield [];
    // A web stream can be iterated in every browser we name, though not in every type library.
    const chunks = response.body as unknown as AsyncIterable<Uint8Array>;
    const giveUp = (): void => silence.abort(new Error('the server fell silent'));
    for await (const events of serverEventBatches(watched(chunks, this.#silentMsMax, giveUp)))
      yield events.map(({ data }) => JSON.parse(data) as PlayedRecord);
  }
}

/** The same chunks; calls `onSilence` when none comes for so long. */
async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  silentMs: number,
  onSilence: () => void,
): AsyncGenerator<Uint8Array> {
  let timer = setTimeout(onSilence, silentMs);
  try {
    for await (const chunk of chunks) {
      clearTimeout(timer);
      timer = setTimeout(onSilence, silentMs);
      yield chunk;
    }
  } finally {
    clearTimeout(timer);
  }
}
