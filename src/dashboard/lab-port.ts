/**
 * What a scenario of the Lab may do, done with the page's own server and log. Tested by playing every scenario:
 * `test/dashboard/lab.test.ts`.
 */
import type { State } from '../jobs/state.ts';
import type { LabPort } from './lab-run.ts';
import { StepFailed } from './lab-run.ts';
import { sightOf } from './lab-sight.ts';
import type { Model } from './model.ts';
import type { Server } from './server.ts';

/** SHA-256, lower-case hex. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Bytes of a sample guest that the server offers. Rejects with a `Problem`. */
export async function sampleGuest(server: Server, name: string): Promise<Uint8Array> {
  const answer = await server.ask(`/guests/${name}`);
  if (!answer.ok) throw new StepFailed(`the server has no sample guest called ${name}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/**
 * Does the tenant have these bytes here already? Known without asking: what a job names that is still remembered is kept. A
 * rejected one proves nothing, for its bytes may be what was wrong.
 */
export function isHere({ jobs }: Pick<State, 'jobs'>, tenant: string, digest: string): boolean {
  for (const { state, context } of jobs.values()) {
    if (context.tenant !== tenant || state === 'rejected' || state === 'attesting') continue;
    if (context.spec?.module === digest || context.spec?.input === digest) return true;
  }
  return false;
}

/** Stores bytes as `tenant`, unless the log says that they are there; gives `sha256:…`. Rejects with a `Problem`. */
export async function stored(
  server: Server,
  state: Pick<State, 'jobs'>,
  tenant: string,
  bytes: Uint8Array,
): Promise<string> {
  const hex = await sha256Of(bytes);
  const digest = `sha256:${hex}`;
  if (!isHere(state, tenant, digest))
    await server.json(`/v1/blobs/${hex}`, { method: 'PUT', as: tenant, body: bytes });
  return digest;
}

/** The port for `tenant` on the page's own model. */
export function labPort(model: Model, server: Server, tenant: string): LabPort {
  const post = async (path: string, as: string, body: object): Promise<void> =>
    void (await server.json(path, { method: 'POST', as, body }));
  const isUnsigned = (): boolean => model.moment.state.tenants.get(tenant)?.terms.unsigned ?? false;
  return {
    tenant,
    sight() {
      if (!model.isFollowing)
        throw new StepFailed('the page looks at the past, and this acts now; next: back to live');
      const sight = sightOf(model.moment.state, tenant);
      if (!sight) throw new StepFailed(`no GPU serves, or ${tenant} is unknown; next: look at the fleet`);
      return sight;
    },
    records: () => model.records,
    guest: (name) => sampleGuest(server, name),
    async put(bytes, as) {
      if (as === undefined) return stored(server, model.moment.state, tenant, bytes);
      await server.json(`/v1/blobs/${as}`, { method: 'PUT', as: tenant, body: bytes });
      return `sha256:${as}`;
    },
    submit: async (job, key) =>
      (await server.submit(tenant, job, { unsigned: isUnsigned(), ...(key === undefined ? {} : { key }) }))
        .id,
    signed: (job) => server.signed(tenant, job),
    sendSigned: async (request) => ((await server.sendSigned(tenant, request)) as { id: string }).id,
    cancel: (id) => post(`/v1/jobs/${id}/cancel`, tenant, {}),
    drain: (gpu) => post(`/v1/slots/${gpu}/drain`, 'admin', { reason: 'a failure of the Lab' }),
    restore: (gpu) => post(`/v1/slots/${gpu}/restore`, 'admin', { reason: 'a failure of the Lab is over' }),
    setTerms: async (terms) =>
      void (await server.json(`/v1/tenants/${tenant}`, { method: 'PATCH', as: 'admin', body: { terms } })),
    strike: (job) => post('/demo/strike', 'admin', { what: 'runner', job }),
    newKey: () => `lab-${crypto.randomUUID()}`,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    nowMs: () => performance.now(),
  };
}
