/**
 * Follows a server's log for as long as the page is open: reads what is there, then what comes, and after a break goes on
 * behind the last fact.
 *
 * Why by seq and not by time: the server's facts are numbered without gaps, so "what did I miss" is one number, and neither
 * end has to remember the other. Why pages first and a stream then: a page says how far the log was looked through, also for
 * a tenant whose own last fact may be long ago; a stream can't say that it has caught up.
 *
 * Why the last fact is compared after a break: at the same address there may be another log now, or an older copy of this
 * one. Facts of both in one fold would be a history that never was. Why it begins anew when it holds too much: a page may stay
 * open for weeks, and a tab has some gigabytes. Tests: `test/dashboard/live.test.ts`, `test/dashboard/following.test.ts`.
 */
import { foldsVersion } from '../checkpointing.ts';
import type { Begin } from '../views/begin-view.ts';
import type { Model } from './model.ts';
import type { Beginning, Player } from './player.ts';
import { type About, Problem, type Server } from './server.ts';

/** Between two tries, ms: the first, and the longest. */
const retryMsMin = 500;
const retryMsMax = 5_000;

/**
 * With so many records the page looks for a later beginning; twice as many is the end. Twice what a server hands out whole
 * (`wholeFactsMax` in `../views/begin-view.ts`), so that a page of days has let go long before a tab is full.
 */
export const liveRecordsMax = 500_000;

export interface LiveParts {
  readonly model: Model;
  readonly server: Server;
  readonly newPlayer: (beginning: Beginning | null) => Player;
  readonly pause: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
  /** Records at which a later beginning is asked for; `liveRecordsMax` unless told otherwise. */
  readonly recordsMax?: number;
}

/** What no further try can mend. */
class Hopeless extends Error {
  readonly next: string;

  constructor(message: string, next: string) {
    super(message);
    this.next = next;
  }
}

/** Resolves when `signal` aborts, or when asking again is of no use. */
export async function followServer(parts: LiveParts): Promise<void> {
  const { model, pause, signal } = parts;
  const follower = new Follower(parts);
  let retryMs = retryMsMin;
  // A server that answers and lets nobody follow is asked ever more seldom, and the page does not say that it is connected.
  const onOpen = (): void => {
    retryMs = retryMsMin;
    model.tell({ kind: 'live' });
  };
  while (!signal.aborted) {
    let reason = 'the stream ended';
    try {
      await follower.catchUp();
      await follower.follow(onOpen);
      if (follower.isFull) continue;
    } catch (error) {
      const { message: why } = error as Error;
      if (error instanceof Hopeless || (error instanceof Problem && [401, 403].includes(error.status))) {
        if (!signal.aborted) model.tell({ kind: 'failed', reason: why, next: error.next });
        return;
      }
      reason = why;
    }
    if (signal.aborted) return;
    model.tell({ kind: 'reconnecting', reason });
    await pause(retryMs);
    retryMs = Math.min(2 * retryMs, retryMsMax);
  }
}

class Follower {
  readonly #parts: LiveParts;
  /** The seq to read next; null: nothing was read yet, or what follows can't be had any more. */
  #next: number | null = null;
  readonly #recordsMax: number;
  /** With so many records a later beginning is asked for. */
  #fullAt: number;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#recordsMax = parts.recordsMax ?? liveRecordsMax;
    this.#fullAt = this.#recordsMax;
  }

  /** Does the page hold so much that it should let go of something? */
  get isFull(): boolean {
    return this.#parts.model.records.length >= this.#fullAt;
  }

  /** Reads what is there, page by page. */
  async catchUp(): Promise<void> {
    const { model, pause, server, signal } = this.#parts;
    const about = await server.json<About>('/v1/about');
    let next = this.#next !== null && (await this.#isSameLog()) ? this.#next : await this.#begin();
    model.about = about;
    if (server.clockMs !== null) model.hear(server.clockMs);
    if (this.isFull) next = await this.#beginLater(next);
    while (!signal.aborted) {
      const page = await server.page(next).catch((error: unknown) => this.#asRetired(error));
      model.append(page.facts);
      next = page.next;
      this.#next = next;
      if (this.isFull) next = await this.#beginLater(next);
      if (next > page.upTo) break;
      model.tell({ kind: 'loading', loaded: next - 1 - model.beginSeq, total: page.upTo - model.beginSeq });
      // Or the page could neither draw nor be used meanwhile.
      await pause(0);
    }
  }

  /** Takes facts as they come; resolves when the stream ends, or when the page is full. */
  async follow(onOpen: () => void): Promise<void> {
    const { model, server, signal } = this.#parts;
    let isOpen = false;
    for await (const facts of server.facts(this.#next ?? 1, signal)) {
      if (!isOpen) onOpen();
      isOpen = true;
      if (facts.length === 0) continue;
      model.append(facts);
      this.#next = model.headSeq + 1;
      if (this.isFull) return;
    }
  }

  /** Is the log that was read the one at this address? Its last fact must still be where it was. */
  async #isSameLog(): Promise<boolean> {
    const { model, server } = this.#parts;
    const last = model.records.at(-1);
    // Nothing to know it by, and nothing to lose.
    if (!last) return false;
    const page = await server.page(last.seq, 1).catch((error: unknown) => {
      // Retired, as the page was asleep for long: what follows it may be gone as well.
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    });
    const found = page?.facts[0];
    return (
      found?.seq === last.seq && found.hash === last.hash && found.id === last.id && found.at === last.at
    );
  }

  /** Begins anew: an empty player, or one at a checkpoint. Returns the seq to read from. */
  async #begin(): Promise<number> {
    const { model, newPlayer, server } = this.#parts;
    this.#next = null;
    model.tell({ kind: 'loading', loaded: 0, total: null });
    const begin = server.isAdmin ? await server.json<Begin>('/v1/log/begin') : null;
    this.#fullAt = this.#recordsMax;
    if (begin?.checkpoint)
      return this.#beginAt(
        begin,
        begin.reason === 'retired' ? 'are retired' : 'are left out, as there are very many',
      );
    model.beginReason = null;
    model.replace(newPlayer(null));
    return 1;
  }

  /**
   * The page holds as much as it may: lets go of what lies before the newest checkpoint that the server offers. Where none is
   * newer it goes on a while and asks again, for a page that still follows is worth more than one that stops early.
   * @returns the seq to read from; `next` when nothing was let go
   */
  async #beginLater(next: number): Promise<number> {
    const { model, server } = this.#parts;
    const held = model.records.length;
    const begin = server.isAdmin ? await server.json<Begin>('/v1/log/begin') : null;
    if (begin?.checkpoint && begin.seq > model.beginSeq) {
      this.#fullAt = this.#recordsMax;
      const why = begin.reason === 'retired' ? 'are retired' : 'were let go, as a page can hold only so many';
      return this.#beginAt(begin, why);
    }
    if (held >= 2 * this.#recordsMax)
      throw new Hopeless(
        `this page holds ${held} facts, and can't take more`,
        'load it anew; jobs are listed by: berth job list',
      );
    this.#fullAt = held + Math.ceil(this.#recordsMax / 10);
    return next;
  }

  /** An empty player at this checkpoint takes the place of what was read; the address stays. Returns the seq to read from. */
  #beginAt({ checkpoint, seq }: Begin, why: string): number {
    const { model, newPlayer } = this.#parts;
    const { folds, version } = checkpoint!;
    if (version !== foldsVersion)
      throw new Hopeless('this page is of another version than its server', 'load the page anew');
    model.beginReason = `facts up to seq ${seq} ${why}; berth log export has them`;
    model.replace(newPlayer({ seq, folds }));
    this.#next = seq + 1;
    return seq + 1;
  }

  /** Facts that are to be read next are retired: the next try begins anew, if that leads anywhere. */
  #asRetired(error: unknown): never {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
    this.#next = null;
    if (this.#parts.server.isAdmin) throw error;
    throw new Hopeless(
      'the oldest facts of this log are retired, and your jobs can not be rebuilt without them',
      'list them: berth job list; or ask the operator for the page',
    );
  }
}
