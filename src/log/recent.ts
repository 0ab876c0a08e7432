/**
 * The newest records, in memory.
 *
 * Why: nearly all reading is at the head, by views and actors that follow it; and what is not yet
 * on the disk can be read nowhere else. Test: `test/log/conformance.ts`.
 */
import type { FactRecord } from '../events/record.ts';

/** Records kept at least, once they are durable. */
const recordsMin = 4_096;

export class Recent {
  #records: FactRecord[] = [];
  #firstSeq = 1;

  push(record: FactRecord): void {
    if (this.#records.length === 0) this.#firstSeq = record.seq;
    this.#records.push(record);
  }

  get(seq: number): FactRecord | undefined {
    return this.#records[seq - this.#firstSeq];
  }

  /** Those of the records `from` … `to` that are here: always the newest part. */
  slice(from: number, to: number): FactRecord[] {
    return this.#records.slice(Math.max(0, from - this.#firstSeq), Math.max(0, to + 1 - this.#firstSeq));
  }

  /** Lets old records go, but none above `durable`. Called often, works seldom. */
  trim(durable: number): void {
    const surplus = Math.min(this.#records.length - recordsMin, durable - this.#firstSeq + 1);
    if (surplus < recordsMin) return;
    this.#records = this.#records.slice(surplus);
    this.#firstSeq += surplus;
  }
}
