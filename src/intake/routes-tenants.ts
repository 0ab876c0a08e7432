/**
 * Routes of tenants. Each change is one fact; a tenant with a first key is therefore two, and when only the
 * first came to be written, adding the key again is all that is missing.
 */
import { calculateJwkThumbprint } from 'jose';
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { publicKeySchema, type TenantTerms, tenantTermsSchema } from '../events/facts.ts';
import type { Outcome, PlainCommand } from '../jobs/commands.ts';
import { defaultTerms, type Tenant } from '../tenants/tenants.ts';
import { tenantsView, tenantsViewSchema, tenantView, tenantViewSchema } from '../views/tenants-view.ts';
import { followView } from './events.ts';
import { type Call, type PublicJwk, type Reply, type Route, route, tenantName } from './route.ts';
import { adminName } from './submission.ts';

/** Names that mean something else: the operator, strangers in the log, and published facts on NATS. */
const reservedNames: readonly string[] = [adminName, 'unknown', 'evt'];

/** Any of the terms; those left out keep their value, or take the default of a new tenant. */
const someTerms = z.strictObject({
  capabilities: tenantTermsSchema.shape.capabilities.exactOptional(),
  jobsMax: tenantTermsSchema.shape.jobsMax.exactOptional(),
  queuedMax: tenantTermsSchema.shape.queuedMax.exactOptional(),
  slicesMax: tenantTermsSchema.shape.slicesMax.exactOptional(),
  unsigned: tenantTermsSchema.shape.unsigned.exactOptional(),
  weight: tenantTermsSchema.shape.weight.exactOptional(),
});

export const newTenantSchema = z.strictObject({
  key: publicKeySchema.exactOptional(),
  name: tenantName.refine((name) => !reservedNames.includes(name), 'is reserved'),
  terms: someTerms.exactOptional(),
});
export const newKeySchema = z.strictObject({ key: publicKeySchema });
export const newTermsSchema = z.strictObject({ terms: someTerms });

const nameParams = z.strictObject({ name: tenantName });
const keyParams = z.strictObject({ kid: publicKeySchema.shape.kid, name: tenantName });
const revokeBody = z.strictObject({ reason: z.string().max(256).default('asked for by the operator') });

/** A key whose name is not its own thumbprint could stand for two keys. */
async function assertThumbprint({ crv, kid, kty, x }: PublicJwk): Promise<void> {
  if (Buffer.from(x, 'base64url').toString('base64url') !== x)
    throw badKey('key.x', 'is not 32 bytes as base64url');
  const thumbprint = await calculateJwkThumbprint({ crv, kty, x });
  if (kid !== thumbprint)
    throw badKey('key.kid', `must be the RFC 7638 thumbprint of the key, ${thumbprint}`);
}

const badKey = (field: string, message: string): BerthError =>
  new BerthError('ERR_BAD_REQUEST', `${field} ${message}`, { fields: [{ field, message }] });

/** Asks for a fact of the tenant's stream; a refusal becomes the problem that it is. */
async function note({ life }: Call, command: PlainCommand): Promise<Exclude<Outcome, { refused: unknown }>> {
  const outcome = await life.ask(command, 'intake');
  if ('refused' in outcome) throw new BerthError(outcome.refused, outcome.reason);
  return outcome;
}

function tenantAtHead({ life }: Call, name: string): Tenant {
  const tenant = life.state.tenants.get(name);
  if (!tenant) throw new BerthError('ERR_NOT_FOUND', `no tenant ${name}`);
  return tenant;
}

function shown({ life, parts }: Call, name: string, status: number): Reply {
  const tenant = life.views.state.tenants.get(name);
  if (!tenant) throw new BerthError('ERR_NOT_FOUND', `no tenant ${name}`);
  return { status, body: tenantView(life.views.state, tenant, (each) => parts.blobs.usage(each)) };
}

const withTerms = (before: TenantTerms, given: z.output<typeof someTerms> = {}): TenantTerms => ({
  ...before,
  ...given,
});

/** Registers a key. The same key again is done already; one that was revoked stays so, for ever. */
async function addKey(call: Call, name: string, key: PublicJwk): Promise<boolean> {
  const isRevoked = (): boolean =>
    tenantAtHead(call, name).keys.some(({ kid, revokedAtSeq }) => kid === key.kid && revokedAtSeq !== null);
  const outcome = await note(call, {
    kind: 'Note',
    type: 'tenant.keyAdded',
    stream: `tenant.${name}`,
    data: { key },
  });
  if ('same' in outcome && isRevoked())
    throw new BerthError('ERR_EXISTS', `key ${key.kid} was revoked; make a new one`);
  return 'seq' in outcome;
}

export const tenantRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/tenants',
    auth: 'tenant',
    summary: 'Tenants with terms, keys and what they use: a tenant sees itself, the admin all',
    query: z.strictObject({}),
    events: true,
    responses: [{ status: 200, what: 'tenants by name', schema: tenantsViewSchema }],
    handle: (call) => {
      const { blobs } = call.parts;
      const show = ({ views }: Call['life']) =>
        tenantsView(views.state, call.identity, (name) => blobs.usage(name), views.seq);
      return call.wantsEvents ? followView(call, show) : { status: 200, body: show(call.life) };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/tenants',
    auth: 'admin',
    summary: 'Adds a tenant, with its first key if one is given',
    body: { kind: 'json', schema: newTenantSchema },
    responses: [{ status: 201, what: 'the tenant', schema: tenantViewSchema }],
    problems: ['ERR_EXISTS'],
    handle: async (call) => {
      const { key, name, terms } = call.body;
      if (key) await assertThumbprint(key);
      const data = { terms: withTerms(defaultTerms, terms) };
      await note(call, { kind: 'Note', type: 'tenant.added', stream: `tenant.${name}`, data });
      if (key) await addKey(call, name, key);
      return shown(call, name, 201);
    },
  }),
  route({
    method: 'PATCH',
    path: '/v1/tenants/{name}',
    auth: 'admin',
    summary: "Changes a tenant's terms; those left out stay. A lower bound ends nothing that runs or waits",
    params: nameParams,
    body: { kind: 'json', schema: newTermsSchema },
    responses: [{ status: 200, what: 'the tenant', schema: tenantViewSchema }],
    handle: async (call) => {
      const { name } = call.params;
      const data = { terms: withTerms(tenantAtHead(call, name).terms, call.body.terms) };
      await note(call, { kind: 'Note', type: 'tenant.changed', stream: `tenant.${name}`, data });
      return shown(call, name, 200);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/tenants/{name}/keys',
    auth: 'admin',
    summary: 'Registers a public key of a tenant; good from the fact that says so on',
    params: nameParams,
    body: { kind: 'json', schema: newKeySchema },
    responses: [
      { status: 201, what: 'registered', schema: tenantViewSchema },
      { status: 200, what: 'was registered already', schema: tenantViewSchema },
    ],
    problems: ['ERR_EXISTS'],
    handle: async (call) => {
      await assertThumbprint(call.body.key);
      const isNew = await addKey(call, call.params.name, call.body.key);
      return shown(call, call.params.name, isNew ? 201 : 200);
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/tenants/{name}/keys/{kid}',
    auth: 'admin',
    summary: 'Revokes a key; what it signed before stays verifiable',
    params: keyParams,
    body: { kind: 'json', schema: revokeBody, optional: true },
    responses: [{ status: 200, what: 'the tenant; the key is revoked', schema: tenantViewSchema }],
    handle: async (call) => {
      const { kid, name } = call.params;
      const key = tenantAtHead(call, name).keys.find((each) => each.kid === kid);
      if (!key) throw new BerthError('ERR_NOT_FOUND', `${name} has no key ${kid}`);
      if (key.revokedAtSeq === null) {
        const data = { kid, reason: call.body.reason };
        await note(call, { kind: 'Note', type: 'tenant.keyRevoked', stream: `tenant.${name}`, data });
      }
      return shown(call, name, 200);
    },
  }),
];
