/**
 * Reads a log out of a file that somebody has chosen: an export, gzipped or not, a recording, or what a simulation wrote.
 *
 * Why told apart by content and not by name: files are renamed. Why a player of its own: what was shown stays whole until the
 * file is read to its end without fault. Test: `test/dashboard/log-file.test.ts`.
 */
import { batchMax, bytesOf, LogFileError, linesOf, logIn, recordsMax, unzipped } from './log-lines.ts';
import type { Player } from './player.ts';
import { type ReadingParts, recordedId } from './recorded.ts';

/** What is needed of a browser's `File`. */
export type LogFile = Pick<Blob, 'size' | 'slice' | 'stream' | 'text'> & { readonly name: string };

/** How far it is read: facts, and the share of its bytes, 0 to 1. */
export type OnProgress = (facts: number, share: number) => void;

/** First byte of `<`, and of what gzip writes. */
const [angle, zipped] = [0x3c, 0x1f];

/** All of it, folded. Rejects with a `LogFileError`, and when `signal` aborts: then nothing more is read. */
export async function playerOf(
  file: LogFile,
  { newPlayer, pause }: ReadingParts,
  signal: AbortSignal,
  onProgress: OnProgress = () => undefined,
): Promise<Player> {
  let player = newPlayer(null);
  let read = 0;
  let facts = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      read += chunk.length;
      controller.enqueue(chunk);
    },
  });
  for await (const piece of logIn(linesOf(await textOf(file, counted, signal)))) {
    if (piece.begin !== undefined) {
      player = newPlayer(piece.begin);
      continue;
    }
    player.append(piece.records);
    player.advance(batchMax);
    facts += piece.records.length;
    onProgress(facts, file.size === 0 ? 1 : Math.min(1, read / file.size));
    await pause(0);
    signal.throwIfAborted();
  }
  player.seek(player.headSeq);
  return player;
}

async function textOf(
  file: LogFile,
  counted: TransformStream<Uint8Array, Uint8Array>,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const [first] = new Uint8Array(await file.slice(0, 1).arrayBuffer());
  if (first === angle)
    return unzipped(bytesOf(recordingIn(await file.text())).pipeThrough(counted, { signal }));
  const counting = counted as TransformStream<Uint8Array<ArrayBuffer>, Uint8Array>;
  const bytes = file.stream().pipeThrough(counting, { signal });
  return readable(first === zipped ? unzipped(bytes) : (bytes as unknown as AsyncIterable<Uint8Array>));
}

/** The base64 text of a recording's element, which `bundle.ts` has written. */
function recordingIn(html: string): string {
  const opening = new RegExp(`<script id="${recordedId}"[^>]{1,2000} data-records="(\\d{1,9})">`);
  const found = opening.exec(html);
  if (!found)
    throw new LogFileError(
      'This page holds no recorded log.',
      'Make one that does: berth log export --html FILE',
    );
  if (Number(found[1]) > recordsMax) throw new LogFileError(`There are more than ${recordsMax} facts in it.`);
  const from = found.index + found[0].length;
  return html.slice(from, html.indexOf('</script>', from)).trim();
}

/** What streams say about damaged bytes, in words. */
async function* readable(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw new LogFileError(`Its bytes can't be read: ${(error as Error).message}.`);
  }
}
