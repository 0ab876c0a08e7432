/**
 * Reads a runner's death certificate.
 *
 * Why it matters who did it: what the guest did costs one of the job's attempts, what happened to the runner
 * costs the house, and the two must not be mixed up. Pure. Test: `test/executor/death.test.ts`.
 */
import type { RunOutcome } from './backend.ts';

const outOfMemory = /out of memory|heap limit|Allocation failed|bad_alloc|OOM/i;
const selfInflicted: ReadonlySet<string> = new Set([
  'SIGABRT',
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGTRAP',
  'SIGFPE',
  'SIGSYS',
  'SIGXFSZ',
  'SIGXCPU',
]);

/**
 * What the death of a runner means for the run that it took along.
 *
 * Why the distinction: a guest that crashes its sandbox pays with an attempt; a runner that an operator,
 * the kernel's out-of-memory killer or its own expired lease took (SIGKILL, SIGTERM …) is the house's loss.
 */
export function judgeDeath(code: number | null, signal: string | null, lastWords: string): RunOutcome {
  const how = signal ?? (code === null ? 'never started' : `exit code ${code}`);
  // One line of the engine's is enough; the rest are addresses and paths of this machine, and no tenant's business.
  const reason = lastWords.split('\n').find((line) => outOfMemory.test(line));
  const message = `runner ended: ${how}${reason === undefined ? '' : `; ${plainText(reason).slice(0, 200)}`}`;
  if (signal !== null && !selfInflicted.has(signal)) return { how: 'lost', message };
  if (code === null && signal === null) return { how: 'lost', message };
  return {
    how: 'crashed',
    code: reason !== undefined ? 'ERR_GUEST_MEMORY' : 'ERR_GUEST_SANDBOX',
    message,
  };
}

/**
 * What it means for the run when a runner was ordered to die (`doom`) and nobody saw it happen.
 *
 * Why it is not called killed: that word says that the guest is gone. What is known is only that SIGKILL was sent; a
 * process that does not end of it hangs in the kernel, in a disk or a driver, and runs no guest code any more.
 */
export function unseenDeath(pid: number, doom: RunOutcome | null): RunOutcome {
  const why = doom !== null && 'message' in doom ? `${doom.message}; ` : '';
  return {
    how: 'lost',
    message: `${why}no exit of runner ${pid} was seen${doom === null ? '' : ' after SIGKILL'}`,
  };
}

/** Printable ASCII on one line, for messages that travel into logs and facts. */
export function plainText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').trim();
}
