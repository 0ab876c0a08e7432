/**
 * From a request to a reply: finds the route, checks all that its row demands, calls its handler.
 *
 * Why in this order: what is cheap and says nothing comes first (path, method), then who asks, then what
 * was asked; a body is read only when everything else is in order, and never further than its limit.
 * Whatever a handler throws becomes a problem here, so no stack and no half answer can leave.
 * Knows no sockets: `http.ts` hands it a `Request`. Test: `test/intake/routes.test.ts`.
 */
import type { z } from 'zod';
import { BerthError, type FieldError } from '../errors.ts';
import { nestingWithin } from '../events/nesting.ts';
import { type Answer, problem, problemOf } from './answer.ts';
import { type BodyRule, type Call, nobody, type Reply, type Route, type RouteParts } from './route.ts';
import { adminName, jsonBytesMax, nestingMax } from './submission.ts';

/** A request as the router needs it. */
export interface Request {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly header: (name: string) => string | null;
  /** Does a body follow, as far as the headers say? */
  readonly hasBody: boolean;
  /** The body as text; throws `ERR_TOO_LARGE` at the limit and `ERR_BAD_REQUEST` when it is no UTF-8 or too slow. */
  readonly text: (bytesMax: number) => Promise<string>;
  readonly bytes: () => AsyncIterable<Uint8Array>;
  /** Whose request this is, told as soon as it is known; throws `ERR_RATE` or `ERR_BUSY` when that one has too many. */
  readonly belongsTo: (tenant: string) => void;
}

/** A row with its path cut into segments. */
interface Compiled {
  readonly route: Route;
  readonly segments: readonly string[];
}

export class Router {
  readonly #rows: readonly Compiled[];
  readonly #parts: RouteParts;

  constructor(routes: readonly Route[], parts: RouteParts) {
    this.#rows = routes.map((route) => ({ route, segments: route.path.split('/') }));
    this.#parts = parts;
  }

  /** The path when it is a probe's, else null: known before anything else, for probes have places of their own. */
  probeOf(target: string): string | null {
    const path = target.split('?', 1)[0];
    return this.#rows.some(({ route }) => route.probe && route.path === path) ? (path ?? null) : null;
  }

  /** The reply to `request`. Throws only what is a fault of ours. */
  async answer(request: Request): Promise<Reply> {
    try {
      return await this.#answer(request);
    } catch (error) {
      return problemOf(error);
    }
  }

  async #answer(request: Request): Promise<Reply> {
    const { target } = request;
    const cut = target.indexOf('?');
    const path = cut < 0 ? target : target.slice(0, cut);
    const segments = path.split('/');
    const here = this.#rows.filter((row) => fits(row.segments, segments));
    if (here.length === 0) return problem('ERR_NOT_FOUND', `no route ${path.slice(0, 200)}`);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const row = here.find(({ route }) => route.method === method);
    if (!row) return wrongMethod(here, path);
    return this.#call(row, segments, cut < 0 ? '' : target.slice(cut + 1), request);
  }

  async #call(
    { route, segments }: Compiled,
    path: readonly string[],
    query: string,
    request: Request,
  ): Promise<Reply> {
    const identity = await this.#identify(route, request);
    if ('status' in identity) return identity;
    if (!route.probe) request.belongsTo(identity.tenant);
    const parts = this.#parts;
    const given = await readAll(route, segments, path, query, request).catch((error: unknown) => {
      const isJob = route.auth === 'request';
      if (isJob && error instanceof BerthError) parts.door.countRefused(identity.tenant || null, error.code);
      throw error;
    });
    const call: Call = {
      ...given,
      parts,
      get life() {
        const life = parts.life();
        if (!life) throw recovering();
        return life;
      },
      identity,
      header: request.header,
      wantsEvents: (request.header('accept') ?? '').includes('text/event-stream'),
      bytes: request.bytes,
    };
    return route.handle(call);
  }

  async #identify(route: Route, request: Request) {
    if (route.auth === 'none') return nobody;
    // Without a life there are no keys to compare with: "come back" is true, "who are you" would not be.
    if (!this.#parts.life()) throw recovering();
    if (route.auth === 'request' && bareType(request) === 'application/jose') return nobody;
    const identity = await this.#parts.door.authenticate(request.header('authorization') ?? undefined);
    if ('status' in identity) {
      return { ...identity, headers: { ...identity.headers, 'www-authenticate': 'Bearer realm="berth"' } };
    }
    if (route.auth === 'admin' && !identity.admin) {
      return problem('ERR_FORBIDDEN', `${identity.tenant} may not do this; it takes the key of ${adminName}`);
    }
    return identity;
  }
}

/** Everything that came in, checked against the row. The body last: it is the only part that costs. */
async function readAll(
  { params, query, body }: Route,
  pattern: readonly string[],
  path: readonly string[],
  queryText: string,
  request: Request,
): Promise<Pick<Call, 'params' | 'query' | 'body' | 'contentType'>> {
  return {
    params: params ? checked(params, paramsOf(pattern, path)) : {},
    query: query ? checked(query, queryOf(queryText)) : {},
    contentType: contentTypeOf(request, body),
    body: await bodyOf(request, body),
  };
}

const recovering = (): BerthError =>
  new BerthError('ERR_READ_ONLY', 'the controller is recovering from its log');

/** Does the path have the pattern's segments? A name in braces takes any one that is not empty. */
function fits(pattern: readonly string[], path: readonly string[]): boolean {
  if (pattern.length !== path.length) return false;
  return pattern.every((segment, i) => (segment.startsWith('{') ? path[i] !== '' : segment === path[i]));
}

function wrongMethod(here: readonly Compiled[], path: string): Answer {
  const methods = here.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]));
  const answer = problem('ERR_METHOD', `${path} takes ${methods.join(', ')}`);
  return { ...answer, headers: { ...answer.headers, allow: methods.join(', ') } };
}

function paramsOf(pattern: readonly string[], path: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  pattern.forEach((segment, i) => {
    if (segment.startsWith('{')) params[segment.slice(1, -1)] = decoded(path[i] ?? '');
  });
  return params;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new BerthError('ERR_BAD_REQUEST', 'the path is not percent-encoded UTF-8');
  }
}

/** A name that comes once is a string, one that is repeated a list: schemas say which they want. */
function queryOf(text: string): Record<string, string | string[]> {
  const query = new Map<string, string | string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    const before = query.get(name);
    query.set(name, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(query);
}

/** What the schema makes of `value`; `ERR_BAD_REQUEST` with every field and its limit otherwise. */
function checked(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields: FieldError[] = parsed.error.issues.slice(0, 20).map(({ path, message }) => ({
    field: path.map(String).join('.') || 'body',
    message,
  }));
  throw new BerthError('ERR_BAD_REQUEST', `${fields[0]?.field}: ${fields[0]?.message}`, { fields });
}

const bareType = (request: Request): string =>
  (request.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** The content type, when this route takes it. Anything that would need decoding first is refused. */
function contentTypeOf(request: Request, rule: BodyRule | undefined): string {
  const type = bareType(request);
  if (!rule) return type;
  const coding = request.header('content-encoding');
  if (coding !== null && coding !== 'identity') {
    throw new BerthError(
      'ERR_UNSUPPORTED_TYPE',
      `content-encoding ${coding} is not taken; send the bytes as they are`,
    );
  }
  if (rule.kind === 'stream' || (rule.kind === 'json' && rule.optional && !request.hasBody)) return type;
  const taken = rule.kind === 'json' ? ['application/json'] : Object.keys(rule.types);
  if (!taken.includes(type)) throw new BerthError('ERR_UNSUPPORTED_TYPE', `send ${taken.join(' or ')}`);
  const charset = /;\s*charset\s*=\s*"?([^;"\s]+)/i.exec(request.header('content-type') ?? '')?.[1];
  if (charset && charset.toLowerCase() !== 'utf-8')
    throw new BerthError('ERR_UNSUPPORTED_TYPE', 'charset must be utf-8');
  return type;
}

async function bodyOf(request: Request, rule: BodyRule | undefined): Promise<unknown> {
  if (!rule || rule.kind === 'stream') return undefined;
  if (rule.kind === 'json' && rule.optional && !request.hasBody) return checked(rule.schema, {});
  const text = await request.text(jsonBytesMax);
  if (rule.kind === 'text') return text;
  if (rule.optional && text === '') return checked(rule.schema, {});
  if (!nestingWithin(text, nestingMax))
    throw new BerthError('ERR_BAD_REQUEST', `the body is nested deeper than ${nestingMax}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BerthError('ERR_BAD_REQUEST', 'the body is not JSON');
  }
  return checked(rule.schema, value);
}
