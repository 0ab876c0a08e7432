/**
 * The log in memory: for tests, for trials with `--log memory`, for a page that replays.
 *
 * Why it exists beside the file: it keeps every promise of the port but survival, so what goes wrong
 * with it is not the disk. "Durable" follows `head` a moment later, as with a real disk, so that code
 * which forgets to wait is caught here too. Test: `test/log/memory.test.ts`.
 */
import { invariant } from '../errors.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { Appended, Draft, Log, LogBase, OpenedLog } from './log.ts';
import { Progress } from './progress.ts';

/** An empty log that keeps its facts in an array. */
export function openMemoryLog({ sha256 }: { sha256: Sha256 }): OpenedLog {
  return { log: new MemoryLog(sha256), cut: null, settled: async () => undefined };
}

class MemoryLog implements Log {
  readonly durability = 'memory: nothing survives the process';
  readonly epoch = 1;
  readonly pendingBytes = 0;
  readonly #records: FactRecord[] = [];
  readonly #chain: Chain;
  readonly #progress = new Progress(0);
  #moving = false;
  #closed = false;

  constructor(sha256: Sha256) {
    this.#chain = new Chain(sha256);
  }

  get head(): number {
    return this.#chain.head;
  }
  get headHash(): string {
    return this.#chain.headHash;
  }
  get durable(): number {
    return this.#progress.durable;
  }
  get failure(): Error | null {
    return this.#progress.failure;
  }

  append(draft: Draft): Appended {
    if (this.#closed) throw this.#progress.why();
    const { record, line } = this.#chain.place(draft, this.epoch, (seq) => this.#records[seq - 1]!);
    if (line === null) return { record, duplicate: true };
    this.#records.push(record);
    this.#moveDurable();
    return { record, duplicate: false };
  }

  versionOf(stream: string): number {
    return this.#chain.versionOf(stream);
  }

  async read(from: number, limit: number): Promise<FactRecord[]> {
    const first = Math.max(1, from);
    return this.#records.slice(first - 1, Math.max(first - 1, from - 1 + limit));
  }

  async readStream(stream: string, fromVersion = 1, limit = 10_000): Promise<FactRecord[]> {
    return this.#chain.seqsOf(stream, fromVersion, limit).map((seq) => this.#records[seq - 1]!);
  }

  whenDurable(seq: number): Promise<void> {
    return this.#progress.whenDurable(seq);
  }

  onChange(listener: () => void): () => void {
    return this.#progress.onChange(listener);
  }

  /** There are no segments here, and no groups; what is forgotten is forgotten all the same. */
  cutSegment(keeps: (stream: string) => boolean): LogBase {
    if (this.#closed) throw this.#progress.why();
    invariant(this.durable === this.head, `cut at ${this.head}, durable up to ${this.durable}`);
    return { ...this.#chain.cut(keeps), group: 0 };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.durable < this.head) this.#progress.advance(this.head);
    this.#progress.close();
  }

  #moveDurable(): void {
    if (this.#moving) return;
    this.#moving = true;
    queueMicrotask(() => {
      this.#moving = false;
      if (this.durable < this.head) this.#progress.advance(this.head);
    });
  }
}
