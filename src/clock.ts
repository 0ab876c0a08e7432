/**
 * Time, ids and randomness as ports.
 *
 * Why ports: a controller that reads the clock wherever it likes can be neither replayed nor
 * simulated. Here only composition roots know the real clock; everything else is handed one, so a
 * simulator can hand in another and run the very same code in virtual time.
 */
import { randomBytes } from 'node:crypto';

/** Two clocks, because they answer different questions: what time is it, and how much time passed. */
export interface Clock {
  /** Milliseconds since the Unix epoch, whole. May jump (NTP, an operator); only ever recorded, never counted down. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start. Never jumps; the only clock a deadline is counted on. */
  monotonicMs(): number;
  /** Calls `fn` once, at least `ms` later on the monotonic clock. Returns a function that calls it off. */
  after(ms: number, fn: () => void): () => void;
}

/** Names nobody can guess. A port, so that a simulation can hand in reproducible ones. */
export interface Ids {
  /** A fresh job id: 20 characters of `[a-z0-9]`, about 100 bits. */
  jobId(): string;
}

/** setTimeout takes at most 2^31−1 ms; a longer wait is cut into hops of this length. */
const hopMsMax = 2_000_000_000;

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout;
    const dueMs = performance.now() + Math.max(0, ms);
    const arm = (): void => {
      timer = setTimeout(
        // setTimeout drops fractions and may call up to a millisecond early: the monotonic clock has the last word.
        () => (performance.now() < dueMs ? arm() : fn()),
        Math.min(Math.ceil(Math.max(0, dueMs - performance.now())), hopMsMax),
      );
    };
    arm();
    return () => clearTimeout(timer);
  },
};

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Ids from the operating system's random generator. */
export const randomIds: Ids = {
  jobId() {
    let id = '';
    while (id.length < 20) {
      // 252 = 7 × 36: bytes above it would make the first letters likelier than the rest.
      for (const byte of randomBytes(32)) if (byte < 252 && id.length < 20) id += alphabet[byte % 36];
    }
    return id;
  },
};
