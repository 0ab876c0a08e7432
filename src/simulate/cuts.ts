/**
 * I20, seen at the disk: each tail that a start takes off the log is told by a durable `controller.recovered`.
 *
 * Why at the disk: a cut destroys its own evidence. Of one that was made and never told the records say nothing, nor does
 * the log that is read afterwards; only whoever saw the file become shorter knows. Of several cuts that nobody was told
 * about, one fact tells as a sum. Test: `test/simulate/laws.test.ts`.
 */
import type { FactData } from '../events/facts.ts';
import { law } from './violation.ts';

interface Cut {
  readonly path: string;
  readonly offset: number;
  /** Number of the opening that made it. */
  readonly opening: number;
  bytes: number;
  /** Something was written behind it: another cut at this place takes other bytes. */
  isOver: boolean;
}

export class Cuts {
  #untold: Cut[] = [];
  #opening = 0;
  #mustTell = false;
  /** Cuts seen so far. */
  made = 0;

  /** A life opens the log. @param mustTell  nobody knows what was promised of the end of this log */
  begin(mustTell: boolean): void {
    this.#opening += 1;
    this.#mustTell = mustTell;
  }

  /** A file became shorter. */
  truncated(path: string, from: number, to: number): void {
    if (!this.#mustTell || to >= from || !path.endsWith('.seg')) return;
    this.made += 1;
    const again = this.#untold.find((cut) => cut.path === path && cut.offset === to && !cut.isOver);
    // A power cut may bring back what was cut, once or in part: that is one cut, made twice.
    if (again) again.bytes = Math.max(again.bytes, from - to);
    else this.#untold.push({ path, offset: to, opening: this.#opening, bytes: from - to, isOver: false });
  }

  written(path: string, end: number): void {
    for (const cut of this.#untold) if (cut.path === path && end > cut.offset) cut.isOver = true;
  }

  /**
   * A durable `controller.recovered`. @param wasRead  a start has read it: it can't tell of what that start cut
   * Throws a `Violation` when it leaves something unsaid.
   */
  told({ bytes = 0, fromSeq }: FactData<'controller.recovered'>, wasRead: boolean, seq: number): void {
    const isMeant = (cut: Cut): boolean => !wasRead || cut.opening < this.#opening;
    const sum = this.#untold.filter(isMeant).reduce((total, cut) => total + cut.bytes, 0);
    const said = fromSeq === undefined ? 'nothing' : `${bytes} bytes from seq ${fromSeq} on`;
    law(sum <= bytes, 'I20', `${sum} bytes were cut from the log, and seq ${seq} tells of ${said}`);
    this.#untold = this.#untold.filter((cut) => !isMeant(cut));
  }
}
