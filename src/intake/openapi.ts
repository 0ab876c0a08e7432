/**
 * The OpenAPI document, made from the table of routes.
 *
 * Why generated: whatever a client reads here is what the router does, for both read the same rows. There is
 * no second list of routes, parameters, limits or error codes that could fall behind.
 * Test: `test/intake/openapi.test.ts`.
 */
import { z } from 'zod';
import { type ErrorCode, errors } from '../errors.ts';
import { publicKeySchema } from '../events/facts.ts';
import { jobSpecSchema } from '../events/spec.ts';
import { jobViewSchema } from '../views/job-view.ts';
import { factViewSchema } from '../views/log-view.ts';
import { gpuViewSchema } from '../views/slots-view.ts';
import { tenantViewSchema } from '../views/tenants-view.ts';
import type { Auth, BodyRule, Route } from './route.ts';
import { type JsonSchema, membersOf, SchemaBook } from './schemas.ts';

export const problemSchema = z.strictObject({
  code: z.enum(Object.keys(errors) as [ErrorCode, ...ErrorCode[]]).describe('stable; what scripts look at'),
  detail: z.string().describe('what was wrong this time'),
  errors: z
    .array(z.strictObject({ field: z.string(), message: z.string() }))
    .exactOptional()
    .describe('each field that is wrong, with its limit'),
  next: z.string().describe('what to do next'),
  retryable: z.boolean().describe('can the same request succeed later, unchanged?'),
  status: z.number().int(),
  title: z.string().describe('what the code means'),
  type: z.string(),
});

/** The document as text. */
export function openApiText(routes: readonly Route[]): string {
  const book = new SchemaBook();
  nameSchemas(book);
  for (const route of routes) nameSchemasOf(book, route);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(book, route) };
  }
  return JSON.stringify({
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version: '1',
      summary: 'A controller for GPU jobs',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: book.components(),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            "EdDSA by a key of the tenant; `iss` the tenant, `aud` berth, at most 300 s from `iat` to `exp`, header `typ` JWT and `kid`. The operator's tokens have `iss` admin",
        },
      },
    },
  });
}

/** Names that clients see again and again; all others are named after their route. */
function nameSchemas(book: SchemaBook): void {
  book.add('asked', 'JobSpec', jobSpecSchema);
  book.add('asked', 'PublicKey', publicKeySchema);
  book.add('answered', 'PublicKey', publicKeySchema);
  book.add('answered', 'CompleteJobSpec', jobSpecSchema);
  book.add('answered', 'Job', jobViewSchema);
  book.add('answered', 'Fact', factViewSchema);
  book.add('answered', 'Gpu', gpuViewSchema);
  book.add('answered', 'Tenant', tenantViewSchema);
  book.add('answered', 'Problem', problemSchema);
}

function nameSchemasOf(book: SchemaBook, route: Route): void {
  const name = operationId(route);
  const pascal = name.charAt(0).toUpperCase() + name.slice(1);
  for (const [type, schema] of bodySchemas(route.body)) {
    book.add('asked', `${pascal}${type === 'application/jose' ? 'Signed' : ''}Request`, schema);
  }
  for (const { schema } of route.responses) if (schema) book.add('answered', `${pascal}Response`, schema);
}

function bodySchemas(body: BodyRule | undefined): [string, z.ZodType][] {
  if (body?.kind === 'json') return [['application/json', body.schema]];
  return body?.kind === 'text' ? Object.entries(body.types) : [];
}

/** `GET /v1/jobs/{id}` → `getJobsId`. */
export function operationId({ method, path }: Pick<Route, 'method' | 'path'>): string {
  const words = path
    .replace(/^\/v1/, '')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return `${method.toLowerCase()}${name || 'Page'}`;
}

function operation(book: SchemaBook, route: Route): JsonSchema {
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.path.split('/')[2]?.replace(/:.*/, '') ?? 'outside'],
    security: security[route.auth],
    parameters: parameters(route),
    ...(route.body ? { requestBody: requestBody(book, route.body) } : {}),
    responses: { ...responses(book, route), ...problems(book, route) },
  };
}

const security: Readonly<Record<Auth, readonly object[]>> = {
  none: [{}],
  tenant: [{ bearer: [] }],
  admin: [{ bearer: [] }],
  request: [{}, { bearer: [] }],
};

function parameters({ params, query, headers, events }: Route): JsonSchema[] {
  const list = (place: string, schema: z.ZodObject | undefined): JsonSchema[] =>
    schema
      ? membersOf(schema).map((member) => ({
          ...member,
          in: place,
          required: place === 'path' || member.required,
        }))
      : [];
  const resume = { name: 'last-event-id', in: 'header', required: false, schema: { type: 'integer' } };
  return [
    ...list('path', params),
    ...list('query', query),
    ...list('header', headers),
    ...(events ? [resume] : []),
  ];
}

function requestBody(book: SchemaBook, body: BodyRule): JsonSchema {
  const required = !(body.kind === 'json' && body.optional);
  if (body.kind === 'stream') return { required, content: { 'application/octet-stream': {} } };
  const content = bodySchemas(body).map(([type, schema]) => [type, { schema: book.ref('asked', schema) }]);
  return { required, content: Object.fromEntries(content) };
}

function responses(book: SchemaBook, route: Route): Record<string, JsonSchema> {
  const found: Record<string, JsonSchema> = {};
  for (const { status, what, schema, type } of route.responses) {
    const content = schema
      ? { 'application/json': { schema: book.ref('answered', schema) } }
      : type
        ? { [type.split(';')[0] as string]: {} }
        : null;
    const events =
      route.events && status === 200 ? { 'text/event-stream': { schema: { type: 'string' } } } : {};
    found[String(status)] = { description: what, ...(content ? { content: { ...content, ...events } } : {}) };
  }
  return found;
}

/** Codes that follow from what kind of route it is, and those that its row adds. */
export function codesOf({ auth, params, query, body, path, problems: own = [] }: Route): ErrorCode[] {
  const codes = new Set<ErrorCode>(own);
  const add = (when: unknown, ...more: ErrorCode[]): void => {
    if (when) for (const code of more) codes.add(code);
  };
  add(params || query || body, 'ERR_BAD_REQUEST');
  add(auth !== 'none', 'ERR_UNAUTHENTICATED', 'ERR_READ_ONLY');
  add(auth === 'admin', 'ERR_FORBIDDEN');
  add(params, 'ERR_NOT_FOUND');
  add(body, 'ERR_TOO_LARGE', 'ERR_UNSUPPORTED_TYPE');
  add(path.startsWith('/v1') && auth !== 'none', 'ERR_RATE');
  add(true, 'ERR_BUSY');
  add(true, 'ERR_INTERNAL');
  return [...codes].sort();
}

function problems(book: SchemaBook, route: Route): Record<string, JsonSchema> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codesOf(route))
    byStatus.set(errors[code].http, [...(byStatus.get(errors[code].http) ?? []), code]);
  const taken = new Set(route.responses.map(({ status }) => status));
  const content = { 'application/problem+json': { schema: book.ref('answered', problemSchema) } };
  const entries = [...byStatus].filter(([status]) => !taken.has(status));
  return Object.fromEntries(
    entries.map(([status, codes]) => {
      const description = codes.map((code) => `${code}: ${errors[code].meaning}`).join('; ');
      return [String(status), { description, content }];
    }),
  );
}
