/**
 * One connection to a NATS server, kept for ever: dial, serve until it breaks, wait, dial again.
 *
 * Why not the client's own reconnect: it hides the break. What was published meanwhile waits in a buffer and
 * goes out later, behind the back of the code that counts what arrived. Here a connection has a beginning and
 * an end like everything else, and whoever serves it starts from what the server says it has.
 *
 * NATS is an edge: when no server answers, the controller works on, and this keeps dialling.
 * Tests: `test/intake/nats.test.ts`, `test/views/nats.test.ts`.
 */
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
} from 'nats';
import type { Clock } from './clock.ts';
import { BerthError } from './errors.ts';

/** Where sentences for the operator go. */
export type Logger = (
  level: 'error' | 'warn' | 'info' | 'debug',
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** How we show the server who we are. At most one way; what stands in the URL is the other place for it. */
export interface NatsLogin {
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Seed of an nkey, `SU…`. */
  readonly nkeySeed?: string;
  /** Text of a `.creds` file. */
  readonly creds?: string;
}

export interface NatsLinkParts {
  /** `nats://[user:password@]host:port`, several with commas between them; `tls://` for TLS. */
  readonly servers: string;
  readonly login?: NatsLogin;
  /** Shown in the server's list of connections and in our own log lines. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Serves one connection until it ends or the work on it can't go on; calls `ready` once it does its work.
   * What it throws is told and leads to a new connection.
   */
  readonly serve: (connection: NatsConnection, ready: () => void) => Promise<void>;
}

/** Between two tries: doubled from the first to the last, ms. Back to the first once a connection has served. */
const backoffMsMin = 100;
const backoffMsMax = 5_000;
/** A server that doesn't answer a dial in this time is down, ms. */
const dialMsMax = 4_000;
/** A silent server is found out after two of these, ms. */
const pingMs = 10_000;
const serversMax = 16;
const defaultPort = '4222';

export class NatsLink {
  readonly #parts: NatsLinkParts;
  readonly #options: ConnectionOptions;
  readonly #addresses: string;
  readonly #ended: Promise<void>;
  #connection: NatsConnection | null = null;
  #serving = false;
  #dialling = false;
  #stopped = false;
  #wake: () => void = () => undefined;
  #problem: string | null = null;

  /** Begins to dial. Throws `ERR_CONFIG` when the address or the login can't be read; never waits for a server. */
  constructor(parts: NatsLinkParts) {
    this.#parts = parts;
    const { addresses, login } = readServers(parts.servers);
    this.#addresses = addresses.join(', ');
    this.#options = {
      name: parts.name,
      servers: addresses,
      reconnect: false,
      timeout: dialMsMax,
      pingInterval: pingMs,
      ...(parts.servers.includes('tls://') ? { tls: {} } : {}),
      ...readLogin(parts.login ?? {}, login),
    };
    this.#ended = this.#run();
  }

  /** Is the work being done, on a live connection? */
  get ready(): boolean {
    return this.#serving;
  }

  /** Why it isn't; null while it is, and before the first try has ended. */
  get problem(): string | null {
    return this.#serving ? null : this.#problem;
  }

  /** Ends the connection, after `last` has had it once more, and dials no more. Idempotent. */
  async stop(last?: (connection: NatsConnection) => Promise<void>): Promise<void> {
    this.#stopped = true;
    this.#wake();
    const connection = this.#connection;
    if (connection) {
      await last?.(connection).catch(() => undefined);
      await connection.close();
    }
    // A dial under way ends by its own limit, and what it brings is closed.
    if (!this.#dialling) await this.#ended;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      const { served, reason } = await this.#once();
      if (this.#stopped) return;
      this.#tell(reason);
      failures = served ? 0 : failures + 1;
      await this.#pause(Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(failures, 10)));
    }
  }

  /** One connection, from dial to end. */
  async #once(): Promise<{ readonly served: boolean; readonly reason: string }> {
    let connection: NatsConnection;
    let served = false;
    this.#dialling = true;
    try {
      connection = await connect(this.#options);
    } catch (error) {
      return { served, reason: `cannot connect to ${this.#addresses}: ${natsText(error)}` };
    } finally {
      this.#dialling = false;
    }
    const closed = connection.closed();
    const ready = (): void => {
      served = true;
      this.#serving = !connection.isClosed() && !this.#stopped;
      this.#problem = null;
      this.#parts.logger('info', `${this.#parts.name}: connected to NATS`, {
        server: connection.getServer(),
      });
    };
    try {
      if (this.#stopped) return { served, reason: '' };
      this.#connection = connection;
      void closed.then(() => {
        this.#serving = false;
      });
      await this.#parts.serve(connection, ready);
      return {
        served,
        reason: natsText((connection.isClosed() ? await closed : null) ?? 'the connection ended'),
      };
    } catch (error) {
      return { served, reason: natsText(error) };
    } finally {
      this.#serving = false;
      this.#connection = null;
      await connection.close();
    }
  }

  /** Told once, not at each of a thousand tries. */
  #tell(reason: string): void {
    if (reason === this.#problem) return;
    this.#problem = reason;
    this.#parts.logger('warn', `${this.#parts.name}: ${reason}; trying again until it works`);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      const off = this.#parts.clock.after(ms, resume);
      this.#wake = () => {
        off();
        resume();
      };
    });
  }
}

/** What went wrong, as one line for a person. */
export function natsText(error: unknown): string {
  if (typeof error === 'string') return error;
  if (error instanceof BerthError) return `${error.code}: ${error.message}`;
  const { message, code } = error as { message?: string; code?: string };
  if (code === 'AUTHORIZATION_VIOLATION') return 'the server refuses this login';
  if (code === '503') return 'nobody takes what is sent: the stream or JetStream is gone';
  return (message ?? String(error)).replaceAll("'", '');
}

/** Splits addresses from a login that stands in them. The login is the same for all. */
function readServers(text: string): { readonly addresses: string[]; readonly login: NatsLogin } {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > serversMax)
    throw new BerthError('ERR_CONFIG', `nats servers: at most ${serversMax}, not ${parts.length}`);
  let login: NatsLogin = {};
  const addresses = parts.map((part) => {
    const text = part.includes('://') ? part : `nats://${part}`;
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url?.hostname || !/^(nats|tls):$/.test(url.protocol)) {
      // The text itself may hold a password, so it isn't repeated.
      throw new BerthError(
        'ERR_CONFIG',
        'nats servers: must be nats://host:port or tls://host:port, several with commas',
      );
    }
    const [user, password] = [url.username, url.password].map(decodeURIComponent) as [string, string];
    if (user !== '') login = password === '' ? { token: user } : { user, password };
    return `${url.hostname}:${url.port || defaultPort}`;
  });
  return { addresses, login };
}

function readLogin(given: NatsLogin, inUrl: NatsLogin): ConnectionOptions {
  const ways = [given.user ?? given.password, given.token, given.nkeySeed, given.creds].filter(
    (way) => way !== undefined,
  );
  if (ways.length > 1)
    throw new BerthError(
      'ERR_CONFIG',
      'nats login: give a user, a token, an nkey or a creds file, not several',
    );
  const { user, password, token, nkeySeed, creds } = ways.length === 1 ? given : inUrl;
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  try {
    const authenticator =
      nkeySeed !== undefined
        ? nkeyAuthenticator(bytes(nkeySeed.trim()))
        : creds !== undefined
          ? credsAuthenticator(bytes(creds))
          : null;
    // Tried once here: it reads the text only when a server asks, and then the connection would fail, not the start.
    authenticator?.('nonce');
    if (authenticator) return { authenticator };
  } catch (cause) {
    throw new BerthError('ERR_CONFIG', 'nats login: the nkey seed or creds text cannot be read', { cause });
  }
  if (token !== undefined) return { token };
  return user === undefined ? {} : { user, ...(password === undefined ? {} : { pass: password }) };
}
