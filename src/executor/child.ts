/**
 * One runner process, seen from the controller: spawned, limited, fed, listened to, and killed.
 *
 * Why it believes nothing: after a guest has run, whatever arrives on the pipe may come from code that
 * broke out. So each state allows few messages, each with a cap; anything else means SIGKILL. And no
 * run is called over because someone *said* that the process died: the exit itself has to be seen.
 *
 * States: booting → idle ⇄ busy, and from each of these → dying → gone.
 * Test: `test/executor/pool.test.ts`, `test/executor/containment.test.ts`.
 */
import type { ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { RunOutcome } from './backend.ts';
import { judgeDeath, plainText, unseenDeath } from './death.ts';
import { type LaunchPlan, limitRunner, spawnRunner } from './launch.ts';
import { forgetRunner, recordRunner } from './processes.ts';
import { fds, frameHead, logBytesMax, ProtocolError, type Reply, ReplyReader } from './protocol.ts';
import { moduleKey, runOrder, type Ticket } from './ticket.ts';

/** From spawn to ready; 40 ms on a quiet machine. */
const bootMsMax = 15_000;
/** From SIGKILL to exit. Beyond it the kernel holds the process in a device; it runs no guest code any more. */
const dyingMsMax = 10_000;
/** From exit to the end of its pipes: an answer may still be in them. */
const drainMsMax = 500;
/** Heartbeats in answer to one renewal; one is right. */
const beatsMax = 1_000;
const lastWordsBytes = 8 * 1024;
const lastWordsBytesMax = 1024 * 1024;
/** Pieces of log at once, and per millisecond after that; an honest runner sends 0.64. */
const logPiecesMax = 1_000;
const logPiecesPerMs = 1;

export type ChildState = 'booting' | 'idle' | 'busy' | 'dying' | 'gone';

export interface ChildParts {
  readonly plan: LaunchPlan;
  readonly dir: string;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly graceMs: number;
  /** The kernel's limits were announced, so a runner without them must not get a job. */
  readonly mustBeLimited: () => boolean;
  /** It can take a job: after boot, and after each job that ended well. */
  readonly onIdle: (child: RunnerChild) => void;
  /** It is gone, and its record is removed. */
  readonly onGone: (child: RunnerChild) => void;
}

/** A runner process. Never serves a second tenant; the pool sees to that by `tenant`. */
export class RunnerChild {
  state: ChildState = 'booting';
  /** Whose jobs it served; null until the first. */
  tenant: string | null = null;
  jobs = 0;
  lastUsedMs: number;
  ticket: Ticket | null = null;
  /** It was ready once; one that never was counts as a failed start. */
  hasBooted = false;
  /** The kernel's limits are in force on it. */
  isLimited = false;
  readonly pid: number;
  /** Modules that it was sent, as hash and memory cap; it may have dropped some and then asks. */
  readonly modules = new Set<string>();

  readonly #parts: ChildParts;
  readonly #process: ChildProcess;
  readonly #control: Duplex;
  readonly #lease: Duplex;
  /** Calls off every timer that still runs; a process that is gone must not keep the controller awake. */
  readonly #timers: (() => void)[] = [];
  #booted: Promise<void> = Promise.resolve();
  #heardAtMs: number;
  #beats = 0;
  #hasStarted = false;
  #sentModule = false;
  #startedAtMs = 0;
  #logPieces = 0;
  #saidHello = false;
  /** Outcome of its run, decided before its death: by `kill`, the lease or a misstep. */
  #doom: RunOutcome | null = null;
  #tail = Buffer.alloc(0);
  #tailBytes = 0;
  #exit: { code: number | null; signal: NodeJS.Signals | null } | null = null;

  constructor(parts: ChildParts) {
    this.#parts = parts;
    this.#heardAtMs = parts.clock.monotonicMs();
    this.lastUsedMs = this.#heardAtMs;
    this.#process = spawnRunner(parts.plan);
    this.pid = this.#process.pid ?? -1;
    const [, , stderr] = this.#process.stdio;
    this.#control = this.#process.stdio[fds.control] as Duplex;
    this.#lease = this.#process.stdio[fds.lease] as Duplex;
    this.#process.once('error', () => this.#finish());
    this.#process.once('exit', (code, signal) => this.#onExit(code, signal));
    this.#process.once('close', () => this.#finish());
    this.#listen(stderr as Readable);
    this.#after(bootMsMax, () => {
      if (!this.hasBooted) this.#misstep('not ready in time');
    });
  }

  /** Hands it a job. Only when idle, and only its own tenant's. */
  serve(ticket: Ticket): void {
    const { request } = ticket;
    this.state = 'busy';
    this.tenant = request.tenant;
    this.jobs++;
    this.ticket = ticket;
    this.#hasStarted = false;
    this.#logPieces = 0;
    this.#startedAtMs = this.#parts.clock.monotonicMs();
    const key = moduleKey(request);
    this.#sentModule = !this.modules.has(key);
    this.modules.add(key);
    const model = request.model ?? new Uint8Array(0);
    const module = this.#sentModule ? request.module : new Uint8Array(0);
    // No copies: the pieces wait by reference in the socket until the runner has read them.
    this.#control.cork();
    this.#control.write(
      frameHead(runOrder(request, module.length), module.length + request.input.length + model.length),
    );
    for (const part of [module, request.input, model]) if (part.length > 0) this.#control.write(part);
    this.#control.uncork();
  }

  /**
   * SIGKILL, at once. Its run, if it has one, will end as `doom` once the exit was seen; when none is seen in time,
   * as `lost`.
   */
  kill(doom: RunOutcome | null): void {
    this.#doom ??= doom;
    if (this.state === 'dying' || this.state === 'gone') return;
    this.state = 'dying';
    this.#process.kill('SIGKILL');
    this.#after(dyingMsMax, () => this.#finish());
  }

  /** SIGKILL out of the blue: what follows is what follows when the kernel or an operator does it. */
  strike(): boolean {
    return this.state === 'busy' && this.#process.kill('SIGKILL');
  }

  /** Renews its lease, and kills it when it has been silent for lease and grace. Called three times a lease. */
  tick(): void {
    if (this.state === 'dying' || this.state === 'gone') return;
    const silentMs = this.#parts.clock.monotonicMs() - this.#heardAtMs;
    if (this.hasBooted && silentMs >= this.#parts.leaseMs + this.#parts.graceMs) {
      this.kill({ how: 'lost', message: `runner ${this.pid} was silent for ${Math.round(silentMs)} ms` });
      return;
    }
    this.#beats = 0;
    if (this.#lease.writableLength < 64) this.#lease.write('.');
  }

  /** What the runner's engine printed last; for the reason of a failed start. */
  lastWords(): string {
    return plainText(this.#tail.toString('latin1')).slice(-300);
  }

  #after(ms: number, fn: () => void): void {
    this.#timers.push(this.#parts.clock.after(ms, fn));
  }

  #listen(stderr: Readable): void {
    const reader = new ReplyReader({
      allow: (reply) => this.#allow(reply),
      take: (reply, payload) => this.#take(reply, payload),
    });
    this.#control.on('data', (chunk: Buffer) => {
      if (this.state === 'dying' || this.state === 'gone') return;
      try {
        reader.feed(chunk);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.#misstep(error.message);
      }
    });
    this.#control.on('end', () => this.#after(drainMsMax, () => this.#misstep('closed its pipe')));
    this.#lease.on('data', (chunk: Buffer) => {
      this.#heardAtMs = this.#parts.clock.monotonicMs();
      this.#beats += chunk.length;
      if (this.#beats > beatsMax) this.#misstep('more heartbeats than renewals');
    });
    stderr.on('data', (chunk: Buffer) => {
      this.#tailBytes += chunk.length;
      this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-lastWordsBytes);
      if (this.#tailBytes > lastWordsBytesMax) this.#misstep('the engine prints without end');
    });
    // A write to a dead process fails, which is no news; its exit is.
    for (const pipe of [this.#control, this.#lease, stderr]) pipe.on('error', () => {});
  }

  /** What it may say now, and with how many bytes. */
  #allow(reply: Reply): number {
    if (reply.type === 'hello') {
      if (this.#saidHello) throw new ProtocolError('a second hello');
      this.#saidHello = true;
      return 0;
    }
    const { ticket } = this;
    if (ticket === null || reply.fence !== ticket.fence)
      throw new ProtocolError(`${reply.type} for no job of its own`);
    if (reply.type === 'need') {
      if (this.#sentModule) throw new ProtocolError('asked for a module that it has');
      this.#sentModule = true;
      return 0;
    }
    if (reply.type === 'crashed') return 0;
    if (reply.type === 'started') {
      if (this.#hasStarted) throw new ProtocolError('started twice');
      return 0;
    }
    if (!this.#hasStarted) throw new ProtocolError(`${reply.type} before started`);
    if (reply.type === 'exited') return ticket.request.outputBytesMax;
    const elapsedMs = this.#parts.clock.monotonicMs() - this.#startedAtMs;
    if (++this.#logPieces > logPiecesMax + elapsedMs * logPiecesPerMs)
      throw new ProtocolError('a flood of log pieces');
    return logBytesMax;
  }

  #take(reply: Reply, payload: Buffer): void {
    const { ticket } = this;
    if (reply.type === 'hello') this.#booted = this.#prepare();
    if (ticket === null) return;
    if (reply.type === 'need') {
      const { module } = ticket.request;
      this.#control.write(frameHead({ type: 'module', fence: ticket.fence }, module.length));
      this.#control.write(module);
    } else if (reply.type === 'started') {
      this.#hasStarted = true;
      ticket.start(`runner-${this.pid}`);
    } else if (reply.type === 'log') ticket.addLog(payload);
    else if (reply.type === 'exited')
      this.#answer(ticket, { how: 'exited', exitCode: reply.exitCode, stdout: payload });
    else if (reply.type === 'crashed')
      this.#answer(ticket, { how: 'crashed', code: reply.code, message: reply.message });
  }

  #answer(ticket: Ticket, outcome: RunOutcome): void {
    this.ticket = null;
    this.state = 'idle';
    this.lastUsedMs = this.#parts.clock.monotonicMs();
    // After a crash the process is most likely sound; a new one costs 40 ms, a doubt more.
    if (outcome.how === 'crashed') this.kill(null);
    ticket.settle(outcome);
    this.#parts.onIdle(this);
  }

  /** Limits and the durable record come before the first job. */
  async #prepare(): Promise<void> {
    try {
      const [isLimited] = await Promise.all([
        limitRunner(this.#parts.plan, this.pid),
        recordRunner(this.#parts.dir, this.pid),
      ]);
      this.isLimited = isLimited;
    } catch (error) {
      this.#misstep(`can't be recorded: ${String(error)}`);
      return;
    }
    if (this.state !== 'booting') return;
    if (!this.isLimited && this.#parts.mustBeLimited()) {
      this.#misstep('the kernel set no limits on it');
      return;
    }
    this.hasBooted = true;
    this.#heardAtMs = this.#parts.clock.monotonicMs();
    this.state = 'idle';
    this.#parts.onIdle(this);
  }

  /** It did what no sound runner does. While a guest ran, that is the guest's doing or a bug of ours. */
  #misstep(message: string): void {
    this.#tail = Buffer.concat([this.#tail, Buffer.from(` ${message}`)]).subarray(-lastWordsBytes);
    this.kill({ how: 'crashed', code: 'ERR_GUEST_SANDBOX', message });
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#exit = { code, signal };
    if (this.#doom !== null || this.ticket === null) {
      this.#finish();
      return;
    }
    // The answer may still lie in the pipe; `close` comes when everything was read.
    this.#after(drainMsMax, () => this.#finish());
  }

  #finish(): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    for (const cancel of this.#timers) cancel();
    for (const pipe of [this.#control, this.#lease, this.#process.stderr]) pipe?.destroy();
    const { ticket } = this;
    this.ticket = null;
    const seen = this.#exit;
    const lastWords = this.#tail.toString('latin1');
    ticket?.settle(
      seen === null
        ? unseenDeath(this.pid, this.#doom)
        : (this.#doom ?? judgeDeath(seen.code, seen.signal, lastWords)),
    );
    void this.#booted.then(async () => {
      // Without an exit the record stays, so that the next controller looks again.
      if (seen !== null) await forgetRunner(this.#parts.dir, this.pid).catch(() => {});
      this.#parts.onGone(this);
    });
  }
}
