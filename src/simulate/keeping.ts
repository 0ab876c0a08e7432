/**
 * I1, I11 and I20 for what lies on the disk: what a life still answers for can be read whole, a log that begins in
 * the middle says where, and a bit that rots is noticed.
 *
 * Why asked of the production log and not of the records: the ledger knows what was once durable. Whether a page of it can
 * still be had after segments were moved aside, handles closed and indexes dropped, only reading it tells.
 */
import type { Controller } from '../controller.ts';
import { BerthError } from '../errors.ts';
import type { FactRecord } from '../events/record.ts';
import type { TailCut } from '../log/log.ts';
import { firstSeqOf } from '../log/segment.ts';
import type { SimulatedDisk } from './disk.ts';
import { logFolder } from './options.ts';
import type { Random } from './random.ts';
import { law } from './violation.ts';
import { isWeather } from './weather.ts';

/** Records that are read from the beginning of what is left. */
const firstRead = 64;
/** How often the beginning is looked for anew when it was moved aside meanwhile. */
const triesMax = 8;

const pathsIn = (disk: SimulatedDisk): string[] =>
  disk
    .files()
    .filter(
      (path) => path.startsWith(`${logFolder}/`) && firstSeqOf(path.slice(logFolder.length + 1)) !== null,
    );

/** The last whole line of `retired.jsonl`; null without one. */
function lastRetired(disk: SimulatedDisk): { readonly lastSeq: number; readonly hash: string } | null {
  const path = `${logFolder}/retired.jsonl`;
  if (!disk.files().includes(path)) return null;
  const texts = new TextDecoder().decode(disk.bytes(path)).split('\n').slice(0, -1);
  for (const text of texts.reverse()) {
    try {
      return JSON.parse(text) as { lastSeq: number; hash: string };
    } catch {
      // A crash left the length of a line without its bytes.
    }
  }
  return null;
}

/** A start has read the log: the first segment that is left goes on from what a line says. */
export function linesLead(disk: SimulatedDisk, records: readonly FactRecord[]): void {
  const [first] = pathsIn(disk);
  const before = (first ? (firstSeqOf(first.slice(logFolder.length + 1)) ?? 1) : 1) - 1;
  if (before === 0) return;
  const line = lastRetired(disk);
  law(
    line !== null && line.lastSeq >= before,
    'I11',
    `the log begins behind seq ${before}, and no line says so`,
  );
  if (line.lastSeq === before)
    law(line.hash === records[before - 1]?.hash, 'I11', `the line of seq ${before} has another hash`);
}

/**
 * Reads what is there: the first facts that are not retired, and the streams of jobs that are held, whole.
 * @param jobsMax  jobs looked at: the one that is held longest, and others by chance
 */
export async function canBeRead(
  life: Controller,
  disk: SimulatedDisk,
  { jobsMax, random, isOver }: { jobsMax: number; random: Random; isOver: () => boolean },
): Promise<void> {
  const { log, state } = life;
  try {
    await beginningCanBeRead(life, disk);
    const held = [...state.jobs.values()];
    const [oldest, ...others] = held;
    const chosen = held.length <= jobsMax ? held : [oldest!, ...sample(others, jobsMax - 1, random)];
    for (const { context } of chosen) {
      const stream = `job.${context.tenant}.${context.id}`;
      const version = log.versionOf(stream);
      const found = await log.readStream(stream).catch((error: Error) => error);
      // A job that was let go of meanwhile may have been moved aside.
      if (isOver() || log.failure !== null || !state.jobs.has(context.id)) continue;
      if (found instanceof Error) throw found;
      const versions = found.map((record) => record.version);
      const isWhole = versions.length >= version && versions.every((each, i) => each === i + 1);
      law(
        isWhole,
        'I1',
        `${context.id} is held at version ${version}, and of its facts ${versions} can be read`,
      );
    }
  } catch (error) {
    if (isOver() || log.failure !== null || isWeather(error)) return;
    if (error instanceof BerthError) law(false, 'I1', `what is kept can't be read: ${error.message}`);
    throw error;
  }
}

async function beginningCanBeRead({ log }: Controller, disk: SimulatedDisk): Promise<void> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const from = (lastRetired(disk)?.lastSeq ?? 0) + 1;
    if (from > log.head) return;
    try {
      const [first] = await log.read(from, firstRead);
      law(first?.seq === from, 'I1', `asked for seq ${from}, the log gives ${first?.seq}`);
      return;
    } catch (error) {
      // Moved aside while it was read: then another line stands there now.
      if ((lastRetired(disk)?.lastSeq ?? 0) + 1 === from) throw error;
    }
  }
}

function sample<T>(list: readonly T[], count: number, random: Random): T[] {
  return list.length === 0 ? [] : Array.from({ length: count }, () => random.pick(list));
}

/** What opening a copy of the log gave. */
export interface OpenedCopy {
  /** Why it was not opened; null when it was. */
  readonly refused: Error | null;
  /** The checkpoint's seq, 0 without one, and all records behind it. */
  readonly baseSeq: number;
  readonly records: readonly FactRecord[];
  readonly cut: TailCut | null;
}

/** Turns one bit of one segment; returns where, null when there is none. */
export function rot(disk: SimulatedDisk, random: Random): string | null {
  const paths = pathsIn(disk).filter((path) => disk.bytes(path).length > 0);
  if (paths.length === 0) return null;
  // Half of the time in the newest one: there a start has to decide whether to halt or to cut.
  const path = random.chance(0.5) ? paths.at(-1)! : random.pick(paths);
  const bit = random.below(disk.bytes(path).length * 8);
  disk.flip(path, bit);
  return `bit ${bit} of ${path}`;
}

/** A start over a rotten log halts, or serves what was written; it leaves out only what no mark and no head covers. */
export function rotIsSeen(
  where: string,
  { refused, baseSeq, records, cut }: OpenedCopy,
  { history, inOrder, signedSeq }: { history: readonly FactRecord[]; inOrder: boolean; signedSeq: number },
): void {
  if (refused !== null) {
    law((refused as BerthError).code === 'ERR_LOG_CORRUPT', 'I20', `${where} turned: ${refused.stack}`);
    return;
  }
  const other = records.find(({ hash, seq }) => history[seq - 1]?.hash !== hash);
  law(!other, 'I20', `${where} turned, and seq ${other?.seq} is served with another content`);
  const last = records.at(-1)?.seq ?? baseSeq;
  if (last === history.length) return;
  law(!inOrder, 'I20', `${where} turned in a log that was closed, and it is cut behind seq ${last}`);
  law(
    last >= signedSeq,
    'I20',
    `${where} turned, and the log is cut below the head signed for seq ${signedSeq}`,
  );
  law(
    cut?.fromSeq === last + 1,
    'I20',
    `${where} turned: the log ends with seq ${last}, and no cut is reported`,
  );
}
