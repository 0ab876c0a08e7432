/**
 * From "durable moved" to the clients who follow: a bridge that may skip signals, never facts.
 *
 * Why a bridge: a pushed fact has to wait somewhere for a slow client, and that somewhere grows. Here only the
 * sign that there is more is pushed, several signs count as one, and each client pulls the facts themselves
 * by its own cursor, a batch at a time, when it has sent what it had. A client that never reads costs one
 * number. RxJS carries the signs, because losing some of them is allowed (it has no backpressure).
 * Test: `test/views/stream.test.ts`.
 */
import { audit, Observable, share } from 'rxjs';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Views } from './views.ts';

/** A stream that says nothing else says this, so that both ends notice a dead connection. */
export const heartbeatMs = 15_000;
/** How often, at least, a stream looks whether its life is still the present one and its reader still trusted. */
const lookMs = 1_000;

export interface StreamsOptions {
  readonly clock: Clock;
  /** Streams open at once; beyond it the answer is 503. */
  readonly streamsMax: number;
  readonly heartbeatMs: number;
}

/** What wakes a stream: there is more to read, or it is time to show that the stream lives. */
export type Pulse = 'moved' | 'beat';

/** A life as streams see it. */
export interface Followed {
  readonly views: Pick<Views, 'onChange' | 'seq'>;
  /**
   * False once another life has begun or this one has ended (its clients come back to the new one), or once the
   * reader may see it no more. Asked before each pulse, and at least each second.
   */
  readonly isPresent: () => boolean;
}

export class Streams {
  readonly #options: StreamsOptions;
  readonly #moves = new WeakMap<Followed['views'], Map<number, Observable<unknown>>>();
  #open = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** Streams open now. */
  get open(): number {
    return this.#open;
  }

  /** Throws `ERR_STREAMS` when no further stream may be opened. */
  assertRoom(): void {
    const { streamsMax } = this.#options;
    if (this.#open >= streamsMax)
      throw new BerthError('ERR_STREAMS', `${streamsMax} event streams are open, the bound`);
  }

  /**
   * Pulses until `signal` aborts or the life is over; the first is `moved`, at once.
   * @param everyMs  signs that come within this time count as one
   */
  async *pulses(followed: Followed, everyMs: number, signal: AbortSignal): AsyncGenerator<Pulse> {
    this.assertRoom();
    this.#open += 1;
    const { clock } = this.#options;
    let isMoved = true;
    let beatAtMs = clock.monotonicMs() + this.#options.heartbeatMs;
    let wake = (): void => undefined;
    const ring = (): void => wake();
    const subscription = this.#movesOf(followed.views, everyMs).subscribe(() => {
      isMoved = true;
      ring();
    });
    signal.addEventListener('abort', ring);
    try {
      while (!signal.aborted && followed.isPresent()) {
        if (isMoved) {
          isMoved = false;
          yield 'moved';
        } else if (clock.monotonicMs() >= beatAtMs) {
          beatAtMs = clock.monotonicMs() + this.#options.heartbeatMs;
          yield 'beat';
        } else {
          const restMs = Math.max(1, Math.min(lookMs, beatAtMs - clock.monotonicMs()));
          const off = clock.after(restMs, ring);
          await new Promise<void>((resume) => {
            wake = resume;
          });
          off();
        }
      }
    } finally {
      this.#open -= 1;
      signal.removeEventListener('abort', ring);
      subscription.unsubscribe();
    }
  }

  /** One listener on the views for all streams of the same pace, and none when nobody follows. */
  #movesOf(views: Followed['views'], everyMs: number): Observable<unknown> {
    const paces = this.#moves.get(views) ?? new Map<number, Observable<unknown>>();
    this.#moves.set(views, paces);
    const known = paces.get(everyMs);
    if (known) return known;
    const { clock } = this.#options;
    const pause = new Observable<void>((subscriber) => clock.after(everyMs, () => subscriber.next()));
    const moves = new Observable<void>((subscriber) => views.onChange(() => subscriber.next())).pipe(
      audit(() => pause),
      share(),
    );
    paces.set(everyMs, moves);
    return moves;
  }
}

/** One event of `text/event-stream`. JSON has no bare line breaks, so one data line is enough. */
export const eventFrame = (id: number, data: unknown): string =>
  `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

/** A comment: clients skip it. */
export const beatFrame = ': beat\n\n';
