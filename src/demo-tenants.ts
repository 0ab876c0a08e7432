/**
 * Demo tenants: two, so that fairness and isolation can be seen, with private keys where the CLI finds them.
 * Only with `--demo`; the banner says so, for whoever can read the data directory can then act as a tenant.
 */
import { join } from 'node:path';
import { loadOrMakeKey } from './attestation/keys.ts';
import type { Controller } from './controller.ts';
import { defaultTerms } from './tenants/tenants.ts';

export const demoTenants = ['acme', 'globex'] as const;

/** Makes the demo tenants known to the log. Doing it again changes nothing. */
export async function addDemoTenants(controller: Controller, dataDirectory: string): Promise<void> {
  for (const name of demoTenants) {
    const { publicJwk } = await loadOrMakeKey(join(dataDirectory, 'tenants', `${name}.jwk`));
    // globex may send unsigned JSON with a bearer token, so that both ways in can be tried.
    const terms = { ...defaultTerms, unsigned: name === 'globex' };
    const stream = `tenant.${name}`;
    if (!controller.state.tenants.has(name)) {
      await controller.ask({ kind: 'Note', type: 'tenant.added', stream, data: { terms } }, 'controller');
    }
    await controller.ask(
      { kind: 'Note', type: 'tenant.keyAdded', stream, data: { key: publicJwk } },
      'controller',
    );
  }
}
