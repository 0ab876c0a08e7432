/**
 * The attestor: decides whether a job may run at all, and signs what it found.
 *
 * Why before queueing: a job that can't run should say so in milliseconds, not after an hour in the
 * queue, and no byte of a stranger's module is compiled before its imports were compared with what the
 * job declared and what the tenant may use.
 *
 * Checks, in this order: signature (as of the log position of `submitted`), digests of module, model
 * and input, module form, imports ⊆ declared ⊆ tenant policy, and whether the fleet could ever hold it.
 * The report is a JWS by the controller's key. Hardware evidence is simulated, and the report says so.
 * Test: `test/attestation/attestor.test.ts`.
 */
import { type Cause, causeOf, type ErrorCode } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import type { JobSpec } from '../events/spec.ts';
import type { Actor } from '../jobs/actor.ts';
import type { Command } from '../jobs/commands.ts';
import { refill } from '../jobs/retention.ts';
import { type Change, slotMove } from '../jobs/state.ts';
import { type Fleet, foldSlotFact, foldSlotMove } from '../slots/fleet.ts';
import { couldEverFit, sizeIn } from '../slots/placement.ts';
import { allows, foldTenantFact, type Tenant, type Tenants } from '../tenants/tenants.ts';
import { isDenied, verifyRequest } from './request.ts';
import { pageBytes, parseModule, undeclaredImports, type WasmModule } from './wasm-module.ts';

/** What the attestor reads blobs from. Rejects when the bytes are gone or no longer hash to their name. */
export interface VerifiedBlobs {
  read(tenant: string, sha256: string): Promise<Uint8Array>;
  /** Streams the blob and compares its digest; resolves to false when it differs or is gone. */
  verify(tenant: string, sha256: string): Promise<boolean>;
}

/** Signs a report: payload in, compact JWS out. */
export type SignReport = (claims: Record<string, unknown>) => Promise<string>;

/** Told of trouble that is no fact and no job's fault, so that an operator can see it. */
export type OnTrouble = (message: string, fields: Record<string, unknown>) => void;

/** Verifications under way at once: enough to keep the thread pool busy, few enough to bound memory. */
const underWayMax = 16;
/** Parsed modules remembered, by digest. */
const modulesMax = 512;
/** Names of blobs remembered as sound. */
const soundMax = 10_000;

interface Task {
  readonly visit: number;
  readonly atMs: number;
  readonly tenant: string;
  readonly spec: JobSpec;
  readonly request: string | null;
}

type Finding =
  | { readonly report: FactData<'job.attested'> }
  | { readonly cause: Cause; readonly report: string };

export class Attestor implements Actor {
  readonly name = 'attestor';
  readonly reads = 'head';
  readonly #blobs: VerifiedBlobs;
  readonly #sign: SignReport;
  readonly #wake: () => void;
  readonly #tenants: Tenants = new Map();
  readonly #fleet: Fleet = new Map();
  readonly #todo = new Map<string, Task>();
  /** Local: what is being verified and what was found. A restart verifies again. */
  readonly #underWay = new Set<string>();
  readonly #findings = new Map<string, { readonly visit: number; readonly finding: Finding }>();
  readonly #modules = new Map<string, WasmModule | string>();
  /** Blobs seen sound in this life. What the disk spoils later is noticed when the runner's bytes are read. */
  readonly #sound = new Set<string>();
  #running = false;

  /** Jobs whose verification failed for no fault of theirs, and was told of. */
  readonly #troubled = new Set<string>();
  readonly #onTrouble: OnTrouble;

  /** @param parts.onTrouble  told once a job when the store, not the job, is at fault */
  constructor(parts: { blobs: VerifiedBlobs; sign: SignReport; wake: () => void; onTrouble?: OnTrouble }) {
    this.#onTrouble = parts.onTrouble ?? (() => undefined);
    this.#blobs = parts.blobs;
    this.#sign = parts.sign;
    this.#wake = parts.wake;
  }

  fold({ record, before, after }: Change): void {
    if (record.type.startsWith('tenant.')) foldTenantFact(this.#tenants, record);
    else if (record.type.startsWith('slot.')) foldSlotFact(this.#fleet, record);
    if (!after) return;
    const move = slotMove(before, after);
    if (move) foldSlotMove(this.#fleet, move);
    const { id, visit, tenant, spec, affirmed } = after.context;
    if (after.state === 'attesting' && !affirmed && spec) {
      if (before) return;
      const { request } = record.data as FactData<'job.submitted'>;
      this.#todo.set(id, { visit, atMs: record.at, tenant, spec, request });
    } else if (this.#todo.delete(id)) {
      this.#findings.delete(id);
      this.#troubled.delete(id);
    }
  }

  start(): void {
    this.#running = true;
  }

  stop(): void {
    this.#running = false;
  }

  decide(): Command | null {
    if (!this.#running) return null;
    this.#beginMore();
    for (const [id, { visit, finding }] of this.#findings) {
      this.#findings.delete(id);
      if (this.#todo.get(id)?.visit !== visit) continue;
      if ('cause' in finding) return { kind: 'RejectJob', id, visit, ...finding };
      return { kind: 'AttestJob', id, visit, report: finding.report };
    }
    return null;
  }

  /** A finding is said once: refused, its job has moved on, and the next finding waits. */
  answered(): void {}

  snapshot(): { fleet: Fleet; tenants: Tenants; todo: Map<string, Task> } {
    return { fleet: this.#fleet, tenants: this.#tenants, todo: this.#todo };
  }

  restore(saved: unknown): void {
    const { fleet, tenants, todo } = saved as ReturnType<Attestor['snapshot']>;
    refill(this.#fleet, fleet);
    refill(this.#tenants, tenants);
    refill(this.#todo, todo);
  }

  #beginMore(): void {
    if (this.#underWay.size >= underWayMax || this.#underWay.size === this.#todo.size) return;
    for (const [id, task] of this.#todo) {
      if (this.#underWay.size >= underWayMax) return;
      if (this.#underWay.has(id) || this.#findings.has(id)) continue;
      this.#underWay.add(id);
      void this.#verify(id, task)
        .then((finding) => {
          this.#findings.set(id, { visit: task.visit, finding });
          this.#underWay.delete(id);
          this.#wake();
        })
        // Nothing found means nothing said: the job stays on the list, and its deadline bounds the wait. It is tried
        // again when something else happens or at the next sweep; to wake at once would spin on a broken disk.
        .catch((error: unknown) => {
          this.#underWay.delete(id);
          if (!this.#todo.has(id) || this.#troubled.has(id)) return;
          this.#troubled.add(id);
          this.#onTrouble('a job could not be verified yet', { job: id, error: (error as Error).message });
        });
    }
  }

  async #verify(id: string, task: Task): Promise<Finding> {
    const tenant = this.#tenants.get(task.tenant);
    const found = tenant
      ? await this.#examine(task, tenant)
      : causeOf('ERR_SIGNATURE', 'the tenant is unknown');
    const imports = 'imports' in found ? found.imports : [];
    const affirms = 'imports' in found;
    const report = await this.#sign({
      sub: id,
      tenant: task.tenant,
      log_seq: task.visit,
      verdict: affirms ? 'affirming' : 'contraindicated',
      ...('code' in found ? { code: found.code } : {}),
      module: task.spec.module,
      model: task.spec.model ?? null,
      input: task.spec.input ?? null,
      imports,
      declared: task.spec.capabilities,
      permitted: tenant?.terms.capabilities ?? [],
      hardware: 'simulated',
    });
    return 'code' in found
      ? { cause: found, report }
      : { report: { affirms, imports: [...imports], report } };
  }

  async #examine(task: Task, tenant: Tenant): Promise<Cause | { readonly imports: readonly string[] }> {
    if (task.request !== null) {
      const verified = await verifyRequest(task.request, tenant, { seq: task.visit, nowMs: task.atMs });
      if (isDenied(verified)) return causeOf(verified.code, verified.reason);
    } else if (!tenant.terms.unsigned) return causeOf('ERR_UNSIGNED');
    const { spec } = task;
    for (const member of ['module', 'model', 'input'] as const) {
      const digest = spec[member];
      if (digest && !(await this.#isSound(task.tenant, hexOf(digest)))) {
        return causeOf('ERR_DIGEST_MISMATCH', `${member} ${digest} is gone or does not hash to its name`);
      }
    }
    const module = await this.#module(task.tenant, hexOf(spec.module));
    if (typeof module === 'string') return causeOf('ERR_MODULE_INVALID', module);
    return this.#judge(module, spec, tenant);
  }

  #judge(module: WasmModule, spec: JobSpec, tenant: Tenant): Cause | { readonly imports: readonly string[] } {
    const fault = formFault(module, spec.limits.memoryMiB);
    if (fault) return causeOf('ERR_MODULE_INVALID', fault);
    const forbidden = spec.capabilities.filter((capability) => !allows(tenant.terms, capability));
    if (forbidden.length > 0)
      return causeOf('ERR_CAPABILITY_DENIED', `not allowed for this tenant: ${forbidden.join(', ')}`);
    const beyond = undeclaredImports(module.imports, spec.capabilities);
    if (beyond.length > 0)
      return causeOf(
        'ERR_CAPABILITY_UNDECLARED',
        beyond.slice(0, 8).map(undeclaredText).join('; ').slice(0, 2_000),
      );
    return (
      this.#fits(spec, tenant) ?? {
        imports: importNames(module),
      }
    );
  }

  #fits(spec: JobSpec, tenant: Tenant): Cause | null {
    const size = sizeIn(this.#fleet, spec.slot);
    if (size === null || !couldEverFit(this.#fleet, { profile: spec.slot, gpus: spec.gpus })) {
      return causeOf('ERR_NEVER_FITS' satisfies ErrorCode, `no ${spec.gpus} × ${spec.slot} in this fleet`);
    }
    const { jobsMax, slicesMax } = tenant.terms;
    if (jobsMax < 1 || size * spec.gpus > slicesMax) {
      return causeOf(
        'ERR_OVER_QUOTA',
        `wants ${size * spec.gpus} slices, the quota is ${slicesMax} slices in ${jobsMax} jobs`,
      );
    }
    return null;
  }

  async #isSound(tenant: string, sha256: string): Promise<boolean> {
    const name = `${tenant} ${sha256}`;
    if (this.#sound.has(name)) return true;
    if (!(await this.#blobs.verify(tenant, sha256))) return false;
    if (this.#sound.size >= soundMax) this.#sound.clear();
    this.#sound.add(name);
    return true;
  }

  async #module(tenant: string, sha256: string): Promise<WasmModule | string> {
    const known = this.#modules.get(sha256);
    if (known !== undefined) return known;
    const parsed = parseModule(await this.#blobs.read(tenant, sha256));
    const { error } = parsed.ok ? { error: null } : parsed;
    const result = parsed.ok
      ? parsed.module
      : `${error?.section} section at byte ${error?.offset}: ${error?.message}`;
    if (this.#modules.size >= modulesMax) this.#modules.clear();
    this.#modules.set(sha256, result);
    return result;
  }
}

/** What is wrong with the module's form, or null. */
function formFault(module: WasmModule, memoryMiB: number): string | null {
  if (!module.exports.some(({ name, kind }) => name === '_start' && kind === 'function'))
    return 'exports no function _start';
  const pagesMax = (memoryMiB * 1024 * 1024) / pageBytes;
  if (module.memories.length > 1) return 'declares more than one memory';
  const [memory] = module.memories;
  if (memory && (memory.shared || memory.memory64)) return 'declares a shared or 64-bit memory';
  if (memory && memory.minPages > pagesMax)
    return `wants ${memory.minPages} pages at once, limits.memoryMiB allows ${pagesMax}`;
  return null;
}

/** Each imported function once: a module may name the same one a thousand times, and a fact has room for its kinds. */
const importNames = ({ imports }: WasmModule): string[] =>
  [...new Set(imports.map(({ module, name }) => `${module}.${name}`))].sort();

function undeclaredText({ module, name, needs }: ReturnType<typeof undeclaredImports>[number]): string {
  return `imports ${module}.${name}, ${needs.length > 0 ? `which needs ${needs.join(' or ')}` : 'which no capability gives'}`;
}

/** `sha256:abc…` → `abc…` */
export const hexOf = (digest: string): string => digest.slice('sha256:'.length);
