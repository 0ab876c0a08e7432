/**
 * Inspectors that are attached: each is shown the controller as it stands, then every durable fact as it comes.
 *
 * Why a slow inspector loses facts instead of slowing the controller: it is a window, not a consumer. What waits for it
 * is bounded; when the bound is reached the wait is thrown away, and it is shown afresh how things stand, with the number
 * of facts that it missed. Nothing is made while nobody looks. Test: `test/observe/inspector.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { Change } from '../jobs/state.ts';
import type { Dialect } from './dialects.ts';
import { introducing, type Seen, type Shown, seenAtFirst, seenIn } from './inspection.ts';

/** Facts that are shown in one go, and how long apart: together the most that inspectors cost. */
const changesMax = 256;
const everyMs = 100;
/** Bytes that an inspector may leave unread before it is passed over. */
const unreadBytesMax = 4 * 1024 * 1024;
/** One that leaves them unread for so long, ms, has gone without saying so. */
const deafMsMax = 60_000;

/** The other end. */
export interface Peer {
  /** Hands over messages, in their order, all at once: a write to a socket for each would cost more than making them. */
  send(texts: readonly string[]): void;
  /** Bytes handed over that have not left. */
  readonly unreadBytes: number;
  /** Lets go of it. */
  cut(): void;
}

/** A life as inspectors see it. */
export interface Inspected {
  readonly views: {
    readonly state: Shown['state'];
    onChange(listener: (change: Change) => void): () => void;
  };
  readonly gate: { readonly state: string };
}

interface Attached {
  readonly peer: Peer;
  readonly dialect: Dialect;
  /** Facts that it was not shown since it was last shown everything; null: it was shown all. */
  missed: number | null;
  /** Since when it reads nothing, monotonic; null: it reads. */
  deafSinceMs: number | null;
  /** Sessions that it was told of. */
  readonly known: Set<string>;
}

export class Inspector {
  readonly #clock: Clock;
  readonly #life: () => Inspected | null;
  readonly #attached = new Set<Attached>();
  #followed: Inspected | null = null;
  #unfollow = (): void => undefined;
  #pending: { readonly change: Change; readonly shown: ReturnType<typeof seenIn> }[] = [];
  #lost = 0;
  #stopTimer: (() => void) | null = null;

  constructor({ clock, life }: { readonly clock: Clock; readonly life: () => Inspected | null }) {
    this.#clock = clock;
    this.#life = life;
  }

  /** How many are attached. */
  get count(): number {
    return this.#attached.size;
  }

  /** Shows `peer` everything from now on. Returns what detaches it. */
  attach(peer: Peer, dialect: Dialect): () => void {
    const attached: Attached = { peer, dialect, missed: 0, deafSinceMs: null, known: new Set() };
    this.#attached.add(attached);
    this.#arm();
    return () => {
      this.#attached.delete(attached);
      if (this.#attached.size === 0) this.stop();
    };
  }

  /** Shows nobody anything any more. */
  stop(): void {
    this.#attached.clear();
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#unfollow();
    this.#followed = null;
    this.#pending = [];
  }

  #arm(): void {
    this.#stopTimer ??= this.#clock.after(everyMs, () => {
      this.#stopTimer = null;
      this.#show();
      if (this.#attached.size > 0) this.#arm();
    });
  }

  /** Another life has other views: what was shown of the former one is shown anew. */
  #followPresent(): Inspected | null {
    const life = this.#life();
    if (life === this.#followed) return life;
    this.#unfollow();
    this.#pending = [];
    this.#followed = life;
    this.#unfollow = life?.views.onChange((change) => this.#take(life, change)) ?? (() => undefined);
    for (const attached of this.#attached) attached.missed ??= 0;
    return life;
  }

  #take(life: Inspected, change: Change): void {
    if (this.#pending.length >= changesMax) {
      this.#lost += 1;
      return;
    }
    // Projected now: a moment later the folds have moved on.
    this.#pending.push({ change, shown: seenIn(change, shownOf(life)) });
  }

  #show(): void {
    const life = this.#followPresent();
    const pending = this.#pending;
    const lost = this.#lost;
    this.#pending = [];
    this.#lost = 0;
    if (!life) return;
    for (const attached of this.#attached) {
      const isFull = attached.peer.unreadBytes > unreadBytesMax;
      if (lost > 0 || isFull) attached.missed = (attached.missed ?? 0) + lost + pending.length;
      if (this.#isGone(attached, isFull)) attached.peer.cut();
      if (isFull) continue;
      if (attached.missed !== null) this.#showAfresh(life, attached);
      else if (pending.length > 0)
        tell(
          attached,
          pending.flatMap(({ shown }) => shown),
        );
    }
  }

  #isGone(attached: Attached, isFull: boolean): boolean {
    const nowMs = this.#clock.monotonicMs();
    attached.deafSinceMs = isFull ? (attached.deafSinceMs ?? nowMs) : null;
    return attached.deafSinceMs !== null && nowMs - attached.deafSinceMs > deafMsMax;
  }

  #showAfresh(life: Inspected, attached: Attached): void {
    const atMs = this.#clock.wallMs();
    attached.known.clear();
    tell(attached, seenAtFirst(shownOf(life), atMs));
    if (attached.missed) {
      const event = { type: 'inspector.skipped', facts: attached.missed };
      tell(attached, [{ kind: 'event', session: 'controller', source: 'controller', event, seq: 0, atMs }]);
    }
    attached.missed = null;
  }
}

const shownOf = ({ views, gate }: Inspected): Shown => ({ state: views.state, gate: gate.state });

function tell({ peer, dialect, known }: Attached, shown: readonly Seen[]): void {
  peer.send(introducing(shown, known).flatMap((seen) => dialect(seen)));
}
