/**
 * Where a reader of the log begins who wants to fold it: at its first fact, or at a checkpoint when that fact is retired
 * or too far away.
 *
 * Why the text of the checkpoint goes out as it lies on the disk: it may be tens of megabytes, and a controller that
 * parses and writes them stands still meanwhile. Why the older of the two that are kept: a page that begins at the newest
 * may have a single fact to show. Test: `test/views/begin-view.test.ts`.
 */
import { z } from 'zod';
import type { Controller } from '../controller.ts';
import { BerthError } from '../errors.ts';
import type { StoredCheckpoint } from '../log/checkpoint.ts';

/** A log up to this long is read whole. A page folds as many facts in a few seconds. */
export const wholeFactsMax = 250_000;

export const beginSchema = z.strictObject({
  checkpoint: z
    .strictObject({
      base: z.looseObject({ seq: z.number().int(), hash: z.string() }),
      folds: z.record(z.string(), z.unknown()).describe('all folds after the fact `base.seq`, frozen'),
      version: z.string().describe('of the folds: a reader with another can not use them'),
    })
    .nullable()
    .describe('null: begin with nothing'),
  /** `whole`: nothing is left out. */
  reason: z.enum(['whole', 'long', 'retired']),
  seq: z.number().int().describe('facts behind this seq can be read'),
});
export type Begin = z.infer<typeof beginSchema>;

/** What of a life is needed. */
export type Beginning = Pick<Controller, 'checkpoints'> & {
  readonly log: Pick<Controller['log'], 'read'>;
  readonly views: Pick<Controller['views'], 'seq'>;
};

/** Such a `Begin` as JSON. Rejects with ERR_NOT_FOUND when the first fact is retired and no checkpoint is known. */
export async function beginningOf(
  { checkpoints, log, views }: Beginning,
  factsMax = wholeFactsMax,
): Promise<{ readonly length: number; readonly text: AsyncIterable<Uint8Array> }> {
  const isRetired = await isGone(log);
  const stored = isRetired || views.seq > factsMax ? await checkpoints?.oldest() : null;
  if (stored) return around(stored, isRetired ? 'retired' : 'long');
  if (isRetired)
    throw new BerthError(
      'ERR_NOT_FOUND',
      'the first facts are retired, and no checkpoint stands in for them',
    );
  const whole = encoded('{"checkpoint":null,"reason":"whole","seq":0}\n');
  return { length: whole.length, text: pieces([whole]) };
}

async function isGone(log: Beginning['log']): Promise<boolean> {
  try {
    await log.read(1, 1);
    return false;
  } catch (error) {
    if (error instanceof BerthError && error.code === 'ERR_NOT_FOUND') return true;
    throw new BerthError('ERR_READ_ONLY', `the log cannot be read now: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function around({ bytes, seq, text }: StoredCheckpoint, reason: 'long' | 'retired') {
  const before = encoded('{"checkpoint":');
  const after = encoded(`,"reason":"${reason}","seq":${seq}}\n`);
  return { length: before.length + bytes + after.length, text: pieces([before], text(), [after]) };
}

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* pieces(
  ...parts: (Iterable<Uint8Array> | AsyncIterable<Uint8Array>)[]
): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield* part;
}
