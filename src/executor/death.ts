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
  const message = `runner ended: ${how}${lastWords === '' ? '' : `; ${lastWords.slice(-300)}`}`;
  if (signal !== null && !selfInflicted.has(signal)) return { how: 'lost', message };
  if (code === null && signal === null) return { how: 'lost', message };
  return {
    how: 'crashed',
    code: outOfMemory.test(lastWords) ? 'ERR_GUEST_MEMORY' : 'ERR_GUEST_SANDBOX',
    message,
  };
}
