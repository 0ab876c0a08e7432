/**
 * Signed job requests: a compact JWS whose payload says who asks for which job, until when.
 *
 * Why sign the job and not only the connection: a bearer token shows that someone held a key when the
 * request arrived. A signature over the job itself can be checked again next year, against the log.
 *
 * Why so strict about the text: jose takes padding, spaces and other last characters in its stride, so
 * one request would have many spellings. Here each part must be exactly the base64url that encoding its
 * bytes gives, and a request is known by (issuer, token id), never by its text.
 * Test: `test/attestation/request.test.ts`.
 */
import { compactVerify, importJWK } from 'jose';
import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { canonicalJson } from '../events/canonical.ts';
import { nestingWithin } from '../events/nesting.ts';
import { keyAt, type Tenant } from '../tenants/tenants.ts';

/** Largest signed request, characters. */
export const requestCharsMax = 65_536;
/** Longest life of a request or token, s; a stolen one is of use no longer. */
export const lifeSecondsMax = 300;
/** How far clocks may differ, s. */
const skewSeconds = 30;

const headerSchema = z.strictObject({
  alg: z.literal('EdDSA'),
  kid: z.string().max(64),
  typ: z.string().max(32),
});

const claims = {
  aud: z.literal('berth'),
  exp: z.number().int(),
  iat: z.number().int(),
  iss: z.string().max(64),
  jti: z.string().min(8).max(128),
};
const requestSchema = z.strictObject({
  ...claims,
  idem: z.string().min(1).max(128).exactOptional(),
  job: z.unknown(),
});
const tokenSchema = z.strictObject({ ...claims, jti: claims.jti.exactOptional() });

export interface SignedRequest {
  readonly iss: string;
  readonly jti: string;
  readonly kid: string;
  readonly idempotencyKey: string | null;
  /** The `job` claim as sent. */
  readonly job: unknown;
}

export interface Denied {
  readonly code: ErrorCode;
  readonly reason: string;
}

const denied = (code: ErrorCode, reason: string): Denied => ({ code, reason });
export const isDenied = (value: object): value is Denied => 'code' in value && 'reason' in value;

/** What stands in a compact JWS, nothing verified yet. */
interface Opened {
  readonly header: z.infer<typeof headerSchema>;
  readonly payload: unknown;
}

/** Splits and parses a compact JWS strictly. */
function open(compact: string, typ: string): Opened | Denied {
  if (compact.length > requestCharsMax) return denied('ERR_TOO_LARGE', `over ${requestCharsMax} characters`);
  const parts = compact.split('.');
  if (parts.length !== 3 || !parts.every(isExactBase64Url))
    return denied('ERR_BAD_REQUEST', 'not a compact JWS in its one exact form');
  const [head, body] = parts.slice(0, 2).map((part) => Buffer.from(part, 'base64url').toString('utf8'));
  if (head === undefined || body === undefined || !nestingWithin(head, 4) || !nestingWithin(body, 16)) {
    return denied('ERR_BAD_REQUEST', 'header or payload is nested too deep');
  }
  try {
    const header = headerSchema.safeParse(JSON.parse(head));
    if (!header.success || header.data.typ !== typ) {
      return denied('ERR_SIGNATURE', `the header must be exactly alg EdDSA, kid and typ ${typ}`);
    }
    return { header: header.data, payload: JSON.parse(body) as unknown };
  } catch {
    return denied('ERR_BAD_REQUEST', 'header or payload is not JSON');
  }
}

/** Is this text exactly what encoding its own bytes gives? No padding, no spaces, no spare bits. */
function isExactBase64Url(text: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text;
}

/** The issuer that a request or token claims, unverified: tells whose keys to try. Null when unreadable. */
export function claimedIssuer(compact: string): string | null {
  const body = compact.length <= requestCharsMax ? compact.split('.')[1] : undefined;
  if (!body) return null;
  const text = Buffer.from(body, 'base64url').toString('utf8');
  if (!nestingWithin(text, 16)) return null;
  try {
    const { iss } = JSON.parse(text) as { iss?: unknown };
    return typeof iss === 'string' ? iss : null;
  } catch {
    return null;
  }
}

/**
 * Verifies a signed job request as of one moment: the keys good at `asOfSeq`, the clock at `nowMs`.
 * The same call serves the door (now) and an auditor (then).
 */
export async function verifyRequest(
  compact: string,
  tenant: Tenant,
  asOf: { readonly seq: number; readonly nowMs: number },
): Promise<SignedRequest | Denied> {
  const opened = open(compact, 'berth-job+jws');
  if (isDenied(opened)) return opened;
  const parsed = requestSchema.safeParse(opened.payload);
  if (!parsed.success) return denied('ERR_BAD_REQUEST', `claim ${issueText(parsed.error)}`);
  const { data } = parsed;
  const wrong = await verifyClaims(compact, opened.header.kid, data, tenant, asOf);
  if (wrong) return wrong;
  return {
    iss: data.iss,
    jti: data.jti,
    kid: opened.header.kid,
    idempotencyKey: data.idem ?? null,
    job: data.job,
  };
}

/** Verifies a bearer token against the keys of whom it claims to come from. */
export async function verifyToken(
  compact: string,
  tenant: Tenant,
  asOf: { readonly seq: number; readonly nowMs: number },
): Promise<{ readonly kid: string; readonly expMs: number } | Denied> {
  const opened = open(compact, 'JWT');
  if (isDenied(opened)) return opened;
  const parsed = tokenSchema.safeParse(opened.payload);
  if (!parsed.success) return denied('ERR_UNAUTHENTICATED', `claim ${issueText(parsed.error)}`);
  const wrong = await verifyClaims(compact, opened.header.kid, parsed.data, tenant, asOf);
  return wrong ?? { kid: opened.header.kid, expMs: parsed.data.exp * 1000 };
}

async function verifyClaims(
  compact: string,
  kid: string,
  { iss, iat, exp }: { iss: string; iat: number; exp: number },
  tenant: Tenant,
  asOf: { readonly seq: number; readonly nowMs: number },
): Promise<Denied | null> {
  const now = asOf.nowMs / 1000;
  if (iss !== tenant.name) return denied('ERR_SIGNATURE', 'the issuer is not the tenant');
  if (exp - iat > lifeSecondsMax)
    return denied('ERR_SIGNATURE', `exp is more than ${lifeSecondsMax} s after iat`);
  if (exp <= now - skewSeconds) return denied('ERR_SIGNATURE', 'expired');
  if (iat > now + skewSeconds) return denied('ERR_SIGNATURE', 'issued in the future');
  const key = keyAt(tenant, kid, asOf.seq);
  if (!key) return denied('ERR_SIGNATURE', 'no key by this kid is good for this tenant');
  return (await signatureHolds(compact, key.x))
    ? null
    : denied('ERR_SIGNATURE', 'the signature does not verify');
}

/**
 * Requests whose signature held, with the key that it held under. The door and the attestor ask about the same
 * text within milliseconds, and whether a signature holds depends on nothing but text and key.
 */
const held = new Map<string, string>();
const heldMax = 2_000;

async function signatureHolds(compact: string, x: string): Promise<boolean> {
  if (held.get(compact) === x) return true;
  try {
    await compactVerify(compact, await publicKey(x), { algorithms: ['EdDSA'] });
  } catch {
    return false;
  }
  if (held.size >= heldMax) held.clear();
  held.set(compact, x);
  return true;
}

/** Imported keys by their x: importing costs as much as verifying. */
type PublicKey = Awaited<ReturnType<typeof importJWK>>;
const imported = new Map<string, Promise<PublicKey>>();
const importedMax = 10_000;

function publicKey(x: string): Promise<PublicKey> {
  const known = imported.get(x);
  if (known !== undefined) return known;
  if (imported.size >= importedMax) imported.clear();
  const key = importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA');
  imported.set(x, key);
  return key;
}

function issueText(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.join('.') || 'set'}: ${issue?.message}`;
}

/** What a job is known by when its key comes again: the canonical text of the `job` claim. Hash it. */
export const jobText = (job: unknown): string => canonicalJson(job);
