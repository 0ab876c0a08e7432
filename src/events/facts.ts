/**
 * The words: every fact that can stand in the log, with its schema. OpenAPI and AsyncAPI are generated from here.
 *
 * Why one closed list: a fact is for ever. Whoever adds one sees here all there are, and nothing can be
 * appended that this file does not describe. Members are declared in sorted order (a test holds that), so
 * a parsed value is already in canonical form.
 *
 * A member named `deadlineMs` is the duration of the watchdog that the fact starts (DESIGN: time is data).
 * Test: `test/events/facts.test.ts`.
 */
import { z } from 'zod';
import { type ErrorCode, errors, messageCharsMax } from '../errors.ts';
import { digestSchema, jobSpecSchema } from './spec.ts';

const count = z.number().int().min(0);
const seq = z.number().int().min(1);
const deadlineMs = z
  .number()
  .int()
  .min(0)
  .max(7 * 86_400_000);
const errorCode = z.enum(Object.keys(errors) as [ErrorCode, ...ErrorCode[]]);
const message = z.string().max(messageCharsMax);
const causeSchema = z.strictObject({ code: errorCode, message, retryable: z.boolean() });
const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);
/** Longest name of a runner, a policy, a reason and the like, characters. */
export const textCharsMax = 256;
const text = z.string().max(textCharsMax);

/** A place on a GPU: memory slices `start … start + size − 1`, as MIG counts them. */
export const slotSchema = z.strictObject({
  gpu: z.string().regex(/^[a-z0-9-]{1,32}$/),
  profile: z.string().max(32),
  size: z.number().int().min(1).max(8),
  start: z.number().int().min(0).max(7),
});
export type Slot = z.infer<typeof slotSchema>;

export const resultSchema = z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** A tenant's public key: Ed25519 as JWK. `kid` is its RFC 7638 thumbprint. */
export const publicKeySchema = z.strictObject({
  crv: z.literal('Ed25519'),
  kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  kty: z.literal('OKP'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

/** What a tenant may use. `slices` are MIG memory slices held at once. */
export const tenantTermsSchema = z.strictObject({
  /** Declared capabilities must be in this list; `env:*` allows every environment name. */
  capabilities: z.array(z.string().max(80)).max(64),
  /** Jobs holding slots at once. */
  jobsMax: z.number().int().min(0).max(100_000),
  /** Jobs waiting at once: attesting, queued, reserving, backoff. */
  queuedMax: z.number().int().min(0).max(1_000_000),
  slicesMax: z.number().int().min(0).max(1_000_000),
  /** True: JSON requests with a bearer token are accepted, unsigned. */
  unsigned: z.boolean(),
  /** Share under round robin, relative to other tenants. */
  weight: z.number().int().min(1).max(1_000),
});
export type TenantTerms = z.infer<typeof tenantTermsSchema>;

export const facts = {
  'job.submitted': z.strictObject({
    deadlineMs,
    idempotencyKey: z.string().max(128).nullable(),
    jobDigest: digestSchema,
    jti: z.string().max(128).nullable(),
    kid: z.string().max(64).nullable(),
    lossesMax: count,
    /** The signed request itself, so that verification can be repeated; null when unsigned. */
    request: z.string().max(65_536).nullable(),
    spec: jobSpecSchema,
    tenant: name,
    via: z.enum(['http', 'nats']),
  }),
  'job.attested': z.strictObject({
    affirms: z.boolean(),
    /** Function imports of the module, `module.name`, sorted. */
    imports: z.array(z.string().max(512)).max(1_000),
    /** Signed report, compact JWS. */
    report: z.string().max(65_536),
  }),
  'job.rejected': z.strictObject({ cause: causeSchema, report: z.string().max(65_536).nullable() }),
  'job.queued': z.strictObject({
    after: z.enum(['attested', 'evicted', 'late', 'lost', 'backoff']),
    deadlineMs,
  }),
  'job.selected': z.strictObject({ policy: text }),
  'job.unplaced': z.strictObject({ code: errorCode }),
  'job.reserved': z.strictObject({ deadlineMs, placement: text, slots: z.array(slotSchema).min(1).max(8) }),
  'job.started': z.strictObject({ deadlineMs, fence: seq, isolation: text, runner: text }),
  'job.exited': z.strictObject({ exitCode: z.number().int(), fence: seq, result: resultSchema }),
  'job.crashed': z.strictObject({ code: errorCode, fence: seq, message }),
  'job.stopped': z.strictObject({ fence: seq, how: z.enum(['killed', 'exited', 'crashed']) }),
  'job.lost': z.strictObject({ fence: seq, message }),
  'job.overdue': z.strictObject({ deadlineMs, setBy: seq, what: z.enum(['start', 'run']) }),
  'job.cancelRequested': z.strictObject({ by: text, deadlineMs }),
  'job.evicted': z.strictObject({ deadlineMs, reason: z.enum(['shutdown', 'drain']) }),
  'job.released': z.strictObject({ fence: seq, slots: z.array(slotSchema) }),
  'job.retryScheduled': z.strictObject({ deadlineMs, failures: count }),
  'job.succeeded': z.strictObject({ result: resultSchema }),
  'job.failed': z.strictObject({ cause: causeSchema }),
  'job.timedOut': z.strictObject({ cause: causeSchema }),
  'job.expired': z.strictObject({ cause: causeSchema, setBy: seq }),
  'job.cancelled': z.strictObject({ by: text, cause: causeSchema }),

  'tenant.added': z.strictObject({ terms: tenantTermsSchema }),
  'tenant.changed': z.strictObject({ terms: tenantTermsSchema }),
  'tenant.keyAdded': z.strictObject({ key: publicKeySchema }),
  'tenant.keyRevoked': z.strictObject({ kid: z.string().max(64), reason: text }),

  'slot.added': z.strictObject({ board: text, enforcement: z.enum(['simulated', 'advisory', 'enforced']) }),
  'slot.drained': z.strictObject({ reason: text }),
  'slot.restored': z.strictObject({ reason: text }),

  'controller.recovered': z.strictObject({
    bytes: count.exactOptional(),
    epoch: seq,
    /** By which folds `stateHash` was computed; others may give another hash of the same facts. Since schema 2. */
    folds: text.exactOptional(),
    fromSeq: seq.exactOptional(),
    /** Message ids readable in the cut bytes: facts that someone may have been told about. */
    lostIds: count.exactOptional(),
    ofSeq: count,
    stateHash: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  'controller.configured': z.strictObject({
    attestMs: deadlineMs,
    lossesMax: count,
    /** Versions of the machines that judge the facts of this life; see `machines/versions.ts`. Since schema 2. */
    machines: z.strictObject({ controller: text, job: text, run: text, slot: text }).exactOptional(),
    placement: text,
    policy: text,
    queuedMax: count,
    /** Ended jobs that the folds keep; older ones are in the log alone. Since schema 2; without it all are kept. */
    retainedMax: count.exactOptional(),
    runners: count,
    stopMs: deadlineMs,
    version: text,
  }),
  /**
   * A checkpoint of all folds was taken after `ofSeq`, always the seq before this fact's own. `sha256` is the digest
   * of its file, `stateHash` that of host and actors. Since schema 2.
   */
  'controller.checkpointed': z.strictObject({
    folds: text.exactOptional(),
    ofSeq: seq,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    stateHash: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  /** An operator knows what the cut tail lost and wants service all the same. */
  'controller.tailAccepted': z.strictObject({ fromSeq: seq }),
  'controller.draining': z.strictObject({ deadlineMs, mode: z.enum(['finish', 'requeue']) }),
  'controller.stopped': z.strictObject({ running: count }),

  'intake.refused': z.strictObject({ code: errorCode, count, fromMs: count, toMs: count }),
} as const;

export type FactType = keyof typeof facts;
export type FactData<T extends FactType> = z.infer<(typeof facts)[T]>;
/** Facts of a job's own stream. */
export type JobFactType = Extract<FactType, `job.${string}`>;

export const jobFactTypes = Object.keys(facts).filter((type): type is JobFactType => type.startsWith('job.'));

/** Version of the schemas above; rises when a fact gains a member, never changes a meaning. */
export const factSchemaVersion = 2;

/**
 * Checks `data` against the schema of `type` and brings it into canonical form.
 * Throws an Error that names fact, member and fault: only our own code builds facts, so that is a bug.
 */
export function checkedData<T extends FactType>(type: T, data: unknown): FactData<T> {
  const parsed = facts[type].safeParse(data);
  if (parsed.success) return parsed.data as FactData<T>;
  const [issue] = parsed.error.issues;
  throw new Error(`${type}: ${issue?.path.join('.') || 'data'}: ${issue?.message}`);
}

/** Is this a fact that this version knows? */
export const isFactType = (type: string): type is FactType => Object.hasOwn(facts, type);
