/** A log whose disk the test owns: what is durable moves when told, a crash keeps at least that, and may strike after any append. */
import { type FactRecord, genesis, sealRecord } from '../../src/events/record.ts';
import { streamOf } from '../../src/events/subject.ts';
import { Chain } from '../../src/log/chain.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Appended, Draft, Log, LogBase, OpenedLog } from '../../src/log/log.ts';
import { Progress } from '../../src/log/progress.ts';

/** What survives: the records, and how many of them had been made durable. */
export class CrashDisk {
  records: FactRecord[] = [];
  durable = 0;
  /** Appends until the crash strikes; infinite: never. */
  fuse = Number.POSITIVE_INFINITY;
  appends = 0;

  /** The machine stops: a suffix that was not durable is lost, down to `keep` of it (0…1). */
  crash(keep: number): void {
    const kept = this.durable + Math.floor((this.records.length - this.durable) * keep);
    this.records = this.records.slice(0, kept);
    this.durable = kept;
  }
}

/** Thrown out of `append` when the fuse burns down: the fact is in the log, and the process is gone. */
export class CrashNow extends Error {}

export function openCrashLog(disk: CrashDisk, onRecords: (batch: readonly FactRecord[]) => void): OpenedLog {
  const log = new CrashLog(disk);
  onRecords(disk.records);
  return { log, cut: null, settled: async () => undefined };
}

export class CrashLog implements Log {
  readonly durability = 'as the test says';
  readonly epoch: number;
  readonly pendingBytes = 0;
  readonly #disk: CrashDisk;
  readonly #chain = new Chain(nodeSha256);
  readonly #progress: Progress;

  constructor(disk: CrashDisk) {
    this.#disk = disk;
    let prev = genesis;
    for (const record of disk.records) {
      const { hash } = sealRecord(record, nodeSha256);
      if (record.hash !== hash || record.prev !== prev) throw new Error(`seq ${record.seq} does not chain`);
      prev = hash;
      const fault = this.#chain.accept(record);
      if (fault) throw new Error(fault);
    }
    this.#progress = new Progress(disk.records.length);
    this.epoch = this.#chain.epochMax + 1;
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
    const { record, line } = this.#chain.place(
      draft,
      this.epoch,
      (seq) => this.#disk.records[seq - 1] as FactRecord,
    );
    if (line === null) return { record, duplicate: true };
    this.#disk.records.push(record);
    this.#disk.appends += 1;
    this.#disk.fuse -= 1;
    if (this.#disk.fuse <= 0) throw new CrashNow('the machine stops here');
    return { record, duplicate: false };
  }

  /** One flush: everything appended so far becomes durable. */
  flush(): void {
    if (this.durable === this.head) return;
    this.#disk.durable = this.head;
    this.#progress.advance(this.head);
  }

  versionOf(stream: string): number {
    return this.#chain.versionOf(stream);
  }
  async read(from: number, limit: number): Promise<FactRecord[]> {
    return this.#disk.records.slice(from - 1, from - 1 + limit);
  }
  async readStream(stream: string): Promise<FactRecord[]> {
    return this.#disk.records.filter((record) => streamOf(record.subject) === stream);
  }
  whenDurable(seq: number): Promise<void> {
    return this.#progress.whenDurable(seq);
  }
  onChange(listener: () => void): () => void {
    return this.#progress.onChange(listener);
  }
  cutSegment(keeps: (stream: string) => boolean): LogBase {
    return { ...this.#chain.cut(keeps), group: 0 };
  }
  async close(): Promise<void> {
    this.#progress.close();
  }
}
