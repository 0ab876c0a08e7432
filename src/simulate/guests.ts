/**
 * Guests and their runners, simulated behind the `Backend` port: they start late or never, exit, fail, crash, flood,
 * hang until they are killed, are lost with or without a word, and some outlive their controller for a while.
 *
 * Why the guests belong to the machine and not to the backend: a controller that dies does not take its guests along in
 * the same instant. Recovery has to kill them and wait; whether it did is seen here, where every guest that
 * breathes is known.
 *
 * One thing the port rules out: its promises resolve once, so a runner can't report one result twice. A result that
 * races with the kill is here (`lateResults`), and so is one that comes when its attempt is over.
 */
import type { Backend, Probe, Run, RunOutcome, RunRequest } from '../executor/backend.ts';
import type { Kernel, Mortal } from './kernel.ts';
import { type Faults, killWaitMs } from './options.ts';
import type { Random } from './random.ts';

/** Told what happens to the world outside, before it happens. */
export interface GuestWatch {
  /** A guest is about to be started. False: the machine died at this very moment. */
  starting(request: RunRequest): boolean;
  killing(fence: number): boolean;
  count(fault: string): void;
}

interface GuestParts {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly faults: Faults;
  readonly watch: GuestWatch;
}

export class Guests {
  /** From now on guests start and exit. Those that hang by themselves may still come: their deadline ends them. */
  healed = false;
  /** How many did not hear their kill so far. */
  deaf = 0;
  readonly #alive = new Set<number>();
  readonly #parts: GuestParts;

  constructor(parts: GuestParts) {
    this.#parts = parts;
  }

  isAlive(fence: number): boolean {
    return this.#alive.has(fence);
  }

  get alive(): ReadonlySet<number> {
    return this.#alive;
  }

  /** The controller is gone: its guests die with it, most of them at once. */
  orphan(): void {
    const { faults, kernel, random } = this.#parts;
    for (const fence of [...this.#alive]) {
      const isSlow = this.strikes(faults.slowDeaths, 'slowDeaths');
      kernel.after(isSlow ? random.between(0, 200) : 0, () => this.died(fence));
    }
  }

  /** Kills all that is left of former lives and resolves when it is gone. */
  killFormer(owner: Mortal): Promise<number> {
    const { kernel, random } = this.#parts;
    const found = this.#alive.size;
    for (const fence of [...this.#alive]) kernel.after(random.between(0, 5), () => this.died(fence));
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#alive.size === 0) resolve(found);
        else kernel.after(1, look, owner);
      };
      kernel.after(random.between(0, 2), look, owner);
    });
  }

  /** The backend of one life. */
  backendOf(owner: Mortal, runners: number): Backend {
    return new SimulatedBackend({ ...this.#parts, guests: this, owner, runners });
  }

  born(fence: number): void {
    this.#alive.add(fence);
  }
  died(fence: number): void {
    this.#alive.delete(fence);
  }

  strikes(rate: number, name: string): boolean {
    const struck = this.#parts.random.chance(rate) && !this.healed;
    if (struck) this.#parts.watch.count(name);
    return struck;
  }
}

interface BackendParts extends GuestParts {
  readonly guests: Guests;
  readonly owner: Mortal;
  readonly runners: number;
}

class SimulatedBackend implements Backend {
  readonly runners: number;
  readonly #parts: BackendParts;
  readonly #runs = new Set<SimulatedRun>();
  #stopped = false;

  constructor(parts: BackendParts) {
    this.#parts = parts;
    this.runners = parts.runners;
  }

  probe(): Probe {
    return { name: 'simulated', isolation: 'L0', notes: ['no process is started'] };
  }

  run(request: RunRequest): Run | null {
    const { faults, guests, owner, watch } = this.#parts;
    if (!owner.alive || this.#stopped || this.#runs.size >= this.runners) return null;
    if (guests.strikes(faults.busyRunners, 'busyRunners')) return null;
    const run: SimulatedRun = new SimulatedRun(this.#parts, request, () => this.#runs.delete(run));
    if (!watch.starting(request)) return run;
    this.#runs.add(run);
    run.begin();
    return run;
  }

  /** Kills every guest and waits until all are gone. */
  async stop(): Promise<void> {
    const { kernel, owner } = this.#parts;
    this.#stopped = true;
    for (const run of this.#runs) run.kill('stop');
    while (this.#runs.size > 0 && owner.alive)
      await new Promise<void>((resume) => kernel.after(1, resume, owner));
  }
}

class SimulatedRun implements Run {
  readonly fence: number;
  readonly started: Promise<{ readonly runner: string }>;
  readonly ended: Promise<RunOutcome>;
  readonly #parts: BackendParts;
  readonly #onOver: () => void;
  #start!: (value: { runner: string }) => void;
  #end!: (outcome: RunOutcome) => void;
  #entered = false;
  #over = false;
  #killed = false;

  constructor(parts: BackendParts, request: RunRequest, onOver: () => void) {
    this.#parts = parts;
    this.#onOver = onOver;
    this.fence = request.fence;
    this.started = new Promise((resolve) => {
      this.#start = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  logs(): string {
    return '';
  }

  begin(): void {
    const { faults, guests, random } = this.#parts;
    guests.born(this.fence);
    if (guests.strikes(faults.noStarts, 'noStarts')) return;
    const isSlow = guests.strikes(faults.slowStarts, 'slowStarts');
    this.#after(isSlow ? random.between(50, 400) : random.between(0, 5), () => this.#enter());
  }

  kill(by: 'order' | 'stop' = 'order'): void {
    const { faults, guests, owner, random, watch } = this.#parts;
    if (this.#over || this.#killed || !owner.alive) return;
    if (by === 'order' && !watch.killing(this.fence)) return;
    this.#killed = true;
    if (by === 'order' && this.#entered && guests.strikes(faults.lateResults, 'lateResults')) {
      // It had exited when the signal came; the result was on its way.
      this.#after(random.between(0, 3), () => this.#exit(0, 8));
    } else if (by === 'order' && guests.strikes(faults.deafRunners, 'deafRunners')) {
      guests.deaf += 1;
      // Stuck in the kernel: gone before lease and grace are over, and nobody sees it go.
      this.#after(random.between(10, killWaitMs - 10), () => guests.died(this.fence));
      this.#after(killWaitMs * random.pick([1, 2]), () =>
        this.#finish({ how: 'lost', message: 'killed, but not seen to end' }),
      );
    } else {
      this.#after(random.between(0, 5), () => this.#finish({ how: 'killed' }));
    }
  }

  /** The guest is entered: what it will do is drawn now. */
  #enter(): void {
    if (this.#over || this.#killed) return;
    const { faults, guests, random } = this.#parts;
    this.#entered = true;
    this.#start({ runner: `runner-${this.fence % 8}` });
    const doneMs = random.between(1, 80);
    const later = (fn: () => void): void => this.#after(doneMs, () => this.#killed || fn());
    if (guests.strikes(faults.runnersLost, 'runnersLost'))
      later(() => this.#finish({ how: 'lost', message: 'the runner is gone' }));
    else if (guests.strikes(faults.runnersSilent, 'runnersSilent')) {
      // Cut off: it kills its guest when the lease is over, and is given up when the grace is over, too.
      this.#after(doneMs + killWaitMs / 2, () => guests.died(this.fence));
      later(() =>
        this.#after(killWaitMs, () => this.#finish({ how: 'lost', message: 'the runner was silent' })),
      );
    } else if (guests.strikes(faults.guestHangs, 'guestHangs')) return;
    else if (guests.strikes(faults.guestCrashes, 'guestCrashes'))
      later(() => this.#finish({ how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' }));
    else if (guests.strikes(faults.guestFloods, 'guestFloods'))
      later(() => (random.chance(0.5) ? this.#flood() : this.#exit(0, 100_000)));
    else if (guests.strikes(faults.guestFails, 'guestFails')) later(() => this.#exit(7, 0));
    else later(() => this.#exit(0, random.below(64)));
  }

  #flood(): void {
    this.#finish({ how: 'crashed', code: 'ERR_GUEST_OUTPUT', message: 'wrote more than it may' });
  }

  #exit(exitCode: number, bytes: number): void {
    this.#finish({ how: 'exited', exitCode, stdout: new Uint8Array(bytes).fill(this.fence & 255) });
  }

  /** The end, as the pool sees it. */
  #finish(outcome: RunOutcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#parts.guests.died(this.fence);
    this.#onOver();
    this.#end(outcome);
  }

  /** What happens to a run is over with its controller; how its guest dies then is `orphan`. */
  #after(ms: number, fn: () => void): void {
    const { kernel, owner } = this.#parts;
    kernel.after(ms, () => (this.#over ? undefined : fn()), owner);
  }
}
