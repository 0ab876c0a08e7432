/**
 * How far the log is durable, and who waits for it.
 *
 * Why waiting is a thing of its own: appending is instant, safety takes a disk write. Whoever tells
 * the outside world about a fact first waits here until the fact would survive a crash.
 * Test: `test/log/conformance.ts`.
 */
import { BerthError } from '../errors.ts';

interface Wait {
  readonly seq: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Progress {
  durable: number;
  failure: BerthError | null = null;
  #closed = false;
  /** Ordered by seq, so that moving `durable` looks only at those who are done. */
  #waits: Wait[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(durable: number) {
    this.durable = durable;
  }

  /** Resolves when `seq` is durable; one promise serves all who wait for the same seq. */
  whenDurable(seq: number): Promise<void> {
    if (seq <= this.durable) return Promise.resolve();
    if (this.failure !== null || this.#closed) return Promise.reject(this.why());
    let at = this.#waits.length;
    while (at > 0 && this.#waits[at - 1]!.seq > seq) at -= 1;
    const before = this.#waits[at - 1];
    if (before?.seq === seq) return before.promise;
    const wait = newWait(seq);
    this.#waits.splice(at, 0, wait);
    return wait.promise;
  }

  onChange(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  advance(seq: number): void {
    this.durable = seq;
    let done = 0;
    while (done < this.#waits.length && this.#waits[done]!.seq <= seq) this.#waits[done++]!.resolve();
    if (done > 0) this.#waits.splice(0, done);
    this.#tell();
  }

  /** Ends all hope for what is not durable. The first failure stays; listeners hear of it once. */
  fail(cause: unknown): BerthError {
    if (this.failure !== null) return this.failure;
    const message = cause instanceof Error ? cause.message : String(cause);
    this.failure = new BerthError('ERR_LOG_FAILED', `the log cannot be written: ${message}`, { cause });
    this.#rejectAll(this.failure);
    this.#tell();
    return this.failure;
  }

  close(): void {
    this.#closed = true;
    this.#rejectAll(this.why());
  }

  /** What an append after a failure or after `close` is told. */
  why(): BerthError {
    return this.failure ?? new BerthError('ERR_LOG_FAILED', 'the log is closed');
  }

  #rejectAll(error: BerthError): void {
    const waits = this.#waits;
    this.#waits = [];
    for (const wait of waits) wait.reject(error);
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (thrown) {
        // A listener that throws is a fault of ours, and not one of the disk: it must not look like a failed flush.
        queueMicrotask(() => {
          throw thrown;
        });
      }
    }
  }
}

function newWait(seq: number): Wait {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { seq, promise, resolve, reject };
}
