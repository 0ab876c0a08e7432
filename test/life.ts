/** One life of the production controller with every port in the test's hand, begun again on the same disk as often as wanted. */
import { setImmediate as turn } from 'node:timers/promises';
import { Controller, type ControllerParts } from '../src/controller.ts';
import { nodeSha256 } from '../src/log/hash-node.ts';
import type { TailCut } from '../src/log/log.ts';
import { fleetOfPreset } from '../src/slots/fleet-setting.ts';
import { defaultTerms } from '../src/tenants/tenants.ts';
import { submission } from './jobs/desk.ts';
import { CrashDisk, type CrashLog, openCrashLog } from './properties/crash-log.ts';
import { SimulatedBackend, SimulatedClock } from './properties/simulated.ts';

/** The smallest module that passes attestation: exports `_start`, imports nothing. */
const module = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
  ...[7, 10, 1, 6, ...Buffer.from('_start'), 0, 0, 10, 4, 1, 2, 0, 0x0b],
]);

export const killWaitMs = 500;
export const stopMs = 200;

export class LifeOnDisk {
  readonly disk = new CrashDisk();
  readonly clock = new SimulatedClock();
  readonly backend = new SimulatedBackend(4);
  readonly faults: unknown[] = [];
  controller!: Controller;
  #log: CrashLog | null = null;

  /** What `Controller.begin` is handed. */
  parts(
    over: { cut?: TailCut; acceptTornTail?: boolean; fleet?: string } & Partial<ControllerParts> = {},
  ): ControllerParts {
    const { cut = null, acceptTornTail = false, fleet = '1xH100-80GB', ...rest } = over;
    return {
      clock: this.clock,
      sha256: nodeSha256,
      blobs: {
        read: async () => module,
        verify: async () => true,
        putBytes: async (_tenant, bytes) => ({ sha256: '0'.repeat(64), bytes: bytes.length }),
      },
      sign: async () => 'report',
      settings: {
        fleet: fleetOfPreset(fleet),
        policy: 'fifo',
        attestMs: 5_000,
        stopMs,
        lossesMax: 0,
        queuedMax: 100,
        retainedMax: 10_000,
        checkpointFacts: 0,
        killWaitMs,
        version: 'test',
      },
      defer: setImmediate,
      openLog: async (onRecords) => {
        const { log } = openCrashLog(this.disk, onRecords);
        this.#log = log as CrashLog;
        return { log, cut, settled: async () => undefined };
      },
      killFormerGuests: async () => {
        await this.backend.stop();
        return 0;
      },
      startBackend: async () => this.backend,
      acceptTornTail,
      onFault: (error) => this.faults.push(error),
      ...rest,
    };
  }

  async begin(over: Parameters<LifeOnDisk['parts']>[0] = {}): Promise<Controller> {
    this.controller = await this.through(Controller.begin(this.parts(over)));
    if (!this.controller.state.tenants.has('acme')) {
      const data = { terms: { ...defaultTerms, unsigned: true } };
      await this.through(
        this.controller.ask({ kind: 'Note', type: 'tenant.added', stream: 'tenant.acme', data }, 'test'),
      );
    }
    return this.controller;
  }

  /** Waits for `promise`, the disk writing and, if asked, time passing meanwhile. */
  async through<T>(promise: Promise<T>, msEachTurn = 0): Promise<T> {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    for (let i = 0; i < 5_000 && !over; i += 1) {
      this.#log?.flush();
      await turn();
      if (msEachTurn > 0) this.clock.advance(msEachTurn);
    }
    if (!over) throw new Error('nothing came of it');
    return promise;
  }

  /** The disk writes, and what follows from that follows. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i += 1) {
      this.#log?.flush();
      await turn();
    }
  }

  /** Submits a job and lets its guest start. */
  async run(id: string): Promise<void> {
    await this.through(this.controller.ask(submission(id), 'test'));
    await this.settle();
    this.backend.live.at(-1)?.start();
    await this.settle();
  }

  stateOf(id: string): string | undefined {
    return this.controller.state.jobs.get(id)?.state;
  }

  get types(): string[] {
    return this.disk.records.map(({ type }) => type);
  }

  /** The machine stops; everything that was durable stays. */
  powerCut(): void {
    this.clock.forget();
    this.backend.live.length = 0;
    this.disk.crash(0);
  }
}
