/**
 * Follows the log over HTTP: pages up to the present, then events as they come, across broken connections.
 * Test: `test/cli/log.test.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';
import type { CommandError } from './exit.ts';
import { awayMsMax, mayPass } from './follow.ts';
import { factsFrom } from './pages.ts';

const retryMs = 500;

export interface Tailing {
  readonly client: Client;
  readonly subject: string;
  readonly from: number;
  /** Goes on until `signal` aborts. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
  readonly show: (facts: readonly FactView[]) => Promise<void>;
  readonly note: (text: string) => void;
}

/** Shows all facts once and in order. Returns at the end of the log, or, following, when interrupted. */
export async function tailLive(tailing: Tailing): Promise<void> {
  const { client, subject, from, signal, show } = tailing;
  let last = from - 1;
  for await (const facts of factsFrom(client, '/v1/log', { from, subject, signal })) {
    await show(facts);
    last = facts.at(-1)?.seq ?? last;
  }
  if (tailing.follow) await follow(tailing, last);
}

async function follow({ client, subject, signal, show, note }: Tailing, after: number): Promise<void> {
  let last = after;
  let awaySinceMs: number | null = null;
  while (!signal.aborted) {
    try {
      const query = new URLSearchParams({ subject, from: String(last + 1) });
      for await (const { data } of client.events(`/v1/log?${query}`, { signal })) {
        awaySinceMs = null;
        const fact = JSON.parse(data) as FactView;
        await show([fact]);
        last = fact.seq;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!mayPass(error)) throw error;
      if (awaySinceMs === null) note(`waiting for the server to be back: ${(error as CommandError).message}`);
      awaySinceMs ??= performance.now();
      if (performance.now() - awaySinceMs > awayMsMax) throw error;
    }
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
  }
}
