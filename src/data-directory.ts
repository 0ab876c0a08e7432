/**
 * The data directory at start: it is there, closed to others, and holds the operator's key.
 *
 * Why made by the server: whoever starts it for the first time should have nothing to prepare, and a directory that
 * holds private keys must not be readable by others even for a moment. Test: `test/cli/operator.test.ts`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadOrMakeKey } from './attestation/keys.ts';
import { BerthError } from './errors.ts';
import { adminName } from './intake/submission.ts';
import { defaultTerms, type Tenant } from './tenants/tenants.ts';

/** The operator as the door knows them: a tenant of no log, with the key beside the data. */
export async function adminOf(dataDirectory: string): Promise<Tenant> {
  const { kid, publicJwk } = await loadOrMakeKey(join(dataDirectory, 'keys', 'admin.jwk'));
  return {
    name: adminName,
    terms: defaultTerms,
    keys: [{ kid, x: publicJwk.x, addedAtSeq: 0, revokedAtSeq: null }],
  };
}

/** Makes the directory, mode 0700. Throws ERR_CONFIG. */
export async function makeDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new BerthError('ERR_CONFIG', `--data ${path}: ${(cause as Error).message}`, { cause });
  }
}
