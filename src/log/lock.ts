/**
 * One controller a data directory.
 *
 * Why: two writers would each give out seq 7, and each would believe it. Epochs in the records let a reader
 * notice that afterwards; the lock prevents it. It is a file made by link(2), which makes or refuses in one
 * step, and it names its holder by pid *and* process start time: pids are used again, so a pid alone would
 * keep a dead controller's lock alive. It holds among processes that see each other's pids; two
 * containers that share a volume don't. Test: `test/log/lock.test.ts`.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';

export interface DirectoryLock {
  /** Gives the directory back. Idempotent; never takes away a lock that is another's. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  /** Clock ticks since boot at which the process started; null where there is no /proc. */
  readonly start: string | null;
  /** Tells two locks of one process apart. */
  readonly nonce: string;
}

/** Contenders that may come in between before we give up. */
const triesMax = 50;
const asidePrefix = 'lock.aside.';

/**
 * Takes the lock of `dir`, making the folder when it is not there.
 * A lock whose holder is dead is taken over. Throws `ERR_DATA_LOCKED` with the pid of a live holder.
 */
export async function lockDataDirectory(dir: string): Promise<DirectoryLock> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, 'lock');
  const nonce = randomBytes(8).toString('hex');
  const own = JSON.stringify({ pid: process.pid, start: startOf(process.pid), nonce } satisfies Holder);
  const draft = join(dir, `lock.draft.${process.pid}.${nonce}`);
  await writeSynced(draft, own);
  try {
    for (let i = 0; i < triesMax; i += 1) {
      if (await linked(draft, path)) {
        await yieldToAside(dir, path, own);
        return { release: () => removeIfOwn(path, own) };
      }
      await takeAside(dir, path, nonce);
    }
    throw new BerthError('ERR_DATA_LOCKED', `${dir} is fought over by several processes`);
  } finally {
    await unlink(draft);
  }
}

/** Removes the present lock if its holder is dead; throws if it is alive. */
async function takeAside(dir: string, path: string, nonce: string): Promise<void> {
  const seen = await textOf(path);
  if (seen === null) return;
  refuseIfAlive(dir, seen);
  const aside = join(dir, `${asidePrefix}${nonce}`);
  if (!(await renamed(path, aside))) return;
  // rename(2) has no condition: between the look and the move another may have taken over. Then it is put back.
  if ((await textOf(aside)) !== seen) {
    for (let i = 0; i < triesMax && !(await linked(aside, path)); i += 1)
      await new Promise((done) => setTimeout(done, 2));
  }
  await unlink(aside);
}

/**
 * Steps back when a live holder's lock is being moved aside and put back by another process just now:
 * our link fell into that gap. The holder's lock is under its other name until it is back.
 */
async function yieldToAside(dir: string, path: string, own: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith(asidePrefix)) continue;
    const text = await textOf(join(dir, name));
    if (text === null || text === own || !alive(text)) continue;
    await removeIfOwn(path, own);
    refuseIfAlive(dir, text);
  }
}

function refuseIfAlive(dir: string, text: string): void {
  if (alive(text))
    throw new BerthError('ERR_DATA_LOCKED', `${dir} is in use by process ${holderOf(text)?.pid}`);
}

function alive(text: string): boolean {
  const holder = holderOf(text);
  if (holder === null) return false;
  if (holder.start !== null) return startOf(holder.pid) === holder.start;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function holderOf(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    return Number.isSafeInteger(holder.pid) && holder.pid! > 0 ? (holder as Holder) : null;
  } catch {
    return null;
  }
}

/** Field 22 of /proc/PID/stat; null when the process is gone, is a zombie, or there is no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, field 2, may hold spaces and parentheses: count from its last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
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

async function removeIfOwn(path: string, own: string): Promise<void> {
  if ((await textOf(path)) === own) await absentIsFine(unlink(path));
}

const textOf = (path: string): Promise<string | null> => absentIsFine(readFile(path, 'utf8'));
const renamed = async (from: string, to: string): Promise<boolean> =>
  (await absentIsFine(rename(from, to).then(() => true))) === true;

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
