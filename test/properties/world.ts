/**
 * A whole controller in one thread of the test: the production code over a log, a clock and a backend that
 * the test drives step by step. It can be killed after any append and begun again.
 */
import { setImmediate as turn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { castAround, stateText } from '../../src/cast.ts';
import { Controller } from '../../src/controller.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { FactData } from '../../src/events/facts.ts';
import { type JobSpec, jobSpecSchema } from '../../src/events/spec.ts';
import type { Command, Outcome } from '../../src/jobs/commands.ts';
import { fold, newState } from '../../src/jobs/state.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { fleetOfPreset } from '../../src/slots/fleet-setting.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { CrashDisk, type CrashLog, CrashNow, openCrashLog } from './crash-log.ts';
import { Ledger } from './invariants.ts';
import { SimulatedBackend, SimulatedClock } from './simulated.ts';

/** The smallest module that passes attestation: exports `_start`, imports nothing. */
const module = Uint8Array.of(
  0,
  0x61,
  0x73,
  0x6d,
  1,
  0,
  0,
  0,
  1,
  4,
  1,
  0x60,
  0,
  0,
  3,
  2,
  1,
  0,
  7,
  10,
  1,
  6,
  0x5f,
  0x73,
  0x74,
  0x61,
  0x72,
  0x74,
  0,
  0,
  10,
  4,
  1,
  2,
  0,
  0x0b,
);
const blobs = {
  read: async () => module,
  verify: async () => true,
  putBytes: async (_tenant: string, bytes: Uint8Array) => ({ sha256: '0'.repeat(64), bytes: bytes.length }),
};
const sign = async () => 'simulated-report';
export const killWaitMs = 500;

export interface WorldOptions {
  readonly fleet?: string;
  readonly policy?: string;
  readonly runners?: number;
  readonly queuedMax?: number;
}

export class World {
  readonly disk = new CrashDisk();
  readonly clock = new SimulatedClock();
  readonly backend: SimulatedBackend;
  /** Jobs whose acceptance was told to a client, and what the client knows of their end. */
  readonly told = new Set<string>();
  readonly refusals: ErrorCode[] = [];
  readonly #options: Required<WorldOptions>;
  #deferred: (() => void)[] = [];
  controller: Controller | null = null;
  crashed = false;
  #jobs = 0;
  /** Nothing is under way: every actor has read the whole log. */
  #atRest = false;
  #lives = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = { fleet: '1xA30-24GB', policy: 'round-robin', runners: 3, queuedMax: 8, ...options };
    this.backend = new SimulatedBackend(this.#options.runners);
  }

  get log(): CrashLog {
    return this.controller?.log as CrashLog;
  }

  /** Begins a life. The log's flushes run by themselves until it is up. */
  async begin(): Promise<void> {
    this.crashed = false;
    this.#deferred = [];
    const { fleet, policy, queuedMax } = this.#options;
    let log: CrashLog | null = null;
    let up = false;
    let fault: unknown = null;
    this.#lives += 1;
    const life = this.#lives;
    const begun = Controller.begin({
      clock: this.clock,
      sha256: nodeSha256,
      blobs,
      sign,
      settings: {
        fleet: fleetOfPreset(fleet),
        policy,
        attestMs: 500,
        stopMs: 200,
        lossesMax: 2,
        queuedMax,
        retainedMax: 10_000,
        checkpointFacts: 0,
        killWaitMs,
        version: 'test',
      },
      // What a dead life still had on its way must not reach the present one.
      defer: (fn) => {
        if (life === this.#lives) this.#deferred.push(fn);
      },
      openLog: async (onRecords) => {
        const opened = openCrashLog(this.disk, onRecords);
        log = opened.log as CrashLog;
        return opened;
      },
      killFormerGuests: async () => {
        await this.backend.stop();
        return 0;
      },
      startBackend: async () => this.backend,
      acceptTornTail: false,
      onFault: (error) => {
        if (life !== this.#lives) return;
        if (!(error instanceof CrashNow)) throw error;
        this.crashed = true;
      },
    });
    begun.then(
      (controller) => {
        this.controller = controller;
        up = true;
      },
      (error: unknown) => {
        fault = error;
      },
    );
    while (!up && !this.crashed && !fault) {
      this.runDeferred();
      (log as CrashLog | null)?.flush();
      await turn();
    }
    // A life that the crash cut short rejects; any other rejection is a fault of the code under test.
    if (fault && !this.crashed) throw fault;
    if (!this.crashed) await this.#tenants();
  }

  async #tenants(): Promise<void> {
    for (const [name, slicesMax] of [
      ['acme', 3],
      ['globex', 4],
    ] as const) {
      if (this.controller?.state.tenants.has(name)) continue;
      const terms = { ...defaultTerms, unsigned: true, slicesMax, jobsMax: 2, queuedMax: 5 };
      this.send({ kind: 'Note', type: 'tenant.added', stream: `tenant.${name}`, data: { terms } });
      await this.settle();
      if (this.crashed) return;
      this.log.flush();
      await this.settle();
    }
  }

  /** Hands a command in and remembers what a client would be told, once it may be told. */
  send(command: Command, onOutcome: (outcome: Outcome) => void = () => undefined): void {
    this.controller?.ask(command, 'test').then(onOutcome, () => undefined);
  }

  submit(
    tenant: string,
    over: { slot?: string; gpus?: number; attempts?: number; key?: string | null; wallMs?: number },
  ): void {
    const spec: JobSpec = jobSpecSchema.parse({
      module: `sha256:${'a'.repeat(64)}`,
      slot: over.slot ?? '1g.6gb',
      gpus: over.gpus ?? 1,
      attempts: { max: over.attempts ?? 1, backoffMs: 50 },
      limits: { queueMs: 2_000, startMs: 100, wallMs: over.wallMs ?? 300 },
    });
    const idempotencyKey = over.key ?? null;
    const rest = { jti: null, kid: null, request: null, via: 'http', trace: null } as const;
    const jobDigest = `sha256:${nodeSha256(JSON.stringify(spec))}`;
    const id = `job${this.#jobs++}`;
    this.send({ kind: 'SubmitJob', id, tenant, spec, jobDigest, idempotencyKey, ...rest }, (outcome) => {
      if ('refused' in outcome) this.refusals.push(outcome.refused);
      else this.told.add('same' in outcome ? outcome.same : id);
    });
  }

  runDeferred(): void {
    for (const fn of this.#deferred.splice(0)) if (!this.crashed) fn();
  }

  /** Lets everything that can happen without disk, time or guests happen. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3 && !this.crashed; ) {
      await turn();
      quiet = this.#deferred.length === 0 ? quiet + 1 : 0;
      this.runDeferred();
    }
  }

  /** The process dies now; of what was not durable a part `keep` is on disk all the same. */
  crash(keep: number): void {
    this.crashed = true;
    this.controller = null;
    this.#deferred = [];
    this.#lives += 1;
    this.clock.forget();
    this.disk.fuse = Number.POSITIVE_INFINITY;
    this.disk.crash(keep);
  }

  /** Dies and begins again; a crash during recovery is one more crash. */
  async crashAndBegin(keep: number): Promise<void> {
    do {
      this.crash(keep);
      await this.begin();
    } while (this.crashed);
  }

  /** Faults stop: the disk writes, guests start and exit, time passes. Every job must come to an end. */
  async runToTheEnd(keep = 1): Promise<void> {
    for (let round = 0; round < 2_000; round += 1) {
      await this.settle();
      if (this.crashed) await this.crashAndBegin(keep);
      this.log.flush();
      await this.settle();
      for (const run of [...this.backend.live]) {
        if (!run.isStarted) run.start();
        else run.finish({ how: 'exited', exitCode: 0, stdout: new Uint8Array() });
      }
      await this.settle();
      const open = [...(this.controller?.state.jobs.values() ?? [])].some(
        ({ context }) => context.times.endedAtMs === null,
      );
      this.#atRest = !open && this.log.durable === this.log.head;
      if (this.#atRest) return;
      if (round % 4 === 3) this.clock.advance(Math.min(this.clock.nextMs() ?? 10, 100));
    }
    assert.unreachable('I2: some job never ends');
  }

  /** All invariants that can be told from outside, at this moment. */
  check(): void {
    const ledger = new Ledger().check(this.disk.records);
    for (const id of this.told) assert.ok(ledger.jobs.has(id), `I1: the accepted job ${id} is gone`);
    const started = this.backend.fencesStarted;
    assert.is(new Set(started).size, started.length, 'I3: one fence was started twice');
    for (const fence of started) {
      assert.is(
        this.disk.records[fence - 1]?.type,
        'job.reserved',
        `I18: started for fence ${fence}, which is not in the log`,
      );
    }
    if (this.controller) this.#checkFold(this.controller);
  }

  /** I10: folding the log anew gives what each recovery recorded, and the live state, byte for byte. */
  #checkFold(controller: Controller): void {
    const state = newState();
    const cast = castAround(state, { blobs, sign, clock: this.clock, killWaitMs, wake: () => undefined });
    for (const record of this.disk.records) {
      if (record.type === 'controller.recovered') {
        const { stateHash } = record.data as FactData<'controller.recovered'>;
        assert.is(
          nodeSha256(stateText(state, cast.all)),
          stateHash,
          `I10: the state recovered at seq ${record.seq}`,
        );
      }
      const change = fold(state, record);
      for (const actor of cast.all) actor.fold(change);
    }
    assert.is(stateText(state, []), stateText(controller.state, []), 'I10: fold(log) is the live state');
    // Actors may be behind while facts wait for the disk; once nothing does, they too must be what the log says.
    if (this.#atRest)
      assert.is(stateText(state, cast.all), controller.stateText, 'I10: and so are all actors');
  }
}
