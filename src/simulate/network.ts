/**
 * The network between clients and the door: requests and answers are lost, doubled, late, and overtake each other.
 *
 * What is simulated are the messages, not HTTP: `src/intake/http.ts` and NATS have tests of their own against real
 * sockets. Whether a client hears of what it asked for is all that matters here.
 */
import type { Answer } from '../intake/answer.ts';
import type { Kernel } from './kernel.ts';
import type { Faults } from './options.ts';
import type { Random } from './random.ts';

/** The longest that a late message is under way, ms: longer than a client's patience. */
const lateMsMax = 900;

export class Network {
  /** From now on every message arrives, once. */
  healed = false;
  readonly #parts: { kernel: Kernel; random: Random; faults: Faults; count: (fault: string) => void };

  constructor(parts: { kernel: Kernel; random: Random; faults: Faults; count: (fault: string) => void }) {
    this.#parts = parts;
  }

  /**
   * Sends a request. `ask` may be called never, once or twice; so may `heard`, for each of these. Null: the
   * connection broke, as when nobody listens.
   */
  send(ask: () => Promise<Answer | null>, heard: (answer: Answer | null) => void): void {
    this.#carry(() => {
      void ask().then((answer) => this.#carry(() => heard(answer)));
    });
  }

  #carry(deliver: () => void): void {
    const { faults, kernel, random } = this.#parts;
    const copies = 1 + Number(this.#strikes(faults.doubledMessages, 'doubledMessages'));
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.#strikes(faults.lostMessages, 'lostMessages')) continue;
      const late = this.#strikes(faults.lateMessages, 'lateMessages');
      kernel.after(late ? random.between(20, lateMsMax) : random.between(0.1, 3), deliver);
    }
  }

  #strikes(rate: number, name: string): boolean {
    const struck = this.#parts.random.chance(rate) && !this.healed;
    if (struck) this.#parts.count(name);
    return struck;
  }
}
