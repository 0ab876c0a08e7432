/**
 * What a route is: method, path, who may call it, what comes in, what goes out, and the function that answers.
 *
 * Why data and not calls on a framework: the same rows are walked by the router, which checks what comes in,
 * by `openapi.ts`, which describes it, and by the test that calls every route as every kind of caller. A
 * check that is not in the row does not exist; a row that is not in the document can't be.
 * Test: `test/intake/routes.test.ts`, `test/intake/openapi.test.ts`.
 */
import { z } from 'zod';
import type { Blobs } from '../blobs/blobs.ts';
import type { Clock } from '../clock.ts';
import type { Controller } from '../controller.ts';
import type { Page } from '../dashboard/bundle.ts';
import type { ErrorCode } from '../errors.ts';
import type { publicKeySchema } from '../events/facts.ts';
import type { SignedHead } from '../log/heads.ts';
import type { JobTrace } from '../observe/job-spans.ts';
import type { Rates } from '../observe/windows.ts';
import type { Streams } from '../views/stream.ts';
import type { Answer } from './answer.ts';
import type { Door } from './door.ts';
import type { Identity } from './submission.ts';

export type PublicJwk = z.infer<typeof publicKeySchema>;
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * Who may call: `none` anyone; `tenant` a valid bearer token, the admin's included; `admin` the admin's alone;
 * `request` a signed body speaks for itself, any other needs a tenant's token.
 */
export type Auth = 'none' | 'tenant' | 'admin' | 'request';

/** What a body may be. Its limit in bytes holds before anything is parsed. */
export type BodyRule =
  /** JSON, checked against the schema. */
  | { readonly kind: 'json'; readonly schema: z.ZodType; readonly optional?: boolean }
  /** Text of one of these content types, given to the handler unparsed; the door parses it. */
  | { readonly kind: 'text'; readonly types: Readonly<Record<string, z.ZodType>> }
  /** Bytes of any content type, as a stream. */
  | { readonly kind: 'stream' };

/** One status that a route may answer with, beside the problems that any may. */
export interface ResponseRule {
  readonly status: number;
  readonly what: string;
  readonly schema?: z.ZodType;
  /** Content type when it is not JSON. */
  readonly type?: string;
}

/** A route as the table holds it. */
export interface Route {
  readonly method: Method;
  /** `/v1/jobs/{id}`: a name in braces stands for one segment. */
  readonly path: string;
  readonly auth: Auth;
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: BodyRule;
  readonly responses: readonly ResponseRule[];
  /** Codes that this route may answer with beyond those of its kind. */
  readonly problems?: readonly ErrorCode[];
  /** Answers server-sent events instead when asked with `Accept: text/event-stream`. */
  readonly events?: boolean;
  /** Asked by whoever watches over the controller: answered however full the server is, see `places.ts`. */
  readonly probe?: boolean;
  readonly handle: (call: Call) => Promise<Reply> | Reply;
}

/** What the page of a demo may do and no other page: see `../demo-signing.ts`. */
export interface Demo {
  /** Whom it may act as. */
  readonly names: readonly string[];
  /** A token or a signed request in the name of `as`; null when the demo has no such name. */
  sign(what: {
    readonly as: string;
    readonly kind: 'token' | 'request';
    readonly job?: unknown;
  }): Promise<string | null>;
  /** Kills the process that runs this job, as an accident would. False: none runs it. */
  strike(job: string): boolean;
}

/** A guest that comes with Berth, to be tried out. */
export interface SampleGuest {
  readonly name: string;
  /** What it does, in one sentence; empty for a module that nobody described. */
  readonly about: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** What every handler works with; wired once. */
export interface RouteParts {
  readonly door: Door;
  /** The present life; null while one ends and the next recovers. */
  readonly life: () => Controller | null;
  readonly blobs: Blobs;
  readonly publicKeys: () => readonly PublicJwk[];
  /** The newest head of the log that the controller signed; absent where nobody signs. */
  readonly newestHead?: () => SignedHead | null;
  readonly metricsText: () => Promise<string>;
  /** The trace of a job that runs or ended not long ago; absent where nobody traces. */
  readonly traceOf?: (id: string) => JobTrace | null;
  /** Where this job's spans belong, for whoever goes on with the trace; absent where nobody traces. */
  readonly traceparentOf?: (id: string) => string | null;
  /** Rates of the last ten seconds. */
  readonly rates: () => Rates;
  readonly clock: Clock;
  /** Largest blob, bytes. */
  readonly blobBytesMax: number;
  readonly streams: Streams;
  /** The page for people, made when it is first asked for. */
  readonly page: () => Promise<Page>;
  readonly version: string;
  /** Null where keys are not for everyone on this machine. */
  readonly demo: Demo | null;
  /** Guests to try out, by name. */
  readonly guests: () => Promise<readonly SampleGuest[]>;
  readonly documents: { readonly openapi: () => string; readonly asyncapi: () => string };
}

/** One request, checked. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  readonly parts: RouteParts;
  /** The present life. Throws `ERR_READ_ONLY` while the controller recovers. */
  readonly life: Controller;
  /** Who asks. On routes of auth `none` and `request` this is nobody, who owns nothing. */
  readonly identity: Identity;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Content type of the body, without parameters. */
  readonly contentType: string;
  readonly header: (name: string) => string | null;
  readonly wantsEvents: boolean;
  /** The bytes of a body of kind `stream`. */
  readonly bytes: () => AsyncIterable<Uint8Array>;
}

/** JSON, text, bytes, or a stream of events. */
export type Reply = Answer | TextReply | BytesReply | EventsReply;

export interface TextReply {
  readonly status: number;
  readonly text: string;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface BytesReply {
  readonly status: number;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly length: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EventsReply {
  /** Frames of `text/event-stream`, each pulled only when the last has left. Ends when `signal` aborts. */
  readonly frames: (signal: AbortSignal) => AsyncIterable<string>;
}

export const nobody: Identity = { tenant: '', admin: false };

type Typed<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> = Omit<
  Route,
  'params' | 'query' | 'body' | 'handle'
> & {
  readonly params?: P;
  readonly query?: Q;
  readonly body?:
    | { readonly kind: 'json'; readonly schema: B; readonly optional?: boolean }
    | Exclude<BodyRule, { kind: 'json' }>;
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Reply> | Reply;
};

/** A row whose handler is given params, query and body as its own schemas make them. */
export function route<
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodType,
>(row: Typed<P, Q, B>): Route {
  // The router parses with exactly these schemas, so the handler gets what it declares.
  return row as unknown as Route;
}

/** A whole number in a query, written in decimal digits alone. */
export const wholeInQuery = (min: number, max: number) =>
  z
    .string()
    .regex(/^[0-9]{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .meta({ type: 'integer', minimum: min, maximum: max, pattern: undefined });

export const jobParams = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{1,64}$/, 'must be 1 to 64 characters of a-z and 0-9'),
});
export const tenantName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 characters of a-z, 0-9 and -');

/** Is one of the tags of an If-None-Match header this one? Compared weakly, as RFC 9110 wants it for GET. */
export function matchesTag(header: string | null, etag: string): boolean {
  if (header === null) return false;
  const bare = (tag: string): string => tag.trim().replace(/^W\//, '');
  return header.trim() === '*' || header.split(',').some((tag) => bare(tag) === bare(etag));
}
