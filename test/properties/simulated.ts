/** Simulated ports: a clock that moves when told, and a backend whose guests do what the test says. No process is started. */

import type { Clock } from '../../src/clock.ts';
import type { Backend, Probe, Run, RunOutcome, RunRequest } from '../../src/executor/backend.ts';

export class SimulatedClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #next = 0;
  #timers: { dueMs: number; order: number; fn: () => void }[] = [];

  wallMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  after(ms: number, fn: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, ms), order: this.#next++, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** When the next timer is due, ms from now; null when none is armed. */
  nextMs(): number | null {
    const due = Math.min(...this.#timers.map(({ dueMs }) => dueMs));
    return Number.isFinite(due) ? Math.max(0, due - this.#nowMs) : null;
  }

  /** Moves time, firing what falls due on the way, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [timer] = this.#timers
        .filter(({ dueMs }) => dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order);
      if (!timer) break;
      this.#timers = this.#timers.filter((other) => other !== timer);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.fn();
    }
    this.#nowMs = endMs;
  }

  /** A power cut: no timer of the process survives it. */
  forget(): void {
    this.#timers = [];
  }
}

class SimulatedRun implements Run {
  readonly request: RunRequest;
  readonly fence: number;
  readonly started: Promise<{ runner: string }>;
  readonly ended: Promise<RunOutcome>;
  #start!: (value: { runner: string }) => void;
  #end!: (outcome: RunOutcome) => void;
  isStarted = false;
  isOver = false;
  readonly #onOver: () => void;

  constructor(request: RunRequest, onOver: () => void) {
    this.request = request;
    this.fence = request.fence;
    this.#onOver = onOver;
    this.started = new Promise((resolve) => {
      this.#start = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  start(): void {
    this.isStarted = true;
    this.#start({ runner: 'simulated' });
  }
  finish(outcome: RunOutcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#onOver();
    this.#end(outcome);
  }
  kill(): void {
    this.finish({ how: 'killed' });
  }
  logs(): string {
    return '';
  }
}

/** Remembers every start it was ever asked for, across lives: no fence may come twice. */
export class SimulatedBackend implements Backend {
  readonly runners: number;
  readonly live: SimulatedRun[] = [];
  readonly fencesStarted: number[] = [];

  constructor(runners: number) {
    this.runners = runners;
  }

  probe(): Probe {
    return { name: 'simulated', isolation: 'L0', notes: ['no process is started'] };
  }
  run(request: RunRequest): Run | null {
    if (this.live.length >= this.runners) return null;
    this.fencesStarted.push(request.fence);
    const run: SimulatedRun = new SimulatedRun(request, () => {
      this.live.splice(this.live.indexOf(run), 1);
    });
    this.live.push(run);
    return run;
  }
  /** The machine stops, or the life ends: every guest dies without a word. */
  async stop(): Promise<void> {
    this.live.length = 0;
  }
}
