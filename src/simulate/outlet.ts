/**
 * The way out: the production publication on a bus that breaks (`bus.ts`), one for each process of the machine.
 *
 * Why it is in the simulation: whoever reads the stream must never meet a fact that a crash then takes back, and a
 * publication that was killed between sending and noting has to find its place again. The stream outlives every process.
 */
import type { Lives } from '../lives.ts';
import { type BusMessage, type Publication, publish } from '../views/publication.ts';
import { calmBus, SimulatedBus } from './bus.ts';
import type { Kernel, Mortal } from './kernel.ts';
import type { Random } from './random.ts';

/** How late a message may be, ms. */
const lateMsMax = 200;

export class Outlet {
  readonly #bus: SimulatedBus;
  readonly #kernel: Kernel;
  #publication: Publication | null = null;

  /** @param parts.onStored  told of each message in the moment in which the stream takes it */
  constructor(parts: {
    kernel: Kernel;
    random: Random;
    /** How often each thing goes wrong on the bus, about. */
    rate: number;
    onStored: (message: BusMessage) => void;
  }) {
    const { kernel, onStored, random, rate } = parts;
    this.#kernel = kernel;
    const faults = {
      ...calmBus,
      dialFails: rate,
      asksBreak: rate / 2,
      breaks: rate,
      late: 0.5,
      losesAck: rate / 4,
      doubles: rate / 2,
      cursorFails: rate,
      delayMsMax: 2,
      lateMsMax,
    };
    this.#bus = new SimulatedBus({
      random: () => random.next(),
      after: (ms, fn) => kernel.after(ms, fn),
      faults,
      onStored,
    });
  }

  /** Facts in the stream. */
  get stored(): number {
    return this.#bus.stored.length;
  }

  /** What the present process knows to be in the stream; 0 before it has asked. */
  get publishedSeq(): number {
    return this.#publication?.status().publishedSeq ?? 0;
  }

  /** A process publishes from now on. */
  begin(owner: Mortal, lives: Lives): void {
    const life = () => (owner.alive ? lives.current : null);
    const clock = this.#kernel.clockOf(owner);
    const logger = (): void => undefined;
    void publish({ life, bus: this.#bus.bus(), store: this.#bus.cursor(), logger, clock }).then(
      (publication) => {
        if (owner.alive) this.#publication = publication;
      },
    );
  }

  /** The process ends in order. */
  async stop(): Promise<void> {
    await this.#publication?.stop();
    this.#publication = null;
  }

  /** The process is dead. What it sent may still arrive. */
  crash(): void {
    this.#bus.crash();
    this.#publication = null;
  }

  heal(): void {
    this.#bus.calm();
  }
}
