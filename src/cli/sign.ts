/**
 * Who the caller is, and what they sign: bearer tokens and job requests.
 *
 * Why the key never leaves this machine: the server holds only its public half. A token lives 300 s, so one
 * that leaks into a proxy's log is worth little; a signed job can be checked again next year.
 * The server's side is `attestation/request.ts`. Test: `test/cli/sign.test.ts`.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type KeyPair, loadKey } from '../attestation/keys.ts';
import { lifeSecondsMax, requestCharsMax } from '../attestation/request.ts';
import { CommandError, usage } from './exit.ts';

/** The name under which the operator's key signs. */
export const adminName = 'admin';
/** A token with less than this to live is not used for another request. */
const renewBeforeSeconds = 30;

/** A name with the key that proves it. */
export interface Identity {
  readonly name: string;
  readonly key: KeyPair;
}

/** What the caller said about who they are. */
export interface Claimed {
  readonly tenant: string | undefined;
  readonly key: string | undefined;
  readonly data: string;
}

/**
 * The identity to use: `--tenant` and `--key`; either alone finds the other under the data directory;
 * with neither, the first demo tenant that has a key there (`acme` before others). Null when there is none.
 */
export async function identityOf({ tenant, key, data }: Claimed): Promise<Identity | null> {
  if (key !== undefined) {
    const name = tenant ?? basename(key).replace(/\.jwk$/, '');
    return { name, key: await readKey(key) };
  }
  if (tenant !== undefined) {
    const file = keyFileOf(tenant, data);
    if (existsSync(file)) return { name: tenant, key: await readKey(file) };
    throw new CommandError('ERR_UNAUTHENTICATED', `there is no key of ${tenant}: ${file} does not exist`, {
      next: `pass --key FILE, or --data DIR of the server that knows ${tenant}`,
    });
  }
  const names = demoTenants(data);
  const name = names.includes('acme') ? 'acme' : names[0];
  return name === undefined ? null : { name, key: await readKey(keyFileOf(name, data)) };
}

/** The operator's identity: `--key`, else `keys/admin.jwk` of the data directory. */
export async function adminIdentity({ key, data }: Claimed): Promise<Identity> {
  const file = key ?? keyFileOf(adminName, data);
  if (key === undefined && !existsSync(file)) {
    throw new CommandError('ERR_FORBIDDEN', `this needs the operator's key: ${file} does not exist`, {
      next: 'pass --data DIR of the server, or --key FILE with its keys/admin.jwk',
    });
  }
  return { name: adminName, key: await readKey(file) };
}

const keyFileOf = (name: string, data: string): string =>
  name === adminName ? join(data, 'keys', 'admin.jwk') : join(data, 'tenants', `${name}.jwk`);

function demoTenants(data: string): string[] {
  try {
    const names = readdirSync(join(data, 'tenants')).filter((name) => name.endsWith('.jwk'));
    return names.map((name) => name.replace(/\.jwk$/, '')).sort();
  } catch {
    return [];
  }
}

async function readKey(file: string): Promise<KeyPair> {
  try {
    return await loadKey(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw usage(`--key ${file}: no such file`, 'berth key new FILE');
    if ((cause as NodeJS.ErrnoException).code === 'EACCES')
      throw usage(`--key ${file}: you may not read it`, `ls -l ${file}`);
    throw cause;
  }
}

/** Mints bearer tokens for one identity; one token serves until it is nearly over. */
export class TokenSource {
  readonly #identity: Identity;
  readonly #nowMs: () => number;
  #token: { readonly text: string; readonly expSeconds: number } | null = null;

  constructor(identity: Identity, nowMs: () => number = Date.now) {
    this.#identity = identity;
    this.#nowMs = nowMs;
  }

  async bearer(): Promise<string> {
    const iat = Math.floor(this.#nowMs() / 1_000);
    if (this.#token === null || this.#token.expSeconds - iat < renewBeforeSeconds) {
      const { name, key } = this.#identity;
      const expSeconds = iat + lifeSecondsMax;
      const claims = { aud: 'berth', exp: expSeconds, iat, iss: name, jti: randomUUID() };
      this.#token = { text: await key.sign(claims, 'JWT'), expSeconds };
    }
    return this.#token.text;
  }
}

/**
 * Signs a job request. The token id is drawn once: sending the same text again, after a broken connection,
 * is the same request and gets the same answer.
 */
export async function signJob(
  identity: Identity,
  job: unknown,
  options: { idempotencyKey?: string | undefined; nowMs?: number } = {},
): Promise<string> {
  const iat = Math.floor((options.nowMs ?? Date.now()) / 1_000);
  const idem = options.idempotencyKey === undefined ? {} : { idem: options.idempotencyKey };
  const claims = {
    aud: 'berth',
    exp: iat + lifeSecondsMax,
    iat,
    iss: identity.name,
    jti: randomUUID(),
    ...idem,
    job,
  };
  const text = await identity.key.sign(claims, 'berth-job+jws');
  if (text.length > requestCharsMax) {
    throw usage(
      `the signed request has ${text.length} characters, the limit is ${requestCharsMax}`,
      'shorten ARGS, --env and --label, or send the data as --input',
    );
  }
  return text;
}
