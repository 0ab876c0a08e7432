/**
 * What the operating system says of a process, and whether one that was written down is still that one.
 *
 * Why a process id alone is no name: ids are used again. The id together with the start time is one, but only
 * within a boot: start times count from it, and after a reboot the same services get the same ids at nearly the
 * same tick. So a process that must be known again is written down with all three.
 * Test: `test/process-stat.test.ts`.
 */
import { existsSync, readFileSync } from 'node:fs';

export interface ProcessStat {
  /** `R` running, `S` sleeping, `T` stopped, `Z` zombie, `X` dead … */
  readonly state: string;
  /** When it started, in clock ticks since boot: field 22 of /proc/PID/stat. */
  readonly startTicks: string;
}

/** A process by the only name that is never used again. */
export interface ProcessName {
  readonly pid: number;
  readonly startTicks: string;
  readonly bootId: string;
}

/** Does this machine tell about processes in /proc? Only Linux does. */
export function hasProc(): boolean {
  return existsSync('/proc/self/stat');
}

/** What /proc says of a process; null when there is none of that id (or no /proc). */
export function processStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 2 is the program's name in parentheses, and may contain spaces and parentheses itself.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '?', startTicks: fields[19] ?? '?' };
  } catch {
    return null;
  }
}

/** Which boot this is; empty when the machine doesn't tell. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** Does exactly this process still run? A zombie doesn't: it only waits for its parent to read its exit code. */
export function isRunning(name: ProcessName): boolean {
  const stat = processStat(name.pid);
  if (stat === null || stat.state === 'Z' || stat.state === 'X') return false;
  return stat.startTicks === name.startTicks && name.bootId === bootId();
}

/** Private writable memory of a process, bytes: what RLIMIT_DATA counts. Null when it can't be told. */
export function dataBytes(pid: number): number | null {
  try {
    const kib = /^VmData:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}
