/**
 * I19: a clean stop keeps its time, and costs no job anything.
 *
 * Why with the moments of the kernel: a stop that is a minute too long still ends with the right facts. What may make
 * one late or leave a guest behind without a fault of the controller (a disk call that hangs, a guest that does not hear
 * its kill) is asked for first, so that nothing else is excused. Test: `test/simulate/laws.test.ts`.
 */
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { law } from './violation.ts';

/** Beyond the deadlines, ms: some dozens of disk calls, one behind the other, of which none hangs. */
const slackMs = 1_500;

interface Stop {
  readonly mode: 'finish' | 'requeue';
  readonly beganMs: number;
  readonly deadlineMs: number;
  readonly killMs: number;
}

export class Stops {
  readonly #nowMs: () => number;
  /** How often something struck that may make a stop late, so far. */
  readonly #excuses: () => number;
  #stop: Stop | null = null;
  /** Excuses when the present life came up. */
  #atBegin = 0;

  constructor(nowMs: () => number, excuses: () => number) {
    this.#nowMs = nowMs;
    this.#excuses = excuses;
  }

  /** A process begins, or is gone. */
  reset(): void {
    this.#stop = null;
    this.#atBegin = this.#excuses();
  }

  get #excused(): boolean {
    return this.#excuses() > this.#atBegin;
  }

  /** The signal comes. */
  signal(stop: Omit<Stop, 'beganMs'>): void {
    this.#stop = { ...stop, beganMs: this.#nowMs() };
  }

  /** A fact has its place. */
  appended({ data, seq, type }: FactRecord): void {
    if (this.#stop === null) return;
    const { beganMs, deadlineMs, killMs, mode } = this.#stop;
    const waitMs = mode === 'finish' ? deadlineMs : 0;
    const tookMs = this.#nowMs() - beganMs;
    if (type === 'job.evicted' && (data as FactData<'job.evicted'>).reason === 'shutdown')
      law(
        tookMs >= waitMs,
        'I19',
        `seq ${seq} evicts ${tookMs} ms after the signal, its job had ${waitMs} ms`,
      );
    if (type !== 'controller.stopped' || this.#excused) return;
    law(tookMs <= waitMs + killMs + slackMs, 'I19', `it took ${tookMs} ms to stop, deadline ${waitMs} ms`);
    const { running } = data as FactData<'controller.stopped'>;
    law(running === 0, 'I19', `stopped with ${running} jobs running, though each could be killed`);
  }

  /** The stop could not be made in order. @param logFailed  there was nothing left to write it to */
  failed(logFailed: boolean): void {
    law(logFailed || this.#excused, 'I19', 'the stop did not come to its end, though no disk failed or hung');
  }
}
