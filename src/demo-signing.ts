/**
 * What the page of a demo may do: have tokens and job requests of the demo tenants and of the operator signed, and kill a
 * runner to see what becomes of its job.
 *
 * Why this exists at all: a stranger should see the system work before learning about keys. What it costs: with `--demo`
 * whoever can open a socket on this machine, every other user of it included, is the operator. So it is there on loopback
 * alone, no page of another site gets in (`intake/own-page.ts`), and the banner says "demo keys" all the time.
 * Test: `test/intake/routes-page.test.ts`.
 */
import { join } from 'node:path';
import { type KeyPair, loadKey } from './attestation/keys.ts';
import { lifeSecondsMax } from './attestation/request.ts';
import type { Clock, Ids } from './clock.ts';
import { demoTenants } from './demo-tenants.ts';
import type { Demo } from './intake/route.ts';
import { adminName } from './intake/submission.ts';

/** Names that the page of a demo may act as. */
const names: readonly string[] = [adminName, ...demoTenants];

export interface DemoParts {
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly strike: Demo['strike'];
}

/** Reads the keys that the demo made. Rejects when one is not there. */
export async function demoFor({ dataDirectory, clock, ids, strike }: DemoParts): Promise<Demo> {
  const fileOf = (name: string): string =>
    name === adminName
      ? join(dataDirectory, 'keys', 'admin.jwk')
      : join(dataDirectory, 'tenants', `${name}.jwk`);
  const keys = new Map<string, KeyPair>();
  for (const name of names) keys.set(name, await loadKey(fileOf(name)));
  return {
    names,
    strike,
    async sign({ as, kind, job }) {
      const key = keys.get(as);
      if (!key) return null;
      const iat = Math.floor(clock.wallMs() / 1_000);
      const claims = { aud: 'berth', exp: iat + lifeSecondsMax, iat, iss: as, jti: ids.jobId() };
      return kind === 'token' ? key.sign(claims, 'JWT') : key.sign({ ...claims, job }, 'berth-job+jws');
    },
  };
}
