/**
 * The durable list of runner processes.
 *
 * Why a list on disk: a controller that was killed can't tell its successor which processes it left
 * behind, and a job must not be called lost while its guest may still run. So each runner is written
 * down, durably, before its first job, and the next controller makes sure that all of these are gone.
 * What makes a process id a name: `../process-stat.ts`.
 * Test: `test/executor/processes.test.ts`.
 */
import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../clock.ts';
import { bootId, isRunning, type ProcessName, processStat } from '../process-stat.ts';

/** A SIGKILLed process leaves within milliseconds, unless the kernel holds it in a device. */
const goneMsMax = 10_000;
const pollMs = 5;
const recordName = /^([1-9][0-9]{0,9})\.json$/;

/**
 * Writes `dir/<pid>.json` durably: file and folder are synced before it resolves.
 * Refuses nothing; rejects when the disk does, and then the runner must not get a job.
 */
export async function recordRunner(dir: string, pid: number): Promise<void> {
  const startTicks = processStat(pid)?.startTicks ?? '';
  const file = await open(join(dir, `${pid}.json`), 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ pid, startTicks, bootId: bootId() })}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Removes the record of a process that was seen gone. A record that stays after a crash does no harm. */
export async function forgetRunner(dir: string, pid: number): Promise<void> {
  await rm(join(dir, `${pid}.json`), { force: true });
}

/**
 * Kills the runners that a former controller left in `dir` and waits until each one is dead.
 *
 * Why "dead" is read in /proc: `kill(pid, 0)` also succeeds for a zombie, which runs nothing any more.
 * Where there is no /proc the ids can't be trusted and nobody is killed; there a runner ends itself
 * when the pipe from its controller ends.
 *
 * @returns how many were alive and had to be killed
 * Rejects when one doesn't die within 10 s: then no job of it may be called lost.
 */
export async function killFormerRunners(dir: string, clock: Clock = systemClock): Promise<number> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch {
    return 0; // never had a runner
  }
  let killed = 0;
  const doomed: number[] = [];
  for (const name of names) {
    const pid = Number(recordName.exec(name)?.[1]);
    if (!Number.isSafeInteger(pid)) continue;
    if (await isStillAlive(dir, pid)) {
      try {
        process.kill(pid, 'SIGKILL');
        killed++;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    doomed.push(pid);
  }
  const lastMs = clock.monotonicMs() + goneMsMax;
  for (const pid of doomed) {
    while (await isStillAlive(dir, pid)) {
      if (clock.monotonicMs() > lastMs) throw new Error(`runner ${pid} of a former controller does not die`);
      await new Promise<void>((resolve) => clock.after(pollMs, resolve));
    }
    await forgetRunner(dir, pid);
  }
  return killed;
}

async function isStillAlive(dir: string, pid: number): Promise<boolean> {
  try {
    const record = JSON.parse(await readFile(join(dir, `${pid}.json`), 'utf8')) as ProcessName;
    return isRunning({ ...record, pid });
  } catch {
    // A torn record: its write was not durable, so this runner never had a job, and its pipe has ended.
    return false;
  }
}
