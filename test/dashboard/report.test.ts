/** Reports: what is shown is what was signed, and only the controller's key makes it good. */
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import { readReport, verifyReport } from '../../src/dashboard/report.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: attestation reports');

const typ = 'berth-report+jws';
const claims = { sub: 'job1', verdict: 'affirming', hardware: 'simulated' };

t('a report is taken apart, and says whether hardware was simulated', async () => {
  const pair = await newKeyPair();
  const read = readReport(await pair.sign(claims, typ));
  assert.equal(read?.header, { alg: 'EdDSA', kid: pair.kid, typ });
  assert.equal(read?.claims, claims);
  assert.is(read?.isSimulated, true);
  assert.is(readReport(await pair.sign({ ...claims, hardware: 'measured' }, typ))?.isSimulated, false);
});

t('what is no report reads as none', () => {
  for (const text of ['', 'a.b', 'a.b.c', '..']) assert.is(readReport(text), null);
});

t("the controller's key makes it good; another key, another claim and another type do not", async () => {
  const pair = await newKeyPair();
  const other = await newKeyPair();
  const report = await pair.sign(claims, typ);
  const keys = { keys: [pair.publicJwk] };
  assert.equal(await verifyReport(report, keys), { kind: 'good', kid: pair.kid });
  assert.is((await verifyReport(report, { keys: [other.publicJwk] })).kind, 'bad');
  assert.is((await verifyReport(report, { keys: [] })).kind, 'bad');
  // Another's key under the same name: the name alone proves nothing.
  const posing = { keys: [{ ...other.publicJwk, kid: pair.kid }] };
  assert.is((await verifyReport(report, posing)).kind, 'bad');
  const [header, , signature] = report.split('.');
  const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'job2' })).toString('base64url');
  assert.is((await verifyReport(`${header}.${changed}.${signature}`, keys)).kind, 'bad');
  const asHead = await verifyReport(await pair.sign(claims, 'berth-head+jws'), keys);
  assert.is(asHead.kind, 'bad');
});

t.run();
