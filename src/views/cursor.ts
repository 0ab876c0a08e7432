/**
 * How far publication has come, kept in one small file.
 *
 * Why only a hint: the stream itself knows which fact came last, and is asked. This file speaks when the
 * stream can't, because it is empty or was emptied; and it is the only cursor that Berth keeps on disk.
 * It is written at most once a second, whole or not at all, and one that can't be read is no cursor.
 * Test: `test/views/nats.test.ts`.
 */
import { open, readFile, rename } from 'node:fs/promises';
import type { Clock } from '../clock.ts';

/** The last fact that is known to be published. */
export interface Position {
  readonly seq: number;
  /** Its hash: tells whether it is a fact of this log at all. */
  readonly hash: string;
}

/** Between two writes, ms. */
const writeMs = 1_000;

export class CursorFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #position: Position | null;
  #written: Position | null;
  #offTimer: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();

  static async open(path: string, clock: Clock, onError: (error: unknown) => void): Promise<CursorFile> {
    return new CursorFile(path, clock, onError, await readPosition(path));
  }

  private constructor(
    path: string,
    clock: Clock,
    onError: (error: unknown) => void,
    position: Position | null,
  ) {
    this.#path = path;
    this.#clock = clock;
    this.#onError = onError;
    this.#position = position;
    this.#written = position;
  }

  get position(): Position | null {
    return this.#position;
  }

  /** Remembers a position; it reaches the disk within a second. */
  move(position: Position): void {
    this.#position = position;
    this.#offTimer ??= this.#clock.after(writeMs, () => {
      this.#offTimer = null;
      void this.flush();
    });
  }

  /** Brings the position to disk now. Never rejects: without it the next start only asks the stream. */
  flush(): Promise<void> {
    this.#offTimer?.();
    this.#offTimer = null;
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#onError);
    return this.#writing;
  }

  async #write(): Promise<void> {
    const position = this.#position;
    if (position === null || position === this.#written) return;
    const draft = `${this.#path}.tmp`;
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(position)}\n`);
      // Without it a power cut may leave the new name with nothing behind it.
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
    this.#written = position;
  }
}

async function readPosition(path: string): Promise<Position | null> {
  try {
    const { seq, hash } = JSON.parse(await readFile(path, 'utf8')) as Partial<Position>;
    const sound = Number.isSafeInteger(seq) && Number(seq) > 0 && /^[0-9a-f]{64}$/.test(String(hash));
    return sound ? { seq: Number(seq), hash: String(hash) } : null;
  } catch {
    return null;
  }
}
