/**
 * Why a fact is refused where no transition takes it: a reason for every (state, fact).
 *
 * Why written out: "ignored" is how a lost result or a double start begins. A refused command is
 * answered with a code and this sentence, and counted; nothing is dropped in silence.
 * Test: `test/machines/job-table.test.ts` asks for every pair.
 */

import type { ErrorCode } from '../src/errors.ts';
import type { JobFactType } from '../src/events/facts.ts';
import { isEnd, type JobState } from './job.ts';

/** What each fact needs in order to happen. */
const needs: Readonly<Record<JobFactType, string>> = {
  'job.submitted': 'a job is submitted once, as its first fact',
  'job.attested': 'one report is made, while the job is attesting',
  'job.rejected': 'only attestation rejects, and it is over once the job is queued',
  'job.queued':
    'a job queues with an affirming report, after its back-off, or when its verdict is to run again',
  'job.selected': 'only a queued job can be selected',
  'job.unplaced': 'only a job that was selected can fail to be placed',
  'job.reserved': 'a slot is reserved for a selected job, once an attempt',
  'job.started': 'a guest starts once an attempt, on a reserved slot',
  'job.exited': 'only a running guest can exit; one that is being stopped is stopped',
  'job.crashed': 'only a starting or running guest can crash; one that is being stopped is stopped',
  'job.stopped': 'only a guest that is being stopped can be stopped',
  'job.lost': 'a runner can be lost only while it holds an attempt',
  'job.overdue': 'only a starting or running attempt can be overdue',
  'job.cancelRequested':
    'asked of a guest that may still run, or of an attempt that would be repeated, and only once',
  'job.evicted': 'only a starting or running guest can be evicted',
  'job.released': 'a slot is released once, when its guest is gone',
  'job.retryScheduled': 'a retry follows a freed slot and a verdict that says so',
  'job.succeeded': 'success follows a freed slot and a guest that exited with code 0, uncancelled',
  'job.failed': 'failure follows a freed slot and a verdict that says so',
  'job.timedOut': 'a time-out follows a freed slot and an attempt stopped at its deadline',
  'job.expired': 'only a wait for attestation or for a slot can expire',
  'job.cancelled':
    'a job without slot is cancelled at once; with one, when the slot is free and the reason is cancel',
};

/** The code and the sentence for a fact that `state` has no transition for. */
export function refusal(
  state: JobState,
  fact: JobFactType,
): { readonly code: ErrorCode; readonly reason: string } {
  if (isEnd(state))
    return { code: 'ERR_JOB_ENDED', reason: `the job has ended (${state}); an end is never left` };
  return { code: 'ERR_NOT_IN_STATE', reason: `not in state ${state}: ${needs[fact]}` };
}
