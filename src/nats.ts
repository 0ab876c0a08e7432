/**
 * How to reach a NATS server: addresses, login, limits; and a link (`link.ts`) that keeps one connection to it.
 *
 * NATS is an edge: when no server answers, the controller works on, and the link keeps dialling.
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
import { Link, type Logger } from './link.ts';

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

/** A server that doesn't answer a dial in this time is down, ms. */
const dialMsMax = 4_000;
/** A silent server is found out after two of these, ms. */
const pingMs = 10_000;
const serversMax = 16;
const defaultPort = '4222';

export class NatsLink extends Link<NatsConnection> {
  /** Begins to dial. Throws `ERR_CONFIG` when the address or the login can't be read; never waits for a server. */
  constructor(parts: NatsLinkParts) {
    const { clock, logger, name, serve } = parts;
    super({ clock, logger, name, serve, dial: natsDial(parts), textOf: natsText });
  }
}

/** What a dial needs of a link's parts. */
export type NatsAddress = Pick<NatsLinkParts, 'servers' | 'login' | 'name'>;

/**
 * Prepares dials: each call is one try. Throws `ERR_CONFIG` at once when the address or the login can't be read,
 * so that a typing error ends the start and not the hundredth try.
 */
export function natsDial({ servers, login: given, name }: NatsAddress): () => Promise<NatsConnection> {
  const { addresses, login } = readServers(servers);
  const options: ConnectionOptions = {
    name,
    servers: addresses,
    reconnect: false,
    timeout: dialMsMax,
    pingInterval: pingMs,
    ...(servers.includes('tls://') ? { tls: {} } : {}),
    ...readLogin(given ?? {}, login),
  };
  return async () => {
    try {
      return await connect(options);
    } catch (error) {
      throw new Error(`cannot connect to ${addresses.join(', ')}: ${natsText(error)}`, { cause: error });
    }
  };
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
