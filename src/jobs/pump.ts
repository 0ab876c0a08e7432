/**
 * The pump: the one loop that runs commands and actors, on one thread, never inside itself.
 *
 * Why a loop and not callbacks: an append that called its readers would run them in the middle of each
 * other, half a decision deep. Here each turn ends before the next begins, and the order of actors does
 * not matter (a test shuffles it).
 *
 * Why a bounded mailbox: a queue without bound turns overload into a crash an hour later. When it is
 * full the answer is ERR_BUSY, at once.
 * Test: `test/jobs/pump.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { Actor } from './actor.ts';
import { type Command, type Outcome, refused } from './commands.ts';
import type { Feed, Host } from './host.ts';

/** Commands waiting at most; beyond it the door answers 503. */
const mailboxMax = 4_096;
/** Changes that the slowest actor may lag before the door answers 503. */
const lagMax = 100_000;
/** Bytes of facts that may wait for the disk before nothing new is decided; the next flush wakes the pump again. */
const pendingBytesMax = 64 * 1024 * 1024;
/** Commands of one actor in one turn, so that none starves the others. */
const turnMax = 64;
/** Turns before the event loop gets its turn: timers, sockets, children. */
const turnsMax = 32;

interface Letter {
  readonly command: Command;
  readonly author: string;
  readonly reply: (outcome: Outcome) => void;
  readonly fail: (error: unknown) => void;
}

interface Seat {
  readonly actor: Actor;
  cursor: number;
}

/** Something to be done at a moment of rest. */
interface Pause {
  readonly work: () => void;
  readonly fail: (error: unknown) => void;
}

export class Pump {
  readonly #log: Log;
  readonly #host: Host;
  readonly #changes: Feed;
  readonly #seats: Seat[];
  readonly #defer: (fn: () => void) => void;
  readonly #onFault: (error: unknown) => void;
  #mail: Letter[] = [];
  #scheduled = false;
  #stopped = false;
  #held = false;
  #pause: Pause | null = null;

  constructor(parts: {
    log: Log;
    host: Host;
    changes: Feed;
    actors: readonly Actor[];
    /** Runs a function soon, never at once: setImmediate on a server. */
    defer: (fn: () => void) => void;
    /** Called once when the loop can't go on: the log failed, or a rule of ours is broken. */
    onFault: (error: unknown) => void;
  }) {
    this.#log = parts.log;
    this.#host = parts.host;
    this.#changes = parts.changes;
    this.#defer = parts.defer;
    this.#onFault = parts.onFault;
    this.#seats = parts.actors.map((actor) => ({ actor, cursor: parts.changes.head }));
  }

  /** Hands a command to the writer; resolves with what became of it. Wait for durability before telling anyone. */
  ask(command: Command, author: string): Promise<Outcome> {
    if (this.#stopped) return Promise.reject(stoppedWriting());
    if (this.#mail.length >= mailboxMax)
      return Promise.resolve(refused('ERR_BUSY', `${mailboxMax} commands wait already`));
    if (this.#log.pendingBytes >= pendingBytesMax)
      return Promise.resolve(refused('ERR_BUSY', 'the disk is behind with writing facts'));
    if (this.#changes.length >= lagMax) {
      return Promise.resolve(refused('ERR_BUSY', `the views or the disk are ${lagMax} facts behind`));
    }
    return new Promise((reply, fail) => {
      this.#mail.push({ command, author, reply, fail });
      this.wake();
    });
  }

  /** Something may have to be done. Cheap, and harmless when nothing has. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#defer(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  /**
   * From now on actors only remember. Why: what they decide while a life takes up its work (a start for a
   * runner that is not there yet) would be undone a moment later, and cost the job an attempt.
   */
  hold(): void {
    this.#held = true;
  }

  /** Actors decide and act again, on all that they have folded meanwhile. */
  letGo(): void {
    this.#held = false;
    this.wake();
  }

  /**
   * Runs `work` in a moment in which everything is durable and everyone has folded all of it; until then nothing new
   * is decided. Resolves with what `work` returned.
   *
   * Why such a moment: each fold stands at a seq of its own, but a checkpoint must be of one. It costs the wait for
   * one flush. Rejects with ERR_READ_ONLY when the life ends first, ERR_BUSY when a pause is asked for already.
   */
  atRest<T>(work: () => T): Promise<T> {
    if (this.#stopped) return Promise.reject(stoppedWriting());
    if (this.#pause) return Promise.reject(new BerthError('ERR_BUSY', 'a pause is asked for already'));
    return new Promise((resolve, fail) => {
      const workAndTell = (): void => {
        try {
          resolve(work());
        } catch (error) {
          fail(error);
          // A rule of ours that is broken ends the life here as anywhere else.
          if (!(error instanceof BerthError)) throw error;
        }
      };
      this.#pause = { work: workAndTell, fail };
      this.wake();
    });
  }

  /** No turn begins after this; waiting commands are refused. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#pause?.fail(stoppedWriting());
    this.#pause = null;
    for (const letter of this.#mail) letter.fail(stoppedWriting());
    this.#mail = [];
  }

  #run(): void {
    try {
      for (let turn = 0; turn < turnsMax; turn += 1) {
        if (this.#stopped || !this.#turn()) return;
      }
      this.wake();
    } catch (error) {
      this.stop();
      this.#onFault(error);
    }
  }

  /** One turn for the mailbox and for each actor. Returns whether anything moved. */
  #turn(): boolean {
    // The log has a bound of its own far above this one; stopping here means that no append ever meets it.
    if (this.#log.pendingBytes >= pendingBytesMax) return false;
    if (this.#pause) return this.#rest(this.#pause);
    let moved = this.#openMail();
    for (const seat of this.#seats) moved = this.#seatTurn(seat) || moved;
    this.#changes.trim(Math.min(...this.#seats.map(({ cursor }) => cursor)));
    return moved;
  }

  /** A turn on the way to a pause: everyone only catches up, and when all are level the work is done. */
  #rest(pause: Pause): boolean {
    let level = this.#log.durable === this.#changes.head;
    for (const seat of this.#seats) {
      this.#catchUp(seat);
      level &&= seat.cursor === this.#changes.head;
    }
    // Else the next flush wakes the pump.
    if (!level) return false;
    this.#pause = null;
    pause.work();
    return true;
  }

  #openMail(): boolean {
    const letters = this.#mail.splice(0, turnMax);
    for (const [index, { command, author, reply }] of letters.entries()) {
      try {
        reply(this.#host.handle(command, author, this.#changes.head));
      } catch (error) {
        // The loop ends here. Those behind in the batch are in no mailbox any more: without an answer they would wait for ever.
        for (const { fail } of letters.slice(index)) fail(error);
        throw error;
      }
    }
    return letters.length > 0;
  }

  #seatTurn(seat: Seat): boolean {
    let moved = this.#catchUp(seat);
    if (this.#held) return moved;
    for (let count = 0; count < turnMax; count += 1) {
      const command = seat.actor.decide();
      if (command === null) break;
      const outcome = this.#host.handle(command, seat.actor.name, seat.cursor);
      seat.actor.answered?.(command, outcome);
      // Who takes no answer would say the same again; who does goes on with the next thing it has to say.
      if (!('seq' in outcome) && !seat.actor.answered) break;
      moved = true;
      this.#catchUp(seat);
    }
    seat.actor.act?.();
    return moved;
  }

  #catchUp(seat: Seat): boolean {
    const limit =
      seat.actor.reads === 'head' ? this.#changes.head : Math.min(this.#log.durable, this.#changes.head);
    const moved = seat.cursor < limit;
    while (seat.cursor < limit) {
      seat.cursor += 1;
      const change = this.#changes.at(seat.cursor);
      if (change) seat.actor.fold(change);
    }
    return moved;
  }
}

const stoppedWriting = (): BerthError =>
  new BerthError('ERR_READ_ONLY', 'the controller has stopped writing');
