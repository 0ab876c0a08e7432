/**
 * Which log is shown: the page's own, or one that somebody opened from a file.
 *
 * Why two models and not one that changes its log: the own one goes on following its server behind the opened one, with its
 * place and its history, and nothing that is written or asked can ever reach a server by way of a file. Test:
 * `test/dashboard/log-file.test.ts`.
 */
import { home } from './address.ts';
import { type LogFile, playerOf } from './log-file.ts';
import { LogFileError } from './log-lines.ts';
import { Model, type ModelParts } from './model.ts';
import type { ReadingParts } from './recorded.ts';

/** What became of the last file. */
export type Opening =
  | { readonly kind: 'none' }
  | { readonly kind: 'reading'; readonly name: string; readonly facts: number; readonly share: number }
  | { readonly kind: 'failed'; readonly name: string; readonly reason: string; readonly next: string };

export type ShelfParts = ReadingParts &
  Pick<ModelParts, 'navigate' | 'soon'> & { readonly own: Model; readonly onChange: () => void };

export class Shelf {
  readonly #parts: ShelfParts;
  #opened: Model | null = null;
  #opening: Opening = { kind: 'none' };
  /** Of the file that is read, or was last: one that is aborted is read no further, and not heard. */
  #reading = new AbortController();

  constructor(parts: ShelfParts) {
    this.#parts = parts;
  }

  /** What the views draw. */
  get shown(): Model {
    return this.#opened ?? this.#parts.own;
  }

  get isOpened(): boolean {
    return this.#opened !== null;
  }

  /** Would a way back lead to a log that grows? */
  get leadsToLive(): boolean {
    return this.#parts.own.server !== null;
  }

  get opening(): Opening {
    return this.#opening;
  }

  /** Shows this file's log once all of it is read; until then, and when it can't be read, what was shown stays. */
  async open(file: LogFile): Promise<void> {
    this.#reading.abort();
    this.#reading = new AbortController();
    const { signal } = this.#reading;
    const { name } = file;
    this.#tell({ kind: 'reading', name, facts: 0, share: 0 });
    try {
      const player = await playerOf(file, this.#parts, signal, (facts, share) => {
        if (!signal.aborted) this.#tell({ kind: 'reading', name, facts, share });
      });
      if (signal.aborted) return;
      const { view } = this.shown.address;
      const address = {
        ...home,
        view: view === 'fleet' || view === 'tenants' || view === 'audit' ? view : 'jobs',
      } as const;
      this.#opened = new Model({ ...this.#parts, player, address, server: null });
      this.#opened.tell({ kind: 'file', name });
      this.#opened.go({});
      this.#tell({ kind: 'none' });
    } catch (error) {
      if (signal.aborted) return;
      const next = error instanceof LogFileError ? error.next : 'Choose it again';
      this.#tell({ kind: 'failed', name, reason: (error as Error).message, next });
    }
  }

  /** Back to the page's own log, where it was left. */
  close(): void {
    this.#opened = null;
    this.#parts.own.go({});
    this.#parts.onChange();
  }

  /** The failure was read; or what is still being read is wanted no more. */
  dismiss(): void {
    this.#reading.abort();
    this.#tell({ kind: 'none' });
  }

  #tell(opening: Opening): void {
    this.#opening = opening;
    this.#parts.onChange();
  }
}
