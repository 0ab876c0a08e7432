/**
 * Places: how many requests may be under way at once, of whom, and how much of their answers may wait to leave.
 *
 * Why several bounds and not one: a single bound is a single thing to use up, and whoever uses it up first has
 * closed the door for all. So each kind of waiting has its own: probes are answered however full the rest is;
 * one tenant, or all strangers together, take at most their share; uploads, which may lawfully last minutes,
 * take a small part of that; and answers that nobody reads are counted in bytes, since one of them may
 * be as large as thousands of others.
 *
 * Why the oldest body gives way: bodies of jobs come from strangers (a signed job has no token), who may send
 * them as slowly as they like. An honest one is here in milliseconds; so when too many are being read, the
 * one that has taken longest is given up, and slow senders displace each other, not the quick.
 * Test: `test/intake/places.test.ts`, `test/intake/crowd.test.ts`.
 */
import { BerthError } from '../errors.ts';
import { nobody } from './route.ts';

export interface PlaceLimits {
  /** Requests under way at once, streams of events not counted; beyond it 503. */
  readonly requestsMax: number;
  /** Of these, of one tenant (beyond it 429), and of all strangers together (beyond it 503). */
  readonly ownerRequestsMax: number;
  /** Requests at once to each probe, not counted above; beyond it 503. */
  readonly probeRequestsMax: number;
  /** JSON and signed bodies being read at once; beyond it the one that has taken longest gets 503. */
  readonly bodiesMax: number;
  /** Uploads of blobs of one tenant at once; beyond it 429. */
  readonly tenantUploadsMax: number;
  /** Answers that wait for their readers, bytes, those below 64 KiB not counted; beyond it 503. */
  readonly unsentBytesMax: number;
  /** Of these, to one tenant (beyond it 429), and to all strangers together (beyond it 503). */
  readonly ownerUnsentBytesMax: number;
}

/** What one tenant, or all strangers together, hold. Dropped at nought, so the map is bounded by what is under way. */
interface Held {
  requests: number;
  uploads: number;
  unsentBytes: number;
}

export class Places {
  readonly #limits: PlaceLimits;
  readonly #owners = new Map<string, Held>();
  readonly #probes = new Map<string, number>();
  /** Oldest first: a Set keeps the order of insertion. */
  readonly #bodies = new Set<() => void>();
  #requests = 0;
  #unsentBytes = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /**
   * A place for one request; one that is `refused` when there is none left.
   * @param probe  path of the probe that is asked; null for any other request
   */
  enter(probe: string | null): Place {
    const { probeRequestsMax, requestsMax } = this.#limits;
    const count = probe === null ? this.#requests : (this.#probes.get(probe) ?? 0);
    const max = probe === null ? requestsMax : probeRequestsMax;
    if (count >= max) {
      const message = `${max} requests${probe === null ? '' : ` to ${probe}`} are under way, the bound`;
      return new Place(this, () => undefined, new BerthError('ERR_BUSY', message));
    }
    const add = (change: number): void => {
      if (probe === null) this.#requests += change;
      else this.#probes.set(probe, (this.#probes.get(probe) ?? 0) + change);
    };
    add(1);
    return new Place(this, () => add(-1));
  }

  /** Counts `amount` more of `what` for this owner until the function that it returns is called. Throws at the bound. */
  take(owner: string, what: keyof Held, amount: number): () => void {
    const held = this.#owners.get(owner) ?? { requests: 0, uploads: 0, unsentBytes: 0 };
    const { ownerRequestsMax, ownerUnsentBytesMax, tenantUploadsMax, unsentBytesMax } = this.#limits;
    const [max, named] = {
      requests: [ownerRequestsMax, 'requests'] as const,
      uploads: [tenantUploadsMax, 'uploads'] as const,
      unsentBytes: [ownerUnsentBytesMax, 'bytes of unread answers'] as const,
    }[what];
    if (held[what] + amount > max) {
      const [code, who] =
        owner === nobody.tenant
          ? (['ERR_BUSY', 'strangers have'] as const)
          : (['ERR_RATE', `${owner} has`] as const);
      throw new BerthError(code, `${who} ${held[what]} ${named} under way; at most ${max} may be`);
    }
    if (what === 'unsentBytes' && this.#unsentBytes + amount > unsentBytesMax)
      throw new BerthError(
        'ERR_BUSY',
        `answers of ${this.#unsentBytes} bytes wait to be read; at most ${unsentBytesMax} may`,
      );
    this.#owners.set(owner, held);
    this.#add(held, what, amount);
    return () => {
      this.#add(held, what, -amount);
      if (held.requests + held.uploads + held.unsentBytes === 0) this.#owners.delete(owner);
    };
  }

  #add(held: Held, what: keyof Held, amount: number): void {
    held[what] += amount;
    if (what === 'unsentBytes') this.#unsentBytes += amount;
  }

  /** A body begins to be read. Calls `giveWay` when younger ones need its turn; call what it returns at the end. */
  read(giveWay: () => void): () => void {
    if (this.#bodies.size >= this.#limits.bodiesMax) {
      const [oldest] = this.#bodies;
      if (oldest) {
        this.#bodies.delete(oldest);
        oldest();
      }
    }
    this.#bodies.add(giveWay);
    return () => void this.#bodies.delete(giveWay);
  }
}

/** The place of one request; everything that it holds is given back by `leave`, and only once. */
export class Place {
  readonly #places: Places;
  readonly #backs: (() => void)[];
  /** Why it is none: nothing may be done with it but to answer so. */
  readonly refused: BerthError | null;
  #owner = nobody.tenant;

  constructor(places: Places, back: () => void, refused: BerthError | null = null) {
    this.#places = places;
    this.#backs = [back];
    this.refused = refused;
  }

  /** It is known now whose request this is: a tenant's, or a stranger's. Throws `ERR_RATE` or `ERR_BUSY` at the bound. */
  belongsTo(owner: string): void {
    this.#backs.push(this.#places.take(owner, 'requests', 1));
    this.#owner = owner;
  }

  /** It carries a blob. Throws `ERR_RATE` when its owner has as many under way as it may. */
  uploads(): void {
    this.#backs.push(this.#places.take(this.#owner, 'uploads', 1));
  }

  /** See `Places.read`. */
  reads(giveWay: () => void): () => void {
    return this.#places.read(giveWay);
  }

  /** Its answer waits to leave, also after `leave`, until the function that it returns is called. Throws at the bound. */
  holds(bytes: number): () => void {
    return this.#places.take(this.#owner, 'unsentBytes', bytes);
  }

  leave(): void {
    for (const back of this.#backs.splice(0)) back();
  }
}
