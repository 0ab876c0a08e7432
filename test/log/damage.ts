/**
 * Logs to be damaged, and what must come of each damage, worked out from the undamaged bytes alone.
 *
 * Why worked out and not observed: "it halts somewhere" would pass a reader that halts at the wrong record, and then a
 * person repairs the wrong one. So a damaged byte says, by where it stands, which records are still to be trusted.
 */
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { openFileLog } from '../../src/log/file.ts';
import { draft } from './drafts.ts';
import { quiet, tryOpen } from './made.ts';
import { PowerDisk } from './power-disk.ts';

interface Line {
  readonly path: string;
  readonly start: number;
  /** One past its newline. */
  readonly end: number;
  readonly isMark: boolean;
  /** Whole records before it. */
  readonly before: number;
}

export interface Specimen {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly records: readonly FactRecord[];
  readonly lines: readonly Line[];
  /** Begin of the part that no mark seals: the last group, or the closing mark. */
  readonly tail: Line;
  readonly bytes: number;
}

/** What a job may bring along: quotes, newlines, other alphabets, and text that looks like a mark. */
const texts = [
  'plain',
  'a "quoted" \\ word',
  'two\nlines',
  'Übergröße, 大きい, 🚀',
  '#{"group":1,"after":0}',
  '',
];

export interface SpecimenOptions {
  /** At least so long, all files together. */
  readonly bytesMin: number;
  readonly closed?: boolean;
  readonly segmentBytesMax?: number;
}

/** A log made by the production code: groups of one to five records. */
export async function specimen(options: SpecimenOptions): Promise<Specimen> {
  const { bytesMin, closed = false, segmentBytesMax = 64 * 1024 * 1024 } = options;
  const disk = new PowerDisk();
  const { log } = await openFileLog({ ...quiet, disk, segmentBytesMax });
  const records: FactRecord[] = [];
  const size = async (): Promise<number> => {
    const names = await disk.list('log');
    return names.reduce((sum, name) => sum + disk.bytes(`log/${name}`).length, 0);
  };
  for (let group = 0; (await size()) < bytesMin; group += 1) {
    for (let i = 0; i <= group % 5; i += 1) {
      const name = `s${(group + i) % 4}`;
      const text = texts[records.length % texts.length];
      const data = { n: records.length, nested: { list: [1, null, true] }, text };
      records.push(log.append(draft(name, log.versionOf(`job.acme.${name}`), data)).record);
    }
    await log.whenDurable(log.head);
  }
  if (closed) await log.close();
  const files = new Map<string, Buffer>();
  for (const name of await disk.list('log')) files.set(`log/${name}`, Buffer.from(disk.bytes(`log/${name}`)));
  const lines = linesOf(files);
  const tail = lines.findLast(({ isMark }) => isMark)!;
  assert.is(tail.path, lines.at(-1)!.path);
  assert.is(lines.filter(({ isMark }) => !isMark).length, records.length);
  return { files, records, lines, tail, bytes: lines.reduce((sum, { start, end }) => sum + end - start, 0) };
}

function linesOf(files: ReadonlyMap<string, Buffer>): Line[] {
  const lines: Line[] = [];
  let before = 0;
  for (const [path, bytes] of files) {
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.indexOf(10, start) + 1;
      const isMark = bytes[start] === 35;
      lines.push({ path, start, end, isMark, before });
      if (!isMark) before += 1;
      start = end;
    }
  }
  return lines;
}

/** The same log on a disk of its own, after `damage` has had its way with the bytes. */
export function copyOf({ files }: Specimen, damage?: { path: string; bytes: Uint8Array }): PowerDisk {
  const disk = new PowerDisk();
  for (const [path, bytes] of files) disk.put(path, path === damage?.path ? damage.bytes : bytes);
  return disk;
}

/**
 * Flips one bit and opens the log.
 *
 * In a sealed part it must halt, naming file, byte and the first seq that can't be had, with the disk unchanged.
 * In the tail it must serve all that stands before, cut the rest, keep the cut bytes and tell of them.
 */
export async function flipAndJudge(
  made: Specimen,
  line: Line,
  at: number,
  bit: number,
): Promise<'halted' | 'cut'> {
  const original = made.files.get(line.path)!;
  const damaged = Buffer.from(original);
  damaged[at]! ^= 1 << bit;
  const disk = copyOf(made, { path: line.path, bytes: damaged });
  const where = `${line.path}, byte ${at}, bit ${bit}`;
  const { records, cut, error } = await tryOpen(disk);
  assert.is(records.length, line.before, `${where}: ${records.length} records served`);
  assert.equal(records, made.records.slice(0, line.before), where);
  const sealed = line.path !== made.tail.path || line.start < made.tail.start;
  if (!sealed) {
    assert.is(error, null, `${where}: ${error?.message}`);
    judgeCut(made, disk, damaged.subarray(line.start), line.before, cut, where);
    return 'cut';
  }
  assert.is(error?.code, 'ERR_LOG_CORRUPT', where);
  const expected = `${line.path}, byte ${line.start}, seq ${line.before + 1}: `;
  assert.ok(error!.message.startsWith(expected), `${where}: ${error!.message}`);
  assert.ok(Buffer.compare(disk.bytes(line.path), damaged) === 0, `${where}: the disk was changed`);
  assert.is((await disk.list('log')).length, made.files.size, where);
  return 'halted';
}

/** The cut is told with its bytes and every id that can be read in them, and the bytes lie where it says. */
export function judgeCut(
  made: Specimen,
  disk: PowerDisk,
  lost: Buffer,
  before: number,
  cut: Awaited<ReturnType<typeof tryOpen>>['cut'],
  where: string,
): void {
  assert.is(cut?.fromSeq, before + 1, where);
  assert.is(cut?.bytes, lost.length, where);
  const text = lost.toString('latin1');
  const ids = made.records.map(({ id }) => id).filter((id) => text.includes(`"id":"${id}"`));
  for (const id of ids) assert.ok(cut!.ids.includes(id), `${where}: ${id} is not told`);
  if (lost.length === 0) return;
  assert.ok(cut!.file !== null && Buffer.compare(disk.bytes(cut!.file), lost) === 0, `${where}: kept bytes`);
}

/** The line in which the `nth` byte of all files together stands, and its place in its file. */
export function byteAt({ lines }: Specimen, nth: number): { line: Line; at: number } {
  let left = nth;
  for (const line of lines) {
    if (left < line.end - line.start) return { line, at: line.start + left };
    left -= line.end - line.start;
  }
  throw new Error(`there is no byte ${nth}`);
}
