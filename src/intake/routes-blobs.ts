/** Routes of blobs: bytes in and out as streams, named by their digest, each tenant in its own space. */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import {
  type BytesReply,
  type Call,
  matchesTag,
  type Reply,
  type Route,
  route,
  tenantName,
} from './route.ts';
import { adminName } from './submission.ts';

export const storedSchema = z.strictObject({ bytes: z.number().int(), sha256: z.string() });

const blobParams = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 characters of 0-9 and a-f'),
});

/** The bytes of a blob, or 404: also for one that only another tenant has. Named by digest, so a reader may keep it for ever. */
export async function blobReply(call: Call, tenant: string, sha256: string): Promise<BytesReply> {
  const { blobs } = call.parts;
  const bytes = await blobs.size(tenant, sha256);
  if (bytes === null) throw new BerthError('ERR_NOT_FOUND', `no blob ${sha256} of yours is here`);
  return {
    status: 200,
    bytes: blobs.stream(tenant, sha256),
    length: bytes,
    headers: {
      'cache-control': 'private, max-age=31536000, immutable',
      // What a browser is made to open comes from a guest: it is saved, never rendered.
      'content-disposition': `attachment; filename="${sha256.slice(0, 16)}.bin"`,
      etag: `"${sha256}"`,
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    },
  };
}

export const blobRoutes: readonly Route[] = [
  {
    method: 'PUT',
    path: '/v1/blobs/{sha256}',
    auth: 'tenant',
    summary: 'Stores the bytes that hash to this name; durable when answered. Repeating it is harmless',
    params: blobParams,
    body: { kind: 'stream' },
    responses: [
      { status: 201, what: 'stored', schema: storedSchema },
      { status: 200, what: 'was here already; the bytes were compared', schema: storedSchema },
    ],
    problems: ['ERR_BLOB_DIGEST', 'ERR_BLOB_QUOTA', 'ERR_TOO_LARGE'],
    handle: putBlob,
  },
  route({
    method: 'GET',
    path: '/v1/blobs/{sha256}',
    auth: 'tenant',
    summary: 'The bytes, to the tenant that put them or whose job produced them',
    params: blobParams,
    query: z.strictObject({
      tenant: tenantName.optional().describe("whose; needed with the admin's key alone"),
    }),
    responses: [
      { status: 200, what: 'the bytes', type: 'application/octet-stream' },
      { status: 304, what: 'the digest in If-None-Match is this one' },
    ],
    handle: async (call): Promise<Reply> => {
      const { identity, params, query } = call;
      if (identity.admin && !query.tenant)
        throw new BerthError('ERR_BAD_REQUEST', 'tenant: say whose blob, ?tenant=NAME');
      const tenant = query.tenant ?? identity.tenant;
      const sees = identity.admin || tenant === identity.tenant;
      if (!sees) throw new BerthError('ERR_NOT_FOUND', `no blob ${params.sha256} of yours is here`);
      const reply = await blobReply(call, tenant, params.sha256);
      const etag = `"${params.sha256}"`;
      return matchesTag(call.header('if-none-match'), etag)
        ? { status: 304, body: null, headers: { etag } }
        : reply;
    },
  }),
];

async function putBlob(call: Call): Promise<Reply> {
  const { identity, parts } = call;
  const { sha256 } = call.params as z.output<typeof blobParams>;
  if (identity.admin)
    throw new BerthError(
      'ERR_FORBIDDEN',
      `${adminName} stores no blobs; use the key of the tenant who needs it`,
    );
  const wasHere = await parts.blobs.has(identity.tenant, sha256);
  const stored = await parts.blobs.put(identity.tenant, sha256, call.bytes());
  return { status: wasHere ? 200 : 201, body: stored, headers: { location: `/v1/blobs/${sha256}` } };
}
