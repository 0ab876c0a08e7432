/**
 * Follows one job by its facts until it ends, across broken connections and restarts of the server.
 *
 * Why it may take so long to give up: the job is on the log, so a controller that was killed and restarted
 * still has it. The stream goes on behind the last seq seen; nothing is told twice and nothing is left out.
 * Test: `test/cli/submit.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { JobView } from '../views/job-view.ts';
import type { FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';
import { CommandError, exits } from './exit.ts';
import type { Output } from './output.ts';

/** No word from the server for so long, ms: waiting ends, the job does not. */
export const awayMsMax = 120_000;
/** Between two tries to reach a server that is away, ms. */
const retryMs = 250;

const endStates: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'timedOut',
  'expired',
  'cancelled',
  'rejected',
]);
export const hasEnded = (state: string): boolean => endStates.has(state);

export const jobPath = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}`;

export interface Following {
  readonly client: Client;
  readonly id: string;
  /** Gives up then, with exit 4. */
  readonly timeoutMs: number | undefined;
  /** Ctrl-C: ends the waiting, with exit 130. */
  readonly signal: AbortSignal;
  readonly onFact: (record: FactView) => void | Promise<void>;
  /** The server is away; said once for each time. */
  readonly onAway: (reason: string) => void;
}

/** The job's last view, once it has ended. Throws with exit 4 or 130 when it was not waited for to the end. */
export async function followToEnd(following: Following): Promise<JobView> {
  const { client, id, timeoutMs, signal } = following;
  const timeout = timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs);
  const either = timeout ? AbortSignal.any([signal, timeout]) : signal;
  let last: string | undefined;
  let awaySinceMs: number | null = null;
  for (;;) {
    try {
      for await (const event of client.events(`${jobPath(id)}/events`, {
        lastEventId: last,
        signal: either,
      })) {
        awaySinceMs = null;
        last = event.id || last;
        await following.onFact(JSON.parse(event.data) as FactView);
      }
      // The stream is over because the job is, or because the server shuts down.
      const view = await client.json<JobView>('GET', jobPath(id), { signal: either });
      awaySinceMs = null;
      if (hasEnded(view.state)) return view;
    } catch (error) {
      if (signal.aborted) throw interrupted(id);
      if (timeout?.aborted) throw await waitedInVain(client, id, timeoutMs ?? 0);
      if (!mayPass(error)) throw error;
      if (awaySinceMs === null) following.onAway((error as Error).message);
      awaySinceMs ??= performance.now();
      if (performance.now() - awaySinceMs > awayMsMax) throw gaveUp(id, error);
    }
    await pause(retryMs, either);
  }
}

/** A server that is away, shuts down or recovers may be back soon. */
export const mayPass = (error: unknown): boolean =>
  error instanceof BerthError &&
  ['ERR_UNREACHABLE', 'ERR_READ_ONLY', 'ERR_DRAINING', 'ERR_BUSY', 'ERR_STREAMS'].includes(error.code);

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

const interrupted = (id: string): CommandError =>
  new CommandError('ERR_USAGE', `interrupted; job ${id} goes on`, {
    exit: exits.interrupted,
    next: `berth job cancel ${id}, or berth job watch ${id}`,
  });

const gaveUp = (id: string, cause: unknown): CommandError =>
  new CommandError('ERR_UNREACHABLE', `no answer for ${awayMsMax / 1_000} s; job ${id} is safe in the log`, {
    cause,
    next: `berth doctor, then berth job watch ${id}`,
  });

async function waitedInVain(client: Client, id: string, timeoutMs: number): Promise<CommandError> {
  const view = await client.json<JobView>('GET', jobPath(id)).catch(() => null);
  const state = view ? ` and is ${view.state}` : '';
  return new CommandError('ERR_QUEUE_TIMEOUT', `waited ${timeoutMs} ms; job ${id} goes on${state}`, {
    exit: exits.waitedInVain,
    next: `berth job explain ${id}, or berth job watch ${id}`,
  });
}

/** The error of a job that ended without success: exit 3. */
export function unsuccessful({ id, state, cause }: JobView): CommandError {
  const code = cause?.code ?? 'ERR_INTERNAL';
  const detail = cause?.message ?? 'no cause is recorded';
  return new CommandError(code as 'ERR_INTERNAL', `job ${id} ${state}: ${detail}`, {
    exit: exits.unsuccessful,
    next: `berth job history ${id}, or berth job logs ${id}`,
  });
}

/** One line on stderr, drawn over itself: where the job is now. Off a terminal it says nothing. */
export function progressOn(out: Output, id: string): { show(record: FactView): void; clear(): void } {
  if (!out.animated) return { show: () => undefined, clear: () => undefined };
  const clear = '\r\u001b[K';
  return {
    show: ({ type }) => out.draw(`${clear}${id} ${type.slice(type.indexOf('.') + 1)}`),
    clear: () => out.draw(clear),
  };
}
