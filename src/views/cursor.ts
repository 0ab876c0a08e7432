/**
 * How far publication has come, remembered where a restart finds it.
 *
 * Why only a hint: the stream itself knows which fact came last, and is asked. The cursor speaks when the
 * stream can't, because it is empty or was emptied; and it is the only one that Berth keeps on disk.
 * So it is written at most once a second, and one that is lost or can't be read is no cursor.
 * Tests: `test/views/nats.test.ts`, `test/simulate/bus.test.ts`.
 */
import type { Clock } from '../clock.ts';

/** The last fact that is known to be published. */
export interface Position {
  readonly seq: number;
  /** Its hash: tells whether it is a fact of this log at all. */
  readonly hash: string;
}

/** Where a position is kept: a file (`cursor-file.ts`), or a simulator's memory. */
export interface CursorStore {
  /** The position; null when there is none or it can't be read. Never rejects. */
  load(): Promise<Position | null>;
  /** Keeps it durably, whole or not at all. */
  save(position: Position): Promise<void>;
}

/** Between two writes, ms. */
const writeMs = 1_000;

export class Cursor {
  readonly #store: CursorStore;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #position: Position | null;
  #written: Position | null;
  #offTimer: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();

  static async open(store: CursorStore, clock: Clock, onError: (error: unknown) => void): Promise<Cursor> {
    return new Cursor(store, clock, onError, await store.load());
  }

  private constructor(
    store: CursorStore,
    clock: Clock,
    onError: (error: unknown) => void,
    position: Position | null,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#onError = onError;
    this.#position = position;
    this.#written = position;
  }

  get position(): Position | null {
    return this.#position;
  }

  /** Remembers a position; it reaches the store within a second. */
  move(position: Position): void {
    this.#position = position;
    this.#offTimer ??= this.#clock.after(writeMs, () => {
      this.#offTimer = null;
      void this.flush();
    });
  }

  /** Brings the position to the store now. Never rejects: without it the next start only asks the stream. */
  flush(): Promise<void> {
    this.#offTimer?.();
    this.#offTimer = null;
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#onError);
    return this.#writing;
  }

  async #write(): Promise<void> {
    const position = this.#position;
    if (position === null || position === this.#written) return;
    await this.#store.save(position);
    this.#written = position;
  }
}
