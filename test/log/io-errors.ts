/**
 * A machine whose disk fails at one chosen call, and the whole production controller on it: lives, recovery, jobs,
 * a clean restart, a killed process, a cancel, a clean stop. What clients were told is held against what is in the log.
 *
 * Why every call: an error path runs once a year and is written once. Here each runs in each run of the test, at each
 * place where the disk is asked for anything, and what must follow is always the same: nothing told is lost.
 */
import { setImmediate as turn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { foldsVersion } from '../../src/checkpointing.ts';
import { Controller } from '../../src/controller.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { Lives } from '../../src/lives.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import type { Disk } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { openLog } from '../../src/log/open.ts';
import { noDiskFaults, SimulatedDisk } from '../../src/simulate/disk.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { submission } from '../jobs/desk.ts';
import { LifeOnDisk } from '../life.ts';
import { Ledger } from '../properties/invariants.ts';
import { numbers } from './drafts.ts';
import { type Fault, failingDisk } from './faulty-disk.ts';

const ends = new Set(['succeeded', 'failed', 'timedOut', 'expired', 'cancelled', 'rejected']);
/** Tries to begin a process on a disk that has failed once. */
const startsMax = 5;
/** Turns in which something must come of it. */
const turnsMax = 20_000;
const msEachTurn = 20;
/** So few that the scenario writes several checkpoints and begins from them. */
const checkpointFacts = 12;

/** One call that fails, over all processes of a machine. */
export interface DiskFault extends Fault {
  /** Whether the process, or the whole machine, dies before anyone hears of it. */
  readonly death: 'none' | 'kill' | 'power';
}

const never: DiskFault = { at: Number.POSITIVE_INFINITY, code: 'EIO', share: 0, death: 'none' };

export interface Told {
  /** What is known of each job that a client was told is accepted: its id, and its end when it has one. */
  readonly jobs: Map<string, string | null>;
  readonly cancelled: Set<string>;
}

export interface Outcome extends Told {
  readonly records: readonly FactRecord[];
  readonly calls: number;
  /** The calls that failed, by name, in order. */
  readonly failed: readonly string[];
  readonly lives: number;
}

export class FailingMachine {
  readonly told: Told = { jobs: new Map(), cancelled: new Set() };
  readonly #ports = new LifeOnDisk();
  readonly #disk: SimulatedDisk;
  /** Still to come, in order. */
  readonly #faults: DiskFault[];
  #due: (() => void)[] = [];
  #lives: Lives | null = null;
  #stopped: Error | null = null;
  /** Calls of former processes. */
  #callsBefore = 0;
  #callsNow: () => number = () => 0;
  #process = 0;
  begun = 0;
  guestsWork = true;
  readonly failed: string[] = [];

  constructor(faults: readonly DiskFault[]) {
    this.#faults = [...faults];
    this.#disk = new SimulatedDisk({
      random: numbers(1 + (faults[0]?.at ?? 0)),
      after: (_ms, fn) => void this.#due.push(fn),
      faults: noDiskFaults,
    });
  }

  get calls(): number {
    return this.#callsBefore + this.#callsNow();
  }

  /** Starts a process; as a supervisor does, again when it can't begin. */
  async boot(): Promise<void> {
    for (let start = 0; start < startsMax; start += 1) {
      this.#stopped = null;
      const process = ++this.#process;
      const disk = this.#mount();
      const starting = Lives.start({
        begin: (trustedSeq, onFault) => this.#begin(process, disk, trustedSeq, onFault),
        clock: this.#ports.clock,
        logger: () => undefined,
        onBegin: () => {
          this.begun += 1;
        },
      });
      const lives = await this.#patiently(starting.catch((error: Error) => error));
      if (lives instanceof Lives) {
        this.#lives = lives;
        lives.failed.then(
          (error) => {
            if (process === this.#process) this.#stopped = error;
          },
          () => undefined,
        );
        return;
      }
      assert.is.not((lives as { code?: string } | null)?.code, 'ERR_LOG_CORRUPT', String(lives));
      this.kill();
    }
    throw new Error(`no life in ${startsMax} starts`);
  }

  /** The process is gone, with everything that it had under way; when the power goes, with what was not synced. */
  kill(how: 'kill' | 'power' = 'kill'): void {
    this.#process += 1;
    this.#lives = null;
    this.#callsBefore = this.calls;
    this.#callsNow = () => 0;
    this.#ports.clock.forget();
    this.#ports.backend.live.length = 0;
    if (how === 'power') this.#disk.crash();
    else this.#disk.kill();
  }

  /** A client that asks again with the same key until it is told. */
  async submit(key: string): Promise<string> {
    for (let tried = 0; tried < 50; tried += 1) {
      const outcome = await this.#asked(() =>
        this.#life().ask(submission(`${key}${tried}`, { key }), 'test'),
      );
      if (outcome === null) continue;
      if ('refused' in outcome) assert.unreachable(`${key} is refused: ${outcome.refused}`);
      const id = 'same' in outcome ? outcome.same : `${key}${tried}`;
      this.told.jobs.set(id, this.told.jobs.get(id) ?? null);
      return id;
    }
    throw new Error(`no answer to ${key}`);
  }

  async cancel(id: string): Promise<void> {
    for (let tried = 0; tried < 50; tried += 1) {
      const command = { kind: 'CancelJob', id, tenant: 'acme', by: 'acme' } as const;
      const outcome = await this.#asked(() => this.#life().ask(command, 'jobs'));
      if (outcome === null) continue;
      if (!('refused' in outcome)) this.told.cancelled.add(id);
      return;
    }
    throw new Error(`no answer to the cancel of ${id}`);
  }

  async tenant(): Promise<void> {
    const data = { terms: { ...defaultTerms, unsigned: true } };
    const command = { kind: 'Note', type: 'tenant.added', stream: 'tenant.acme', data } as const;
    for (let tried = 0; tried < 50; tried += 1)
      if ((await this.#asked(() => this.#life().ask(command, 'test'))) !== null) return;
    throw new Error('no answer to the tenant');
  }

  /** Time passes, guests work, until `done` holds. */
  async until(what: string, done: () => boolean): Promise<void> {
    for (let i = 0; i < turnsMax; i += 1) {
      if (done()) return;
      await this.#step();
      if (this.#lives === null || this.#stopped !== null) await this.#again();
    }
    throw new Error(`never: ${what}`);
  }

  readonly allEnded = (): boolean => [...this.told.jobs.values()].every((end) => end !== null);

  stateOf(id: string): string | undefined {
    return this.#lives?.current.state.jobs.get(id)?.state;
  }

  /** An orderly stop; one that fails on the way is a process that ended. */
  async stop(): Promise<void> {
    const lives = this.#lives;
    if (lives !== null)
      await this.#patiently(lives.drain('finish', 1_000, 500).catch((error: Error) => error));
    this.kill();
  }

  /** All records, read by nobody's leave but the disk's. */
  async read(): Promise<FactRecord[]> {
    const records: FactRecord[] = [];
    const onRecords = (batch: FactRecord[]): void => void records.push(...batch);
    const opening = openFileLog({ dir: 'log', disk: this.#disk.mount(), sha256: nodeSha256, onRecords });
    const opened = await this.#patiently(opening);
    await this.#patiently(opened!.log.close());
    return records;
  }

  #life(): Controller {
    const current = this.#lives?.current;
    if (current === undefined) throw new Error('no process');
    return current;
  }

  #mount(): Disk {
    const next = (): Fault => {
      const { at, code, share } = this.#faults[0] ?? never;
      return { at: at - this.#callsBefore, code, share };
    };
    // Read by the disk at each call: after the first fault it is the second.
    const fault = { ...next() };
    const { disk, calls } = failingDisk(this.#disk.mount(), fault, async (call) => {
      this.failed.push(call);
      const { death } = this.#faults.shift()!;
      Object.assign(fault, next());
      if (death === 'none') return;
      this.kill(death);
      // The dead are told nothing.
      await new Promise(() => undefined);
    });
    this.#callsNow = () => Object.values(calls).reduce((sum, count) => sum + count, 0);
    return disk;
  }

  #begin(
    process: number,
    disk: Disk,
    trustedSeq: number | null,
    onFault: (error: unknown) => void,
  ): Promise<Controller> {
    const mine = (): boolean => process === this.#process;
    const place = { dir: 'log', disk, sha256: nodeSha256 };
    const checkpoints = new CheckpointFiles({ ...place, retiring: null });
    const parts = this.#ports.parts({
      acceptTornTail: true,
      onFault: (error) => {
        if (mine()) onFault(error);
      },
      defer: (fn) => void this.#due.push(() => (mine() ? fn() : undefined)),
      checkpoints,
      openLog: (onRecords, onCheckpoint) =>
        openLog({
          ...place,
          checkpoints,
          version: foldsVersion,
          onRecords,
          onCheckpoint,
          segmentBytesMax: 6_000,
          ...(trustedSeq === null ? {} : { trustedSeq }),
        }),
    });
    return Controller.begin({ ...parts, settings: { ...parts.settings, checkpointFacts } });
  }

  /** What came of asking; null when nobody answered, then a moment passes and the process is begun again if it is gone. */
  async #asked<T>(ask: () => Promise<T>): Promise<T | null> {
    if (this.#lives === null || this.#stopped !== null) await this.#again();
    const answer = await this.#patiently(
      ask().catch(() => null),
      400,
    );
    if (answer === null) for (let i = 0; i < 80 && this.#lives !== null; i += 1) await this.#step();
    return answer;
  }

  async #again(): Promise<void> {
    this.kill();
    await this.boot();
  }

  /** Waits for `promise` while disk, time and guests go on; null when nothing comes of it. */
  async #patiently<T>(promise: Promise<T>, turns = 2_000): Promise<T | null> {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    const process = this.#process;
    for (let i = 0; i < turns && process === this.#process; i += 1) {
      await turn();
      if (over) return promise;
      await this.#step();
    }
    return null;
  }

  async #step(): Promise<void> {
    for (const fn of this.#due.splice(0)) fn();
    await turn();
    this.#ports.clock.advance(msEachTurn);
    const { live } = this.#ports.backend;
    for (const run of this.guestsWork ? [...live] : []) {
      if (!run.isStarted) run.start();
      else run.finish({ how: 'exited', exitCode: 0, stdout: new Uint8Array() });
    }
    const views = this.#lives?.current.views;
    for (const [id, end] of this.told.jobs) {
      const state = views?.job(id)?.job.state;
      if (end === null && state !== undefined && ends.has(state)) this.told.jobs.set(id, state);
    }
  }
}

/** The scenario: two jobs, a clean restart, two more of which one is cancelled, a kill while one runs, the end. */
export async function live(...faults: DiskFault[]): Promise<Outcome> {
  const machine = new FailingMachine(faults);
  await machine.boot();
  await machine.tenant();
  await machine.submit('a');
  await machine.submit('b');
  await machine.until('the first two end', machine.allEnded);
  await machine.stop();
  await machine.boot();
  machine.guestsWork = false;
  const [c, d] = [await machine.submit('c'), await machine.submit('d')];
  await machine.cancel(d);
  await machine.until('c has a place', () =>
    ['starting', 'running', 'failed'].includes(machine.stateOf(c) ?? ''),
  );
  machine.kill();
  await machine.boot();
  machine.guestsWork = true;
  await machine.submit('e');
  await machine.until('all end', machine.allEnded);
  await machine.stop();
  const { calls, begun, failed } = machine;
  const records = await machine.read();
  return { ...machine.told, records, calls, failed, lives: begun };
}

/** What must hold whatever failed. */
export function judge({ jobs, cancelled, records }: Outcome, where: string): void {
  const ledger = new Ledger().check(records);
  assert.is(jobs.size, 5, where);
  for (const [id, end] of jobs) {
    const seen = ledger.jobs.get(id);
    assert.ok(seen, `${where}: ${id} was accepted and is gone`);
    assert.is(seen.ended?.slice('job.'.length) ?? null, end, `${where}: ${id} was told to be ${end}`);
  }
  for (const id of cancelled)
    assert.ok(ledger.jobs.get(id)?.cancelRequested, `${where}: the cancel of ${id} is gone`);
}

/** What the disk says, how much of a write arrived, and who dies before hearing of it. */
export const faultKinds = [
  { code: 'EIO', share: 0, death: 'none' },
  { code: 'ENOSPC', share: 0.4, death: 'none' },
  { code: 'EIO', share: 1, death: 'none' },
  { code: 'EIO', share: 0.7, death: 'kill' },
  { code: 'EIO', share: 0.7, death: 'power' },
] as const;

/** Lives through the scenario with these faults, and counts the calls that failed, by name. */
export async function failAt(faults: readonly DiskFault[], seen: Map<string, number>): Promise<Outcome> {
  const where = faults
    .map(({ at, code, share, death }) => `call ${at}, ${code} after ${share} of it, death: ${death}`)
    .join('; ');
  const outcome = await live(...faults).catch((error: Error) => {
    throw new Error(`${where}: ${error.message}`, { cause: error });
  });
  for (const call of outcome.failed) seen.set(call, (seen.get(call) ?? 0) + 1);
  judge(outcome, `${where} (${outcome.failed})`);
  return outcome;
}
