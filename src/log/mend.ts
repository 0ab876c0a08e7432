/**
 * Cuts a torn tail off, keeps its bytes, and says what was in them.
 *
 * Why keep them: this is the one place where one disk can't keep the promise. After a power cut the last
 * flush may be half there, and nobody can tell whether it had been promised to someone. So the bytes are
 * moved aside, not dropped, and the message ids in them are reported. Test: `test/log/torn.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { Disk } from './disk.ts';
import type { TailCut } from './log.ts';
import { chunkBytes, type Segment } from './segment.ts';
import { idsNamedMax, type TornReport } from './torn-report.ts';

/**
 * `.torn`, `.torn.1` … of one segment. Whoever has this many has another problem: what was perhaps promised is then
 * not cut any more, and of what was not, only the newest is kept.
 */
const tornFilesMax = 1_000;
/** Longest message id: eight tokens of 64 and a version. Also the overlap of two chunks. */
const idBytesMax = 640;
const idPattern = /"id":"([A-Za-z0-9_.-]{1,600}:\d{1,16})"/g;

/**
 * Moves the bytes from `offset` on to `<segment>.torn`, writes the report, and only then truncates the segment.
 * A cut that a crash interrupted is made again: its bytes are kept and reported already.
 * @returns this cut, and with it all that no durable fact tells of. Throws `ERR_LOG_FAILED`.
 */
export async function cutTail(
  dir: string,
  disk: Disk,
  segment: Segment,
  offset: number,
  fromSeq: number,
  report: TornReport,
): Promise<TailCut> {
  const bytes = segment.end - offset;
  const place = { segment: segment.path.slice(dir.length + 1), offset };
  try {
    if (report.isCutting(place)) {
      // A kill may have come between the rename of the report and the sync of its name.
      await disk.syncFolder(dir);
    } else if (bytes > 0) {
      // Where no byte goes nothing can be forgotten: the next start finds the same records missing.
      const kept = await keep(dir, disk, segment, offset);
      await report.plan({ fromSeq, bytes, ...kept }, place);
    }
    await truncate(segment, offset);
    return report.cut ?? { fromSeq, bytes, file: null, ids: [], idCount: 0 };
  } catch (cause) {
    throw cannotMend(segment, cause);
  }
}

/**
 * The same when it is known that nothing beyond `offset` was promised: keeping the bytes is then a courtesy,
 * given up on a full disk, and no id is reported, for nobody was told.
 */
export async function dropTail(
  dir: string,
  disk: Disk,
  segment: Segment,
  offset: number,
  fromSeq: number,
): Promise<TailCut> {
  const bytes = segment.end - offset;
  try {
    if (offset === 0) {
      // Moved as a whole: a new file takes the name, and with it pages that have seen no failed sync.
      // A disk may refuse for hours, and each try ends here: the last name is used again and again.
      const file = (await freeName(dir, disk, segment)) ?? tornName(segment, tornFilesMax - 1);
      await disk.rename(segment.path, file);
      await disk.syncFolder(dir);
      return { fromSeq, bytes, file, ids: [], idCount: 0 };
    }
    const file = await keep(dir, disk, segment, offset).then(
      (kept) => kept.file,
      () => null,
    );
    await truncate(segment, offset);
    return { fromSeq, bytes, file, ids: [], idCount: 0 };
  } catch (cause) {
    throw cannotMend(segment, cause);
  }
}

async function keep(
  dir: string,
  disk: Disk,
  segment: Segment,
  offset: number,
): Promise<Pick<TailCut, 'ids' | 'idCount'> & { readonly file: string }> {
  const file = await freeName(dir, disk, segment);
  if (file === null) throw new Error(`${tornFilesMax} files of torn tails already`);
  const ids = new Set<string>();
  const torn = await disk.open(file, true);
  try {
    const latin1 = new TextDecoder('latin1');
    let before = '';
    for (let at = offset; at < segment.end; at += chunkBytes) {
      const bytes = await segment.file.read(at, Math.min(chunkBytes, segment.end - at));
      await torn.write(bytes, at - offset);
      const text = before + latin1.decode(bytes);
      for (const [, id] of text.matchAll(idPattern)) ids.add(id!);
      before = text.slice(-idBytesMax);
    }
    await torn.datasync();
  } finally {
    await torn.close();
  }
  await disk.syncFolder(dir);
  return { file, ids: [...ids].slice(0, idsNamedMax), idCount: ids.size };
}

/** A name that no torn tail has yet; null when all are taken. */
async function freeName(dir: string, disk: Disk, segment: Segment): Promise<string | null> {
  const taken = new Set(await disk.list(dir));
  for (let i = 0; i < tornFilesMax; i += 1) {
    const path = tornName(segment, i);
    if (!taken.has(path.slice(dir.length + 1))) return path;
  }
  return null;
}

const tornName = ({ path }: Segment, index: number): string =>
  index === 0 ? `${path}.torn` : `${path}.torn.${index}`;

async function truncate(segment: Segment, offset: number): Promise<void> {
  await segment.file.truncate(offset);
  await segment.file.datasync();
  segment.end = offset;
}

const cannotMend = (segment: Segment, cause: unknown): BerthError =>
  new BerthError(
    'ERR_LOG_FAILED',
    `${segment.path} has a torn tail that can't be moved aside: ${String(cause)}`,
    { cause },
  );
