/**
 * What follows when an attempt is over and its slot is free: the verdict, as a pure function.
 *
 * Why one function: success, failure, retry, time-out and cancel meet here. With the lines in one
 * order there is one answer for each mixture (a guest that exits while being cancelled is cancelled),
 * and a crash between `released` and the verdict is mended by asking again.
 * Test: `test/machines/job-table.ts` lists each line with its expected verdict.
 */
import { type Cause, causeOf } from '../src/errors.ts';
import type { JobContext } from './job.ts';

/** The fact to append, with what it says. */
export type Verdict =
  | { readonly fact: 'job.succeeded'; readonly result: { readonly bytes: number; readonly sha256: string } }
  | { readonly fact: 'job.failed' | 'job.timedOut' | 'job.cancelled'; readonly cause: Cause }
  | { readonly fact: 'job.queued'; readonly after: 'evicted' | 'late' | 'lost' }
  | { readonly fact: 'job.retryScheduled'; readonly backoffMs: number };

/** Longest wait between attempts, ms; doubling stops here. */
const backoffMsMax = 3_600_000;

/** The verdict on a job whose guest is gone; the first line that holds. Only asked in `releasing`. */
export function conclude(job: JobContext): Verdict {
  const { gone, reason } = job;
  if (reason === 'cancel') return { fact: 'job.cancelled', cause: causeOf('ERR_CANCELLED') };
  if (gone?.how === 'exited' && gone.exitCode === 0) return { fact: 'job.succeeded', result: gone.result };
  if (reason === 'deadline') return { fact: 'job.timedOut', cause: causeOf('ERR_RUN_TIMEOUT') };
  if (reason === 'evict') return { fact: 'job.queued', after: 'evicted' };
  if (reason === 'late' || gone?.how === 'lost') return afterLoss(job);
  return afterFailure(job);
}

/** Would this verdict give the job another attempt? Then a cancel can still prevent it. */
export const retryable = (fact: Verdict['fact']): boolean =>
  fact === 'job.queued' || fact === 'job.retryScheduled';

function afterLoss(job: JobContext): Verdict {
  if (job.losses <= job.lossesMax)
    return { fact: 'job.queued', after: job.reason === 'late' ? 'late' : 'lost' };
  const last = job.gone?.how === 'lost' ? job.gone.message : 'the guest did not start in time';
  return {
    fact: 'job.failed',
    cause: causeOf('ERR_RUNNER_LOST', `${job.losses} attempts were lost; the last: ${last}`),
  };
}

function afterFailure(job: JobContext): Verdict {
  const { backoffMs, max } = job.spec?.attempts ?? { backoffMs: 0, max: 1 };
  if (job.failures < max) {
    // Doubling gives a broken dependency time to heal instead of hammering it.
    return {
      fact: 'job.retryScheduled',
      backoffMs: Math.min(backoffMs * 2 ** (job.failures - 1), backoffMsMax),
    };
  }
  if (job.gone?.how === 'exited') {
    return { fact: 'job.failed', cause: causeOf('ERR_EXIT_CODE', `exit code ${job.gone.exitCode}`) };
  }
  const { code, message } =
    job.gone?.how === 'crashed' ? job.gone : { code: 'ERR_INTERNAL' as const, message: 'no report' };
  return { fact: 'job.failed', cause: causeOf(code, message) };
}
