/**
 * The executor: makes the outside world agree with the log. A job in `starting` gets a guest, a job in
 * `stopping` loses it, and what became of the guest is reported with the attempt's fence.
 *
 * Why it reads to `durable` and not to `head`: a started guest can't be unstarted. Had it acted on a fact
 * that a crash then dropped, a guest would run that the log knows nothing of.
 *
 * Why it looks at the head as well: between the fact and the act the job may have been cancelled. Two
 * checks before each start: the fact is durable, and the job at head is still in that state, with that fence.
 *
 * What it has to do is a fold (`machines/run.ts`); what is under way is local and dies with the process,
 * as the guests do. After a restart every attempt that was under way is therefore reported lost.
 * Test: `test/executor/executor.test.ts`.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import type { JobFact, JobState } from '../../machines/job.ts';
import { newRun, type RunContext, type RunState, runMachine } from '../../machines/run.ts';
import { hexOf, type OnTrouble, type VerifiedBlobs } from '../attestation/attestor.ts';
import type { Clock } from '../clock.ts';
import type { BerthError } from '../errors.ts';
import type { Actor } from '../jobs/actor.ts';
import type { Command, GoneReport, Outcome } from '../jobs/commands.ts';
import { refill } from '../jobs/retention.ts';
import type { Change, Job, State } from '../jobs/state.ts';
import type { Backend, Run, RunOutcome } from './backend.ts';
import { ModuleCache } from './module-cache.ts';

const runTable = compileTable<RunState, RunContext, JobFact>(runMachine as never);

/** Where results go; durable before it resolves. */
export interface ResultStore extends VerifiedBlobs {
  putBytes(tenant: string, bytes: Uint8Array): Promise<{ readonly sha256: string; readonly bytes: number }>;
}

/** Between two tries to hand a job to a busy backend, ms. */
const busyRetryMs = 20;
/** Module bytes kept in memory. */
const moduleCacheBytesMax = 128 * 1024 * 1024;
/** Between two tries to store a result on a disk that fails, ms. */
const storeRetryMs = 1_000;
/** Finished attempts whose logs are kept in memory. */
const logsMax = 1_000;

/** An attempt that this process has begun: from reading its blobs to its accepted report. */
interface Attempt {
  readonly fence: number;
  run: Run | null;
  /** The guest must die; it may not even have started. */
  unwanted: boolean;
  offDeadline: (() => void) | null;
  /** The guest is gone; its result is on its way to the disk. */
  storing: boolean;
}

/** What a job names by digest, as bytes. */
interface Blobs {
  readonly module: Uint8Array;
  readonly input: Uint8Array;
  readonly model: Uint8Array | null;
}

type Report =
  | { readonly kind: 'started'; readonly id: string; readonly fence: number; readonly runner: string }
  | { readonly kind: 'gone'; readonly id: string; readonly fence: number; readonly report: GoneReport };

export class Executor implements Actor {
  readonly name = 'executor';
  readonly reads = 'durable';
  #backend: Backend | null = null;
  readonly #blobs: ResultStore;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #head: State;
  /** The fold: the live attempt of each job that has one. */
  readonly #runs = new Map<string, Folded<RunState, RunContext>>();
  readonly #attempts = new Map<number, Attempt>();
  /** In the order in which things happened; the head is sent until it is answered. */
  readonly #reports: Report[] = [];
  readonly #logs = new Map<string, () => string>();
  readonly #killWaitMs: number;
  readonly #onTrouble: OnTrouble;
  readonly #modules: ModuleCache;
  #running = false;

  constructor(parts: {
    blobs: ResultStore;
    clock: Clock;
    wake: () => void;
    /** The writer's state at head: read only, before each outside effect. */
    head: State;
    /** How long after a kill the guest is surely dead although nobody saw it: lease and grace. */
    killWaitMs: number;
    /** Told once an attempt when the disk, not the job, is at fault. */
    onTrouble?: OnTrouble;
  }) {
    this.#blobs = parts.blobs;
    this.#clock = parts.clock;
    this.#wake = parts.wake;
    this.#head = parts.head;
    this.#killWaitMs = parts.killWaitMs;
    this.#onTrouble = parts.onTrouble ?? (() => undefined);
    this.#modules = new ModuleCache({
      bytesMax: moduleCacheBytesMax,
      read: (tenant, sha256) => parts.blobs.read(tenant, sha256),
    });
  }

  fold({ record, after }: Change): void {
    if (!after) return;
    const { id } = after.context;
    const known = this.#runs.get(id) ?? { state: runTable.initial, context: newRun };
    const next = runTable.step(known, {
      type: record.type,
      seq: record.seq,
      at: record.at,
      data: record.data,
    } as JobFact);
    if (!next) return;
    if (next.state !== 'gone') {
      this.#runs.set(id, next);
      return;
    }
    // Only now is the attempt forgotten: until its end is durable it is still on the to-do list, and must not begin anew.
    this.#runs.delete(id);
    this.#attempts.get(next.context.fence)?.offDeadline?.();
    this.#attempts.delete(next.context.fence);
  }

  /**
   * Takes up the work after recovery. Every guest of a former life is dead by now, so each attempt that the
   * log still shows as under way is lost.
   */
  start(backend: Backend): void {
    this.#backend = backend;
    this.#running = true;
    for (const [id, { context }] of this.#runs) {
      // Begun and over, as far as this process goes: an attempt of a former life is never started again.
      this.#attempts.set(context.fence, {
        fence: context.fence,
        run: null,
        unwanted: true,
        offDeadline: null,
        storing: false,
      });
      this.#gone(id, context.fence, { how: 'lost', message: 'the controller was restarted' });
    }
  }

  /** No more effects. What runs is killed by stopping the backend. */
  stop(): void {
    this.#running = false;
    for (const attempt of this.#attempts.values()) attempt.offDeadline?.();
  }

  act(): void {
    if (!this.#running) return;
    for (const [id, { state, context }] of this.#runs) {
      const attempt = this.#attempts.get(context.fence);
      if (state === 'starting' && !attempt && this.#stillWanted(id, context.fence))
        this.#begin(id, context.fence);
      if (state === 'stopping' && !attempt?.unwanted) this.#end(id, context.fence);
    }
  }

  decide(): Command | null {
    const [report] = this.#reports;
    if (!report) return null;
    const { id, fence } = report;
    if (report.kind === 'gone') return { kind: 'ReportGone', id, fence, report: report.report };
    return {
      kind: 'ReportStarted',
      id,
      fence,
      runner: report.runner,
      isolation: this.#backend?.probe().isolation ?? 'none',
    };
  }

  answered(_command: Command, _outcome: Outcome): void {
    // Accepted, or refused because the job moved on: either way this report is done.
    this.#reports.shift();
  }

  snapshot(): unknown {
    return this.#runs;
  }

  restore(saved: unknown): void {
    refill(this.#runs, saved as Map<string, Folded<RunState, RunContext>>);
  }

  /** The last 64 KiB of the guest's stderr, while this process remembers the job. */
  logsOf(id: string): string | null {
    return this.#logs.get(id)?.() ?? null;
  }

  /** Kills the process under this job, as an accident would. False: none runs it. For demos, see `../demo-signing.ts`. */
  strike(id: string): boolean {
    const run = this.#runs.get(id);
    return run !== undefined && (this.#backend?.strike?.(run.context.fence) ?? false);
  }

  #stillWanted(id: string, fence: number, state: JobState = 'starting'): boolean {
    const job = this.#head.jobs.get(id);
    return job?.state === state && job.context.fence === fence;
  }

  #begin(id: string, fence: number): void {
    const job = this.#head.jobs.get(id);
    if (!job) return;
    const attempt: Attempt = { fence, run: null, unwanted: false, offDeadline: null, storing: false };
    this.#attempts.set(fence, attempt);
    void this.#load(job)
      .then((load) => this.#launch(id, attempt, job, load))
      .catch((error: unknown) => {
        const message = `its blobs can't be read: ${(error as Error).message}`.slice(0, 500);
        this.#gone(id, fence, { how: 'lost', message });
      });
  }

  async #load({ context: { tenant, spec } }: Job): Promise<Blobs> {
    const read = (digest: string | undefined) => (digest ? this.#blobs.read(tenant, hexOf(digest)) : null);
    const [module, input, model] = await Promise.all([
      spec ? this.#modules.get(tenant, hexOf(spec.module)) : null,
      read(spec?.input),
      read(spec?.model),
    ]);
    return { module: module ?? new Uint8Array(), input: input ?? new Uint8Array(), model };
  }

  #launch(id: string, attempt: Attempt, job: Job, load: Blobs): void {
    const { fence } = attempt;
    const { tenant, spec, attempt: count } = job.context;
    if (!this.#running || attempt.unwanted || !spec) return;
    if (!this.#stillWanted(id, fence)) {
      // Cancelled or late meanwhile: the fact that says so reaches `act`, which ends the attempt.
      attempt.unwanted = false;
      return;
    }
    const run = this.#backend?.run({
      fence,
      tenant,
      seed: id,
      moduleSha256: hexOf(spec.module),
      ...load,
      args: spec.args,
      env: { ...spec.env, BERTH_ATTEMPT: String(count) },
      capabilities: spec.capabilities,
      memoryMiBMax: spec.limits.memoryMiB,
      outputBytesMax: spec.limits.outputBytes,
    });
    if (!run) {
      attempt.offDeadline = this.#clock.after(busyRetryMs, () => this.#launch(id, attempt, job, load));
      return;
    }
    attempt.run = run;
    this.#rememberLogs(id, run);
    void run.started.then(({ runner }) => this.#report({ kind: 'started', id, fence, runner }));
    void run.ended.then((outcome) => this.#settle(id, tenant, attempt, outcome));
  }

  async #settle(id: string, tenant: string, attempt: Attempt, outcome: RunOutcome): Promise<void> {
    attempt.offDeadline?.();
    if (outcome.how !== 'exited') {
      this.#gone(id, attempt.fence, outcome);
      return;
    }
    const { exitCode, stdout } = outcome;
    await this.#store(id, tenant, attempt, { exitCode, stdout });
  }

  /** The result is durable before the fact that names it. */
  async #store(
    id: string,
    tenant: string,
    attempt: Attempt,
    ended: { readonly exitCode: number; readonly stdout: Uint8Array },
  ): Promise<void> {
    const isFirstTry = !attempt.storing;
    attempt.storing = true;
    try {
      const result = await this.#blobs.putBytes(tenant, ended.stdout);
      this.#gone(id, attempt.fence, { how: 'exited', exitCode: ended.exitCode, result });
    } catch (error) {
      const { code, message } = error as BerthError;
      if (code === 'ERR_BLOB_QUOTA' || code === 'ERR_TOO_LARGE') {
        // Running it again would give the same result, and no more room for it.
        this.#gone(id, attempt.fence, { how: 'crashed', code, message });
      } else if (attempt.unwanted) {
        // Told to stop when it had exited already. Its result is nobody's any more; that it is gone must still be said.
        this.#gone(id, attempt.fence, { how: 'killed' });
      } else if (this.#running) {
        if (isFirstTry) this.#onTrouble('a result can not be stored yet', { job: id, error: message });
        // The disk is at fault, not the job: what was computed is kept until it can be stored, or is not wanted any more.
        attempt.offDeadline = this.#clock.after(
          storeRetryMs,
          () => void this.#store(id, tenant, attempt, ended),
        );
      }
    }
  }

  #end(id: string, fence: number): void {
    const attempt = this.#attempts.get(fence) ?? {
      fence,
      run: null,
      unwanted: true,
      offDeadline: null,
      storing: false,
    };
    this.#attempts.set(fence, attempt);
    attempt.unwanted = true;
    attempt.offDeadline?.();
    if (!attempt.run || attempt.storing) {
      this.#gone(id, fence, { how: 'killed' });
      return;
    }
    attempt.run.kill();
    // A process that SIGKILL does not end is stuck in the kernel. When its lease is over it is dead to us.
    attempt.offDeadline = this.#clock.after(this.#killWaitMs, () =>
      this.#gone(id, fence, { how: 'lost', message: 'killed, but not seen to end' }),
    );
  }

  #gone(id: string, fence: number, report: GoneReport): void {
    if (this.#reports.some((known) => known.kind === 'gone' && known.fence === fence)) return;
    this.#report({ kind: 'gone', id, fence, report });
  }

  #report(report: Report): void {
    this.#reports.push(report);
    this.#wake();
  }

  #rememberLogs(id: string, run: Run): void {
    this.#logs.delete(id);
    this.#logs.set(id, () => run.logs());
    for (const oldest of this.#logs.keys()) {
      if (this.#logs.size <= logsMax) break;
      this.#logs.delete(oldest);
    }
  }
}
