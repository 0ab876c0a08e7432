/**
 * A fold of the history beside the controller's own: what every live and every recovered state must equal (I10).
 *
 * Why the production folds and not others: they are what recovery uses. That the *rules* hold is the ledger's to say;
 * here the question is whether a state that was built fact by fact, dropped by crashes, restored from checkpoints or
 * folded anew, is a function of the log and of nothing else.
 *
 * Why it goes on from where it stood: folding from the first fact at each recovery costs the square of the history.
 * It begins anew only when facts that it had folded are gone, and the last comparison of a run is always a fresh fold.
 */
import { type Cast, castAround, stateText } from '../cast.ts';
import { canonicalJson } from '../events/canonical.ts';
import { freeze } from '../events/frozen.ts';
import type { FactRecord } from '../events/record.ts';
import { Gate } from '../intake/gate.ts';
import { fold, newState, type State } from '../jobs/state.ts';
import { Views } from '../views/views.ts';

const never = (): never => {
  throw new Error('a muted actor reached out');
};
const muted = {
  blobs: { read: never, verify: never, putBytes: never },
  sign: never,
  clock: { wallMs: never, monotonicMs: never, after: never },
  killWaitMs: 0,
  wake: never,
};

export class Refold {
  #state: State = newState();
  #cast: Cast = castAround(this.#state, muted);
  #seq = 0;
  #hash: string | undefined;
  readonly #gate = new Gate();
  readonly #views = new Views();
  readonly #withEdges: boolean;

  /** @param withEdges  the gate and the views are folded, too; for one fold, from the first fact on */
  constructor({ withEdges = false } = {}) {
    this.#withEdges = withEdges;
  }

  /** Folds up to `seq`. @param at  the record of a seq, as the history has it now */
  to(seq: number, at: (seq: number) => FactRecord | undefined): this {
    if (seq < this.#seq || (this.#seq > 0 && at(this.#seq)?.hash !== this.#hash)) this.#beginAnew();
    while (this.#seq < seq) {
      const record = at(this.#seq + 1);
      if (!record) throw new Error(`no record of seq ${this.#seq + 1}`);
      const change = fold(this.#state, record);
      for (const actor of this.#cast.all) actor.fold(change);
      if (this.#withEdges) for (const edge of [this.#gate, this.#views]) edge.fold(change);
      this.#seq = record.seq;
      this.#hash = record.hash;
    }
    return this;
  }

  /** Host and actors. */
  get whole(): string {
    return stateText(this.#state, this.#cast.all);
  }

  /** The writer's state alone. */
  get host(): string {
    return stateText(this.#state, []);
  }

  /** What the gate and the views hold, for a fold that was made with them. */
  get edges(): string {
    return edgesText(this.#gate, this.#views);
  }

  #beginAnew(): void {
    this.#state = newState();
    this.#cast = castAround(this.#state, muted);
    this.#seq = 0;
  }
}

/** What stands at the edges of a life: what the gate and the views fold, as text. */
export const edgesText = (gate: Gate, views: Views): string =>
  canonicalJson({ gate: freeze(gate.snapshot()), views: freeze(views.snapshot()) } as never);
