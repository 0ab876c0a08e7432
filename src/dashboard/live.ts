/**
 * Follows a server's log for as long as the page is open: connects, reads, and after a break goes on behind the last fact.
 *
 * Why by seq and not by time: the server's facts are numbered without gaps, so "what did I miss" is one number, and neither
 * end has to remember the other. Test: `test/dashboard/live.test.ts`.
 */
import type { Model } from './model.ts';
import type { PlayedRecord, Player } from './player.ts';
import { type About, Problem, type Server } from './server.ts';

/** Between two tries, ms: the first, and the longest. */
const retryMsMin = 500;
const retryMsMax = 5_000;

export interface LiveParts {
  readonly model: Model;
  readonly server: Server;
  readonly newPlayer: () => Player;
  readonly pause: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Resolves when `signal` aborts, or when the server says that asking again is of no use. */
export async function followServer({ model, server, newPlayer, pause, signal }: LiveParts): Promise<void> {
  let retryMs = retryMsMin;
  while (!signal.aborted) {
    try {
      const about = await server.json<About>('/v1/about');
      if (model.about !== null && model.about.log !== about.log) model.replace(newPlayer());
      model.about = about;
      for await (const facts of server.facts(model.headSeq + 1, signal)) {
        retryMs = retryMsMin;
        take(model, facts, about.headSeq);
      }
      tellBreak(model, 'the stream ended');
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
        model.tell({ kind: 'failed', reason: error.message, next: error.next });
        return;
      }
      tellBreak(model, (error as Error).message);
    }
    await pause(retryMs);
    retryMs = Math.min(2 * retryMs, retryMsMax);
  }
}

function take(model: Model, facts: readonly PlayedRecord[], goal: number): void {
  model.append(facts);
  const { headSeq } = model;
  if (headSeq >= goal) model.tell({ kind: 'live' });
  else model.tell({ kind: 'loading', loaded: headSeq, total: goal });
}

const tellBreak = (model: Model, reason: string): void => model.tell({ kind: 'reconnecting', reason });
