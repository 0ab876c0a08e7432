/**
 * Pages of facts from the server, one after the other, as one stream.
 *
 * Why pages and not one answer: a log of a million facts fits in no answer; a page is bounded, and `next`
 * says where to go on. Test: `test/cli/log.test.ts`.
 */
import type { FactPage, FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';

/** Facts asked for at a time. */
const pageFactsMax = 1_000;

/** All facts from `from` to where the log's durable end was at the last page. */
export async function* factsFrom(
  client: Client,
  path: string,
  { from = 1, subject, signal }: { from?: number; subject?: string | undefined; signal?: AbortSignal },
): AsyncGenerator<readonly FactView[]> {
  let next = from;
  for (;;) {
    const query = new URLSearchParams({
      from: String(next),
      limit: String(pageFactsMax),
      ...(subject ? { subject } : {}),
    });
    const page = await client.json<FactPage>('GET', `${path}?${query}`, { signal });
    if (page.facts.length > 0) yield page.facts;
    if (page.next > page.upTo || page.next <= next) return;
    next = page.next;
  }
}
