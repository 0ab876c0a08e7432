/**
 * One life of the controller: from an opened log, through recovery and service, to a clean stop.
 *
 * Why a life and not a process: when a write of the log fails, memory may say more than the disk, and
 * nothing in it can be trusted. Then this life ends, with every fold, and a new one recovers from the log,
 * exactly as after a crash; there is no second way to recover. `main.ts` and the simulator begin lives; they
 * differ only in the ports that they hand in.
 *
 * Order of a start: read and verify the log, fold with commands muted, write `controller.recovered`
 * durably, make sure that no guest of a former life is left, then executor, actors, timers, and last the door.
 * Test: `test/controller.test.ts`, `test/flow.test.ts`, `test/restart.test.ts`.
 */
import type { OnTrouble, SignReport } from './attestation/attestor.ts';
import { type Cast, castAround, stateText } from './cast.ts';
import { Checkpointer, foldsVersion, type LifeFolds, restoreFolds } from './checkpointing.ts';
import type { Clock } from './clock.ts';
import { configure, notInFleet } from './configure.ts';
import { BerthError, invariant } from './errors.ts';
import type { FactData } from './events/facts.ts';
import type { FactRecord, Sha256 } from './events/record.ts';
import type { Backend } from './executor/backend.ts';
import type { Executor, ResultStore } from './executor/executor.ts';
import { Gate } from './intake/gate.ts';
import type { Actor } from './jobs/actor.ts';
import type { Command, Outcome } from './jobs/commands.ts';
import { Feed, Host } from './jobs/host.ts';
import { Pump } from './jobs/pump.ts';
import { fold, newState, type State } from './jobs/state.ts';
import type { Checkpoint, Checkpoints } from './log/checkpoint.ts';
import type { Log, OpenedLog, TailCut } from './log/log.ts';
import { Views } from './views/views.ts';
import { type WindDownParts, windDown } from './wind-down.ts';

/** A GPU that the configuration names. */
export interface ConfiguredGpu {
  readonly id: string;
  readonly board: string;
  readonly enforcement: 'simulated' | 'advisory' | 'enforced';
}

export interface ControllerSettings {
  readonly fleet: readonly ConfiguredGpu[];
  readonly policy: string;
  readonly attestMs: number;
  readonly stopMs: number;
  readonly lossesMax: number;
  readonly queuedMax: number;
  /** Ended jobs that the folds keep. */
  readonly retainedMax: number;
  /** Facts between two checkpoints; 0: none are taken. */
  readonly checkpointFacts: number;
  /** How long after its kill an unseen guest is surely dead: lease and grace. */
  readonly killWaitMs: number;
  readonly version: string;
}

export interface ControllerParts {
  readonly clock: Clock;
  readonly sha256: Sha256;
  readonly blobs: ResultStore;
  readonly sign: SignReport;
  readonly settings: ControllerSettings;
  /** Runs a function soon, never at once. */
  readonly defer: (fn: () => void) => void;
  /** Opens the log and hands over what is in it, in order; before that, once, a checkpoint to begin from, if one fits. */
  readonly openLog: (
    onRecords: (batch: readonly FactRecord[]) => void,
    onCheckpoint: (checkpoint: Checkpoint) => void,
  ) => Promise<OpenedLog>;
  /** Where checkpoints go; without it none are taken. */
  readonly checkpoints?: Checkpoints;
  /** Seq up to which publication has come; segments behind it are not moved aside. Without it nobody publishes. */
  readonly publishedSeq?: () => number;
  /** Kills guests of former lives and waits until they are gone. */
  readonly killFormerGuests: () => Promise<number>;
  readonly startBackend: () => Promise<Backend>;
  /** Serve although the log lost records at its end that someone may have been told about. */
  readonly acceptTornTail: boolean;
  /** The life can't go on: the log failed, or a rule of ours is broken. Called at most once. */
  readonly onFault: (error: unknown) => void;
  /** Told of trouble that is no fact and no job's fault: a store that fails for now. */
  readonly onTrouble?: OnTrouble;
  /** Handed the views before the first fact is folded: who counts facts then counts replayed ones too. */
  readonly observe?: (views: Views) => void;
}

/** How often every to-do list is worked off again, whether or not anything happened, ms. */
const sweepMs = 2_000;

export class Controller {
  readonly log: Log;
  readonly cut: TailCut | null;
  readonly state: State;
  readonly views: Views;
  readonly gate: Gate;
  readonly executor: Executor;
  /** What recovery found: the state it came back to, and after which seq. */
  readonly recovered: { readonly stateHash: string; readonly ofSeq: number };
  /** Seq of the checkpoint that this life began from; 0: it folded the whole log. */
  readonly fromSeq: number;
  /** Where its checkpoints are; null when none are taken. */
  readonly checkpoints: Checkpoints | null;
  readonly #parts: ControllerParts;
  /** The log need not report its cut again. */
  readonly #settled: OpenedLog['settled'];
  readonly #cast: Cast;
  readonly #host: Host;
  readonly #pump: Pump;
  readonly #checkpointer: Checkpointer | null;
  #backend: Backend | null = null;
  #offs: (() => void)[] = [];
  #ended = false;

  /** Recovers from the log and takes up service. Rejects when the log is damaged or can't be written. */
  static async begin(parts: ControllerParts): Promise<Controller> {
    const state = newState();
    const views = new Views();
    parts.observe?.(views);
    const gate = new Gate();
    let wake = (): void => undefined;
    const cast = castAround(state, { ...parts, killWaitMs: parts.settings.killWaitMs, wake: () => wake() });
    const folders = [...cast.all, gate, views];
    views.leanOn(state, cast.scheduler);
    let fromSeq = 0;
    const opened = await parts.openLog(
      (batch) => {
        for (const record of batch) foldRecovered(record, state, folders);
      },
      ({ base, folds }) => {
        fromSeq = base.seq;
        restoreFolds(folds, { state, actors: cast.all, gate, views });
      },
    );
    views.standAlone();
    const controller = new Controller(parts, opened, state, { views, gate, cast, fromSeq });
    wake = () => controller.#pump.wake();
    try {
      await controller.#takeUp();
      return controller;
    } catch (error) {
      await controller.end();
      throw error;
    }
  }

  private constructor(
    parts: ControllerParts,
    opened: OpenedLog,
    state: State,
    { views, gate, cast, fromSeq }: { views: Views; gate: Gate; cast: Cast; fromSeq: number },
  ) {
    this.#parts = parts;
    this.checkpoints = parts.checkpoints ?? null;
    this.#cast = cast;
    this.log = opened.log;
    this.cut = opened.cut;
    this.#settled = opened.settled;
    this.state = state;
    this.views = views;
    this.gate = gate;
    this.executor = cast.executor;
    this.recovered = { stateHash: parts.sha256(stateText(state, cast.all)), ofSeq: opened.log.head };
    const changes = new Feed(opened.log.head);
    this.#host = new Host({ log: opened.log, clock: parts.clock, changes, state });
    this.#pump = new Pump({
      log: opened.log,
      host: this.#host,
      changes,
      actors: [...cast.all, gate, views],
      defer: parts.defer,
      onFault: (error) => this.#fault(error),
    });
    this.fromSeq = fromSeq;
    this.#checkpointer = this.#checkpointerOf(parts, { state, actors: cast.all, gate, views });
  }

  #checkpointerOf(parts: ControllerParts, folds: LifeFolds): Checkpointer | null {
    const { checkpoints, publishedSeq, settings, sha256, onTrouble } = parts;
    if (!checkpoints) return null;
    return new Checkpointer({
      folds,
      log: this.log,
      host: this.#host,
      pump: this.#pump,
      checkpoints,
      sha256,
      everyFacts: settings.checkpointFacts,
      lastSeq: this.fromSeq,
      onTrouble: onTrouble ?? (() => undefined),
      readUpTo: publishedSeq ?? (() => Number.MAX_SAFE_INTEGER),
    });
  }

  /** Asks the writer for a fact; resolves when its answer rests on durable facts alone, and the views show them. */
  async ask(command: Command, author: string): Promise<Outcome> {
    const outcome = await this.#pump.ask(command, author);
    // Every answer waits, refusals and repeats too: they rest on what is at head now.
    const { head } = this.log;
    await this.log.whenDurable(head);
    await this.views.whenSeen(head);
    return outcome;
  }

  /** All folds at this moment, as canonical text: equal to a fresh fold of the log when everyone has caught up. */
  get stateText(): string {
    return stateText(this.state, this.#cast.all);
  }

  /** Refused commands so far, by code. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#host.refusals;
  }

  get backend(): Backend | null {
    return this.#backend;
  }

  async #takeUp(): Promise<void> {
    const { acceptTornTail, clock, killFormerGuests, startBackend } = this.#parts;
    // Until runners are there again nobody may place a job on them: it would count as lost at once.
    this.#pump.hold();
    this.#offs.push(this.log.onChange(() => this.#onLogChange()));
    const { cut } = this;
    await this.#note('controller.recovered', {
      ...(cut ? { bytes: cut.bytes } : {}),
      epoch: this.log.epoch,
      folds: foldsVersion,
      ...(cut ? { fromSeq: cut.fromSeq, lostIds: cut.idCount } : {}),
      ...this.recovered,
    });
    await this.#settled();
    const { tornFrom } = this.state.controller;
    if (tornFrom !== null && acceptTornTail)
      await this.#note('controller.tailAccepted', { fromSeq: tornFrom });
    await killFormerGuests();
    this.#backend = await startBackend();
    await configure({
      state: this.state,
      settings: this.#parts.settings,
      runners: this.#backend.runners,
      leftOut: this.views.drainedFor(notInFleet),
      note: (command) => this.#ask(command),
    });
    this.#cast.executor.start(this.#backend);
    this.#cast.attestor.start();
    this.#cast.timekeeper.start();
    const sweep = (): void => {
      this.#pump.wake();
      if (!this.#ended) this.#offs[0] = clock.after(sweepMs, sweep);
    };
    this.#offs.unshift(clock.after(sweepMs, sweep));
    this.#pump.letGo();
  }

  async #note<
    T extends
      | 'controller.recovered'
      | 'controller.tailAccepted'
      | 'controller.draining'
      | 'controller.stopped',
  >(type: T, data: FactData<T>): Promise<void> {
    await this.#ask({ kind: 'Note', type, stream: 'controller', data } as Command);
  }

  async #ask(command: Command): Promise<void> {
    const outcome = await this.ask(command, 'controller');
    invariant(
      !('refused' in outcome),
      `${command.kind} at start: ${'refused' in outcome ? outcome.reason : ''}`,
    );
  }

  #onLogChange(): void {
    if (this.log.failure) {
      this.#fault(this.log.failure);
      return;
    }
    this.#pump.wake();
    this.#checkpointer?.consider();
  }

  #faulted = false;
  #fault(error: unknown): void {
    if (this.#faulted || this.#ended) return;
    this.#faulted = true;
    this.gate.logFailed();
    this.#pump.stop();
    this.#parts.onFault(error);
  }

  /**
   * Stops taking jobs, gives those that run until `deadlineMs` (mode `finish`) or none (`requeue`), sends the
   * rest back to the queue, and ends with `controller.stopped` and a sealed log. Never waits longer than
   * `deadlineMs` plus the time a kill takes.
   */
  async drain(mode: 'finish' | 'requeue', deadlineMs: number): Promise<void> {
    try {
      if (!this.#ended && !this.#faulted) await windDown(this.#windDownParts(), mode, deadlineMs);
    } catch (error) {
      // A log that fails on the way leaves nothing to be written; what it holds is what the next life finds.
      if (!this.log.failure) throw error;
    } finally {
      await this.end();
    }
  }

  #windDownParts(): WindDownParts {
    const { clock, settings } = this.#parts;
    return {
      state: this.state,
      clock,
      note: ({ type, data }) => this.#note(type, data),
      ask: (command, author) => this.ask(command, author),
      killMsMax: settings.killWaitMs + settings.stopMs,
      isOver: () => this.#faulted,
      atRest: async () => this.#checkpointer?.atStop(),
    };
  }

  /** Ends this life at once: guests die, nothing more is written, the log is closed. Idempotent. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    for (const off of this.#offs) off();
    this.#cast.timekeeper.stop();
    this.#cast.executor.stop();
    this.#cast.attestor.stop();
    this.#pump.stop();
    await this.#backend?.stop();
    // Or it would still be at work on files that the next life has opened.
    await this.#checkpointer?.idle();
    // A failed log has nothing left to close in order; its files are released all the same.
    await this.log.close().catch(() => undefined);
    // Nobody folds any more: who still waits for an answer hears so.
    this.views.close();
  }
}

/** Folds one record of the log. Throws ERR_LOG_CORRUPT, naming it, when the rules have no place for it. */
function foldRecovered(record: FactRecord, state: State, actors: readonly Actor[]): void {
  try {
    const change = fold(state, record);
    for (const actor of actors) actor.fold(change);
  } catch (cause) {
    const message = `seq ${record.seq} verifies, but is no legal fact here: ${(cause as Error).message}`;
    throw new BerthError('ERR_LOG_CORRUPT', message, { cause });
  }
}
