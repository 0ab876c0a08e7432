/**
 * One simulated run: a seed becomes a history, and every law is held against it.
 *
 * Two phases, because "nothing bad happens" and "something good happens" can't be asked at once. First faults strike
 * while clients want jobs run: no law may break. Then faults stop, the disk heals, the clock is left alone: now every
 * job that was accepted must come to its end within a bounded time, whatever state the faults left it in.
 * Source: the liveness mode of TigerBeetle's simulator. Test: `test/simulate/simulate.test.ts`.
 */
import { stateText } from '../cast.ts';
import type { FactRecord } from '../events/record.ts';
import { Clients } from './clients.ts';
import { Kernel } from './kernel.ts';
import { Machine } from './machine.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import type { SimulationOptions } from './options.ts';
import { Random } from './random.ts';
import { edgesText } from './refold.ts';
import type { Violation } from './violation.ts';

/** Virtual time after which clients who are still at it are left alone, ms: their number times this, and then some. */
const safetyMsPerJob = 200;
const safetyMsMore = 30_000;
/** Virtual time in which every job must end once faults have stopped, ms. */
const livenessMsMax = 180_000;
/** One live state in so many events is compared with a fold of the log. */
const compareEvents = 800;
/** Virtual time in which a log that nobody writes to is read by all, ms. */
const restMs = 10;

export interface SimulationResult {
  readonly options: SimulationOptions;
  readonly accepted: number;
  /** Jobs by their end. */
  readonly ended: Readonly<Record<string, number>>;
  readonly facts: number;
  readonly headHash: string;
  /** What was seen, by name: faults, crashes, recoveries, facts by type. */
  readonly counts: Readonly<Record<string, number>>;
  /** Crash points passed. */
  readonly points: number;
  readonly events: number;
  /** Virtual time, ms. */
  readonly virtualMs: number;
  readonly violation: { readonly invariant: string; readonly message: string } | null;
  /** Every durable fact. */
  readonly history: readonly FactRecord[];
}

/** Runs a simulation to its end, or to the first broken law. Resolves to what was seen; rejects never. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const run = new Simulation(options);
  await run.safety();
  await run.liveness();
  await run.lastStart();
  return run.result();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #kernel = new Kernel();
  readonly #machine: Machine;
  readonly #network: Network;
  readonly #clients: Clients;
  readonly #operator: Operator;
  readonly #checks: Random;
  #nextCheck = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const kernel = this.#kernel;
    const random = new Random(options.seed);
    this.#checks = random.fork('checks');
    const machine = new Machine({ kernel, options, random });
    this.#machine = machine;
    const count = (fault: string): void => machine.witness.count(`fault ${fault}`);
    const { faults } = options;
    this.#network = new Network({ kernel, random: random.fork('network'), faults, count });
    const parts = { kernel, machine, options };
    this.#clients = new Clients({ ...parts, network: this.#network, random: random.fork('clients') });
    this.#operator = new Operator({ ...parts, random: random.fork('operator') });
  }

  get #violation(): Violation | null {
    return this.#machine.witness.violation;
  }

  /** Faults strike until every client has what it wants, or has given up. */
  async safety(): Promise<void> {
    let isSetUp = false;
    this.#machine.start();
    this.#operator.setUp(() => {
      isSetUp = true;
      this.#clients.open();
    });
    this.#operator.makeTrouble();
    const untilMs = this.#options.jobs * safetyMsPerJob + safetyMsMore;
    await this.#run(() => isSetUp && this.#clients.allArrived && this.#clients.busy === 0, untilMs);
  }

  /** Faults have stopped: every job ends. */
  async liveness(): Promise<void> {
    this.#network.healed = true;
    this.#machine.heal();
    this.#operator.rest();
    const { witness } = this.#machine;
    const atRest = (): boolean => {
      const { life, outlet } = this.#machine;
      return (
        life !== null &&
        witness.ledger.open.size === 0 &&
        life.log.head === life.log.durable &&
        (outlet === null || outlet.stored === witness.ledger.seq) &&
        this.#clients.busy === 0
      );
    };
    const how = await this.#run(atRest, this.#kernel.nowMs + livenessMsMax);
    if (how !== 'done' && !this.#violation) {
      const waiting = [...witness.ledger.open].map((id) => `${id} is ${witness.ledger.jobs.get(id)?.state}`);
      witness.fail(
        'I2',
        `some never end: ${waiting.slice(0, 5).join(', ') || 'but no life comes up, clients wait, or facts are not published'}`,
      );
    }
    for (const id of this.#clients.accepted)
      if (!witness.ledger.jobs.has(id)) witness.fail('I1', `${id} was accepted and is not in the log`);
    await this.#compareAtRest();
  }

  /** Ends in order, starts once more from the disk alone: what is read then is what was promised. */
  async lastStart(): Promise<void> {
    if (this.#violation) return;
    const { ledger } = this.#machine.witness;
    let isDown = false;
    void this.#machine.shutdown('finish', 100, true).then(() => {
      isDown = true;
    });
    await this.#run(() => isDown, this.#kernel.nowMs + livenessMsMax);
    const before = ledger.seq;
    await this.#through(this.#machine.rotOfACopy(this.#checks.fork('rot')));
    if (this.#violation) return;
    this.#machine.start();
    await this.#run(() => this.#machine.life !== null, this.#kernel.nowMs + livenessMsMax);
    if (this.#machine.life === null) this.#machine.witness.fail('start', 'no life begins on a sound disk');
    else if (this.#machine.life.recovered.ofSeq < before)
      this.#machine.witness.fail(
        'I1',
        `${before} facts were durable, ${this.#machine.life.recovered.ofSeq} are read`,
      );
    await this.#compareAtRest();
  }

  /** Lets everyone read what is durable, then compares all folds. */
  async #compareAtRest(): Promise<void> {
    await this.#run(() => false, this.#kernel.nowMs + restMs);
    const { life, witness } = this.#machine;
    if (life === null || this.#violation || life.log.head !== life.log.durable) return;
    witness.atRest({ whole: life.stateText, edges: edgesText(life.gate, life.views) });
    await this.#through(this.#machine.readAll());
  }

  /** Lets time pass until `work` is done. */
  async #through(work: Promise<void>): Promise<void> {
    let isDone = false;
    void work.then(() => {
      isDone = true;
    });
    await this.#run(() => isDone, this.#kernel.nowMs + livenessMsMax);
  }

  async #run(done: () => boolean, untilMs: number): Promise<string> {
    return this.#kernel.run(() => {
      if (this.#violation) return true;
      if (this.#kernel.events >= this.#nextCheck) this.#compare();
      return done();
    }, untilMs);
  }

  /** Holds the live state against the log. */
  #compare(): void {
    this.#nextCheck = this.#kernel.events + 1 + this.#checks.below(2 * compareEvents);
    const { life, witness } = this.#machine;
    if (life === null || this.#violation || life.log.failure) return;
    witness.live({ host: stateText(life.state, []) });
    witness.noGuestWithoutSlot();
    witness.idle(life, this.#options.runners);
  }

  result(): SimulationResult {
    const { points, witness } = this.#machine;
    const { ledger, records } = witness;
    const ended: Record<string, number> = {};
    for (const { state } of ledger.jobs.values()) ended[state] = (ended[state] ?? 0) + 1;
    for (const [name, count] of Object.entries(this.#machine.disk.injected))
      witness.count(`fault ${name}`, count);
    return {
      options: this.#options,
      accepted: this.#clients.accepted.size,
      ended,
      facts: ledger.seq,
      headHash: records.at(-1)?.hash ?? '',
      counts: Object.fromEntries([...witness.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
      points,
      events: this.#kernel.events,
      virtualMs: Math.round(this.#kernel.nowMs),
      violation: this.#violation && {
        invariant: this.#violation.invariant,
        message: this.#violation.message,
      },
      history: records,
    };
  }
}
