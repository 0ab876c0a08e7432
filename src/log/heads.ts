/**
 * Signed heads: every so many durable records the controller signs where its log stands, `{seq, hash, …}`.
 *
 * Why: a hash chain shows any change but two. Whoever cuts the end off, or makes all hashes anew from some record on,
 * leaves a log that looks sound. A signature over the head, kept outside by a witness, shows both; and at the next
 * start the own file of heads says how far the log had come, so that a lost end can't pass for a torn flush.
 *
 * Why a file beside the log, `heads.jws`, and no fact in it: whoever cuts the end cuts the facts in it, too. A line is a
 * compact JWS (EdDSA, `typ: berth-head+jws`) and is written only when the records up to `seq` are durable. Nothing waits
 * for it: a disk that refuses is told of once and tried again. Test: `test/log/heads.test.ts`.
 */
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Disk } from './disk.ts';
import type { Log } from './log.ts';
import type { Head } from './verdict.ts';

/** `typ` of a signed head. */
export const headType = 'berth-head+jws';
/** The file in the folder of the segments. */
export const headsName = 'heads.jws';
const draftName = 'heads.jws.draft';
/** At this many lines the file is made anew with the newest ones alone. */
const linesMax = 2_000;
const linesKept = 1_000;
/** More than `linesMax` of the longest lines take: a longer file is not ours. */
const headsBytesMax = 4 * 1024 * 1024;
/** After a failure, ms. */
const retryMs = 1_000;
/** What the last head may take at a clean stop, ms. */
const finishMsMax = 2_000;

/** A signed head: what it says, and the line that proves it. */
export interface SignedHead {
  readonly head: Head;
  readonly jws: string;
}

/** What the head of a line is when it is signed with our key; else null. A port. */
export type OpenHead = (jws: string) => Head | null;

export interface HeadParts {
  /** Folder of the segments. */
  readonly dir: string;
  readonly disk: Disk;
  readonly clock: Pick<Clock, 'wallMs' | 'after'>;
  /** Signs as a compact JWS of type `headType`. */
  readonly sign: (head: Head) => Promise<string>;
  readonly open: OpenHead;
  /** Durable records between two heads. */
  readonly every: number;
  /** Told once of each time of trouble. */
  readonly onTrouble: (message: string, fields: Record<string, unknown>) => void;
}

/** Signs the heads of one log, life after life. */
export class Heads {
  readonly #parts: HeadParts;
  #newest: SignedHead | null;
  #lines: string[];
  /** Length of the file, and whether it must be made anew because what it holds is not sure. */
  #bytes: number;
  #unsure: boolean;
  #log: Log | null = null;
  #off = (): void => undefined;
  /** The writing under way, or the pause after a failed one; null when there is none. */
  #busy: Promise<void> | null = null;
  #isTroubled = false;
  /** Hash of the first record of the attached log, once it was looked for. */
  #name: Promise<string | null> | null = null;

  /** Reads what is there. Throws as `newestSignedHead` does. */
  static async open(parts: HeadParts): Promise<Heads> {
    return new Heads(parts, await readHeads(parts.dir, parts.disk));
  }

  private constructor(parts: HeadParts, { lines, bytes, isTorn }: HeadLines) {
    this.#parts = parts;
    this.#lines = lines;
    this.#bytes = bytes;
    this.#unsure = isTorn;
    this.#newest = newestOf(lines, parts.open);
  }

  /** The newest head that our key signed. */
  get newest(): SignedHead | null {
    return this.#newest;
  }

  /**
   * Signs for this log from now on, as it becomes durable. Only for one whose life came up: what a life wrote that
   * did not, the next one drops, and a signed record must never be dropped.
   */
  attach(log: Log): void {
    this.stop();
    this.#log = log;
    this.#name = null;
    this.#off = log.onChange(() => this.#look());
    this.#look();
  }

  /** Signs no more for the attached log; a signature that is under way is dropped when it comes. */
  stop(): void {
    this.#off();
    this.#off = () => undefined;
    this.#log = null;
  }

  /** Signs the head of a log that was closed in order: then a cut of its last records is seen, too. Never rejects. */
  async finish(): Promise<void> {
    const log = this.#log;
    this.stop();
    if (log === null || log.failure !== null || log.durable < log.head) return;
    const { epoch, head, headHash } = log;
    const signLast = async (): Promise<void> => {
      if (head > this.#signedTo) await this.#sign(log, head, headHash, epoch, () => this.#log === null);
    };
    // Tried once more: the file is then made anew, on pages that have seen no failure.
    const last = (this.#busy ?? Promise.resolve()).then(signLast).catch(signLast);
    let stopWaiting = (): void => undefined;
    const late = new Promise<void>((resume) => {
      stopWaiting = this.#parts.clock.after(finishMsMax, resume);
    });
    await Promise.race([last.catch((error) => this.#trouble(error)), late]).finally(() => stopWaiting());
  }

  get #signedTo(): number {
    return this.#newest?.head.seq ?? 0;
  }

  #look(): void {
    const log = this.#log;
    if (log === null || log.failure !== null) return;
    // While it can be read: the head of a short log is signed when it is closed.
    if (log.durable > 0) this.#name ??= this.#readName(log);
    if (this.#busy !== null || log.durable < this.#signedTo + this.#parts.every) return;
    this.#busy = this.#signDurable(log)
      .catch((error) => this.#wait(log, error))
      .finally(() => {
        this.#busy = null;
        this.#look();
      });
  }

  async #signDurable(log: Log): Promise<void> {
    const [record] = await log.read(log.durable, 1);
    if (record) await this.#sign(log, record.seq, record.hash, record.epoch, () => this.#log === log);
  }

  /** After a failure: tells of it and pauses, unless it is only that the log has ended. */
  async #wait(log: Log, error: unknown): Promise<void> {
    if (this.#log !== log || log.failure !== null) return;
    this.#trouble(error);
    await new Promise<void>((resume) => this.#parts.clock.after(retryMs, resume));
  }

  #trouble(error: unknown): void {
    if (!this.#isTroubled) this.#parts.onTrouble('no head can be signed for now', { error: String(error) });
    this.#isTroubled = true;
  }

  /** Signatures take time: one whose log is no longer the attached one, or has failed meanwhile, is not kept. */
  async #sign(log: Log, seq: number, hash: string, epoch: number, isWanted: () => boolean): Promise<void> {
    const { clock, sign } = this.#parts;
    const head = { seq, hash, epoch, at: clock.wallMs(), log: await this.#nameOf(log) };
    const jws = await sign(head);
    if (!isWanted() || log.failure !== null || seq > log.durable) return;
    await this.#keep(jws);
    this.#newest = { head, jws };
    this.#isTroubled = false;
  }

  /** Which log this is: what former heads say, else what its first record says. */
  async #nameOf(log: Log): Promise<string | null> {
    this.#name ??= this.#readName(log);
    return this.#newest?.head.log ?? this.#name;
  }

  /** Null where that record is retired; tried again where it could not be read. */
  async #readName(log: Log): Promise<string | null> {
    try {
      const [first] = await log.read(1, 1);
      return first?.seq === 1 ? first.hash : null;
    } catch (error) {
      const isRetired = error instanceof BerthError && error.code === 'ERR_NOT_FOUND';
      if (!isRetired && this.#log === log) this.#name = null;
      return null;
    }
  }

  /** Durably. After a failure nobody knows what the file holds, so it is made anew. */
  async #keep(jws: string): Promise<void> {
    const lines = [...this.#lines, jws];
    const anew = this.#unsure || lines.length > linesMax;
    this.#unsure = true;
    if (anew) await this.#writeAnew(lines.slice(-linesKept));
    else await this.#append(jws);
    this.#lines = anew ? lines.slice(-linesKept) : lines;
    this.#unsure = false;
  }

  async #append(jws: string): Promise<void> {
    const { dir, disk } = this.#parts;
    const bytes = new TextEncoder().encode(`${jws}\n`);
    const file = await disk.open(`${dir}/${headsName}`, true);
    try {
      await file.write(bytes, this.#bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    if (this.#bytes === 0) await disk.syncFolder(dir);
    this.#bytes += bytes.length;
  }

  /** Draft, sync, rename, sync the folder: at any moment one whole file stands there. */
  async #writeAnew(lines: readonly string[]): Promise<void> {
    const { dir, disk } = this.#parts;
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));
    const file = await disk.open(`${dir}/${draftName}`, true);
    try {
      await file.truncate(0);
      await file.write(bytes, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await disk.rename(`${dir}/${draftName}`, `${dir}/${headsName}`);
    await disk.syncFolder(dir);
    this.#bytes = bytes.length;
  }
}

/**
 * The newest head in a log folder that our key signed: the log must reach it. Null when there is none.
 * Throws `ERR_LOG_FAILED` when the file can't be read, `ERR_LOG_CORRUPT` when it is none of ours.
 */
export async function newestSignedHead(dir: string, disk: Disk, open: OpenHead): Promise<SignedHead | null> {
  return newestOf((await readHeads(dir, disk)).lines, open);
}

/** What a person can do when the file of heads stands in the way of a start. */
export const waysOut = (path: string): string =>
  `restore what is missing from a copy; or, if the loss is known and accepted, move ${path} away: the log then goes on from where it ends, and nothing shows any more that there was more of it`;

/** Lines stand in the order of their seqs: the last that verifies is the newest. */
function newestOf(lines: readonly string[], open: OpenHead): SignedHead | null {
  for (const jws of lines.toReversed()) {
    const head = open(jws);
    if (head) return { head, jws };
  }
  return null;
}

interface HeadLines {
  readonly lines: string[];
  readonly bytes: number;
  /** A crash left a part of a line at the end. */
  readonly isTorn: boolean;
}

async function readHeads(dir: string, disk: Disk): Promise<HeadLines> {
  const path = `${dir}/${headsName}`;
  try {
    const file = await disk.open(path, false);
    try {
      const bytes = await file.size();
      if (bytes > headsBytesMax)
        throw new BerthError(
          'ERR_LOG_CORRUPT',
          `${path} has ${bytes} bytes, at most ${headsBytesMax} are ours; ${waysOut(path)}`,
        );
      const text = new TextDecoder('latin1').decode(await file.read(0, bytes));
      const lines = text.split('\n');
      const isTorn = lines.pop() !== '';
      return { lines, bytes, isTorn };
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof BerthError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { lines: [], bytes: 0, isTorn: false };
    throw new BerthError('ERR_LOG_FAILED', `${path} can't be read: ${String(cause)}`, { cause });
  }
}
