/**
 * The verdicts, line by line, written by hand: the first line that holds decides.
 * Also the situations in which `job-table.ts` is asked about `releasing`: each line, with the slot held and without.
 * Here `attempts.max` is 3, `backoffMs` 1,000 and `lossesMax` 2. Test: `test/machines/conclude.test.ts`.
 */
import type { Gone, StopReason } from '../../machines/job.ts';

export interface ConcludeLine {
  readonly line: string;
  readonly reason: StopReason | null;
  readonly gone: Gone;
  /** Attempts lost so far, this one included. */
  readonly losses: number;
  /** Attempts that the guest spoiled so far, this one included. */
  readonly failures: number;
  /** The fact that must follow, `job.` left out. */
  readonly verdict: 'succeeded' | 'failed' | 'timedOut' | 'cancelled' | 'queued' | 'retryScheduled';
  /** What that fact must say. */
  readonly says: Readonly<Record<string, unknown>>;
}

export const attemptsMax = 3;
export const backoffMs = 1_000;
export const lossesMax = 2;

const result = { bytes: 12, sha256: 'a'.repeat(64) };
const exited0: Gone = { how: 'exited', exitCode: 0, result };
const exited3: Gone = { how: 'exited', exitCode: 3, result };
const crashed: Gone = { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' };
const stopped: Gone = { how: 'stopped' };
const lost: Gone = { how: 'lost', message: 'runner 2 was killed' };

const line = (
  line: string,
  [reason, gone, losses, failures]: [StopReason | null, Gone, number, number],
  verdict: ConcludeLine['verdict'],
  says: Readonly<Record<string, unknown>>,
): ConcludeLine => ({ line, reason, gone, losses, failures, verdict, says });

// Each line: reason for stopping, how the guest went, losses, failures → verdict and what it says.
export const concludeLines: readonly ConcludeLine[] = [
  line('cancelled, stopped', ['cancel', stopped, 0, 0], 'cancelled', {
    code: 'ERR_CANCELLED',
    retryable: false,
  }),
  line('cancelled, lost', ['cancel', lost, 3, 0], 'cancelled', { code: 'ERR_CANCELLED', retryable: false }),
  line('cancelled, crashed before', ['cancel', crashed, 0, 1], 'cancelled', {
    code: 'ERR_CANCELLED',
    retryable: false,
  }),
  line('cancelled, exit code 0', ['cancel', exited0, 0, 0], 'cancelled', {
    code: 'ERR_CANCELLED',
    retryable: false,
  }),
  line('exit code 0', [null, exited0, 0, 0], 'succeeded', { result }),
  line('exit code 0 after failures and losses', [null, exited0, 2, 2], 'succeeded', { result }),
  line('deadline, stopped', ['deadline', stopped, 0, 0], 'timedOut', {
    code: 'ERR_RUN_TIMEOUT',
    retryable: false,
  }),
  line('deadline, lost', ['deadline', lost, 0, 0], 'timedOut', { code: 'ERR_RUN_TIMEOUT', retryable: false }),
  line('evicted, stopped', ['evict', stopped, 0, 0], 'queued', { after: 'evicted' }),
  line('evicted, lost, losses used up', ['evict', lost, 3, 0], 'queued', { after: 'evicted' }),
  line('late, stopped', ['late', stopped, 1, 0], 'queued', { after: 'late' }),
  line('late, lost, at the bound', ['late', lost, 2, 0], 'queued', { after: 'late' }),
  line('late, stopped, over the bound', ['late', stopped, 3, 0], 'failed', {
    code: 'ERR_RUNNER_LOST',
    retryable: true,
  }),
  line('lost, at the bound', [null, lost, 2, 0], 'queued', { after: 'lost' }),
  line('lost, at the bound, failures used up', [null, lost, 2, 3], 'queued', { after: 'lost' }),
  line('lost, over the bound', [null, lost, 3, 0], 'failed', { code: 'ERR_RUNNER_LOST', retryable: true }),
  line('first crash', [null, crashed, 0, 1], 'retryScheduled', { backoffMs: 1_000 }),
  line('second crash', [null, crashed, 0, 2], 'retryScheduled', { backoffMs: 2_000 }),
  line('last crash', [null, crashed, 0, 3], 'failed', {
    code: 'ERR_GUEST_TRAP',
    message: 'unreachable',
    retryable: false,
  }),
  line('first exit code 3', [null, exited3, 0, 1], 'retryScheduled', { backoffMs: 1_000 }),
  line('second exit code 3, losses used up', [null, exited3, 3, 2], 'retryScheduled', { backoffMs: 2_000 }),
  line('last exit code 3', [null, exited3, 0, 3], 'failed', {
    code: 'ERR_EXIT_CODE',
    message: 'exit code 3',
    retryable: false,
  }),
];

/** How the guest went, by the names that the grid uses. */
export const ways: Readonly<Record<string, Gone>> = { exited0, exited3, crashed, stopped, lost };

/**
 * Every reason with every way to go. `loss`: queued while losses ≤ lossesMax, else failed. `failure`: retryScheduled
 * while failures < attempts.max, else failed. `?`: no sequence of facts leads there.
 */
export const precedence = `
reason    exited0    exited3    crashed    stopped    lost
none      succeeded  failure    failure    ?          loss
late      succeeded  loss       loss       loss       loss
deadline  succeeded  timedOut   timedOut   timedOut   timedOut
evict     succeeded  queued     queued     queued     queued
cancel    cancelled  cancelled  cancelled  cancelled  cancelled
`;
