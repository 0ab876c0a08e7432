/**
 * `berth log export --html FILE`: a log and the page that plays it, in one file that needs no network.
 *
 * Why the whole page and not a report: whoever gets the file looks where they want, at any seq, and the state that they see is
 * computed by the production folds that are in it, too. Why gzip inside base64: no fact, whatever it holds, can then end the
 * element that it stands in. Test: `test/cli/log-html.test.ts`, `test/browser/recorder.test.ts`.
 */
import { once } from 'node:events';
import { basename, resolve } from 'node:path';
import { createGzip } from 'node:zlib';
import { beginLine, recordsMax } from '../dashboard/log-lines.ts';
import type { Beginning } from '../dashboard/player.ts';
import { BerthError } from '../errors.ts';
import { type FactRecord, sealRecord } from '../events/record.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import type { Context } from './context.ts';
import { CommandError, exits } from './exit.ts';
import { recordsIn, wholeLogIn } from './log-paths.ts';
import { beginningOf } from './replay.ts';
import { saveTo } from './save.ts';

/** Records between two drawings of the progress. */
const drawnEvery = 10_000;
const clearLine = '\r\u001b[K';

/** What a recording is made of: on top the checkpoint that it begins with, if it does, then records. */
export type Piece = Beginning | readonly FactRecord[];

/** A log to be recorded. */
export interface Told {
  /** What the page calls it. */
  readonly name: string;
  readonly pieces: AsyncIterable<Piece>;
}

/** The log at a path: data directory, log folder, export, or what a simulation wrote. */
export const logAt = (path: string): Told => ({ name: basename(resolve(path)), pieces: piecesOnDisk(path) });

/** From the first fact on; where that is retired and gone, from the checkpoint that `checkpoint` gives. */
export async function* withoutGone(
  whole: AsyncIterable<readonly FactRecord[]>,
  rest: () => AsyncIterable<Piece>,
): AsyncGenerator<Piece> {
  let isBegun = false;
  try {
    for await (const records of whole) {
      isBegun = true;
      yield records;
    }
  } catch (error) {
    if (isBegun || !(error instanceof BerthError) || error.code !== 'ERR_NOT_FOUND') throw error;
    yield* rest();
  }
}

const piecesOnDisk = (path: string): AsyncIterable<Piece> =>
  withoutGone(wholeLogIn(path), async function* () {
    const { from, records } = await beginningOf(path, recordsIn(path));
    const { base, folds } = from!.checkpoint;
    yield { folds, seq: base.seq };
    const { vouchedFor } = await import('./refold.ts');
    for await (const batch of records) {
      const proof = batch.find(({ seq }) => seq === base.seq + 1);
      if (proof) vouchedFor(from!, proof);
      yield batch.filter(({ seq }) => seq > base.seq);
    }
  });

/** Writes the page with this log in it. Throws before the file is there, or leaves none. */
export async function exportHtml(context: Context, file: string, told: Told): Promise<number> {
  const { out } = context;
  const page = new Recorder(context, told);
  if (file === '-') {
    await out.write(await page.html());
    return exits.done;
  }
  const chunks = async function* (): AsyncGenerator<string> {
    yield await page.html();
  };
  const bytes = await saveTo(file, chunks());
  const from = page.beginSeq === 0 ? '' : `, from the checkpoint of seq ${page.beginSeq} on`;
  out.note(
    `${page.records} facts${from}, ${bytes} bytes; open ${file} in any browser: it asks nobody for anything`,
  );
  return exits.done;
}

class Recorder {
  readonly #context: Context;
  readonly #told: Told;
  records = 0;
  beginSeq = 0;

  constructor(context: Context, told: Told) {
    this.#context = context;
    this.#told = told;
  }

  async html(): Promise<string> {
    const gzip = await this.#packed();
    // Loaded only here: the bundler is large.
    const { recordingPage } = await import('../dashboard/bundle.ts');
    return (await recordingPage({ name: this.#told.name, records: this.records, gzip })).html;
  }

  async #packed(): Promise<Uint8Array> {
    const { out } = this.#context;
    const gzip = createGzip();
    const chunks: Buffer[] = [];
    gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
    const ended = once(gzip, 'end');
    for await (const text of this.#lines()) if (!gzip.write(text)) await once(gzip, 'drain');
    gzip.end();
    await ended;
    if (this.records >= drawnEvery) out.draw(clearLine);
    return Buffer.concat(chunks);
  }

  async *#lines(): AsyncGenerator<string> {
    const { out, signal } = this.#context;
    let drawn = 0;
    for await (const piece of this.#told.pieces) {
      signal.throwIfAborted();
      if (isBeginning(piece)) {
        this.beginSeq = piece.seq;
        yield beginLine(piece);
        continue;
      }
      this.records += piece.length;
      if (this.records > recordsMax) throw tooMany();
      yield piece.map((record) => `${sealRecord(record, nodeSha256).line}\n`).join('');
      if (this.records - drawn < drawnEvery) continue;
      drawn = this.records;
      out.draw(`${clearLine}${this.records} facts`);
    }
    if (this.records > 0) return;
    throw new CommandError('ERR_NOT_FOUND', `there is no fact in ${this.#told.name}`, {
      next: 'berth log tail shows what a log has',
    });
  }
}

const isBeginning = (piece: Piece): piece is Beginning => !Array.isArray(piece);

const tooMany = (): CommandError =>
  new CommandError('ERR_TOO_LARGE', `more than ${recordsMax} facts, which is more than a page can hold`, {
    next: `record its beginning: berth log export all.jsonl; head -n ${recordsMax} all.jsonl > part.jsonl; berth log export --html FILE --from part.jsonl`,
  });
