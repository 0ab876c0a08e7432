/**
 * A log that says how long each fact took from its append to the moment from which it survives a crash.
 *
 * Why around the log and not inside: durations of this process are no facts and belong to no adapter; the
 * same few lines time the file, the memory and the simulated disk. Counted on the monotonic clock, for each
 * fact, group commit and waiting for the group before it included: this is what a client waits for.
 * Test: `test/observe/timed-log.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { FactRecord } from '../events/record.ts';
import type { Appended, Draft, Log, LogBase } from '../log/log.ts';

/** Facts under way that can be timed at once: above what the door lets the log lag. Older ones go untimed. */
const underWayMax = 131_072;

/** `log` with `observe(seconds)` called once for each appended fact that became durable. */
export function timedLog(log: Log, clock: Clock, observe: (seconds: number) => void): Log {
  return new TimedLog(log, clock, observe);
}

class TimedLog implements Log {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #observe: (seconds: number) => void;
  /** When each fact under way was appended, ms on the monotonic clock, at its seq modulo the length. */
  readonly #appendedAtMs = new Float64Array(underWayMax);
  /** Seq up to which all is timed. */
  #timed: number;

  constructor(log: Log, clock: Clock, observe: (seconds: number) => void) {
    this.#log = log;
    this.#clock = clock;
    this.#observe = observe;
    this.#timed = log.head;
    log.onChange(() => this.#settle());
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
    if (!appended.duplicate)
      this.#appendedAtMs[appended.record.seq % underWayMax] = this.#clock.monotonicMs();
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

  #settle(): void {
    const { durable, head } = this.#log;
    if (this.#timed >= durable) return;
    const nowMs = this.#clock.monotonicMs();
    const first = Math.max(this.#timed + 1, head - underWayMax + 1);
    for (let seq = first; seq <= durable; seq += 1) {
      this.#observe((nowMs - (this.#appendedAtMs[seq % underWayMax] as number)) / 1000);
    }
    this.#timed = durable;
  }
}
