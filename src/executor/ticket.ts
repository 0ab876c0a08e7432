/**
 * One run as its caller sees it, from the moment it is accepted until its guest is certainly gone.
 *
 * Why apart from the process: a run may wait for a process to boot, and a process serves many runs.
 * Settles once; whoever comes second is not heard.
 */
import type { Run, RunOutcome, RunRequest } from './backend.ts';
import { logBytesMax, type RunOrder } from './protocol.ts';

export class Ticket implements Run {
  readonly request: RunRequest;
  readonly started: Promise<{ readonly runner: string }>;
  readonly ended: Promise<RunOutcome>;
  #start!: (at: { readonly runner: string }) => void;
  #end!: (outcome: RunOutcome) => void;
  #pieces: Uint8Array[] = [];
  #logBytes = 0;
  readonly #onKill: (ticket: Ticket) => void;
  settled = false;

  constructor(request: RunRequest, onKill: (ticket: Ticket) => void) {
    this.request = request;
    this.#onKill = onKill;
    this.started = new Promise((resolve) => {
      this.#start = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get fence(): number {
    return this.request.fence;
  }

  kill(): void {
    if (!this.settled) this.#onKill(this);
  }

  logs(): string {
    return Buffer.concat(this.#pieces).subarray(-logBytesMax).toString('utf8');
  }

  start(runner: string): void {
    this.#start({ runner });
  }

  settle(outcome: RunOutcome): void {
    this.settled = true;
    this.#end(outcome);
  }

  /** Keeps the last 64 KiB, and joins pieces so that a thousand small ones don't stay a thousand objects. */
  addLog(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#logBytes += piece.length;
    if (this.#pieces.length < 64 && this.#logBytes < 2 * logBytesMax) return;
    const kept = Uint8Array.prototype.slice.call(Buffer.concat(this.#pieces), -logBytesMax);
    this.#pieces = [kept];
    this.#logBytes = kept.length;
  }
}

/** By what a runner knows a module: the same bytes under another memory cap are compiled anew. */
export function moduleKey(request: RunRequest): string {
  return `${request.moduleSha256}:${request.memoryMiBMax}`;
}

/** The job as the runner is told it; the bytes travel behind it. */
export function runOrder(request: RunRequest, moduleBytes: number): RunOrder {
  return {
    type: 'run',
    fence: request.fence,
    seed: request.seed,
    moduleSha256: request.moduleSha256,
    pagesMax: request.memoryMiBMax * 16,
    outputBytesMax: request.outputBytesMax,
    args: request.args,
    env: request.env,
    capabilities: request.capabilities,
    moduleBytes,
    inputBytes: request.input.length,
    modelBytes: request.model?.length ?? -1,
  };
}
