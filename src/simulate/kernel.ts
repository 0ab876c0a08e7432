/**
 * The kernel: virtual time, and everything that will happen in it, in one order.
 *
 * Why one event at a time: a program on one thread is deterministic but for what reaches it from outside and when.
 * Here that is this queue, ordered by time and then by who asked first. After each event all promises that it
 * resolved run to their end before the next begins, so the same queue gives the same history, to the byte.
 *
 * Why two clocks: the wall clock may be set, forwards and back; the monotonic one is what waits are counted on.
 * Test: `test/simulate/parts.test.ts`.
 */
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type { Clock } from '../clock.ts';

/** Something that can die: a process, with all its timers. What a dead one had on its way never happens. */
export interface Mortal {
  alive: boolean;
}

/** Whoever outlives every process: the network, the disk's own motor, clients. */
export const immortal: Mortal = { alive: true };

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly owner: Mortal;
  /** Null once it is called off. */
  fn: (() => void) | null;
}

/** Events after which the real event loop gets a turn: for signals, and for Node's watch over lost rejections. */
const turnEvents = 1_024;
/** Where the wall clock begins, ms since the Unix epoch. */
const wallBeginsMs = 1_700_000_000_000;

export class Kernel {
  /** Monotonic time, ms. */
  nowMs = 0;
  /** What was set on the wall clock, ms beside the truth. */
  wallOffsetMs = 0;
  /** The farthest that the wall clock was ever ahead. */
  wallOffsetMsMax = 0;
  events = 0;
  readonly #heap: Due[] = [];
  #order = 0;

  /** Runs `fn` after `ms` unless its owner is dead by then. Returns a function that calls it off. */
  after(ms: number, fn: () => void, owner: Mortal = immortal): () => void {
    const due: Due = { atMs: this.nowMs + Math.max(0, ms), order: this.#order++, owner, fn };
    this.#push(due);
    return () => {
      due.fn = null;
    };
  }

  /** The clock of a process: when that is dead, no timer of it fires, and none is set. */
  clockOf(owner: Mortal): Clock {
    return {
      wallMs: () => wallBeginsMs + Math.floor(this.nowMs + this.wallOffsetMs),
      monotonicMs: () => this.nowMs,
      after: (ms, fn) => (owner.alive ? this.after(ms, fn, owner) : () => undefined),
    };
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.wallOffsetMs += ms;
    this.wallOffsetMsMax = Math.max(this.wallOffsetMsMax, this.wallOffsetMs);
  }

  /** Runs events until `done` says so, checked after each, or nothing is left, or time would pass `untilMs`. */
  async run(done: () => boolean, untilMs = Number.POSITIVE_INFINITY): Promise<'done' | 'idle' | 'late'> {
    // What was begun before the first event has a turn as well.
    await settled();
    while (!done()) {
      const due = this.#pop();
      if (!due) return 'idle';
      if (due.fn === null || !due.owner.alive) continue;
      if (due.atMs > untilMs) {
        this.#push(due);
        return 'late';
      }
      this.nowMs = due.atMs;
      this.events += 1;
      due.fn();
      await (this.events % turnEvents === 0 ? turnOfLoop() : settled());
    }
    return 'done';
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Due;
      if (!isBefore(due, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = due;
  }

  #pop(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Due, heap[down] as Due)) down += 1;
      if (!isBefore(heap[down] as Due, last)) break;
      heap[at] = heap[down] as Due;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Due, b: Due): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/**
 * Resolves when every promise that can go on has gone on. Node empties its queue of promises before the next tick,
 * so a tick that is asked for from within that queue comes when it is empty: 20 times cheaper than a turn of the loop.
 */
const settled = (): Promise<void> =>
  new Promise((resume) => {
    queueMicrotask(() => process.nextTick(resume));
  });
