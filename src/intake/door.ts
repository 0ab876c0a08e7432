/**
 * The door: the one admission path, behind HTTP and NATS alike.
 *
 * Why one: two doors with two sets of checks become one weak door. Who comes in, by which way ever, passes
 * identity, signature, sizes, schema, presence of blobs and the queue bound here, and gets the same answer.
 * What the door refuses is no job: it consumes no key and no token, and is counted as `intake.refused`.
 * Test: `test/intake/door.test.ts`.
 */

import { hexOf } from '../attestation/attestor.ts';
import { claimedIssuer, isDenied, verifyToken } from '../attestation/request.ts';
import type { Clock, Ids } from '../clock.ts';
import type { Controller } from '../controller.ts';
import { BerthError, type ErrorCode, type FieldError } from '../errors.ts';
import type { Sha256 } from '../events/record.ts';
import type { JobSpec } from '../events/spec.ts';
import type { Outcome } from '../jobs/commands.ts';
import { decideRepeat } from '../jobs/decide.ts';
import { explain } from '../scheduler/explain.ts';
import { couldEverFit, place } from '../slots/placement.ts';
import { keyAt, type Tenant } from '../tenants/tenants.ts';
import { jobView } from '../views/job-view.ts';
import { type Answer, problem } from './answer.ts';
import { RateLimit } from './rate.ts';
import {
  adminName,
  type Checked,
  type Identity,
  isRefused,
  readSubmission,
  type Submission,
} from './submission.ts';

const cachedTokensMax = 10_000;

export interface DoorParts {
  /** The present life; null while one ends and the next recovers. */
  readonly life: () => Controller | null;
  /** The admin's public key, registered nowhere in the log. */
  readonly admin: Tenant;
  readonly blobs: { has(tenant: string, sha256: string): Promise<boolean> };
  readonly clock: Clock;
  readonly ids: Ids;
  readonly sha256: Sha256;
  /** Jobs a tenant may send in the long run, a second. */
  readonly submitsPerSecondMax: number;
}

export class Door {
  readonly #parts: DoorParts;
  readonly #tokens = new Map<
    string,
    { readonly identity: Identity; readonly kid: string; readonly expMs: number }
  >();
  /** With which key each identity was proved; goes with the identity. */
  readonly #keys = new WeakMap<Identity, string>();
  readonly #refusals = new Map<string, { tenant: string; code: ErrorCode; count: number; fromMs: number }>();
  #refusalsArmed = false;
  readonly #rate: RateLimit;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#rate = new RateLimit(parts.submitsPerSecondMax);
  }

  /** Who holds this bearer token, or the problem with it. */
  async authenticate(authorization: string | undefined): Promise<Identity | Answer> {
    const token = /^Bearer ([A-Za-z0-9_.-]+)$/.exec(authorization ?? '')?.[1];
    if (!token)
      return problem('ERR_UNAUTHENTICATED', 'send Authorization: Bearer TOKEN, signed with the tenant key');
    const nowMs = this.#parts.clock.wallMs();
    const cached = this.#tokens.get(token);
    const issuer = cached ? cached.identity.tenant : claimedIssuer(token);
    const tenant = issuer === null ? undefined : this.#tenant(issuer);
    const seq = this.#parts.life()?.log.head ?? 0;
    if (!tenant) return this.#unauthenticated('the token is not signed by a registered key');
    // A cached token still has to be in time, and its key must not have been revoked meanwhile.
    if (cached && cached.expMs > nowMs && keyAt(tenant, cached.kid, seq)) return cached.identity;
    const verified = await verifyToken(token, tenant, { seq, nowMs });
    if (isDenied(verified)) return this.#unauthenticated(verified.reason);
    const identity = { tenant: tenant.name, admin: tenant.name === adminName };
    if (this.#tokens.size >= cachedTokensMax) this.#tokens.clear();
    this.#tokens.set(token, { identity, ...verified });
    this.#keys.set(identity, verified.kid);
    return identity;
  }

  /**
   * Is the key that proved this identity still good? For whoever goes on longer than a token lives: a token
   * says who opened a stream and may expire under it, but a key that was revoked must open nothing any more.
   * @param identity  as `authenticate` gave it; any other object is trusted by nobody here
   */
  stillTrusted(identity: Identity): boolean {
    const kid = this.#keys.get(identity);
    const tenant = this.#tenant(identity.tenant);
    return Boolean(kid && tenant && keyAt(tenant, kid, this.#parts.life()?.log.head ?? 0));
  }

  /** Takes a job in: 202 when `submitted` is durable, the same answer for the same key, or a problem. */
  async submit(submission: Submission): Promise<Answer> {
    const life = this.#parts.life();
    const closed = life
      ? life.gate.closed
      : { code: 'ERR_READ_ONLY' as const, reason: 'the controller is recovering' };
    if (!life || closed) return problem(closed?.code ?? 'ERR_READ_ONLY', closed?.reason ?? '');
    const checked = await this.#check(submission, life);
    if ('status' in checked) return checked;
    // After the signature, not before: a forger must not be able to spend a tenant's rate.
    if (!this.#rate.admits(checked.tenant, this.#parts.clock.monotonicMs())) {
      return this.#refuse(
        checked.tenant,
        'ERR_RATE',
        `more than ${this.#parts.submitsPerSecondMax} jobs a second`,
      );
    }
    const repeat = decideRepeat(life.state, checked);
    if (!repeat) {
      const missing = await this.#missingBlobs(checked.tenant, checked.spec);
      if (missing.length > 0) {
        return this.#refuse(
          checked.tenant,
          'ERR_BLOB_MISSING',
          missing.map(({ message }) => message).join('; '),
          missing,
        );
      }
    }
    const outcome = await life.ask({ kind: 'SubmitJob', id: this.#parts.ids.jobId(), ...checked }, 'intake');
    if ('refused' in outcome) return this.#refuse(checked.tenant, outcome.refused, outcome.reason);
    return this.#accepted(life, outcome);
  }

  /** Would this job be admitted, could it ever fit, does it fit now? Writes nothing. */
  async validate(submission: Submission): Promise<Answer> {
    const life = this.#parts.life();
    if (!life) return problem('ERR_READ_ONLY', 'the controller is recovering');
    const checked = await this.#check(submission, life);
    if ('status' in checked) return checked;
    const missing = await this.#missingBlobs(checked.tenant, checked.spec);
    if (missing.length > 0)
      return problem('ERR_BLOB_MISSING', missing.map(({ message }) => message).join('; '), missing);
    const shape = { profile: checked.spec.slot, gpus: checked.spec.gpus };
    const everFits = couldEverFit(life.views.state.fleet, shape);
    const fitsNow = place(life.views.state.fleet, shape) !== null;
    return {
      status: 200,
      body: { admitted: life.gate.closed === null, everFits, fitsNow, spec: checked.spec },
    };
  }

  /** Asks for the end of a job: 202, 404 when it is not yours, 409 when it has ended. */
  async cancel(id: string, identity: Identity): Promise<Answer> {
    const life = this.#parts.life();
    if (!life || life.gate.state === 'readOnly') return problem('ERR_READ_ONLY', 'the log cannot be written');
    const tenant = identity.admin ? null : identity.tenant;
    const outcome = await life.ask({ kind: 'CancelJob', id, tenant, by: identity.tenant }, 'jobs');
    if ('refused' in outcome) return problem(outcome.refused, outcome.reason);
    return this.#accepted(life, outcome);
  }

  /** One job's view, or 404, the same for unknown and for foreign ids. */
  job(id: string, identity: Identity): Answer {
    const found = this.#parts.life()?.views.job(id);
    if (!found || !mayRead(identity, found.job.context.tenant))
      return problem('ERR_NOT_FOUND', `no job ${id}`);
    const view = jobView(found.job, found.trail);
    return { status: 200, body: view, headers: { etag: `"${view.version}"` } };
  }

  /** Why a job waits: every reason that holds. */
  explain(id: string, identity: Identity): Answer {
    const life = this.#parts.life();
    const found = life?.views.job(id);
    if (!life || !found || !mayRead(identity, found.job.context.tenant))
      return problem('ERR_NOT_FOUND', `no job ${id}`);
    return {
      status: 200,
      body: {
        id,
        ...explain(life.views.scheduler.sight, found.job, life.gate.state !== 'readOnly'),
        asOfSeq: life.views.seq,
      },
    };
  }

  async #check(submission: Submission, life: Controller): Promise<Checked | Answer> {
    const { clock, sha256 } = this.#parts;
    const asOf = { seq: life.log.head, nowMs: clock.wallMs() };
    const read = await readSubmission(submission, { tenant: (name) => this.#tenant(name), asOf, sha256 });
    return isRefused(read) ? this.#refuse(read.tenant, read.code, read.reason, read.fields) : read;
  }

  async #missingBlobs(tenant: string, spec: JobSpec): Promise<FieldError[]> {
    const missing: FieldError[] = [];
    for (const member of ['module', 'model', 'input'] as const) {
      const digest = spec[member];
      if (digest && !(await this.#parts.blobs.has(tenant, hexOf(digest)))) {
        missing.push({ field: `job.${member}`, message: `no blob ${digest} of yours is here` });
      }
    }
    return missing;
  }

  #accepted(life: Controller, outcome: Exclude<Outcome, { refused: ErrorCode }>): Answer {
    const id = 'same' in outcome ? outcome.same : (outcome.id ?? '');
    const found = life.views.job(id);
    if (!found && 'seq' in outcome && life.views.seq < outcome.seq)
      throw new BerthError('ERR_INTERNAL', `job ${id} is not in the views`);
    // Answers wait for the disk; where little is retained, a short job may be history by then.
    if (!found) return problem('ERR_JOB_ENDED', `job ${id} has ended; its facts are in the log alone`);
    const view = jobView(found.job, found.trail);
    return { status: 202, body: view, headers: { location: `/v1/jobs/${id}`, etag: `"${view.version}"` } };
  }

  #tenant(name: string): Tenant | undefined {
    return name === adminName ? this.#parts.admin : this.#parts.life()?.views.state.tenants.get(name);
  }

  #unauthenticated(reason: string): Answer {
    return this.#refuse(null, 'ERR_UNAUTHENTICATED', reason);
  }

  /** The problem, counted. */
  #refuse(
    tenant: string | null,
    code: ErrorCode,
    reason: string,
    fields: readonly FieldError[] = [],
  ): Answer {
    this.countRefused(tenant, code);
    return problem(code, reason, fields);
  }

  /**
   * Counts a job request that was refused, here or by a way in before it asked the door (too large, too slow).
   * Counts become at most one fact a second for each tenant and code; null: nobody known sent it.
   */
  countRefused(tenant: string | null, code: ErrorCode): void {
    const name = tenant ?? 'unknown';
    const key = `${name} ${code}`;
    const known = this.#refusals.get(key);
    if (known) known.count += 1;
    else this.#refusals.set(key, { tenant: name, code, count: 1, fromMs: this.#parts.clock.wallMs() });
    if (!this.#refusalsArmed) {
      this.#refusalsArmed = true;
      this.#parts.clock.after(1_000, () => this.#noteRefusals());
    }
  }

  #noteRefusals(): void {
    this.#refusalsArmed = false;
    const refusals = [...this.#refusals.values()];
    this.#refusals.clear();
    const toMs = this.#parts.clock.wallMs();
    for (const { tenant, code, count, fromMs } of refusals) {
      const data = { code, count, fromMs, toMs: Math.max(fromMs, toMs) };
      // Lost with the life when the log is failing: a count of refusals is not worth a second failure.
      void this.#parts
        .life()
        ?.ask({ kind: 'Note', type: 'intake.refused', stream: `intake.${tenant}`, data }, 'intake')
        .catch(() => undefined);
    }
  }
}

/** May this identity read what belongs to `tenant`? */
export const mayRead = (identity: Identity, tenant: string): boolean =>
  identity.admin || identity.tenant === tenant;
