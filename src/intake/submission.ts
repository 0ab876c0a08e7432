/**
 * Reads what someone hands in at the door: a signed request or a JSON body becomes a checked submission, or a
 * refusal with field and limit. Sizes and nesting are bounded before anything is parsed.
 *
 * Why apart from the door: here nothing is asked of the writer and nothing is counted, so the same reading
 * serves a real submission and a dry run. Test: `test/intake/door.test.ts`, `test/attestation/request.test.ts`.
 */
import { claimedIssuer, isDenied, jobText, requestCharsMax, verifyRequest } from '../attestation/request.ts';
import type { ErrorCode, FieldError } from '../errors.ts';
import { nestingWithin } from '../events/nesting.ts';
import type { Sha256 } from '../events/record.ts';
import { jobSpecSchema } from '../events/spec.ts';
import type { JobCommand } from '../jobs/commands.ts';
import type { Tenant } from '../tenants/tenants.ts';

/** The name under which the operator's own key issues tokens. No tenant can have it. */
export const adminName = 'admin';

/** Who asks. `admin` may see and change everything; a tenant only what is its own. */
export interface Identity {
  readonly tenant: string;
  readonly admin: boolean;
}

/** JSON bodies by HTTP and by NATS: bytes, and objects and arrays within each other. */
export const jsonBytesMax = 256 * 1024;
export const nestingMax = 16;

const idempotencyKeyPattern = /^[\x21-\x7e]{1,128}$/;
const tracePattern = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export interface Submission {
  readonly text: string;
  /** `signed`: a compact JWS. `json`: `{job, idempotencyKey?}` from an authenticated tenant. */
  readonly form: 'signed' | 'json';
  readonly identity: Identity | null;
  readonly idempotencyKey: string | null;
  readonly trace: string | null;
  readonly via: 'http' | 'nats';
}

/** A request that passed all checks that need no writer. */
export type Checked = Omit<Extract<JobCommand, { kind: 'SubmitJob' }>, 'kind' | 'id'>;

/** A request that did not. `tenant` is null when nobody known here is to be counted for it. */
export interface Refused {
  readonly tenant: string | null;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly fields: readonly FieldError[];
}

export const isRefused = (read: Checked | Refused): read is Refused => 'reason' in read;

interface Reading {
  readonly tenant: (name: string) => Tenant | undefined;
  /** The moment as of which keys and times are judged. */
  readonly asOf: { readonly seq: number; readonly nowMs: number };
  readonly sha256: Sha256;
}

const refuse = (
  tenant: string | null,
  code: ErrorCode,
  reason: string,
  fields: readonly FieldError[] = [],
): Refused => ({
  tenant,
  code,
  reason,
  fields,
});

/** The checked submission, or why it is none. */
export function readSubmission(
  submission: Submission,
  reading: Reading,
): Promise<Checked | Refused> | Checked | Refused {
  return submission.form === 'signed' ? readSigned(submission, reading) : readJson(submission, reading);
}

async function readSigned(
  { text, idempotencyKey, ...rest }: Submission,
  reading: Reading,
): Promise<Checked | Refused> {
  if (text.length > requestCharsMax) {
    return refuse(null, 'ERR_TOO_LARGE', `a signed request has at most ${requestCharsMax} characters`);
  }
  const tenant = reading.tenant(claimedIssuer(text) ?? '');
  if (!tenant || tenant.name === adminName)
    return refuse(null, 'ERR_SIGNATURE', 'the request names no tenant known here');
  const signed = await verifyRequest(text, tenant, reading.asOf);
  if (isDenied(signed)) return refuse(tenant.name, signed.code, signed.reason);
  const { jti, kid } = signed;
  const key = signed.idempotencyKey ?? idempotencyKey;
  return withSpec(
    signed.job,
    { ...common(rest), tenant: tenant.name, jti, kid, request: text, idempotencyKey: key },
    reading,
  );
}

function readJson(
  { text, identity, idempotencyKey, ...rest }: Submission,
  reading: Reading,
): Checked | Refused {
  if (!identity) return refuse(null, 'ERR_UNAUTHENTICATED', 'an unsigned job needs a bearer token');
  const tenant = reading.tenant(identity.tenant);
  if (!tenant?.terms.unsigned || identity.admin) {
    return refuse(tenant?.name ?? null, 'ERR_UNSIGNED', 'this tenant sends signed jobs only');
  }
  const body = parseBody(text);
  if ('code' in body) return refuse(tenant.name, body.code, body.reason);
  const unsigned = { tenant: tenant.name, jti: null, kid: null, request: null };
  return withSpec(
    body.job,
    { ...common(rest), ...unsigned, idempotencyKey: idempotencyKey ?? body.idempotencyKey },
    reading,
  );
}

const common = ({ trace, via }: Pick<Submission, 'trace' | 'via'>) => ({
  trace: trace !== null && tracePattern.test(trace) ? trace : null,
  via,
});

function withSpec(
  job: unknown,
  rest: Omit<Checked, 'spec' | 'jobDigest'>,
  { sha256 }: Reading,
): Checked | Refused {
  if (rest.idempotencyKey !== null && !idempotencyKeyPattern.test(rest.idempotencyKey)) {
    return refuse(rest.tenant, 'ERR_BAD_REQUEST', 'an idempotency key has 1 to 128 visible ASCII characters');
  }
  const parsed = jobSpecSchema.safeParse(job);
  if (parsed.success) return { ...rest, spec: parsed.data, jobDigest: `sha256:${sha256(jobText(job))}` };
  const issues = parsed.error.issues.slice(0, 20);
  const fields = issues.map(({ path, message }) => ({ field: ['job', ...path].join('.'), message }));
  return refuse(rest.tenant, 'ERR_BAD_SPEC', `${fields[0]?.field}: ${fields[0]?.message}`, fields);
}

function parseBody(
  text: string,
): { job: unknown; idempotencyKey: string | null } | { code: ErrorCode; reason: string } {
  if (text.length > jsonBytesMax)
    return { code: 'ERR_TOO_LARGE', reason: `a JSON body has at most ${jsonBytesMax} bytes` };
  if (!nestingWithin(text, nestingMax))
    return { code: 'ERR_BAD_REQUEST', reason: `nested deeper than ${nestingMax}` };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { code: 'ERR_BAD_REQUEST', reason: 'the body is not JSON' };
  }
  if (typeof body !== 'object' || body === null || !('job' in body)) {
    return { code: 'ERR_BAD_REQUEST', reason: 'the body must be {"job": {…}}' };
  }
  const { idempotencyKey } = body as { idempotencyKey?: unknown };
  return { job: body.job, idempotencyKey: typeof idempotencyKey === 'string' ? idempotencyKey : null };
}
