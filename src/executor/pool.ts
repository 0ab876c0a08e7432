/**
 * The WASM backend: which runner process serves which job, and when a process is made or ended.
 *
 * Why a pool of processes: a new process per job costs 25 ms of CPU, one process for all would let
 * tenants meet in one memory. So processes are kept and used again, but only ever for one tenant, and
 * a few that no one has used stand ready. Whatever ends badly is thrown away, not mended.
 *
 * At most `runners` are busy; at most `runners + spares` exist (besides those being killed).
 * Test: `test/executor/pool.test.ts`.
 */
import { resolve } from 'node:path';
import { moduleLimits } from '../attestation/wasm-module.ts';
import type { Clock } from '../clock.ts';
import type { Backend, Probe, Run, RunOutcome, RunRequest } from './backend.ts';
import { RunnerChild } from './child.ts';
import { type LaunchPlan, planLaunch, type Tool } from './launch.ts';
import { orderHeaderBytesMax, orderPayloadBytesMax } from './protocol.ts';
import { moduleKey, Ticket } from './ticket.ts';

/** Jobs after which a process is replaced, in case something piles up in it. */
const jobsMax = 1_000;
/** Failed starts in a row before each further one waits: 1 s, 2 s … at most 30 s. */
const failuresMax = 5;
const backoffMsMin = 1_000;
const backoffMsMax = 30_000;

export interface WasmPoolParts {
  /** Guests that may run at once; 0: none, ever. */
  readonly runners: number;
  /** Unused processes that stand ready, at least 1; more of them make a burst of new tenants faster. */
  readonly spares?: number;
  /** Folder for the runners' records and the bundled runner; `killFormerRunners` reads it after a crash. */
  readonly dir: string;
  readonly clock: Clock;
  /** A runner that hears nothing for this long kills itself; shorter frees slots sooner, longer forgives a busy controller. */
  readonly leaseMs: number;
  /** How much longer the pool waits before it kills a silent runner. */
  readonly graceMs: number;
  /** Largest guest memory that any job may ask for, MiB. */
  readonly memoryMiBMax: number;
  /** Told about failed starts and the like, one sentence at a time. */
  readonly logger?: (sentence: string) => void;
  /** Do without these although they are there. */
  readonly without?: readonly Tool[];
}

/**
 * Starts the pool. Resolves when the first runner is ready; rejects when none can be started.
 * With 0 runners no process is ever started: jobs are taken in and wait.
 */
export async function startWasmPool(parts: WasmPoolParts): Promise<Backend> {
  if (parts.runners === 0) return noRunners;
  const dir = resolve(parts.dir);
  const plan = planLaunch({ ...parts, dir, without: parts.without ?? [] });
  const pool = new WasmPool({ ...parts, dir }, plan);
  try {
    await pool.ready;
  } catch (error) {
    await pool.stop();
    throw error;
  }
  return pool;
}

/** What a controller has that only takes jobs in: it prepares nothing, not even a spare, for nothing may run. */
const noRunners: Backend = {
  runners: 0,
  probe: () => ({ name: 'wasm', isolation: 'L0', notes: ['no runner is started here: jobs wait'] }),
  run: () => null,
  stop: () => Promise.resolve(),
};

class WasmPool implements Backend {
  readonly runners: number;
  readonly ready: Promise<void>;
  readonly #parts: WasmPoolParts;
  readonly #plan: LaunchPlan;
  readonly #spares: number;
  readonly #children = new Set<RunnerChild>();
  #waiting: Ticket[] = [];
  #failures = 0;
  #cancelBackoff: (() => void) | null = null;
  #cancelTick: () => void;
  #isLimited: boolean | null = null;
  #isStopping = false;
  #isRefilling = false;
  #onReady!: () => void;
  #onUnable!: (error: Error) => void;
  readonly #onEmpty: (() => void)[] = [];

  constructor(parts: WasmPoolParts, plan: LaunchPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.runners = parts.runners;
    this.#spares = Math.max(1, parts.spares ?? 1);
    this.ready = new Promise((onReady, onUnable) => {
      this.#onReady = onReady;
      this.#onUnable = onUnable;
    });
    this.#cancelTick = parts.clock.after(parts.leaseMs / 3, () => this.#tick());
    this.#refill();
  }

  probe(): Probe {
    const { notes, tools } = this.#plan;
    if (this.#isLimited === true) return { name: 'wasm', isolation: 'L1', notes };
    const failed = tools.has('prlimit') ? ['prlimit failed: guest memory is capped by the engine alone'] : [];
    return { name: 'wasm', isolation: 'L0', notes: [...notes, ...failed] };
  }

  run(request: RunRequest): Run | null {
    if (this.#isStopping || this.#busy() >= this.runners) return null;
    const ticket = new Ticket(request, (killed) => this.#kill(killed));
    const refusal = this.#refusalOf(request);
    if (refusal !== null) {
      ticket.settle(refusal);
      return ticket;
    }
    const child = this.#pick(request);
    if (child === null) this.#waiting.push(ticket);
    else child.serve(ticket);
    this.#refillSoon();
    return ticket;
  }

  strike(fence: number): boolean {
    for (const child of this.#children) if (child.ticket?.fence === fence) return child.strike();
    return false;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelTick();
    this.#cancelBackoff?.();
    for (const ticket of this.#waiting.splice(0)) ticket.settle({ how: 'killed' });
    for (const child of this.#children) child.kill({ how: 'killed' });
    if (this.#children.size > 0) await new Promise<void>((onEmpty) => this.#onEmpty.push(onEmpty));
  }

  /** Admission lets none of these through; they are checked again because a runner's flags depend on them. */
  #refusalOf(request: RunRequest): RunOutcome | null {
    const crashed = (code: 'ERR_GUEST_LINK' | 'ERR_GUEST_MEMORY', message: string): RunOutcome => ({
      how: 'crashed',
      code,
      message,
    });
    const { memoryMiBMax } = this.#parts;
    if (request.memoryMiBMax > memoryMiBMax) {
      return crashed(
        'ERR_GUEST_MEMORY',
        `asks for ${request.memoryMiBMax} MiB; this pool gives at most ${memoryMiBMax}`,
      );
    }
    if (request.module.length > moduleLimits.moduleBytesMax)
      return crashed('ERR_GUEST_LINK', 'module is too large');
    const payloadBytes = request.module.length + request.input.length + (request.model?.length ?? 0);
    if (payloadBytes > orderPayloadBytesMax)
      return crashed('ERR_GUEST_LINK', 'module, input and model are too large together');
    const words = JSON.stringify([request.args, request.env, request.capabilities, request.seed]).length;
    return 3 * words > orderHeaderBytesMax / 2
      ? crashed('ERR_GUEST_LINK', 'arguments and environment are too large')
      : null;
  }

  #busy(): number {
    let busy = this.#waiting.length;
    for (const child of this.#children) if (child.ticket !== null) busy++;
    return busy;
  }

  /** An idle one of the same tenant, best with the module compiled; else one that nobody has used. */
  #pick(request: RunRequest): RunnerChild | null {
    const key = moduleKey(request);
    let best: RunnerChild | null = null;
    let bestRank = 0;
    for (const child of this.#children) {
      if (child.state !== 'idle') continue;
      const rank =
        child.tenant === null ? 1 : child.tenant !== request.tenant ? 0 : child.modules.has(key) ? 3 : 2;
      if (rank > bestRank) {
        best = child;
        bestRank = rank;
      }
    }
    return best;
  }

  #kill(ticket: Ticket): void {
    const place = this.#waiting.indexOf(ticket);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      ticket.settle({ how: 'killed' });
      return;
    }
    for (const child of this.#children) if (child.ticket === ticket) child.kill({ how: 'killed' });
  }

  #onIdle(child: RunnerChild): void {
    if (child.state === 'idle' && child.tenant === null) {
      this.#failures = 0;
      this.#isLimited ??= child.isLimited;
      this.#onReady();
    }
    if (child.jobs >= jobsMax) child.kill(null);
    if (child.state === 'idle') {
      const next = this.#waiting.findIndex(
        (ticket) => child.tenant === null || child.tenant === ticket.request.tenant,
      );
      if (next >= 0) for (const ticket of this.#waiting.splice(next, 1)) child.serve(ticket);
    }
    this.#refillSoon();
  }

  #onGone(child: RunnerChild): void {
    this.#children.delete(child);
    if (!child.hasBooted) this.#countFailure(child.lastWords());
    if (this.#children.size === 0) for (const onEmpty of this.#onEmpty.splice(0)) onEmpty();
    this.#refillSoon();
  }

  /** A machine that can't start runners must not spend itself on trying. */
  #countFailure(reason: string): void {
    this.#failures++;
    if (this.#isStopping || this.#failures < failuresMax) return;
    const waitMs = Math.min(backoffMsMax, backoffMsMin * 2 ** (this.#failures - failuresMax));
    this.#parts.logger?.(
      `${this.#failures} runners in a row died before they were ready (${reason}); the next one in ${waitMs} ms`,
    );
    this.#onUnable(new Error(`no runner can be started: ${reason}`));
    this.#cancelBackoff?.();
    this.#cancelBackoff = this.#parts.clock.after(waitMs, () => {
      this.#cancelBackoff = null;
      this.#refill();
    });
  }

  /** After the present turn, so that a job on its way out never waits for a fork (2–5 ms). */
  #refillSoon(): void {
    if (this.#isRefilling) return;
    this.#isRefilling = true;
    setImmediate(() => {
      this.#isRefilling = false;
      this.#refill();
    });
  }

  /** Ends idle processes that can no longer all be used, then starts fresh ones for those that wait, and spares. */
  #refill(): void {
    if (this.#isStopping) return;
    const all = [...this.#children];
    const usedIdle = all
      .filter((child) => child.state === 'idle' && child.tenant !== null)
      .sort((a, b) => a.lastUsedMs - b.lastUsedMs);
    const surplus = usedIdle.length - (this.runners - this.#busy());
    for (const child of usedIdle.slice(0, Math.max(0, surplus))) child.kill(null);
    if (this.#cancelBackoff !== null) return;
    const fresh = all.filter(
      (child) => child.tenant === null && (child.state === 'booting' || child.state === 'idle'),
    );
    const wanted = this.#failures >= failuresMax ? 1 : this.#spares + this.#waiting.length;
    // More than wanted stand ready when runs were killed while they waited.
    for (const child of fresh.slice(wanted)) if (child.state === 'idle') child.kill(null);
    for (let count = fresh.length; count < wanted; count++) if (!this.#spawn()) break;
  }

  #spawn(): boolean {
    const { dir, clock, leaseMs, graceMs } = this.#parts;
    try {
      this.#children.add(
        new RunnerChild({
          plan: this.#plan,
          dir,
          clock,
          leaseMs,
          graceMs,
          mustBeLimited: () => this.#isLimited === true,
          onIdle: (child) => this.#onIdle(child),
          onGone: (child) => this.#onGone(child),
        }),
      );
      return true;
    } catch (error) {
      this.#countFailure(String(error));
      return false;
    }
  }

  #tick(): void {
    for (const child of this.#children) child.tick();
    this.#cancelTick = this.#parts.clock.after(this.#parts.leaseMs / 3, () => this.#tick());
  }
}
