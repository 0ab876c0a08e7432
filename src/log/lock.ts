/**
 * One controller a data directory.
 *
 * Why: two writers would each give out seq 7, and each would believe it. Epochs in the records let a reader
 * notice that afterwards; the lock prevents it. A lock file names its holder by pid, process start time *and* boot:
 * pids are used again, so a pid alone would keep a dead controller's lock alive (`../process-stat.ts`).
 *
 * Why the files are numbered, `lock.1`, `lock.2` …: "remove the dead one, then make mine" has a gap in which two can
 * both succeed. Here nobody removes what he does not hold. Whoever finds the highest number dead makes the next
 * one by link(2), which makes or refuses in one step; the highest number only ever rises, and its owner holds
 * the directory. It works among processes that see each other's pids; two containers that share a volume
 * don't. Test: `test/log/lock.test.ts`.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';
import { bootId, isRunning, processStat } from '../process-stat.ts';

export interface DirectoryLock {
  /** Gives the directory back. Idempotent; never takes away a lock that is another's. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  /** Clock ticks since boot at which the process started; null where there is no /proc. */
  readonly start: string | null;
  /** The boot that these ticks count from; null in locks of versions that did not write it. */
  readonly bootId: string | null;
}

/** Contenders that may come in between before we give up. */
const triesMax = 100;
/** What a lock says after its release. The file stays, so that numbers never fall. */
const released = '{}';

/**
 * Takes the lock of `dir`, making the folder when it is not there.
 * A lock whose holder is dead is taken over. Throws `ERR_DATA_LOCKED` with the pid of a live holder.
 */
export async function lockDataDirectory(dir: string): Promise<DirectoryLock> {
  await mkdir(dir, { recursive: true });
  const own: Holder = {
    pid: process.pid,
    start: processStat(process.pid)?.startTicks ?? null,
    bootId: bootId(),
  };
  const draft = join(dir, `lock.draft.${process.pid}.${randomBytes(8).toString('hex')}`);
  await writeSynced(draft, JSON.stringify(own));
  try {
    for (let i = 0; i < triesMax; i += 1) {
      const top = Math.max(0, ...(await numbersIn(dir)));
      if (top > 0) {
        const text = await absentIsFine(readFile(join(dir, `lock.${top}`), 'utf8'));
        if (text === null) continue;
        if (alive(text)) throw inUse(dir, text);
      }
      if (await taken(dir, draft, top + 1)) return lockNumber(dir, top + 1);
    }
    throw new BerthError('ERR_DATA_LOCKED', `${dir} is fought over by several processes`);
  } finally {
    await unlink(draft);
  }
}

/** Makes lock number `mine`; false when another did, now or earlier. */
async function taken(dir: string, draft: string, mine: number): Promise<boolean> {
  const path = join(dir, `lock.${mine}`);
  if (!(await linked(draft, path))) return false;
  // Our number may have been held, overtaken and tidied away since we looked: then a higher one is there.
  const others = (await numbersIn(dir)).filter((number) => number !== mine);
  if (others.some((number) => number > mine)) {
    await absentIsFine(unlink(path));
    return false;
  }
  for (const number of others) await absentIsFine(unlink(join(dir, `lock.${number}`)));
  await removeDeadDrafts(dir);
  return true;
}

function lockNumber(dir: string, number: number): DirectoryLock {
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      const file = await open(join(dir, `lock.${number}`), 'r+');
      try {
        await file.truncate(0);
        await file.write(released, 0);
      } finally {
        await file.close();
      }
    },
  };
}

async function numbersIn(dir: string): Promise<number[]> {
  const found = (await readdir(dir)).map((name) => /^lock\.(\d{1,15})$/.exec(name));
  return found.flatMap((match) => (match ? [Number(match[1])] : []));
}

/** What contenders left behind that were killed. */
async function removeDeadDrafts(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const pid = /^lock\.draft\.(\d{1,10})\./.exec(name)?.[1];
    if (pid === undefined || exists(Number(pid))) continue;
    await absentIsFine(unlink(join(dir, name)));
  }
}

const inUse = (dir: string, text: string): BerthError =>
  new BerthError('ERR_DATA_LOCKED', `${dir} is in use by process ${holderOf(text)?.pid}`);

function alive(text: string): boolean {
  const holder = holderOf(text);
  if (holder === null) return false;
  const { pid, start } = holder;
  return start === null
    ? exists(pid)
    : isRunning({ pid, startTicks: start, bootId: holder.bootId ?? bootId() });
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function holderOf(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    return Number.isSafeInteger(holder.pid) && holder.pid! > 0
      ? { pid: holder.pid!, start: holder.start ?? null, bootId: holder.bootId ?? null }
      : null;
  } catch {
    return null;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function absentIsFine<T>(action: Promise<T>): Promise<T | null> {
  try {
    return await action;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
