/**
 * A small world for the tests of `observe/`: a real controller on a memory log, in virtual time, with a backend
 * that is simulated: its guests are plans, not processes. What each guest does stands in its first argument:
 * `exit:CODE:MS`, `crash:MS`, `lose:MS`, `loop`.
 */

import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { Clock } from '../../src/clock.ts';
import { Controller } from '../../src/controller.ts';
import type { FactData } from '../../src/events/facts.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import type { Backend, Run, RunOutcome, RunRequest } from '../../src/executor/backend.ts';
import type { Command, Outcome } from '../../src/jobs/commands.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Log } from '../../src/log/log.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { Views } from '../../src/views/views.ts';

/** A clock that stands still until it is told to move. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  /** Where the wall clock is ahead of the monotonic one; may be changed at any time. */
  wallOffsetMs = 1_700_000_000_000;
  #timers: { readonly atMs: number; readonly fn: () => void }[] = [];

  wallMs(): number {
    return Math.floor(this.#nowMs) + this.wallOffsetMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  after(ms: number, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  /** Timers that are armed. */
  get armed(): number {
    return this.#timers.length;
  }
  /** Moves to the next timer, at most `ms` away, and fires it. Returns how far it moved; null when none was due. */
  step(ms: number): number | null {
    const [next] = this.#timers.toSorted((a, b) => a.atMs - b.atMs);
    if (!next || next.atMs > this.#nowMs + ms) return null;
    const movedMs = Math.max(0, next.atMs - this.#nowMs);
    this.#nowMs += movedMs;
    this.#timers = this.#timers.filter((other) => other !== next);
    next.fn();
    return movedMs;
  }
  /** Moves by `ms`, firing what falls due on the way. For code that needs no event loop in between. */
  move(ms: number): void {
    let restMs = ms;
    for (let moved = this.step(restMs); moved !== null; moved = this.step(restMs)) restMs -= moved;
    this.#nowMs += restMs;
  }
}

/** Runs plans in virtual time: no process, no WebAssembly. */
class SimulatedBackend implements Backend {
  readonly runners: number;
  readonly #clock: Clock;
  readonly #kills = new Set<() => void>();

  constructor(runners: number, clock: Clock) {
    this.runners = runners;
    this.#clock = clock;
  }
  probe() {
    return { name: 'simulated', isolation: 'L0' as const, notes: [] };
  }
  run({ fence, args }: RunRequest): Run | null {
    if (this.#kills.size >= this.runners) return null;
    const [what = '', first = '0', second = '0'] = (args[0] ?? '').split(':');
    let settle: (outcome: RunOutcome) => void = () => undefined;
    const ended = new Promise<RunOutcome>((resolve) => {
      settle = resolve;
    });
    const end = (outcome: RunOutcome): void => {
      off();
      this.#kills.delete(kill);
      settle(outcome);
    };
    const outcomes: Record<string, () => RunOutcome> = {
      exit: () => ({ how: 'exited', exitCode: Number(first), stdout: new Uint8Array(3) }),
      crash: () => ({ how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' }),
      lose: () => ({ how: 'lost', message: 'the runner fell silent' }),
    };
    const outcome = outcomes[what];
    const ms = Number(what === 'exit' ? second : first);
    const off = outcome ? this.#clock.after(ms, () => end(outcome())) : () => undefined;
    const kill = (): void => end({ how: 'killed' });
    this.#kills.add(kill);
    return { fence, started: Promise.resolve({ runner: 'r0' }), ended, logs: () => '', kill };
  }
  async stop(): Promise<void> {
    for (const kill of this.#kills) kill();
  }
}

const module = readFileSync(new URL('../../wasm/noop.wasm', import.meta.url));

export interface WorldOptions {
  readonly gpus?: number;
  readonly board?: string;
  readonly runners?: number;
  readonly policy?: string;
  /** Handed the views before the first fact, as `main.ts` does. */
  readonly observe?: (views: Views) => void;
  readonly wrap?: (log: Log) => Log;
  readonly clock?: VirtualClock;
}

export interface JobOptions {
  readonly tenant?: string;
  readonly plan: string;
  readonly slot?: string;
  readonly attempts?: number;
  readonly backoffMs?: number;
  readonly limits?: { readonly wallMs?: number; readonly queueMs?: number };
  readonly trace?: string;
}

/** A controller in service, and the hands to play with it. */
export class World {
  readonly clock: VirtualClock;
  readonly life: Controller;
  #jobs = 0;

  static async start(options: WorldOptions = {}): Promise<World> {
    const clock = options.clock ?? new VirtualClock();
    const {
      gpus = 2,
      board = 'H100-80GB',
      runners = 4,
      policy = 'fifo',
      observe,
      wrap = (log: Log) => log,
    } = options;
    const life = await Controller.begin({
      clock,
      sha256: nodeSha256,
      blobs: {
        read: async () => module,
        verify: async () => true,
        putBytes: async (_tenant, bytes) => ({ sha256: '0'.repeat(64), bytes: bytes.length }),
      },
      sign: async () => 'report',
      settings: {
        fleet: Array.from({ length: gpus }, (_, index) => ({
          id: `gpu${index}`,
          board,
          enforcement: 'simulated' as const,
        })),
        policy,
        attestMs: 10_000,
        stopMs: 1_000,
        lossesMax: 2,
        queuedMax: 10_000,
        retainedMax: 10_000,
        checkpointFacts: 0,
        killWaitMs: 1_000,
        version: '0.0.0',
      },
      defer: setImmediate,
      openLog: async () => {
        const opened = openMemoryLog({ sha256: nodeSha256 });
        return { ...opened, log: wrap(opened.log) };
      },
      killFormerGuests: async () => 0,
      startBackend: async () => new SimulatedBackend(runners, clock),
      acceptTornTail: false,
      onFault: (error) => {
        throw error;
      },
      ...(observe ? { observe } : {}),
    });
    const world = new World(clock, life);
    await world.settle();
    return world;
  }

  private constructor(clock: VirtualClock, life: Controller) {
    this.clock = clock;
    this.life = life;
  }

  async tenant(name: string, terms: Partial<FactData<'tenant.added'>['terms']> = {}): Promise<void> {
    const data = { terms: { ...defaultTerms, unsigned: true, ...terms } };
    await this.ask({ kind: 'Note', type: 'tenant.added', stream: `tenant.${name}`, data });
  }

  /** Submits a job and returns its id. */
  async submit(options: JobOptions): Promise<string> {
    const {
      tenant = 'acme',
      plan,
      slot = '1g.10gb',
      attempts = 1,
      backoffMs = 100,
      limits = {},
      trace = null,
    } = options;
    this.#jobs += 1;
    const id = `job${String(this.#jobs).padStart(6, '0')}`;
    const digest = `sha256:${'a'.repeat(64)}`;
    const spec = jobSpecSchema.parse({
      module: digest,
      args: [plan],
      slot,
      attempts: { max: attempts, backoffMs },
      limits,
    });
    const rest = {
      jobDigest: digest,
      idempotencyKey: null,
      jti: null,
      kid: null,
      request: null,
      via: 'http' as const,
      trace,
    };
    const outcome = await this.ask({ kind: 'SubmitJob', id, tenant, spec, ...rest });
    assert.ok('seq' in outcome, JSON.stringify(outcome));
    return id;
  }

  async cancel(id: string): Promise<Outcome> {
    return this.ask({ kind: 'CancelJob', id, tenant: null, by: 'test' });
  }

  async refuse(tenant: string, code: FactData<'intake.refused'>['code'], count: number): Promise<void> {
    await this.ask({
      kind: 'Note',
      type: 'intake.refused',
      stream: `intake.${tenant}`,
      data: { code, count, fromMs: 0, toMs: 0 },
    });
  }

  async ask(command: Command): Promise<Outcome> {
    return this.life.ask(command, 'test');
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; quiet < 8 && turn < 10_000; turn += 1) {
      const { head } = this.life.log;
      await new Promise((resume) => setImmediate(resume));
      quiet = head === this.life.log.head && this.life.views.seq === head ? quiet + 1 : 0;
    }
  }

  /** Lets `ms` pass, with everything that happens meanwhile. */
  async pass(ms: number): Promise<void> {
    let restMs = ms;
    await this.settle();
    for (let moved = this.clock.step(restMs); moved !== null; moved = this.clock.step(restMs)) {
      restMs -= moved;
      await this.settle();
    }
    this.clock.move(restMs);
    await this.settle();
  }

  async facts(): Promise<FactRecord[]> {
    return this.life.log.read(1, 10_000);
  }

  stateOf(id: string): string {
    return this.life.views.job(id)?.job.state ?? 'none';
  }

  async end(): Promise<void> {
    await this.life.end();
  }
}

/** Views that fold these facts again, as a recovery does; `observe` gets them first. */
export function replayed(facts: readonly FactRecord[], observe: (views: Views) => void): Views {
  const views = new Views();
  observe(views);
  for (const record of facts) views.fold({ record, before: null, after: null });
  return views;
}
