/**
 * A log that shows a witness what is appended and what becomes durable. It wraps the production log and adds nothing:
 * only so can the simulator count appends as crash points and know the facts as they become safe.
 */
import type { FactRecord } from '../events/record.ts';
import type { Appended, Draft, Log, LogBase, OpenedLog, TailCut } from '../log/log.ts';
import type { LogOptions } from '../log/open.ts';

export interface LogWatch {
  /** A start has read the log: the checkpoint it began from, all records behind it, and what was cut. */
  opened(base: LogBase | null, records: readonly FactRecord[], cut: TailCut | null): void;
  appended(record: FactRecord): void;
  durable(seq: number): void;
}

/** Opens the log, by the production `open`, under the eyes of `watch`. */
export async function openWatchedLog(
  open: (options: LogOptions) => Promise<OpenedLog>,
  options: LogOptions,
  watch: LogWatch,
): Promise<OpenedLog> {
  const read: FactRecord[] = [];
  const seen: { base: LogBase | null; cut: TailCut | null } = { base: null, cut: null };
  const opened = await open({
    ...options,
    onCheckpoint: (checkpoint) => {
      seen.base = checkpoint.base;
      options.onCheckpoint(checkpoint);
    },
    onRecords: (batch) => {
      read.push(...batch);
      options.onRecords(batch);
    },
    onCut: (cut) => {
      seen.cut = cut;
    },
  });
  watch.opened(seen.base, read, opened.cut ?? seen.cut);
  return { ...opened, log: new WatchedLog(opened.log, watch) };
}

class WatchedLog implements Log {
  readonly #log: Log;
  readonly #watch: LogWatch;

  constructor(log: Log, watch: LogWatch) {
    this.#log = log;
    this.#watch = watch;
    // The first to listen: nobody may act on what is durable before the witness knows it.
    log.onChange(() => watch.durable(log.durable));
  }

  get durability(): string {
    return this.#log.durability;
  }
  get head(): number {
    return this.#log.head;
  }
  get durable(): number {
    return this.#log.durable;
  }
  get headHash(): string {
    return this.#log.headHash;
  }
  get epoch(): number {
    return this.#log.epoch;
  }
  get pendingBytes(): number {
    return this.#log.pendingBytes;
  }
  get failure(): Error | null {
    return this.#log.failure;
  }

  append(draft: Draft): Appended {
    const appended = this.#log.append(draft);
    if (!appended.duplicate) this.#watch.appended(appended.record);
    return appended;
  }

  versionOf(stream: string): number {
    return this.#log.versionOf(stream);
  }
  read(from: number, limit: number): Promise<FactRecord[]> {
    return this.#log.read(from, limit);
  }
  readStream(stream: string, fromVersion?: number, limit?: number): Promise<FactRecord[]> {
    return this.#log.readStream(stream, fromVersion, limit);
  }
  whenDurable(seq: number): Promise<void> {
    return this.#log.whenDurable(seq);
  }
  onChange(listener: () => void): () => void {
    return this.#log.onChange(listener);
  }
  cutSegment(keeps: (stream: string) => boolean): LogBase {
    return this.#log.cutSegment(keeps);
  }
  close(): Promise<void> {
    return this.#log.close();
  }
}
