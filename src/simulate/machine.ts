/**
 * One machine: a disk, a store of blobs, guests, and a process on it that is the production controller.
 *
 * This is the composition root of a simulated server, as `src/main.ts` is of a real one: the same lives, the same log
 * over another disk, the same door, handed other ports. A process that ends is started again, as systemd would.
 *
 * Why a process can be killed at every instant without a hook in it: it reaches the world through ports alone, and all
 * of them die with its token (`Mortal`). The rest of its turn may still run; it runs into the void.
 *
 * Crash points are counted over the whole run: each append, each call of the disk that changes something, each start
 * and kill of a guest, each reply. `crashAt` names some of them; there the power goes.
 */
import { foldsVersion } from '../checkpointing.ts';
import { Controller } from '../controller.ts';
import type { Answer } from '../intake/answer.ts';
import { Door } from '../intake/door.ts';
import { Lives } from '../lives.ts';
import { CheckpointFiles } from '../log/checkpoints.ts';
import { nodeDigest, nodeSha256 } from '../log/hash-node.ts';
import { openLog } from '../log/open.ts';
import { defaultTerms } from '../tenants/tenants.ts';
import type { JobView } from '../views/job-view.ts';
import { SimulatedBlobs } from './blobs.ts';
import { noDiskFaults, SimulatedDisk } from './disk.ts';
import { Guests } from './guests.ts';
import type { Kernel, Mortal } from './kernel.ts';
import { killWaitMs, type SimulationOptions, settingsOf } from './options.ts';
import { Outlet } from './outlet.ts';
import type { Random } from './random.ts';
import { type LogWatch, openWatchedLog } from './watched-log.ts';
import { isWeather } from './weather.ts';
import { Witness } from './witness.ts';

const dir = '/data/log';
/** Between the end of a process and the start of the next, ms. */
const restartMsMax = 200;
/** What ending in order may take beyond its deadline, ms: `Lives` waits so long for a life, then so long for its end. */
const closeMs = 3_000;
/** A disk call that hangs, ms. */
const hangMs = 1_500;

export type CrashKind = 'power' | 'kill';

/** A process of the controller, from its start to its end. */
interface Process extends Mortal {
  lives: Lives | null;
  door: Door | null;
  ending: boolean;
}

export class Machine {
  readonly witness: Witness;
  readonly guests: Guests;
  readonly blobs: SimulatedBlobs;
  readonly disk: SimulatedDisk;
  readonly outlet: Outlet | null;
  /** Crash points passed so far. */
  points = 0;
  /** Called when the door opens. */
  onUp: () => void = () => undefined;
  /** Faults have stopped. */
  #healed = false;
  readonly #kernel: Kernel;
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #crashAt: ReadonlySet<number>;
  #process: Process | null = null;
  #wantsProcess = true;
  /** The last process did not end by itself. */
  #crashed = false;

  constructor(parts: { kernel: Kernel; options: SimulationOptions; random: Random }) {
    const { kernel, options } = parts;
    const { faults } = options;
    this.#kernel = kernel;
    this.#options = options;
    this.#random = parts.random.fork('machine');
    this.#crashAt = new Set(options.crashAt);
    const count = (fault: string): void => this.witness.count(`fault ${fault}`);
    this.guests = new Guests({
      kernel,
      faults,
      random: parts.random.fork('guests'),
      watch: {
        starting: (request) => {
          this.witness.starting(request);
          return this.point('effect');
        },
        killing: (fence) => {
          this.witness.killing(fence);
          return this.point('effect');
        },
        count,
      },
    });
    this.blobs = new SimulatedBlobs({ kernel, faults, random: parts.random.fork('blobs'), count });
    const disk = parts.random.fork('disk');
    this.disk = new SimulatedDisk({
      random: () => disk.next(),
      after: (ms, fn) => void kernel.after(ms, fn),
      faults: { ...noDiskFaults, ...faults, delayMsMax: options.diskMsMax, hangMs },
    });
    this.disk.onCall = () => void this.point('disk');
    this.outlet = options.publishes
      ? new Outlet({
          kernel,
          random: parts.random.fork('bus'),
          rate: faults.busBreaks,
          onStored: (message) => {
            this.witness.published(message);
            this.point('publish');
          },
        })
      : null;
    this.witness = new Witness({
      kernel,
      world: {
        guestLives: (fence) => this.guests.isAlive(fence),
        guests: this.guests.alive,
        resultIsSafe: (tenant, sha256) => this.blobs.holds(tenant, sha256),
      },
    });
  }

  /** The door, while one is open. */
  get door(): Door | null {
    return this.#process?.alive ? this.#process.door : null;
  }

  /** The present life; null while there is none, or it comes to its end in order. */
  get life(): Controller | null {
    if (this.#process?.ending) return null;
    return this.door === null ? null : (this.#process?.lives?.current ?? null);
  }

  /** Faults stop, for good. */
  heal(): void {
    this.#healed = true;
    this.guests.healed = true;
    this.blobs.healed = true;
    this.disk.healed = true;
    this.outlet?.heal();
  }

  /** A moment at which a crash may strike. Returns false when it did: the caller is dead. */
  point(kind: 'append' | 'disk' | 'effect' | 'reply' | 'publish'): boolean {
    this.points += 1;
    this.witness.count(`points ${kind}`);
    const { crashAtPoints, crashInRecovery } = this.#options.faults;
    const rate = this.door === null ? crashInRecovery : crashAtPoints;
    const struck = this.#random.chance(rate) && !this.#healed;
    if (struck || this.#crashAt.has(this.points)) this.crash(this.#random.pick(['power', 'kill']));
    return this.#process?.alive ?? false;
  }

  /** Starts the process. */
  start(): void {
    const process: Process = { alive: true, lives: null, door: null, ending: false };
    this.#process = process;
    this.#wantsProcess = true;
    const clock = this.#kernel.clockOf(process);
    const begin = this.#beginOf(process);
    Lives.start({ begin, clock, logger: () => undefined, onBegin: () => this.#served(process) }).then(
      (lives) => {
        process.lives = lives;
        void lives.failed.then((error) => this.#exit(process, error));
        process.door = this.#doorOf(process, lives);
        if (process.alive) this.outlet?.begin(process, lives);
        if (process.alive) this.onUp();
      },
      (error: Error) => this.#exit(process, error),
    );
  }

  /** The process dies at this instant, or the whole machine does; it comes back by itself. */
  crash(kind: CrashKind): void {
    const process = this.#process;
    if (!process?.alive) return;
    this.witness.count(`crashes by ${kind}`);
    if (process.door === null) this.witness.count('crashes in recovery');
    this.#crashed = true;
    if (process.ending) this.witness.count('crashes in shutdown');
    process.alive = false;
    this.witness.serving(false);
    if (kind === 'power') this.disk.crash();
    else this.disk.kill();
    this.guests.orphan();
    this.outlet?.crash();
    this.#restart();
  }

  /** SIGTERM: ends in order; the process comes back by itself unless `forGood`. */
  async shutdown(mode: 'finish' | 'requeue', deadlineMs: number, forGood = false): Promise<void> {
    const process = this.#process;
    const { door, life } = this;
    if (!process?.alive || !process.lives || door === null || life === null || process.ending) return;
    process.ending = true;
    if (forGood) this.#wantsProcess = false;
    this.witness.count(`shutdowns by ${mode}`);
    const { stopMs } = settingsOf(this.#options);
    const killMs = killWaitMs + stopMs;
    const beganMs = this.#kernel.nowMs;
    const failed = await process.lives.drain(mode, deadlineMs, killMs).then(
      () => false,
      () => true,
    );
    if (!process.alive) return;
    const tookMs = this.#kernel.nowMs - beganMs;
    // One timer of patience for the life, one for its end.
    const mostMs = deadlineMs + killMs + 2 * closeMs;
    if (tookMs > mostMs)
      this.witness.fail('I19', `the shutdown took ${tookMs} ms, at most ${mostMs} are allowed`);
    this.witness.count(failed ? 'shutdowns that failed' : 'shutdowns in order');
    await this.outlet?.stop();
    this.#exit(process, null);
  }

  /** The process is gone by itself. */
  #exit(process: Process, error: Error | null): void {
    if (!process.alive) return;
    process.alive = false;
    this.witness.serving(false);
    if (error !== null && !isWeather(error)) this.witness.fail('start', error.stack ?? error.message);
    this.disk.kill();
    this.guests.orphan();
    this.outlet?.crash();
    this.#restart();
  }

  #restart(): void {
    if (!this.#wantsProcess) return;
    this.#kernel.after(this.#random.between(0, restartMsMax), () => {
      if (!this.#process?.alive) this.start();
    });
  }

  #served(process: Process): void {
    if (!process.alive) return;
    this.witness.count('lives that came up');
    this.witness.serving(true);
  }

  #beginOf(
    process: Process,
  ): (trusted: number | null, onFault: (error: unknown) => void) => Promise<Controller> {
    const { blobs, guests, witness } = this;
    const settings = settingsOf(this.#options);
    return async (trustedSeq, onFault) => {
      witness.count('lives begun');
      const checkpoints = new CheckpointFiles({
        dir,
        disk: this.disk.mount(),
        sha256: nodeSha256,
        retiring: this.#options.retires ? nodeDigest : null,
      });
      const life = await Controller.begin({
        clock: this.#kernel.clockOf(process),
        sha256: nodeSha256,
        blobs: blobs.storeOf(process),
        sign: async () => 'simulated-report',
        settings,
        defer: (fn) => {
          if (process.alive) this.#kernel.after(0, fn, process);
        },
        checkpoints,
        openLog: (onRecords, onCheckpoint) =>
          openWatchedLog(
            openLog,
            {
              dir,
              disk: this.disk.mount(),
              sha256: nodeSha256,
              segmentBytesMax: this.#options.segmentBytesMax,
              checkpoints,
              version: foldsVersion,
              onRecords,
              onCheckpoint,
              ...(trustedSeq === null ? {} : { trustedSeq }),
            },
            this.#watchOf(process),
          ),
        killFormerGuests: () => guests.killFormer(process),
        startBackend: async () => guests.backendOf(process, this.#options.runners),
        acceptTornTail: true,
        onFault: (error) => {
          if (!process.alive) return;
          witness.count('lives that failed');
          witness.serving(false);
          if (!isWeather(error)) witness.fail('rule', (error as Error).stack ?? String(error));
          onFault(error);
        },
      });
      if (process.alive) witness.recovered(life.recovered);
      return life;
    };
  }

  #watchOf(process: Process): LogWatch {
    const { witness } = this;
    return {
      opened: (base, records, cut) => {
        if (process.alive) witness.opened({ base, records, cut });
        if (process.alive && this.#crashed) witness.cover('crash');
        this.#crashed = false;
      },
      appended: (record) => {
        if (!process.alive) return;
        witness.appended(record);
        this.point('append');
      },
      durable: (seq) => {
        if (process.alive) witness.durable(seq);
      },
    };
  }

  #doorOf(process: Process, lives: Lives): Door {
    return new Door({
      life: () => lives.current,
      admin: { name: 'admin', terms: defaultTerms, keys: [] },
      blobs: this.blobs.storeOf(process),
      clock: this.#kernel.clockOf(process),
      ids: { jobId: () => `job${Math.floor(this.#random.next() * 36 ** 10).toString(36)}` },
      sha256: nodeSha256,
      submitsPerSecondMax: 10_000,
    });
  }

  /**
   * What the door says to a request of `tenant`, or null when nobody answers: no process, or it died with the answer
   * in hand. Every job that it shows is held against the log.
   */
  async ask(tenant: string, request: (door: Door) => Promise<Answer> | Answer): Promise<Answer | null> {
    const process = this.#process;
    const { door } = this;
    if (!process || door === null) return null;
    try {
      const answer = await request(door);
      if (!process.alive) return null;
      if (answer.status < 300) this.witness.told(tenant, answer.body as JobView);
      return this.point('reply') ? answer : null;
    } catch (error) {
      if (process.alive && !isWeather(error))
        this.witness.fail('door', (error as Error).stack ?? String(error));
      return null;
    }
  }
}
