/**
 * The report of a torn tail: `torn.json` in the log folder, from before the cut until the log itself tells of it.
 *
 * Why a file of its own: a cut destroys its own evidence. Once the tail is truncated the log looks sound, so a crash
 * before `controller.recovered` is durable would make the next start believe that nothing was lost. It is the rule of
 * the whole log once more, for the one act that the log can't record beforehand: write down, durably, then act.
 *
 * Its life, each step durable before the next: planned (`cutting` says where) → the segment is truncated →
 * done (`cutting` is null) → `controller.recovered` is in the log → renamed to `torn-told.json`, kept for a person.
 * A crash between any two is mended by the next start: a planned cut is made again and counted once; a report
 * that is told already, for the same `fromSeq` and `bytes`, is put aside. Test: `test/log/torn-report.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import type { Disk } from './disk.ts';
import type { LogBase, TailCut } from './log.ts';

/** Ids named in a report; further ones are counted only. A person looks at the bytes then. */
export const idsNamedMax = 1_000;
/** More than `idsNamedMax` of the longest ids take: a longer file is not ours. */
const reportBytesMax = 1024 * 1024;

const reportName = 'torn.json';
const draftName = 'torn.json.draft';
const toldName = 'torn-told.json';

/** Where a cut is made: name of the segment, and the first byte that goes. */
export interface CutPlace {
  readonly segment: string;
  readonly offset: number;
}

interface Content extends TailCut {
  /** The newest cut as long as it may not be made, or not durably; null afterwards. */
  readonly cutting: CutPlace | null;
}

/** What was cut and is not told yet, in memory and on disk alike. */
export class TornReport {
  readonly #dir: string;
  readonly #disk: Disk;
  readonly #sha256: Sha256;
  #content: Content | null;
  #told = false;

  /** Reads what a former process left. Throws `ERR_LOG_CORRUPT` when that can't be trusted: it may tell of a loss. */
  static async read(dir: string, disk: Disk, sha256: Sha256): Promise<TornReport> {
    return new TornReport(dir, disk, sha256, await readContent(`${dir}/${reportName}`, disk, sha256));
  }

  private constructor(dir: string, disk: Disk, sha256: Sha256, content: Content | null) {
    this.#dir = dir;
    this.#disk = disk;
    this.#sha256 = sha256;
    this.#content = content;
  }

  /** All cuts that no durable fact tells of, as one; null when there is none. */
  get cut(): TailCut | null {
    if (this.#content === null) return null;
    const { cutting: _, ...cut } = this.#content;
    return cut;
  }

  /**
   * Notices the fact that tells of this very cut. Any fact from `fromSeq` on was written after the cut, and the
   * first one is `controller.recovered`, so none can be taken for it.
   */
  see({ seq, type, data }: FactRecord): void {
    if (this.#content === null || type !== 'controller.recovered' || seq < this.#content.fromSeq) return;
    const { bytes, fromSeq } = data as FactData<'controller.recovered'>;
    if (bytes === this.#content.bytes && fromSeq === this.#content.fromSeq) this.#told = true;
  }

  /**
   * The records up to `base` are not read. A cut before its seq was told all the same: facts that stand there now
   * came after the cut, and a life takes its first checkpoint after it has told of the cut and settled that.
   */
  seeBase({ seq }: LogBase): void {
    if (this.#content !== null && this.#content.fromSeq <= seq) this.#told = true;
  }

  /** True when the log that was read tells of this cut: the report may go once what was read is durable. */
  get told(): boolean {
    return this.#told;
  }

  /** Whether the report stands for a cut at this place that a crash interrupted. */
  isCutting({ segment, offset }: CutPlace): boolean {
    const cutting = this.#content?.cutting;
    return cutting?.segment === segment && cutting.offset === offset;
  }

  /** Before a cut: adds it to what is not told yet, durably. */
  async plan(cut: TailCut, cutting: CutPlace): Promise<void> {
    const { cut: before } = this;
    await this.#write({ ...(before === null ? cut : merged(before, cut)), cutting });
  }

  /** After a cut is durable, and before anything is appended: what stands there later is another tail. */
  async done(): Promise<void> {
    if (this.#content?.cutting) await this.#write({ ...this.#content, cutting: null });
  }

  /** After the fact that tells of it is durable: the report goes. Nothing happens when there is none. */
  async settle(): Promise<void> {
    if (this.#content === null) return;
    await this.#durably(async () => {
      await this.#disk.rename(`${this.#dir}/${reportName}`, `${this.#dir}/${toldName}`);
      await this.#disk.syncFolder(this.#dir);
    });
    this.#content = null;
    this.#told = false;
  }

  /** Draft, sync, rename, sync the folder: at any moment one whole report stands there, the old one or the new. */
  async #write(content: Content): Promise<void> {
    const draft = `${this.#dir}/${draftName}`;
    await this.#durably(async () => {
      const file = await this.#disk.open(draft, true);
      try {
        // A former draft may be longer.
        await file.truncate(0);
        await file.write(new TextEncoder().encode(textOf(content, this.#sha256)), 0);
        await file.datasync();
      } finally {
        await file.close();
      }
      await this.#disk.rename(draft, `${this.#dir}/${reportName}`);
      await this.#disk.syncFolder(this.#dir);
    });
    this.#content = content;
  }

  async #durably(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      throw new BerthError(
        'ERR_LOG_FAILED',
        `${this.#dir}/${reportName} can't be written: ${String(cause)}`,
        {
          cause,
        },
      );
    }
  }
}

/** Two different cuts as one: what is missing from either is missing. */
function merged(a: TailCut, b: TailCut): TailCut {
  const ids = [...new Set([...a.ids, ...b.ids])];
  // With ids that are not named nobody can tell which are in both: rather too many than too few.
  const allNamed = a.idCount === a.ids.length && b.idCount === b.ids.length;
  return {
    fromSeq: Math.min(a.fromSeq, b.fromSeq),
    bytes: a.bytes + b.bytes,
    file: a.file ?? b.file,
    ids: ids.slice(0, idsNamedMax),
    idCount: allNamed ? ids.length : a.idCount + b.idCount,
  };
}

function textOf(content: Content, sha256: Sha256): string {
  const text = JSON.stringify(content);
  return `{"report":${text},"check":"${checkOf(text, sha256)}"}\n`;
}

const checkOf = (text: string, sha256: Sha256): string => sha256(text).slice(0, 16);

async function readContent(path: string, disk: Disk, sha256: Sha256): Promise<Content | null> {
  const file = await disk.open(path, false).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new BerthError('ERR_LOG_FAILED', `${path} can't be read: ${String(error)}`, { cause: error });
  });
  if (file === null) return null;
  try {
    const size = await file.size();
    if (size > reportBytesMax) throw new Error(`it has ${size} bytes, at most ${reportBytesMax} are ours`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.read(0, size));
    const { report } = JSON.parse(text) as { report: Content };
    if (textOf(report, sha256) !== text) throw new Error('its check does not hold');
    return report;
  } catch (cause) {
    const why = (cause as Error).message;
    const message = `${path} tells of records that were lost, and is damaged: ${why}. Move it away to go on without it`;
    throw new BerthError('ERR_LOG_CORRUPT', message, { cause });
  } finally {
    await file.close();
  }
}
