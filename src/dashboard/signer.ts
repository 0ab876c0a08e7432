/**
 * Who signs for the page: a demo server, or keys that the user handed over.
 *
 * Why keys of the user's stay in memory, and can't be read out again even there: a page that keeps a key on the disk has made
 * a second place to steal it from. A reload forgets them. Test: `test/dashboard/signer.test.ts`.
 */
import { CompactSign, calculateJwkThumbprint } from 'jose';
import { Problem, type Signer } from './server.ts';

/** Longest life of a token that servers take, s. */
const tokenSeconds = 300;
/** A token is made anew so long before it ends, ms. */
const marginMs = 60_000;

/** Why a key can't be used, and what to do about it. */
export class KeyProblem extends Error {
  readonly next: string;

  constructor(message: string, next: string) {
    super(message);
    this.next = next;
  }
}

/** A key that the user chose, and whose it is. */
export interface NamedKey {
  readonly name: string;
  /** What the file holds, parsed; whether it is a key will be seen. */
  readonly jwk: unknown;
}

/**
 * Lets a server that runs with `--demo` sign for its demo tenants and for the operator. A server that does not sign any
 * more rejects with a `Problem` of status 401: asking again is of no use then.
 */
export function demoSigner(base: string, names: readonly string[] = ['admin', 'acme', 'globex']): Signer {
  const sign = async (body: object): Promise<string> => {
    const response = await fetch(`${base}/demo/sign`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json().catch(() => ({}))) as { jws?: string; code?: string };
    if (response.ok && answer.jws !== undefined) return answer.jws;
    if (response.status !== 403 && response.status !== 404) throw new Problem(response.status, answer);
    const detail = 'the server does not sign for this page';
    throw new Problem(401, { ...answer, detail, next: 'load the page anew and sign in with a key' });
  };
  const tokens = new Tokens((name) => sign({ as: name, kind: 'token' }));
  return {
    names,
    token: (name) => tokens.of(name),
    forget: (name) => tokens.forget(name),
    request: (name, job) => sign({ as: name, kind: 'request', job }),
  };
}

/** For whom the server signs when this page asks. Rejects when it does not answer. */
export async function demoNames(base: string): Promise<readonly string[]> {
  const response = await fetch(`${base}/demo/sign`);
  if (!response.ok) throw new Problem(response.status, (await response.json().catch(() => ({}))) as object);
  return ((await response.json()) as { names: readonly string[] }).names;
}

/** Signs with private keys, each for its own name. Rejects with a `KeyProblem` when one of them can't be used here. */
export async function keySigner(chosen: readonly NamedKey[]): Promise<Signer> {
  const keys = new Map<string, Sign>();
  for (const { name, jwk } of chosen) {
    if (keys.has(name)) throw new KeyProblem(`two keys are called ${name}`, 'give each its own name');
    keys.set(name, await signWith(jwk));
  }
  const sign = async (name: string, typ: string, more: object): Promise<string> => {
    const key = keys.get(name);
    if (!key) throw new KeyProblem(`no key of ${name} is here`, `sign in with the key of ${name}`);
    const iat = Math.floor(Date.now() / 1_000);
    const jti = crypto.randomUUID();
    return key({ aud: 'berth', exp: iat + tokenSeconds, iat, iss: name, jti, ...more }, typ);
  };
  const tokens = new Tokens((name) => sign(name, 'JWT', {}));
  return {
    names: [...keys.keys()],
    token: (name) => tokens.of(name),
    request: (name, job) => sign(name, 'berth-job+jws', { job }),
  };
}

type Sign = (claims: object, typ: string) => Promise<string>;

async function signWith(jwk: unknown): Promise<Sign> {
  const { crv, d, kty, x } = (jwk ?? {}) as Record<string, unknown>;
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof d !== 'string' || typeof x !== 'string')
    throw new KeyProblem(
      'this file holds no private Ed25519 key as JWK',
      'choose keys/admin.jwk of the data directory, or the key of a tenant',
    );
  const key = await imported({ kty, crv, d, x });
  const kid = await calculateJwkThumbprint({ kty, crv, x });
  const encoder = new TextEncoder();
  return (claims, typ) =>
    new CompactSign(encoder.encode(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'EdDSA', kid, typ })
      .sign(key);
}

/** As a key that can sign and can't be read out. */
async function imported(jwk: { kty: string; crv: string; d: string; x: string }) {
  // Browsers have it on pages that nobody on the way can have changed: over TLS, and on the machine itself.
  if (globalThis.crypto?.subtle === undefined)
    throw new KeyProblem(
      'this browser signs nothing on a page that came over plain HTTP from another machine',
      'open the page by https, or through a tunnel as http://127.0.0.1',
    );
  try {
    return await crypto.subtle.importKey('jwk', jwk, { name: 'Ed25519' }, false, ['sign']);
  } catch (error) {
    if ((error as Error).name === 'NotSupportedError')
      throw new KeyProblem(
        'this browser can not sign with Ed25519',
        'use a newer one, or the command line: berth --help',
      );
    throw new KeyProblem('the numbers in this file are no Ed25519 key', 'copy the key file again');
  }
}

/** Tokens by name, made when needed and kept while they are good. */
class Tokens {
  readonly #make: (name: string) => Promise<string>;
  readonly #known = new Map<string, { readonly token: Promise<string>; readonly freshUntilMs: number }>();

  constructor(make: (name: string) => Promise<string>) {
    this.#make = make;
  }

  of(name: string): Promise<string> {
    const known = this.#known.get(name);
    if (known && Date.now() < known.freshUntilMs) return known.token;
    const token = this.#make(name);
    // Kept at once, so that many requests at a time ask for one token.
    this.#known.set(name, { token, freshUntilMs: Date.now() + tokenSeconds * 1_000 - marginMs });
    token.catch(() => this.forget(name));
    return token;
  }

  forget(name: string): void {
    this.#known.delete(name);
  }
}
