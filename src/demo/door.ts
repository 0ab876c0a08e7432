/** Scenarios of what never runs: forged requests, swapped bytes, guests that want more than they declare. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newKeyPair } from '../attestation/keys.ts';
import { signJob } from '../cli/sign.ts';
import type { Scenario } from './scenario.ts';
import { guestBytes, sha256Of } from './stage.ts';

const slot = '1g.10gb';
const setting = 'two-gpus';

const badSignature: Scenario = {
  name: 'bad-signature',
  setting,
  learns: 'a request that the tenant did not sign is no job: 401, and the refusal is counted in the log',
  async play(stage) {
    const spec = await stage.spec({ guest: 'noop', slot });
    const stranger = await signJob({ name: 'acme', key: await newKeyPair() }, spec);
    const first = await stage.send(stranger);
    const byStranger = first.status === 401 && first.code === 'ERR_SIGNATURE';
    stage.check(byStranger, "a stranger's key in acme's name: 401", `${first.status} ${first.code}`);
    const [head, , signature] = (await stage.signed(spec)).split('.');
    const [, claims] = (await stage.signed({ ...spec, slot: '7g.80gb' })).split('.');
    const second = await stage.send(`${head}.${claims}.${signature}`);
    const swapped = second.status === 401 && second.code === 'ERR_SIGNATURE';
    stage.check(swapped, "acme's signature under another job: 401", `${second.status} ${second.code}`);
    return { jobs: {} };
  },
  expect: { jobs: {}, refused: [{ tenant: 'acme', code: 'ERR_SIGNATURE', count: 2 }] },
};

/** A module that nothing else of the tour uses: `noop` with a custom section, which does nothing. */
function ownModule(): Buffer {
  const text = Buffer.from('of the tour');
  const name = Buffer.from('note');
  return Buffer.concat([
    guestBytes('noop'),
    Buffer.from([0, 1 + name.length + text.length, name.length]),
    name,
    text,
  ]);
}

const wrongHash: Scenario = {
  name: 'wrong-module-hash',
  setting,
  learns: 'a module is known by its digest: other bytes are refused, swapped ones are found before they run',
  async play(stage) {
    const module = ownModule();
    const digest = sha256Of(module);
    const mismatch = await stage.put(guestBytes('trap'), { name: digest });
    const refused = mismatch.status === 422 && mismatch.code === 'ERR_BLOB_DIGEST';
    stage.check(refused, "other bytes under the module's digest: 422", `${mismatch.status} ${mismatch.code}`);
    const spec = { module: `sha256:${digest}`, slot };
    const missing = await stage.send(await stage.signed(spec));
    const isMissing = missing.status === 422 && missing.code === 'ERR_BLOB_MISSING';
    stage.check(isMissing, 'a job with a digest that is not here: 422', `${missing.status} ${missing.code}`);
    const put = await stage.put(module);
    stage.check(put.code === null, 'the right bytes are taken', `${put.code}`);
    // Someone with access to the disk changes one byte of what is stored.
    const file = join(stage.data, 'blobs', 'acme', digest);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const id = await stage.submitSpec(spec);
    const { cause } = await stage.ends(id, 'rejected');
    stage.check(cause?.code === 'ERR_DIGEST_MISMATCH', 'attestation finds the changed byte', cause?.code);
    return { jobs: { swapped: id } };
  },
  expect: {
    jobs: { swapped: { facts: 'submitted rejected', cause: 'ERR_DIGEST_MISMATCH' } },
    refused: [{ tenant: 'acme', code: 'ERR_BLOB_MISSING', count: 1 }],
  },
};

const undeclared: Scenario = {
  name: 'undeclared-capability',
  setting,
  learns: 'a guest that imports what its job does not declare is rejected without having run',
  async play(stage) {
    const id = await stage.submit({ guest: 'smuggle', slot });
    const { attempt, cause } = await stage.ends(id, 'rejected');
    stage.check(attempt === 0, 'no attempt was made', `${attempt}`);
    stage.check(
      /sock_send|host_secret/.test(cause?.message ?? ''),
      'the cause names the import',
      cause?.message,
    );
    return { jobs: { smuggler: id } };
  },
  expect: { jobs: { smuggler: { facts: 'submitted rejected', cause: 'ERR_CAPABILITY_UNDECLARED' } } },
};

/** In the order of the tour. */
export const doorScenarios: readonly Scenario[] = [badSignature, wrongHash, undeclared];
