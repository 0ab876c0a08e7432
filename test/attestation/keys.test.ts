/** Key files: whole or absent, for nobody else to read, and clear about what is wrong with them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactVerify, importJWK } from 'jose';
import * as assert from 'uvu/assert';
import { loadKey, loadOrMakeKey, newKeyPair, saveKey } from '../../src/attestation/keys.ts';
import { suite } from '../suite.ts';

const t = suite('keys');
const folder = mkdtempSync(join(tmpdir(), 'berth-keys-'));
t.after(() => rmSync(folder, { recursive: true }));

t(
  'a key is made once, kept with mode 0600 in a folder of mode 0700, and is the same when read again',
  async () => {
    const file = join(folder, 'keys', 'controller.jwk');
    const made = await loadOrMakeKey(file);
    assert.is(statSync(file).mode & 0o777, 0o600);
    assert.is(statSync(join(folder, 'keys')).mode & 0o777, 0o700);
    assert.is((await loadOrMakeKey(file)).kid, made.kid);
    assert.equal(readdirSync(join(folder, 'keys')), ['controller.jwk'], 'no draft is left behind');
  },
);

t('what is signed verifies with the public half, and the public half holds no secret', async () => {
  const pair = await newKeyPair();
  const compact = await pair.sign({ hello: 1 }, 'JWT');
  const { payload, protectedHeader } = await compactVerify(compact, await importJWK(pair.publicJwk, 'EdDSA'));
  assert.equal(JSON.parse(Buffer.from(payload).toString()), { hello: 1 });
  assert.equal(protectedHeader, { alg: 'EdDSA', kid: pair.kid, typ: 'JWT' });
  assert.equal(Object.keys(pair.publicJwk).sort(), ['crv', 'kid', 'kty', 'x']);
  assert.not(JSON.stringify(pair.publicJwk).includes(pair.privateJwk.d ?? '?'));
});

t('a file that holds no private key is an error that names the file, and is never overwritten', async () => {
  const pair = await newKeyPair();
  const { d: _d, ...publicOnly } = pair.privateJwk;
  for (const content of [
    '',
    'not json',
    'null',
    '{}',
    JSON.stringify(publicOnly),
    JSON.stringify({ ...pair.privateJwk, crv: 'P-256' }),
  ]) {
    const file = join(folder, 'bad.jwk');
    writeFileSync(file, content);
    for (const load of [loadKey, loadOrMakeKey]) {
      const error = await load(file).then(
        () => null,
        (thrown: { code?: string; message: string }) => thrown,
      );
      assert.is(error?.code, 'ERR_CONFIG', content);
      assert.ok(error?.message.includes(file));
    }
    assert.is(readFileSync(file, 'utf8'), content);
  }
});

t('a missing file is told as missing, and a folder that can not be made as its own fault', async () => {
  const error = await loadKey(join(folder, 'none.jwk')).catch((thrown: { code?: string }) => thrown);
  assert.is((error as { code?: string }).code, 'ENOENT');
  writeFileSync(join(folder, 'a-file'), '');
  await saveKey(join(folder, 'a-file', 'x.jwk'), await newKeyPair()).then(
    () => assert.unreachable(),
    (thrown: { code?: string }) => assert.match(thrown.code ?? '', /EEXIST|ENOTDIR/),
  );
});

t.run();
