/** Routes of jobs. What is true of a job is asked of the door and the views; these rows say how HTTP puts it. */
import { z } from 'zod';
import { jobSpecSchema } from '../events/spec.ts';
import { jobTable } from '../jobs/state.ts';
import { jobPage } from '../views/job-list.ts';
import { jobViewSchema } from '../views/job-view.ts';
import type { Answer } from './answer.ts';
import { type Call, jobParams, matchesTag, type Route, route, tenantName, wholeInQuery } from './route.ts';

/** An unsigned request. */
export const submitBodySchema = z.strictObject({
  idempotencyKey: z.string().min(1).max(128).exactOptional(),
  job: jobSpecSchema,
});
/** A signed request: compact JWS, `typ` berth-job+jws, claims iss aud iat exp jti job and idem. */
export const signedBodySchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)
  .max(65_536);
export const jobListSchema = z.strictObject({ jobs: z.array(jobViewSchema), next: z.string().nullable() });
export const validationSchema = z.strictObject({
  /** Would the door take it now? */
  admitted: z.boolean(),
  everFits: z.boolean(),
  fitsNow: z.boolean(),
  spec: jobSpecSchema,
});

const submitHeaders = z.strictObject({
  'idempotency-key': z.string().min(1).max(128).exactOptional(),
  traceparent: z.string().exactOptional(),
});
const submitTypes = { 'application/jose': signedBodySchema, 'application/json': submitBodySchema };

/** Who sends an unsigned body is known by the token; a signed one says so itself. */
function submission(call: Call) {
  const isSigned = call.contentType === 'application/jose';
  return {
    text: call.body as string,
    form: isSigned ? ('signed' as const) : ('json' as const),
    identity: isSigned ? null : call.identity,
    idempotencyKey: call.header('idempotency-key'),
    trace: call.header('traceparent'),
    via: 'http' as const,
  };
}

/** An accepted job's answer says where its spans will be. */
function withTrace({ parts }: Call, answer: Answer): Answer {
  const { id } = answer.body as { id?: string };
  const traceparent = answer.status === 202 && id ? parts.traceparentOf?.(id) : null;
  return traceparent ? { ...answer, headers: { ...answer.headers, traceparent } } : answer;
}

const listQuery = z.strictObject({
  cursor: wholeInQuery(0, 1e12).optional().describe('`next` of the page before'),
  label: z
    .union([z.string(), z.array(z.string())])
    .transform((labels) => [labels].flat())
    .pipe(z.array(z.string().min(1).max(200)).max(8))
    .optional()
    .describe('`key=value`, or `key` for any value; repeat it for several'),
  limit: wholeInQuery(1, 1_000).optional().describe('jobs a page, 100 unless told otherwise'),
  order: z
    .enum(['oldest', 'newest'])
    .optional()
    .describe('which job comes first, by submission; oldest unless told'),
  state: z.enum(jobTable.states.filter((state) => state !== 'new')).optional(),
  tenant: tenantName.optional(),
});

export const jobRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/jobs',
    auth: 'request',
    summary:
      'Submits a job: signed (application/jose), or unsigned with a bearer token where the tenant allows it',
    headers: submitHeaders,
    body: { kind: 'text', types: submitTypes },
    responses: [{ status: 202, what: 'accepted, and durable as the log defines it', schema: jobViewSchema }],
    problems: [
      'ERR_BAD_SPEC',
      'ERR_SIGNATURE',
      'ERR_UNSIGNED',
      'ERR_IDEMPOTENCY',
      'ERR_BLOB_MISSING',
      'ERR_QUEUE_FULL',
      'ERR_DRAINING',
      'ERR_TORN_TAIL',
    ],
    handle: async (call) => withTrace(call, await call.parts.door.submit(submission(call))),
  }),
  route({
    method: 'POST',
    path: '/v1/jobs:validate',
    auth: 'request',
    summary: 'Dry run: would it be admitted, could it ever fit, does it fit now? Writes nothing',
    headers: submitHeaders,
    body: { kind: 'text', types: submitTypes },
    responses: [{ status: 200, what: 'the request is in order', schema: validationSchema }],
    problems: ['ERR_BAD_SPEC', 'ERR_SIGNATURE', 'ERR_UNSIGNED', 'ERR_BLOB_MISSING'],
    handle: (call) => call.parts.door.validate(submission(call)),
  }),
  route({
    method: 'GET',
    path: '/v1/jobs',
    auth: 'tenant',
    summary: 'Lists jobs in the order of their submission, in pages',
    query: listQuery,
    responses: [{ status: 200, what: 'a page; `next` is null at the end', schema: jobListSchema }],
    handle: ({ life, identity, query }) => {
      const { cursor = null, label = [], limit = 100, order = 'oldest', state = null, tenant = null } = query;
      // Another tenant's name answers as one that nobody has: with nothing.
      if (!identity.admin && tenant !== null && tenant !== identity.tenant)
        return { status: 200, body: { jobs: [], next: null } };
      const page = jobPage(life.views, {
        tenant: identity.admin ? tenant : identity.tenant,
        state,
        labels: label,
        newestFirst: order === 'newest',
        cursor,
        limit,
      });
      return { status: 200, body: { jobs: page.jobs, next: page.next === null ? null : String(page.next) } };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}',
    auth: 'tenant',
    summary: 'One job; its ETag is the version of its stream',
    params: jobParams,
    responses: [
      { status: 200, what: 'the job', schema: jobViewSchema },
      { status: 304, what: 'as the ETag in If-None-Match says already' },
    ],
    handle: (call) => {
      const answer = call.parts.door.job(call.params.id, call.identity);
      const etag = answer.headers?.['etag'];
      if (etag && matchesTag(call.header('if-none-match'), etag))
        return { status: 304, body: null, headers: { etag } };
      return answer;
    },
  }),
  route({
    method: 'POST',
    path: '/v1/jobs/{id}/cancel',
    auth: 'tenant',
    summary: 'Asks for the end of a job; repeating it is harmless',
    params: jobParams,
    body: { kind: 'json', schema: z.strictObject({}), optional: true },
    responses: [{ status: 202, what: 'it will end, or has', schema: jobViewSchema }],
    problems: ['ERR_JOB_ENDED'],
    handle: ({ parts, params, identity }) => parts.door.cancel(params.id, identity),
  }),
];
