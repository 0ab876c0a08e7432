/**
 * Key files: Ed25519 pairs as JWK, mode 0600, made when they are not there.
 *
 * Why files and never flags: a command line is seen by every process on the machine and kept in the
 * shell's history. The controller's key signs reports; the admin's key may change tenants and slots.
 * Test: `test/attestation/keys.test.ts`.
 */
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { BerthError } from '../errors.ts';

/** A private key with its public half. `kid` is the RFC 7638 thumbprint. */
export interface KeyPair {
  readonly kid: string;
  readonly privateJwk: JWK;
  readonly publicJwk: {
    readonly crv: 'Ed25519';
    readonly kid: string;
    readonly kty: 'OKP';
    readonly x: string;
  };
  /** Signs `payload` as a compact JWS of type `typ`. */
  sign(payload: unknown, typ: string): Promise<string>;
}

/** A fresh pair, kept nowhere yet. */
export async function newKeyPair(): Promise<KeyPair> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return keyPairOf(await exportJWK(privateKey));
}

/** The pair in `file`; made and kept there, mode 0600, when the file does not exist. */
export async function loadOrMakeKey(file: string): Promise<KeyPair> {
  try {
    return await loadKey(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const pair = await newKeyPair();
  await saveKey(file, pair);
  return pair;
}

/** Reads a private JWK. Throws ENOENT as it is, and ERR_CONFIG when the file holds no such key. */
export async function loadKey(file: string): Promise<KeyPair> {
  const text = await readFile(file, 'utf8');
  try {
    return await keyPairOf(JSON.parse(text) as JWK);
  } catch (cause) {
    throw new BerthError('ERR_CONFIG', `${file} does not hold a private Ed25519 key as JWK`, { cause });
  }
}

/** Writes the private JWK, mode 0600, whole or not at all. */
export async function saveKey(file: string, pair: KeyPair): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${pair.kid.slice(0, 8)}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(pair.privateJwk)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(temporary, 0o600);
  await rename(temporary, file);
}

async function keyPairOf(jwk: JWK): Promise<KeyPair> {
  const { crv, d, kty, x } = jwk;
  if (kty !== 'OKP' || crv !== 'Ed25519' || !d || !x) throw new TypeError('not a private Ed25519 JWK');
  const kid = await calculateJwkThumbprint({ kty, crv, x });
  const privateJwk = { crv, d, kid, kty, x };
  const key = await importJWK(privateJwk, 'EdDSA');
  const encoder = new TextEncoder();
  return {
    kid,
    privateJwk,
    publicJwk: { crv, kid, kty: 'OKP', x },
    sign: (payload, typ) =>
      new CompactSign(encoder.encode(JSON.stringify(payload)))
        .setProtectedHeader({ alg: 'EdDSA', kid, typ })
        .sign(key),
  };
}
