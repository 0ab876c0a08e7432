/**
 * A log that was recorded into the page itself: gzip of its lines, as base64 in an element that no browser runs.
 *
 * Why inside the page: one file can be mailed, opened from a disk without any server, and asks nobody for anything.
 * Test: `test/dashboard/recorded.test.ts`.
 */
import type { Model } from './model.ts';
import type { PlayedRecord } from './player.ts';

/** Id of the element that holds it; written by `recording.ts`. */
export const recordedId = 'recorded-log';

/** Records parsed before the page may draw again. */
const batchMax = 2_000;

export interface Recorded {
  readonly name: string;
  readonly records: number;
  readonly base64: string;
}

/** Null in a page without a recorded log. */
export function recordedIn(page: {
  getElementById(
    id: string,
  ): { dataset: Record<string, string | undefined>; textContent: string | null } | null;
}): Recorded | null {
  const element = page.getElementById(recordedId);
  if (!element) return null;
  const { name = 'log', records = '0' } = element.dataset;
  return { name, records: Number(records), base64: element.textContent ?? '' };
}

/** Reads all of it into the model, a batch at a time. */
export async function playRecorded(
  model: Model,
  { name, records, base64 }: Recorded,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  model.tell({ kind: 'loading', loaded: 0, total: records });
  try {
    let batch: PlayedRecord[] = [];
    let loaded = 0;
    for await (const line of linesOf(base64)) {
      batch.push(JSON.parse(line) as PlayedRecord);
      if (batch.length < batchMax) continue;
      model.append(batch);
      loaded += batch.length;
      batch = [];
      model.tell({ kind: 'loading', loaded, total: records });
      await pause(0);
    }
    model.append(batch);
    model.tell({ kind: 'file', name });
  } catch (error) {
    model.tell({
      kind: 'failed',
      reason: `the recorded log can't be read: ${(error as Error).message}`,
      next: 'export it again',
    });
  }
}

async function* linesOf(base64: string): AsyncGenerator<string> {
  const bytes = Uint8Array.from(atob(base64.trim()), (char) => char.charCodeAt(0));
  const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of text as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
