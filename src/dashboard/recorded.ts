/**
 * A log that was recorded into the page itself: gzip of its lines, as base64 in an element that no browser runs.
 *
 * Why inside the page: one file can be mailed, opened from a disk without any server, and asks nobody for anything.
 * Test: `test/dashboard/recorded.test.ts`.
 */
import { bytesOf, LogFileError, linesOf, logIn, unzipped } from './log-lines.ts';
import type { Model } from './model.ts';
import type { Beginning, Player } from './player.ts';

/** Id of the element that holds it; written by `bundle.ts`. */
export const recordedId = 'recorded-log';

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
  return { name, records: Number(records), base64: (element.textContent ?? '').trim() };
}

/** What reading needs of the world. */
export interface ReadingParts {
  readonly newPlayer: (begin: Beginning | null) => Player;
  /** Lets the page draw. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Reads all of it into the model, a batch at a time. */
export async function playRecorded(
  model: Model,
  { name, records, base64 }: Recorded,
  { newPlayer, pause }: ReadingParts,
): Promise<void> {
  let loaded = 0;
  model.tell({ kind: 'loading', loaded, total: records });
  try {
    for await (const piece of logIn(linesOf(unzipped(bytesOf(base64))))) {
      if (piece.begin !== undefined) {
        model.replace(newPlayer(piece.begin));
        continue;
      }
      model.append(piece.records);
      loaded += piece.records.length;
      model.tell({ kind: 'loading', loaded, total: records });
      await pause(0);
    }
    if (loaded !== records) throw new LogFileError(`${loaded} of its ${records} facts are there`);
    model.tell({ kind: 'file', name });
  } catch (error) {
    model.tell({
      kind: 'failed',
      reason: `The recorded log can't be read: ${(error as Error).message}`,
      next: 'Make the file again: berth log export --html FILE',
    });
  }
}
