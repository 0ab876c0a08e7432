/** Keys in the page: what they sign is taken by the very checks of the door, and what is no key is told so. */
import { compactVerify, importJWK } from 'jose';
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import { KeyProblem, keySigner } from '../../src/dashboard/signer.ts';
import { suite } from '../suite.ts';

const t = suite('signer');

interface Opened {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
}

async function opened(jws: string, jwk: object): Promise<Opened> {
  const { payload, protectedHeader } = await compactVerify(jws, await importJWK(jwk, 'EdDSA'));
  return { header: { ...protectedHeader }, claims: JSON.parse(new TextDecoder().decode(payload)) };
}

/** What `keySigner` says to such a file. */
async function problemOf(jwk: unknown): Promise<KeyProblem> {
  const error = await keySigner([{ name: 'acme', jwk }]).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, KeyProblem);
  return error as KeyProblem;
}

t('a token verifies, names its tenant, and lives five minutes', async () => {
  const { kid, privateJwk, publicJwk } = await newKeyPair();
  const signer = await keySigner([{ name: 'acme', jwk: privateJwk }]);
  assert.equal(signer.names, ['acme']);
  const { claims, header } = await opened(await signer.token('acme'), publicJwk);
  assert.equal(header, { alg: 'EdDSA', kid, typ: 'JWT' });
  assert.equal([claims['iss'], claims['aud']], ['acme', 'berth']);
  assert.is(Number(claims['exp']) - Number(claims['iat']), 300);
  assert.ok(Math.abs(Number(claims['iat']) - Date.now() / 1_000) < 5);
});

t('a token is kept while it is good, a request is signed anew each time', async () => {
  const { privateJwk, publicJwk } = await newKeyPair();
  const signer = await keySigner([{ name: 'acme', jwk: privateJwk }]);
  assert.is(await signer.token('acme'), await signer.token('acme'));
  const job = { module: 'sha256:0', slot: '1g.10gb' };
  const [one, two] = [await signer.request('acme', job), await signer.request('acme', job)];
  const first = await opened(one, publicJwk);
  assert.equal([first.header['typ'], first.claims['job']], ['berth-job+jws', job]);
  assert.is.not(first.claims['jti'], (await opened(two, publicJwk)).claims['jti']);
});

t('a token is made anew a minute before it ends', async () => {
  const { privateJwk } = await newKeyPair();
  const signer = await keySigner([{ name: 'acme', jwk: privateJwk }]);
  const { now } = Date;
  try {
    const first = await signer.token('acme');
    const startMs = now();
    Date.now = () => startMs + 239_000;
    assert.is(await signer.token('acme'), first);
    Date.now = () => startMs + 241_000;
    assert.is.not(await signer.token('acme'), first);
  } finally {
    Date.now = now;
  }
});

t('several keys sign each for its own name, and for no other', async () => {
  const [admin, acme] = [await newKeyPair(), await newKeyPair()];
  const signer = await keySigner([
    { name: 'admin', jwk: admin.privateJwk },
    { name: 'acme', jwk: acme.privateJwk },
  ]);
  assert.is((await opened(await signer.token('acme'), acme.publicJwk)).claims['iss'], 'acme');
  assert.is((await opened(await signer.token('admin'), admin.publicJwk)).claims['iss'], 'admin');
  const error = await signer.token('globex').then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, KeyProblem);
});

t(
  'what is no private key is refused with the next step: public halves, other curves, anything else',
  async () => {
    const { publicJwk, privateJwk } = await newKeyPair();
    const files = [
      publicJwk,
      { ...privateJwk, crv: 'X25519' },
      { ...privateJwk, d: 7 },
      {},
      [],
      null,
      'key',
      1,
    ];
    for (const jwk of files) {
      const { message, next } = await problemOf(jwk);
      assert.match(message, 'no private Ed25519 key', JSON.stringify(jwk));
      assert.match(next, 'admin.jwk');
    }
    assert.match((await problemOf({ ...privateJwk, d: 'AAAA' })).message, 'no Ed25519 key');
    const twice = await keySigner([
      { name: 'acme', jwk: privateJwk },
      { name: 'acme', jwk: privateJwk },
    ]).then(
      () => '',
      (error: Error) => error.message,
    );
    assert.match(twice, 'two keys are called acme');
  },
);

t('a browser that can not sign says so, and what to do', async () => {
  const { privateJwk } = await newKeyPair();
  const { importKey } = crypto.subtle;
  try {
    crypto.subtle.importKey = () =>
      Promise.reject(Object.assign(new Error('no'), { name: 'NotSupportedError' }));
    assert.match((await problemOf(privateJwk)).message, 'can not sign with Ed25519');
  } finally {
    crypto.subtle.importKey = importKey;
  }
  const own = Object.getOwnPropertyDescriptor(globalThis, 'crypto')!;
  try {
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
    assert.match((await problemOf(privateJwk)).next, 'https');
  } finally {
    Object.defineProperty(globalThis, 'crypto', own);
  }
});

t('the key can not be read out of the page again', async () => {
  const { privateJwk } = await newKeyPair();
  const { importKey } = crypto.subtle;
  const asked: unknown[] = [];
  try {
    crypto.subtle.importKey = (async (...args: Parameters<typeof importKey>) => {
      asked.push(args[3]);
      return importKey.apply(crypto.subtle, args);
    }) as typeof importKey;
    const signer = await keySigner([{ name: 'acme', jwk: privateJwk }]);
    await signer.token('acme');
    assert.not.match(JSON.stringify(signer), String(privateJwk.d));
  } finally {
    crypto.subtle.importKey = importKey;
  }
  assert.equal(asked, [false]);
});

t.run();
