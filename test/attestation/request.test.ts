/** Signed requests and tokens: one exact form, exact claims, keys as of a place in the log. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { type KeyPair, newKeyPair } from '../../src/attestation/keys.ts';
import {
  claimedIssuer,
  isDenied,
  jobText,
  verifyRequest,
  verifyToken,
} from '../../src/attestation/request.ts';
import { defaultTerms, type Tenant } from '../../src/tenants/tenants.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('signed requests');

const nowMs = 1_700_000_000_000;
const now = nowMs / 1_000;
const typ = 'berth-job+jws';
const claims = {
  iss: 'acme',
  aud: 'berth',
  iat: now,
  exp: now + 300,
  jti: 'token-0001',
  job: { slot: '1g.10gb' },
};
let pair: KeyPair;
let acme: Tenant;
t.before(async () => {
  pair = await newKeyPair();
  acme = {
    name: 'acme',
    terms: defaultTerms,
    keys: [{ kid: pair.kid, x: pair.publicJwk.x, addedAtSeq: 5, revokedAtSeq: 9 }],
  };
});

const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
/** Signs any header and payload, however wrong. */
async function signed(payload: unknown, header: object = {}): Promise<string> {
  const { createPrivateKey, sign } = await import('node:crypto');
  const text = `${b64({ alg: 'EdDSA', kid: pair.kid, typ, ...header })}.${b64(payload)}`;
  const key = createPrivateKey({ key: pair.privateJwk as never, format: 'jwk' });
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}
const verify = (compact: string, asOf = { seq: 6, nowMs }) => verifyRequest(compact, acme, asOf);
const codeOf = async (compact: string, asOf?: { seq: number; nowMs: number }): Promise<string> => {
  const result = await verify(compact, asOf);
  return isDenied(result) ? result.code : 'ok';
};

t('a good request says who, which job and under which key', async () => {
  const result = await verify(await signed({ ...claims, idem: 'k1' }));
  assert.equal(result, {
    iss: 'acme',
    jti: 'token-0001',
    kid: pair.kid,
    idempotencyKey: 'k1',
    job: claims.job,
  });
  assert.is(await codeOf(await pair.sign(claims, typ)), 'ok', 'as our own command line signs it');
});

t('no other spelling of a good request passes', async () => {
  const good = await signed(claims);
  const [head = '', body = '', signature = ''] = good.split('.');
  // The last of 86 characters of a signature carries two bits that count for nothing.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(signature.at(-1) ?? '');
  const others = [1, 2, 3].map((bits) => signature.slice(0, -1) + alphabet[last ^ bits]);
  for (const each of others)
    assert.is(
      Buffer.from(each, 'base64url').compare(Buffer.from(signature, 'base64url')),
      0,
      'no alias was made',
    );
  const spellings = [
    ...others.map((each) => `${head}.${body}.${each}`),
    `${good}=`,
    `${good}==`,
    ` ${good}`,
    `${good} `,
    `${good}\n`,
    `${head}=.${body}.${signature}`,
    `${head}.${body} .${signature}`,
    `${head}.${body}.${signature}.`,
    `.${good}`,
    `${head}..${signature}`,
    `${head}.${body}`,
    '',
    '..',
    good.replaceAll('_', '/').replaceAll('-', '+') === good
      ? `${good}+`
      : good.replaceAll('_', '/').replaceAll('-', '+'),
  ];
  for (const each of spellings)
    assert.is(await codeOf(each), 'ERR_BAD_REQUEST', JSON.stringify(each.slice(-12)));
});

t('any single changed character is refused', async () => {
  const good = await signed(claims);
  let tried = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: good.length - 1 }),
      fc.integer({ min: 33, max: 126 }),
      async (at, char) => {
        const bent = good.slice(0, at) + String.fromCharCode(char) + good.slice(at + 1);
        if (bent === good) return;
        tried += 1;
        assert.is.not(await codeOf(bent), 'ok', `${at}: ${String.fromCharCode(char)}`);
      },
    ),
    { seed: seed(), numRuns: runs(300) },
  );
  assert.ok(tried > 200);
});

t(
  'the header is exactly alg, kid and typ: no other algorithm, no key from outside, no critical extension',
  async () => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: pair.publicJwk.x };
    const wrong: object[] = [
      { alg: 'none' },
      { alg: 'HS256' },
      { alg: 'Ed25519' },
      { typ: 'JWT' },
      { typ: undefined },
      { kid: undefined },
    ];
    for (const header of [
      ...wrong,
      { jku: 'https://x' },
      { jwk },
      { x5u: 'https://x' },
      { crit: ['b64'], b64: false },
      { cty: 'x' },
    ]) {
      assert.is(await codeOf(await signed(claims, header)), 'ERR_SIGNATURE', JSON.stringify(header));
    }
    assert.is(await codeOf(`${b64('[1]')}.${b64(claims)}.${b64('x')}`), 'ERR_SIGNATURE');
    assert.is(await codeOf(`${b64('no json')}.${b64(claims)}.${b64('x')}`), 'ERR_BAD_REQUEST');
  },
);

t('the claims are exactly these: missing, extra and wrong ones are named', async () => {
  const without = (name: string) =>
    Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
  for (const name of ['aud', 'exp', 'iat', 'iss', 'jti']) {
    const result = await verify(await signed(without(name)));
    assert.ok(isDenied(result) && result.code === 'ERR_BAD_REQUEST' && result.reason.includes(name), name);
  }
  for (const over of [
    { aud: 'other' },
    { aud: ['berth'] },
    { exp: `${now + 10}` },
    { jti: 'short' },
    { nbf: now },
    { idem: '' },
  ]) {
    assert.is(await codeOf(await signed({ ...claims, ...over })), 'ERR_BAD_REQUEST', JSON.stringify(over));
  }
  assert.is(
    await codeOf(await signed(JSON.stringify(claims).replace('{', '{"__proto__":{"iss":"globex"},'))),
    'ERR_BAD_REQUEST',
  );
  for (const payload of [null, 7, 'text', []])
    assert.is(await codeOf(await signed(payload)), 'ERR_BAD_REQUEST');
});

t('a life of more than 300 s, an expired and a future request are refused, within 30 s of skew', async () => {
  const at = (iat: number, exp: number) => signed({ ...claims, iat: now + iat, exp: now + exp });
  assert.is(await codeOf(await at(0, 301)), 'ERR_SIGNATURE');
  assert.is(await codeOf(await at(-300, -29)), 'ok');
  assert.is(await codeOf(await at(-300, -30)), 'ERR_SIGNATURE');
  assert.is(await codeOf(await at(30, 300)), 'ok');
  assert.is(await codeOf(await at(31, 300)), 'ERR_SIGNATURE');
});

t('an unknown key, a key of another tenant, and a key not good at that seq are refused', async () => {
  const good = await signed(claims);
  assert.equal(await Promise.all([4, 5, 8, 9].map((seq) => codeOf(good, { seq, nowMs }))), [
    'ERR_SIGNATURE',
    'ok',
    'ok',
    'ERR_SIGNATURE',
  ]);
  assert.is(await codeOf(await signed(claims, { kid: 'another' })), 'ERR_SIGNATURE');
  assert.is(await codeOf(await (await newKeyPair()).sign(claims, typ)), 'ERR_SIGNATURE');
  assert.is(await codeOf(await signed({ ...claims, iss: 'globex' })), 'ERR_SIGNATURE');
  const stranger = await newKeyPair();
  const [head, body] = good.split('.');
  assert.is(
    await codeOf(`${head}.${body}.${(await stranger.sign(claims, typ)).split('.')[2]}`),
    'ERR_SIGNATURE',
  );
});

t('depth and size are told before parsing', async () => {
  assert.is(await codeOf(await signed(`${'['.repeat(17)}${']'.repeat(17)}`)), 'ERR_BAD_REQUEST');
  assert.is(await codeOf('a'.repeat(65_537)), 'ERR_TOO_LARGE');
});

t('a bearer token is judged alike, by its own type and without a job', async () => {
  const { job: _job, ...bare } = claims;
  const verifyIt = (compact: string) => verifyToken(compact, acme, { seq: 6, nowMs });
  assert.equal(await verifyIt(await pair.sign(bare, 'JWT')), { kid: pair.kid, expMs: (now + 300) * 1_000 });
  for (const compact of [
    await pair.sign(bare, typ),
    await pair.sign(claims, 'JWT'),
    await pair.sign({ ...bare, exp: undefined }, 'JWT'),
  ]) {
    assert.ok(isDenied(await verifyIt(compact)));
  }
});

t('the claimed issuer is read from anything without trust or trouble', () => {
  const of = (payload: unknown) => claimedIssuer(`x.${b64(payload)}.y`);
  assert.is(of(claims), 'acme');
  for (const payload of [null, [], 7, { iss: 7 }, {}, 'no json', '['.repeat(100)])
    assert.is(of(payload), null);
  for (const text of ['', '.', 'x', '..', 'a'.repeat(70_000)]) assert.is(claimedIssuer(text), null);
});

t('a job is the same job whatever the order of its members', () => {
  assert.is(jobText({ b: 1, a: { d: 2, c: 3 } }), jobText({ a: { c: 3, d: 2 }, b: 1 }));
  assert.is.not(jobText({ a: [1, 2] }), jobText({ a: [2, 1] }));
});

t.run();
