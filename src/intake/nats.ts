/**
 * The door for NATS: requests on `berth.v1.<tenant>.submit|cancel|get|explain`, answered as HTTP answers them.
 *
 * Why the tenant is in the subject: a NATS server can bind subjects to accounts (`nats.conf`), so a tenant's
 * client can't even send on another's subject, whatever its message says. Where the server doesn't, the
 * message must prove who sent it: by a signed job, or by a bearer token.
 *
 * Why the reply subject is checked: whoever asks also chooses where the answer is published, and we may
 * publish where they may not. "Answer me on berth.v1.evt.job.globex.…" would forge a fact in our name.
 * Test: `test/intake/nats.test.ts`.
 */
import { Match, type Msg, type NatsConnection, type Subscription } from 'nats';
import { claimedIssuer } from '../attestation/request.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import { nestingWithin } from '../events/nesting.ts';
import type { Logger } from '../link.ts';
import { NatsLink, type NatsLogin, natsText } from '../nats.ts';
import { type Answer, problem } from './answer.ts';
import type { Door } from './door.ts';
import { adminName, type Identity, jsonBytesMax, nestingMax } from './submission.ts';

export interface NatsIntakeParts {
  /** `nats://[user:password@]host:port`, several with commas between them. */
  readonly servers: string;
  readonly login?: NatsLogin;
  readonly door: Pick<Door, 'authenticate' | 'submit' | 'cancel' | 'job' | 'explain'>;
  /**
   * The server's accounts bind each tenant's subjects to that tenant, as in `nats.conf`: then the subject is
   * proof enough. False, the default, for any other server: there anyone may send on any subject.
   */
  readonly trustSubjects?: boolean;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface NatsIntake {
  /** Are requests being taken? */
  connected(): boolean;
  /** Takes no more, answers what was taken, ends the connection. Idempotent. */
  stop(): Promise<void>;
}

const verbs = ['submit', 'cancel', 'get', 'explain'] as const;
type Verb = (typeof verbs)[number];

/** Requests being answered at once; beyond it the answer is ERR_BUSY, at once. */
export const inFlightMax = 256;
/** A server takes almost any sign in a subject; a tenant's name is the one of `events/facts.ts`. */
const tenantPattern = /^[a-z0-9][a-z0-9-]{0,31}$/;
const idPattern = /^[a-z0-9]{1,64}$/;
/** Where an answer may go: inboxes, and what the server makes of an inbox of another account. Nothing else. */
const replyPattern = /^_(INBOX|R_)[.\w-]*\.[.\w-]+$/;
/** Facts are published under this token; as a tenant's name it would mix requests into them. */
const factsToken = 'evt';
/** Two controllers on one server by mistake: each request still reaches only one. */
const queueGroup = 'berth';
/** How often requests without a lawful reply subject are told, ms. */
const droppedTellMs = 10_000;
/** How long a stop waits for answers under way, ms. */
const stopMsMax = 5_000;

/**
 * Takes requests from NATS, for ever: when the server is down or goes away, dials again. Resolves at once,
 * server or not. Rejects with `ERR_CONFIG` when the address or the login can't be read.
 */
export async function startNatsIntake(parts: NatsIntakeParts): Promise<NatsIntake> {
  const intake = new Intake(parts);
  return { connected: () => intake.link.ready, stop: () => intake.stop() };
}

/** One request, read so far. */
interface Request {
  readonly verb: Verb;
  readonly tenant: string;
  readonly text: string;
  /** Parsed body; null when the text is a signed request. */
  readonly json: Readonly<Record<string, unknown>> | null;
  readonly header: (name: string) => string | null;
}

class Intake {
  readonly link: NatsLink;
  readonly #parts: NatsIntakeParts;
  readonly #underWay = new Set<Promise<void>>();
  #subscriptions: Subscription[] = [];
  #dropped = 0;
  #offTell: () => void = () => undefined;

  constructor(parts: NatsIntakeParts) {
    this.#parts = parts;
    const { clock, logger, login, servers } = parts;
    const serve = (connection: NatsConnection, ready: () => void): Promise<void> =>
      this.#serve(connection, ready);
    this.link = new NatsLink({
      servers,
      name: 'berth intake',
      clock,
      logger,
      serve,
      ...(login ? { login } : {}),
    });
  }

  async stop(): Promise<void> {
    this.#offTell();
    await this.link.stop(async () => {
      await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()));
      const { clock } = this.#parts;
      await new Promise<void>((resume) => {
        const off = clock.after(stopMsMax, resume);
        void Promise.all(this.#underWay).then(() => {
          off();
          resume();
        });
      });
    });
  }

  async #serve(connection: NatsConnection, ready: () => void): Promise<void> {
    let refusal: Error | null = null;
    this.#subscriptions = verbs.map((verb) =>
      connection.subscribe(`berth.v1.*.${verb}`, {
        queue: queueGroup,
        callback: (error, message) => {
          if (!error) return this.#take(connection, verb, message);
          refusal = error;
          void connection.close();
        },
      }),
    );
    // The server answers in order: after this, a subscription that it refuses has been refused.
    await connection.flush();
    if (!refusal) ready();
    await connection.closed();
    if (refusal)
      throw new BerthError('ERR_NATS', `this login may not subscribe to berth.v1.*: ${natsText(refusal)}`);
  }

  #take(connection: NatsConnection, verb: Verb, message: Msg): void {
    const { reply } = message;
    // An answer that nobody may get would be work for nothing; an answer into our own subjects, a forgery.
    if (!reply || !replyPattern.test(reply)) {
      this.#drop(message.subject);
      return;
    }
    if (this.#underWay.size >= inFlightMax) {
      send(connection, reply, problem('ERR_BUSY', `${inFlightMax} requests are being answered`));
      return;
    }
    const work = this.#answer(verb, message)
      .catch((error: unknown) => this.#fault(message.subject, error))
      .then((answer) => send(connection, reply, answer))
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #answer(verb: Verb, message: Msg): Promise<Answer> {
    const request = readRequest(verb, message);
    if ('status' in request) return request;
    if (!tenantPattern.test(request.tenant) || request.tenant === factsToken) {
      return problem('ERR_NOT_FOUND', `no tenant can be called ${quoted(request.tenant)}`);
    }
    return verb === 'submit' ? this.#submit(request) : this.#ofOneJob(request);
  }

  async #submit(request: Request): Promise<Answer> {
    const { door } = this.#parts;
    const { json, tenant, text, header } = request;
    const rest = {
      idempotencyKey: header('idempotency-key'),
      trace: header('traceparent'),
      via: 'nats' as const,
    };
    if (json === null) {
      const issuer = claimedIssuer(text);
      if (issuer !== null && issuer !== tenant) {
        return problem(
          'ERR_FORBIDDEN',
          `the request is signed by ${quoted(issuer)} and came on a subject of ${tenant}`,
        );
      }
      return door.submit({ text, form: 'signed', identity: null, ...rest });
    }
    const identity = await this.#identify(request);
    return 'status' in identity ? identity : door.submit({ text, form: 'json', identity, ...rest });
  }

  async #ofOneJob(request: Request): Promise<Answer> {
    const { door } = this.#parts;
    const identity = await this.#identify(request);
    if ('status' in identity) return identity;
    const id = request.json?.['id'];
    if (typeof id !== 'string' || !idPattern.test(id)) {
      const message = 'must be a job id, 1 to 64 characters of a-z and 0-9';
      return problem('ERR_BAD_REQUEST', `id: ${message}`, [{ field: 'id', message }]);
    }
    if (request.verb === 'cancel') return door.cancel(id, identity);
    return request.verb === 'get' ? door.job(id, identity) : door.explain(id, identity);
  }

  /** Who asks: whom the subject names, once the server's accounts or a bearer token prove it. */
  async #identify({ header, json, tenant }: Request): Promise<Identity | Answer> {
    const given = json?.['authorization'] ?? header('authorization');
    // The operator is never known by a subject: no account is the operator's.
    if (this.#parts.trustSubjects && tenant !== adminName && given === null) return { tenant, admin: false };
    const identity = await this.#parts.door.authenticate(typeof given === 'string' ? given : undefined);
    if ('status' in identity || identity.tenant === tenant) return identity;
    return problem(
      'ERR_FORBIDDEN',
      `the token is of ${quoted(identity.tenant)} and came on a subject of ${tenant}`,
    );
  }

  #fault(subject: string, error: unknown): Answer {
    if (error instanceof BerthError) return problem(error.code, error.message);
    this.#parts.logger('error', 'a request by NATS failed', {
      subject,
      error: String((error as Error).stack ?? error),
    });
    return problem('ERR_INTERNAL', 'the request failed; the server log says why');
  }

  /** Counted, and told now and then: a stranger must not be able to fill the operator's log. */
  #drop(subject: string): void {
    this.#dropped += 1;
    if (this.#dropped > 1) return;
    this.#parts.logger('warn', 'a request by NATS has no reply subject, or not an inbox: not taken', {
      subject,
    });
    this.#offTell = this.#parts.clock.after(droppedTellMs, () => {
      if (this.#dropped > 1)
        this.#parts.logger('warn', `${this.#dropped} requests by NATS without an inbox as reply: not taken`);
      this.#dropped = 0;
    });
  }
}

/** What the message says, its size and form checked; or the problem with it. */
function readRequest(verb: Verb, { data, headers, subject }: Msg): Request | Answer {
  const tenant = subject.split('.')[2] ?? '';
  if (data.length > jsonBytesMax)
    return problem('ERR_TOO_LARGE', `a request has at most ${jsonBytesMax} bytes, not ${data.length}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(data).trim();
  } catch {
    return problem('ERR_BAD_REQUEST', 'the body is not UTF-8');
  }
  const header = (name: string): string | null => headers?.get(name, Match.IgnoreCase) || null;
  if (verb === 'submit' && !text.startsWith('{')) return { verb, tenant, text, json: null, header };
  const json = readJson(text);
  if (json === null) {
    return problem(
      'ERR_BAD_REQUEST',
      `the body must be ${verb === 'submit' ? '{"job": {…}} or a signed request' : '{"id": "…"}'}`,
    );
  }
  return { verb, tenant, text, json, header };
}

function readJson(text: string): Record<string, unknown> | null {
  // Counted before parsing: a parser that meets a million brackets holds up everyone else.
  if (!nestingWithin(text, nestingMax)) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return Object.assign(Object.create(null), value) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** The HTTP body with its status, as JSON. A connection that is gone takes the answer with it: the client asks again. */
function send(connection: NatsConnection, reply: string, answer: Answer): void {
  if (connection.isClosed()) return;
  const bytes = encode(answer);
  const bytesMax = connection.info?.max_payload ?? bytes.length;
  const fits = bytes.length <= bytesMax;
  const tooLarge = (): Uint8Array =>
    encode(
      problem(
        'ERR_TOO_LARGE',
        `the answer has ${bytes.length} bytes, and the NATS server passes on ${bytesMax}`,
      ),
    );
  connection.publish(reply, fits ? bytes : tooLarge());
}

const encode = ({ body, status }: Answer): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ ...(body as Record<string, unknown>), status }));

/** A stranger's text in our sentence: short, and in quotation marks. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 64));
