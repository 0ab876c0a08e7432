/**
 * Publication over a bus that breaks as a seed says: whatever happens, the stream holds the log's own durable facts, in order.
 *
 * Why the durable point is the test's own: "never a fact that is not durable" can only fail where head runs ahead of it,
 * and where a crash then gives the same seq to another fact.
 */
import { setImmediate as turn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { BerthError } from '../../src/errors.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { Chain } from '../../src/log/chain.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { type BusFaults, calmBus, SimulatedBus } from '../../src/simulate/bus.ts';
import { type BusMessage, type Publication, publish } from '../../src/views/publication.ts';
import { draft, numbers } from '../log/drafts.ts';
import { SimulatedClock } from '../properties/simulated.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('publication over a simulated bus');
const decoder = new TextDecoder();

/** A log whose head runs ahead of what is durable, and loses that lead in a crash. */
class LeadingLog {
  records: FactRecord[] = [];
  durable = 0;
  /** What lies before is retired. */
  firstKept = 1;
  #crashes = 0;
  #chain = new Chain(nodeSha256);
  readonly #listeners = new Set<() => void>();

  append(): void {
    const version = this.#chain.versionOf('job.acme.a');
    const fact = draft('a', version, { n: version, life: this.#crashes });
    this.records.push(this.#chain.place(fact, 1, (seq) => this.records[seq - 1]!).record);
  }
  flush(upTo: number): void {
    this.durable = Math.max(this.durable, Math.min(this.records.length, upTo));
    for (const listener of [...this.#listeners]) listener();
  }
  /** The lead is lost; the next fact with the same seq is another one. */
  crash(): void {
    this.records = this.records.slice(0, this.durable);
    this.#crashes += 1;
    this.#listeners.clear();
    this.#chain = new Chain(nodeSha256);
    for (const record of this.records) this.#chain.accept(record);
  }
  life() {
    const records = this.records;
    const self = this;
    return {
      log: {
        get durable() {
          return self.durable;
        },
        read: async (from: number, limit: number) => {
          if (from < self.firstKept) throw new BerthError('ERR_NOT_FOUND', `seq ${from} is retired`);
          return records.slice(from - 1, from - 1 + limit);
        },
      },
      views: {
        get seq() {
          return self.durable;
        },
        onChange(listener: (change: never) => void) {
          self.#listeners.add(listener as () => void);
          return () => void self.#listeners.delete(listener as () => void);
        },
      },
    };
  }
}

/** Bus, log and clock, and a publication that can be killed. */
class World {
  readonly random: () => number;
  /** Time outside, and time of the process, whose timers die with it. */
  readonly outside = new SimulatedClock();
  process = new SimulatedClock();
  readonly log = new LeadingLog();
  readonly bus: SimulatedBus;
  readonly broken: string[] = [];
  publication!: Publication;
  #life: ReturnType<LeadingLog['life']> | null = null;

  constructor(faults: Partial<BusFaults>, start: number) {
    this.random = numbers(start);
    this.bus = new SimulatedBus({
      random: this.random,
      after: (ms, fn) => this.outside.after(ms, fn),
      faults: { ...calmBus, ...faults },
      onStored: (message) => this.#check(message),
    });
  }

  /** At the moment when the stream takes a message, its fact is durable, and it is the log's own. */
  #check({ seq, bytes }: BusMessage): void {
    const own = this.log.records[seq - 1];
    if (seq > this.log.durable) this.broken.push(`fact ${seq} is out, and ${this.log.durable} is durable`);
    else if (!own || (JSON.parse(decoder.decode(bytes)) as FactRecord).hash !== own.hash)
      this.broken.push(`fact ${seq} is not the log's own`);
  }

  async begin(): Promise<void> {
    this.process = new SimulatedClock();
    this.#life = this.log.life();
    this.publication = await publish({
      life: () => this.#life,
      bus: this.bus.bus(),
      store: this.bus.cursor(),
      logger: () => undefined,
      clock: this.process,
    });
  }

  /** kill -9: no timer fires any more, nothing is heard any more; what is on its way arrives. */
  async crash(): Promise<void> {
    this.process.forget();
    this.bus.crash();
    this.log.crash();
    await this.begin();
  }

  /** A life ends in a live process, and the next begins. */
  turnLife(to: 'none' | 'next'): void {
    this.#life = to === 'next' ? this.log.life() : null;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; ) {
      const step = Math.max(
        0.001,
        Math.min(left, this.outside.nextMs() ?? left, this.process.nextMs() ?? left),
      );
      this.outside.advance(step);
      this.process.advance(step);
      left -= step;
      await turn();
    }
  }

  get isAllOut(): boolean {
    return this.publication.status().publishedSeq === this.log.durable;
  }
}

/** The stream holds facts `from`… up to the durable one, each once, in order, by the bytes of the log. */
function assertHolds(world: World, from: number, where: string): void {
  assert.equal(world.broken, [], where);
  const seqs = world.bus.stored.map(({ seq }) => seq);
  const wanted = Array.from({ length: world.log.durable - from + 1 }, (_, at) => from + at);
  assert.equal(seqs, wanted, where);
}

const faultsOf = (random: () => number): BusFaults => ({
  dialFails: random() * 0.5,
  asksBreak: random() * 0.3,
  breaks: random() * 0.5,
  late: random(),
  losesAck: random() * 0.3,
  doubles: random() * 0.5,
  cursorFails: random() * 0.5,
  delayMsMax: random() * 50,
  lateMsMax: random() * 3_000,
});

/** Random work, random faults, random crashes; then calm, and all that is durable comes out. */
async function oneRun(start: number, restarts: boolean): Promise<World> {
  const random = numbers(start);
  const world = new World(faultsOf(random), start ^ 0x5bd1e995);
  await world.begin();
  for (let step = 0; step < 60; step += 1) {
    const kind = random();
    if (kind < 0.4) for (let n = random() * 40; n > 0; n -= 1) world.log.append();
    else if (kind < 0.7) world.log.flush(world.log.durable + Math.floor(random() * 60));
    else if (kind < 0.76) await world.crash();
    else if (kind < 0.79) world.bus.loseCursor();
    else if (kind < 0.82) world.bus.cut();
    else if (kind < 0.85 && restarts) world.bus.restartServer(Math.floor(random() * 20));
    else if (kind < 0.88) world.turnLife('none');
    else world.turnLife('next');
    await world.pass(random() * 800);
  }
  world.turnLife('next');
  world.bus.calm();
  world.log.append();
  world.log.flush(Number.POSITIVE_INFINITY);
  // What is late has come after the longest delay; then everything settles within a few tries.
  for (let tries = 0; tries < 20 && (tries < 2 || !world.isAllOut); tries += 1) await world.pass(6_000);
  return world;
}

t(
  'over random faults the stream holds the durable facts of the log, in order, without gap or double',
  async () => {
    const all = { breaks: 0, late: 0, acksLost: 0, doubles: 0, refused: 0, stored: 0 };
    for (let run = 0; run < runs(60); run += 1) {
      const world = await oneRun((seed() + run) >>> 0, run % 2 === 1);
      assertHolds(world, 1, `run ${run} of seed ${seed()}`);
      for (const name of Object.keys(all) as (keyof typeof all)[]) all[name] += world.bus.counts[name];
      await stop(world);
    }
    for (const [name, count] of Object.entries(all))
      assert.ok(count >= 30, `${name} happened ${count} times`);
  },
  { limitMs: 120_000 },
);

/** A stop needs time to pass, for what is on its way is waited for. */
async function stop(world: World): Promise<void> {
  let stopped = false;
  void world.publication.stop().then(() => {
    stopped = true;
  });
  for (let tries = 0; tries < 10 && !stopped; tries += 1) await world.pass(1_000);
  assert.ok(stopped, 'stop does not end');
}

t(
  'the check of the moment of publication sees a fact that is not durable, and one of another log',
  async () => {
    const world = new World({}, 1);
    for (let n = 0; n < 3; n += 1) world.log.append();
    world.log.flush(2);
    const connection = world.bus.bus().dial();
    await world.pass(1);
    const bytes = new TextEncoder().encode(JSON.stringify({ seq: 1, hash: 'f'.repeat(64) }));
    void (await connection).append(
      [1, 3].map((seq) => ({ seq, subject: 'x', bytes })),
      0,
    );
    await world.pass(1);
    assert.equal(world.broken, ["fact 1 is not the log's own", 'fact 3 is out, and 2 is durable']);
  },
);

t('an emptied stream goes on behind the cursor; without a cursor everything comes again', async () => {
  const world = new World({}, seed());
  await world.begin();
  for (let n = 0; n < 10; n += 1) world.log.append();
  world.log.flush(10);
  await world.pass(2_000);
  await stop(world);
  for (const [keeps, from] of [
    [true, 11],
    [false, 1],
  ] as const) {
    world.bus.purge();
    if (!keeps) world.bus.loseCursor();
    await world.begin();
    world.log.append();
    world.log.flush(Number.POSITIVE_INFINITY);
    await world.pass(2_000);
    assertHolds(world, from, `cursor kept: ${keeps}`);
    await stop(world);
  }
});

t("a stream that holds another log's facts is left alone, and the lag says what is owed", async () => {
  const world = new World({}, 3);
  await world.begin();
  for (let n = 0; n < 5; n += 1) world.log.append();
  world.log.flush(5);
  await world.pass(2_000);
  await stop(world);
  const held = world.bus.stored.length;
  // An older copy of the data directory comes back: what it lost is out.
  world.log.durable = 3;
  await world.crash();
  for (let n = 0; n < 4; n += 1) world.log.append();
  world.log.flush(7);
  await world.pass(20_000);
  const { connected, lag, problem } = world.publication.status();
  assert.equal([held, world.bus.stored.length, connected, lag], [5, 5, false, 2]);
  assert.match(String(problem), /ends with fact 5 of another log/);
  await stop(world);
});

t('facts that were retired before they were published stop publication, and the status says so', async () => {
  const world = new World({}, 4);
  for (let n = 0; n < 5; n += 1) world.log.append();
  world.log.flush(5);
  world.log.firstKept = 4;
  await world.begin();
  await world.pass(3_000);
  const { connected, lag, problem } = world.publication.status();
  assert.equal([connected, lag, world.bus.stored.length], [false, 5, 0]);
  assert.match(String(problem), /the next fact to publish is not in the log any more: seq 1 is retired/);
  world.log.firstKept = 1;
  await world.pass(10_000);
  assertHolds(world, 1, 'it goes on by itself');
  await stop(world);
});

t.run();
