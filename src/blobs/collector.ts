/**
 * The collector: once an hour, blobs that no fact names and that nobody touched for a day are removed.
 * Why hourly and not at once: an upload comes before the job that names it. Test: `test/blobs/collector.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { Controller } from '../controller.ts';
import type { Blobs } from './blobs.ts';
import { referencedBlobs } from './references.ts';

const everyMs = 3_600_000;
const olderThanMs = 86_400_000;

export interface CollectorParts {
  readonly blobs: Pick<Blobs, 'collect'>;
  readonly life: () => Pick<Controller, 'state' | 'log' | 'views'>;
  readonly clock: Clock;
  readonly logger: (level: 'info' | 'error', message: string, fields?: Record<string, unknown>) => void;
}

/** Starts collecting; returns a function that stops it. */
export function startCollector(parts: CollectorParts): () => void {
  const { clock } = parts;
  let off = clock.after(everyMs, collect);
  let stopped = false;
  function collect(): void {
    void collectOnce(parts).finally(() => {
      if (!stopped) off = clock.after(everyMs, collect);
    });
  }
  return () => {
    stopped = true;
    off();
  };
}

async function collectOnce({ blobs, life, clock, logger }: CollectorParts): Promise<void> {
  let named: ReadonlySet<string> = new Set();
  let asOf = '';
  const isReferenced = (tenant: string, sha256: string): boolean => {
    const { state, log, views } = life();
    const name = `${tenant} ${sha256}`;
    // A fact may have come to name it since the set was made: before anything goes, look again. At head for what is
    // named there first, and at what is durable: a job that is forgotten at head comes back with a crash.
    const now = `${log.head} ${views.seq}`;
    if (!named.has(name) && asOf !== now) {
      named = referencedBlobs([...state.jobs.values(), ...views.state.jobs.values()]);
      asOf = now;
    }
    return named.has(name);
  };
  try {
    const removed = await blobs.collect(isReferenced, olderThanMs, clock.wallMs());
    if (removed.blobs > 0) logger('info', 'unreferenced blobs removed', { ...removed });
  } catch (error) {
    logger('error', 'blobs could not be collected', { error: (error as Error).message });
  }
}
