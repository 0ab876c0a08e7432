/**
 * Brings records of an export into a log folder: a new one, or one that they continue.
 *
 * Why only whole or not at all: a log that ends in the middle of an import looks like any log, and a controller
 * would go on from there. So all is verified and written beside the log first, durably, and moved into place at the
 * end. What is there already must be the same record for record; nothing of it is changed.
 * The lines are kept byte for byte, so the hashes are those of the exporting controller. Blobs are no part of it.
 * Test: `test/log/import.test.ts`.
 */
import { BerthError } from '../errors.ts';
import { type FactRecord, genesis, openRecord, type Sha256 } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { Disk, DiskFile } from './disk.ts';
import { readRetired, startOf } from './retired.ts';
import { closeSegments, corrupt, openSegments, scanSegments } from './scan.ts';
import { firstSeqOf, type Mark, markLine, segmentBytesMaxDefault, segmentName } from './segment.ts';

/** Records behind one mark. */
const groupRecordsMax = 1_000;

export interface ImportOptions {
  /** Folder of the segments. */
  readonly dir: string;
  /** Folder beside it, on the same file system: what is in it is removed. */
  readonly draftDir: string;
  readonly disk: Disk;
  readonly sha256: Sha256;
  /** Lines of the export, without newlines. */
  readonly lines: AsyncIterable<readonly string[]>;
  readonly segmentBytesMax?: number;
}

export interface Imported {
  /** Records that were there already, and are the same. */
  readonly same: number;
  readonly added: number;
  readonly headSeq: number;
  readonly headHash: string;
}

/**
 * Imports; whoever calls holds the lock of the data directory.
 *
 * Throws, with nothing changed: `ERR_LOG_CORRUPT` when the export or the log there does not verify or the export is
 * empty, `ERR_LOG_CONFLICT` when the two part, naming the first seq that differs, `ERR_EXISTS` when other files stand there.
 */
export async function importLog(options: ImportOptions): Promise<Imported> {
  const { dir, disk, draftDir, sha256 } = options;
  await empty(disk, draftDir);
  const names = await namesIn(disk, dir);
  const isNew = names.length === 0;
  if (!isNew && !names.some((name) => firstSeqOf(name) !== null))
    throw new BerthError('ERR_EXISTS', `${dir} holds no segments, and is not empty: ${names[0]}`);
  const source = linesFrom(options.lines);
  const there = isNew ? { chain: new Chain(sha256), group: 0, same: 0 } : await overlap(options, source);
  const { chain, group, same } = there;
  const writer = new Writer(options, chain, group);
  try {
    await fill(writer, chain, source, sha256);
    await moveIn(options, isNew, await writer.end());
  } catch (error) {
    // On a full disk the drafts would keep the room. What can't be removed the next import removes.
    await writer.abandon().catch(() => undefined);
    await empty(disk, draftDir).catch(() => undefined);
    throw error;
  }
  return { same, added: writer.added, headSeq: chain.head, headHash: chain.headHash };
}

/** Writes all that the export has more of. */
async function fill(
  writer: Writer,
  chain: Chain,
  source: AsyncGenerator<string, void>,
  sha256: Sha256,
): Promise<void> {
  for (let line = await source.next(); !line.done; line = await source.next()) {
    const record = openRecord(line.value, { seq: chain.head + 1, prev: chain.headHash }, sha256);
    const broken = typeof record === 'string' ? record : chain.accept(record);
    if (broken !== null)
      throw new BerthError('ERR_LOG_CORRUPT', `seq ${chain.head + 1} of the export: the record ${broken}`);
    await writer.add(line.value, record as FactRecord);
  }
  if (chain.head === 0) throw new BerthError('ERR_LOG_CORRUPT', 'the export holds no record');
}

/** Moves drafts into place: a new log at once, a continuation segment by segment, each whole and each durable. */
async function moveIn(
  { dir, disk, draftDir }: ImportOptions,
  isNew: boolean,
  segments: readonly string[],
): Promise<void> {
  const parent = dir.slice(0, dir.lastIndexOf('/'));
  if (segments.length === 0) return;
  if (isNew) {
    await disk.rename(draftDir, dir);
    return disk.syncFolder(parent);
  }
  for (const name of segments) {
    await disk.rename(`${draftDir}/${name}`, `${dir}/${name}`);
    await disk.syncFolder(dir);
  }
}

/** Reads the log that is there beside the export. Returns where it ends; the export then stands at the next record. */
async function overlap(
  { dir, disk, sha256 }: ImportOptions,
  source: AsyncGenerator<string, void>,
): Promise<{ chain: Chain; group: number; same: number }> {
  const segments = await openSegments(dir, disk);
  try {
    const start = await startOf(dir, disk, segments);
    const chain = new Chain(sha256, start);
    const scan = scanSegments(segments, chain, sha256, Number.MAX_SAFE_INTEGER, start?.group);
    let same = await sameAsRetired(dir, disk, sha256, source, start?.seq ?? 0);
    let ended = false;
    for (;;) {
      const step = await scan.next();
      if (step.done) {
        if (step.value.damage) throw corrupt(step.value.damage);
        await segments.at(-1)?.file.datasync();
        return { chain, group: step.value.group, same };
      }
      for (const record of step.value.records) {
        const line = ended ? null : await source.next();
        if (line === null || line.done) {
          ended = true;
          continue;
        }
        const other = openRecord(line.value, { seq: record.seq, prev: record.prev }, sha256);
        if (typeof other === 'string' || other.hash !== record.hash) {
          const why =
            typeof other === 'string' ? `the record of the export ${other}` : 'they are two records';
          throw new BerthError(
            'ERR_LOG_CONFLICT',
            `the log and the export part at seq ${record.seq}: ${why}`,
          );
        }
        same += 1;
      }
    }
  } finally {
    await closeSegments(segments);
  }
}

/**
 * Takes from the export what is retired here, up to `toSeq`. Of each segment the hash of its last record is known,
 * and with it all before. Returns up to where the export is known to be the same.
 */
async function sameAsRetired(
  dir: string,
  disk: Disk,
  sha256: Sha256,
  source: AsyncGenerator<string, void>,
  toSeq: number,
): Promise<number> {
  if (toSeq === 0) return 0;
  const { lines } = await readRetired(dir, disk);
  const hashes = new Map(lines.map(({ hash, lastSeq }) => [lastSeq, hash]));
  let same = 0;
  let prev = genesis;
  for (let seq = 1; seq <= toSeq; seq += 1) {
    const line = await source.next();
    if (line.done) return same;
    const record = openRecord(line.value, { seq, prev }, sha256);
    if (typeof record === 'string')
      throw new BerthError('ERR_LOG_CORRUPT', `seq ${seq} of the export: the record ${record}`);
    prev = record.hash;
    const known = hashes.get(seq);
    if (known === undefined) continue;
    if (known !== prev)
      throw new BerthError(
        'ERR_LOG_CONFLICT',
        `the log and the export part between seq ${same + 1} and seq ${seq}, which are retired here`,
      );
    same = seq;
  }
  return same;
}

/** Writes segments as the log itself does: groups behind marks, each segment closed. */
class Writer {
  added = 0;
  readonly #options: ImportOptions;
  readonly #names: string[] = [];
  #file: DiskFile | null = null;
  #bytes = 0;
  /** Seq and hash of the last record that is written, number of its group. */
  #after: { seq: number; hash: string };
  #group: number;
  #lines: string[] = [];
  #last: { seq: number; hash: string };

  constructor(options: ImportOptions, chain: Chain, group: number) {
    this.#options = options;
    this.#after = this.#last = { seq: chain.head, hash: chain.headHash };
    this.#group = group;
  }

  async add(line: string, { seq, hash }: FactRecord): Promise<void> {
    this.#lines.push(line);
    this.#last = { seq, hash };
    this.added += 1;
    if (this.#lines.length === groupRecordsMax) await this.#flush();
  }

  /** Makes all durable. Returns the names of the segments, oldest first. */
  async end(): Promise<readonly string[]> {
    await this.#flush();
    await this.#close();
    if (this.#names.length > 0) await this.#options.disk.syncFolder(this.#options.draftDir);
    return this.#names;
  }

  /** Lets go of the segment that is half written. */
  async abandon(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const { disk, draftDir, segmentBytesMax = segmentBytesMaxDefault } = this.#options;
    if (this.#bytes >= segmentBytesMax) await this.#close();
    if (this.#file === null) {
      const name = segmentName(this.#after.seq + 1);
      this.#file = await disk.open(`${draftDir}/${name}`, true);
      this.#names.push(name);
      this.#bytes = 0;
    }
    this.#group += 1;
    await this.#write([this.#mark('group', this.#lines.length), ...this.#lines]);
    this.#lines = [];
    this.#after = this.#last;
  }

  async #close(): Promise<void> {
    if (this.#file === null) return;
    try {
      await this.#write([this.#mark('closed', 0)]);
      await this.#file.datasync();
    } finally {
      await this.#file.close();
      this.#file = null;
    }
  }

  #mark(kind: Mark['kind'], records: number): string {
    const { seq, hash } = this.#after;
    return markLine({ kind, group: this.#group, after: seq, prev: hash, records }, this.#options.sha256);
  }

  async #write(lines: readonly string[]): Promise<void> {
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
    await this.#file!.write(bytes, this.#bytes);
    this.#bytes += bytes.length;
  }
}

async function* linesFrom(batches: AsyncIterable<readonly string[]>): AsyncGenerator<string, void> {
  for await (const batch of batches) yield* batch;
}

/** What an import that a crash interrupted has left. */
async function empty(disk: Disk, folder: string): Promise<void> {
  await disk.mkdir(folder);
  for (const name of await disk.list(folder)) await disk.remove(`${folder}/${name}`);
}

const namesIn = (disk: Disk, folder: string): Promise<string[]> =>
  disk.list(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
