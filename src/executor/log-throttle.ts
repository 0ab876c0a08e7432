/**
 * Slows the guest's stderr down to what is worth reading, on the runner's side of the pipe.
 *
 * Why: a guest may write one byte at a time, a million times a second, and each message costs the
 * controller more than the guest. Within one window only so much is passed on; the rest is kept back,
 * its last `bytesMax` at most, and goes out with the next write in a later window, or at the end.
 * Price: of a guest that floods and then hangs, the last lines of the flood stay unseen.
 */
const windowMs = 100;
/** What one message counts at least; so at most 64 messages a window with 64 KiB. */
const messageCost = 1_024;

export class LogThrottle {
  readonly #bytesMax: number;
  readonly #pass: (piece: Uint8Array) => void;
  #windowFromMs = Number.NEGATIVE_INFINITY;
  #spent = 0;
  #kept: Uint8Array = new Uint8Array(0);

  constructor(bytesMax: number, pass: (piece: Uint8Array) => void) {
    this.#bytesMax = bytesMax;
    this.#pass = pass;
  }

  /** `nowMs` on any clock that never goes back. */
  write(piece: Uint8Array, nowMs: number): void {
    if (nowMs - this.#windowFromMs >= windowMs) {
      this.#windowFromMs = nowMs;
      this.#spent = 0;
    }
    const all =
      this.#kept.length === 0 ? piece : Buffer.concat([this.#kept, piece]).subarray(-this.#bytesMax);
    const cost = Math.max(all.length, messageCost);
    if (this.#spent + cost > this.#bytesMax) {
      this.#kept = all;
      return;
    }
    this.#spent += cost;
    this.#kept = new Uint8Array(0);
    this.#pass(all);
  }

  flush(): void {
    if (this.#kept.length > 0) this.#pass(this.#kept);
    this.#kept = new Uint8Array(0);
  }
}
