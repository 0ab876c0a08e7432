/**
 * Inputs and decisions: which facts came from outside, and the command that each of those came from.
 *
 * Why the line matters: an input (a guest exited, a wait is over, a key was revoked) could have been another one, and
 * nobody can recompute it. A decision follows from the facts before it, so it can be made again and compared. And even an
 * input says only *that* something happened: what is written down about it is the writer's doing, so the command
 * behind it can be put to the writer again. Test: `test/log/replay.test.ts`.
 */
import type { JobState } from '../../machines/job.ts';
import type { FactData, FactType, JobFactType } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { streamOf } from '../events/subject.ts';
import type { Command, GoneReport, PlainCommand } from './commands.ts';
import { jobIdOf } from './state.ts';

const decisions: ReadonlySet<string> = new Set<JobFactType>([
  'job.selected',
  'job.reserved',
  'job.unplaced',
  'job.released',
  'job.retryScheduled',
  'job.succeeded',
  'job.failed',
  'job.timedOut',
]);

/** Does a fact of this type follow from the facts before it? `before`: the job's state until then; null for others. */
export function isDecision(type: string, before: JobState | null): boolean {
  // The same words, from two sources: a wait that is over ends a pause, a client cancels what waits.
  if (type === 'job.queued') return before !== 'backoff';
  if (type === 'job.cancelled') return before === 'releasing';
  return decisions.has(type);
}

/** The command that an input came from; what it does not tell any more is filled in without effect on the fact. */
export function commandOf(record: FactRecord): Command {
  const { subject, trace } = record;
  const type = record.type as FactType;
  if (!type.startsWith('job.')) {
    return { kind: 'Note', type, stream: streamOf(subject), data: record.data } as unknown as PlainCommand;
  }
  const id = jobIdOf(subject);
  // A job's fact names as its cause the fact that entered the state in which it found the job.
  const visit = record.cause ?? 0;
  const data = <T extends JobFactType>(_: T) => record.data as FactData<T>;
  switch (type) {
    case 'job.submitted': {
      const { deadlineMs: _, lossesMax: __, ...rest } = data(type);
      return { kind: 'SubmitJob', id, trace, ...rest };
    }
    case 'job.attested':
      return { kind: 'AttestJob', id, visit, report: data(type) };
    case 'job.rejected':
      return { kind: 'RejectJob', id, visit, ...data(type) };
    case 'job.queued':
      return { kind: 'NoteDeadline', id, setBy: visit };
    case 'job.expired':
    case 'job.overdue':
      return { kind: 'NoteDeadline', id, setBy: data(type).setBy };
    case 'job.cancelled':
    case 'job.cancelRequested':
      return { kind: 'CancelJob', id, tenant: null, by: data(type).by };
    case 'job.evicted':
      return { kind: 'EvictJob', id, visit, reason: data(type).reason };
    case 'job.started': {
      const { fence, isolation, runner } = data(type);
      return { kind: 'ReportStarted', id, fence, isolation, runner };
    }
    default: {
      const { fence } = record.data as { fence: number };
      return { kind: 'ReportGone', id, fence, report: reportOf(type, record.data) };
    }
  }
}

function reportOf(type: FactType, data: unknown): GoneReport {
  switch (type) {
    case 'job.exited': {
      const { exitCode, result } = data as FactData<typeof type>;
      return { how: 'exited', exitCode, result };
    }
    case 'job.crashed': {
      const { code, message } = data as FactData<typeof type>;
      return { how: 'crashed', code, message };
    }
    case 'job.stopped': {
      const { how } = data as FactData<typeof type>;
      if (how === 'exited') return { how, exitCode: 0, result: { bytes: 0, sha256: '' } };
      return how === 'crashed' ? { how, code: 'ERR_INTERNAL', message: '' } : { how };
    }
    default:
      return { how: 'lost', message: (data as FactData<'job.lost'>).message };
  }
}
