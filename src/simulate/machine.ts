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
import type { Controller } from '../controller.ts';
import type { Answer } from '../intake/answer.ts';
import type { Door } from '../intake/door.ts';
import { Lives } from '../lives.ts';
import type { Log } from '../log/log.ts';
import type { JobView } from '../views/job-view.ts';
import { SimulatedBlobs } from './blobs.ts';
import { type DiskCall, noDiskFaults, SimulatedDisk } from './disk.ts';
import { Guests } from './guests.ts';
import { rot, rotIsSeen } from './keeping.ts';
import type { Kernel } from './kernel.ts';
import { type CrashKind, Mishaps } from './mishaps.ts';
import { killWaitMs, type SimulationOptions, settingsOf } from './options.ts';
import { Outlet } from './outlet.ts';
import { beginOf, doorOf, look, newProcess, openCopy, type Process, type ProcessParts } from './process.ts';
import type { Random } from './random.ts';
import { isWeather } from './weather.ts';
import { Witness } from './witness.ts';

/** Between the end of a process and the start of the next, ms. */
const restartMsMax = 200;
/** What ending in order may take beyond its deadline, ms: `Lives` waits so long for a life, then so long for its end. */
const closeMs = 3_000;
/** Held jobs whose facts a start reads. */
const jobsLookedAt = 3;
/** What only the writer says: such an answer rests on what was at head when it was decided. */
const saidByWriter: ReadonlySet<unknown> = new Set([
  'ERR_IDEMPOTENCY',
  'ERR_JOB_ENDED',
  'ERR_NOT_IN_STATE',
  'ERR_QUEUE_FULL',
]);

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
  readonly mishaps: Mishaps;
  readonly #kernel: Kernel;
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #crashAt: ReadonlySet<number>;
  readonly #parts: ProcessParts;
  #process: Process | null = null;
  #wantsProcess = true;
  /** The last process did not end by itself. */
  #crashed = false;
  /** The last process has ended in order. */
  #inOrder = false;

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
      faults: { ...noDiskFaults, ...faults, delayMsMax: options.diskMsMax, hangMs: options.hangMs },
    });
    this.disk.onCall = (call) => this.#diskCall(call);
    this.disk.onFault = () => this.mishaps.diskFailed();
    this.disk.onTruncate = (path, from, to) => this.witness.cuts.truncated(path, from, to);
    this.disk.onWrite = (path, end) => this.witness.cuts.written(path, end);
    this.mishaps = new Mishaps({
      kernel,
      faults,
      random: parts.random.fork('mishaps'),
      disk: this.disk,
      count,
      crash: (kind) => this.crash(kind),
    });
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
        excuses: () => (this.disk.injected['hangs'] ?? 0) + this.guests.deaf,
      },
    });
    this.#parts = {
      kernel,
      options,
      witness: this.witness,
      disk: this.disk,
      blobs: this.blobs,
      guests: this.guests,
      publishedSeq: () => (this.outlet === null ? Number.MAX_SAFE_INTEGER : this.outlet.publishedSeq),
      random: parts.random.fork('ids'),
      onAppend: (type) => this.#appended(type),
      onOpened: () => {
        if (this.#crashed) this.witness.cover('crash');
        this.#crashed = false;
      },
    };
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
    this.mishaps.healed = true;
    this.guests.healed = true;
    this.blobs.healed = true;
    this.disk.healed = true;
    this.outlet?.heal();
  }

  /** A moment at which a crash may strike. Returns false when it did: the caller is dead. */
  point(kind: 'append' | 'disk' | 'effect' | 'reply' | 'publish', call?: DiskCall): boolean {
    this.points += 1;
    this.witness.count(`points ${kind}`);
    const struck = this.mishaps.at(this.door === null, call);
    const asked = this.#crashAt.has(this.points) ? this.#random.pick(['power', 'kill'] as const) : null;
    const how = struck ?? asked;
    if (how !== null) this.crash(how);
    return this.#process?.alive ?? false;
  }

  /** Starts the process. */
  start(): void {
    const process = newProcess();
    this.#inOrder = false;
    this.mishaps.reset();
    this.#process = process;
    this.#wantsProcess = true;
    const clock = this.#kernel.clockOf(process);
    const begin = beginOf(process, this.#parts);
    this.witness.stops.reset();
    Lives.start({
      begin,
      clock,
      logger: () => undefined,
      onBegin: ({ log }) => this.#served(process, log),
    }).then(
      (lives) => {
        process.lives = lives;
        void lives.failed.then((error) => this.#exit(process, error));
        process.door = doorOf(process, lives, this.#parts);
        if (process.alive) this.outlet?.begin(process, lives);
        if (!process.alive) return;
        void look(process, this.#parts, jobsLookedAt);
        this.onUp();
      },
      (error: Error) => this.#exit(process, error),
    );
  }

  /** Everything that the present life holds is read once. */
  async readAll(): Promise<void> {
    if (this.#process?.alive) await look(this.#process, this.#parts, Number.POSITIVE_INFINITY);
  }

  /** While the machine is down: a bit of a copy of its disk rots, and a start from there is tried. */
  async rotOfACopy(random: Random): Promise<void> {
    const { kernel, witness } = this.#parts;
    const disk = new SimulatedDisk({
      random: () => random.next(),
      after: (ms, fn) => void kernel.after(ms, fn),
      faults: noDiskFaults,
    });
    for (const path of this.disk.files()) disk.put(path, this.disk.bytes(path));
    const where = rot(disk, random);
    if (where === null) return;
    const signed = this.#process?.heads?.newest?.head ?? null;
    const opened = await openCopy(disk, signed);
    witness.count(
      opened.refused ? 'rot that halts' : opened.cut ? 'rot that is cut' : 'rot that no start reads',
    );
    witness.check(() =>
      rotIsSeen(where, opened, {
        history: witness.records,
        inOrder: this.#inOrder,
        signedSeq: signed?.seq ?? 0,
      }),
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
    this.witness.stops.signal({ mode, deadlineMs, killMs });
    const failed = await process.lives.drain(mode, deadlineMs, killMs).then(
      () => false,
      () => true,
    );
    if (!process.alive) return;
    this.#inOrder = !failed;
    const tookMs = this.#kernel.nowMs - beganMs;
    // One timer of patience for the life, one for its end.
    const mostMs = deadlineMs + killMs + 2 * closeMs;
    if (tookMs > mostMs)
      this.witness.fail('I19', `the shutdown took ${tookMs} ms, at most ${mostMs} are allowed`);
    this.witness.count(failed ? 'shutdowns that failed' : 'shutdowns in order');
    const logFailed = process.lives.current.log.failure !== null;
    if (failed) this.witness.check(() => this.witness.stops.failed(logFailed));
    else await process.heads?.finish();
    if (!process.alive) return;
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
      if (this.#process?.alive) return;
      this.mishaps.spoilCheckpoint();
      this.start();
    });
  }

  #appended(type: string): void {
    this.mishaps.appended(type);
    this.point('append');
  }

  #diskCall(call: DiskCall): void {
    if (this.mishaps.tears(call)) this.crash('kill');
    else this.point('disk', call);
  }

  #served(process: Process, log: Log): void {
    if (!process.alive) return;
    process.heads?.attach(log);
    this.witness.count('lives that came up');
    this.witness.serving(true);
  }

  /**
   * What the door says to a request of `tenant`, or null when nobody answers: no process, or it died with the answer
   * in hand. Every job that it shows is held against the log.
   */
  async ask(tenant: string, request: (door: Door) => Promise<Answer> | Answer): Promise<Answer | null> {
    const process = this.#process;
    const { door } = this;
    const log = process?.lives?.current.log;
    if (!process || door === null || !log) return null;
    // Whoever decides later than now rests on at least as much.
    const { head } = log;
    try {
      const answer = await request(door);
      if (!process.alive) return null;
      if (answer.status === 202 || saidByWriter.has((answer.body as { code?: string }).code))
        this.witness.answered(answer.status, log.durable, head);
      if (answer.status < 300) this.witness.told(tenant, answer.body as JobView);
      return this.point('reply') ? answer : null;
    } catch (error) {
      if (process.alive && !isWeather(error))
        this.witness.fail('door', (error as Error).stack ?? String(error));
      return null;
    }
  }
}
