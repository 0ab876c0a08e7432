/**
 * Decides what a command becomes: one fact, nothing, or a refusal. Pure: state and command in, decision out.
 *
 * Why pure and apart from the appending: a rule that also does I/O can be neither replayed nor tested
 * without a server. Whatever takes from a common pool (the queue, the slots, a quota) is checked here, on
 * the state at head, in the same turn that appends, so two takers can never both win.
 * Test: `test/jobs/decide.test.ts`.
 */
import { conclude } from '../../machines/conclude.ts';
import { isEnd } from '../../machines/job.ts';
import { refusal } from '../../machines/refusals.ts';
import { causeOf, cutTo, invariant, messageCharsMax } from '../errors.ts';
import { type FactData, type FactType, type JobFactType, textCharsMax } from '../events/facts.ts';
import { acceptsSlotFact, slicesOf } from '../slots/fleet.ts';
import { isFree } from '../slots/placement.ts';
import { keysMax } from '../tenants/tenants.ts';
import type { Command, JobCommand, Outcome, PlainCommand, Refusal } from './commands.ts';
import { refused } from './commands.ts';
import { type Job, jtiName, keyName, type State } from './state.ts';

/** One fact to append, not yet placed. */
export interface Intent {
  readonly stream: string;
  readonly type: FactType;
  readonly data: unknown;
  readonly cause: number | null;
  readonly trace?: string | null;
  /** Who writes it, when that is not who asked: the timekeeper only says that a wait is over. */
  readonly author?: string;
}

export type Decision = { readonly append: Intent } | Exclude<Outcome, { seq: number }>;

/** The decision on `command` in `state`. */
export function decide(state: State, command: Command): Decision {
  if (command.kind === 'Note') return decideNote(state, command);
  if (command.kind === 'SubmitJob') return decideSubmit(state, command);
  const job = state.jobs.get(command.id);
  if (!job) return refused('ERR_NOT_FOUND', 'no such job');
  return decideOnJob(state, job, command);
}

const intent = <T extends JobFactType>(job: Job, type: T, data: FactData<T>): Intent => ({
  stream: `job.${job.context.tenant}.${job.context.id}`,
  type,
  data,
  cause: job.context.visit,
});

const fact = <T extends JobFactType>(job: Job, type: T, data: FactData<T>): Decision => ({
  append: intent(job, type, data),
});

const queuedAgain = (job: Job, after: FactData<'job.queued'>['after']): Intent =>
  intent(job, 'job.queued', { after, deadlineMs: specOf(job).limits.queueMs });

function decideOnJob(state: State, job: Job, command: Exclude<JobCommand, { kind: 'SubmitJob' }>): Decision {
  switch (command.kind) {
    case 'CancelJob':
      return decideCancel(state, job, command);
    case 'ReportStarted':
    case 'ReportGone':
      // A job without an attempt has fence 0, and nobody may speak of an attempt that never was.
      if (command.fence < 1 || job.context.fence !== command.fence)
        return refused('ERR_STALE_FENCE', `the attempt ${command.fence} is over`);
      return command.kind === 'ReportGone' ? decideGone(job, command) : decideStarted(job, command);
    case 'NoteDeadline':
      return decideDeadline(state, job, command.setBy);
    default:
      if (job.context.visit !== command.visit)
        return refused('ERR_STALE_VISIT', `the job left visit ${command.visit}`);
      return decideOnVisit(state, job, command);
  }
}

type VisitCommand = Extract<JobCommand, { visit: number }>;

function decideOnVisit(state: State, job: Job, command: VisitCommand): Decision {
  const { stopMs } = configured(state);
  switch (command.kind) {
    case 'AttestJob':
      return fact(job, 'job.attested', command.report);
    case 'RejectJob':
      return fact(job, 'job.rejected', { cause: withCutMessage(command.cause), report: command.report });
    case 'QueueJob':
      return { append: queuedAgain(job, 'attested') };
    case 'SelectJob':
      return fact(job, 'job.selected', { policy: command.policy });
    case 'ReserveSlots':
      return decideReserve(state, job, command);
    case 'EvictJob':
      return fact(job, 'job.evicted', { deadlineMs: stopMs, reason: command.reason });
    case 'ReleaseSlots':
      return fact(job, 'job.released', { fence: job.context.fence, slots: [...(job.context.slots ?? [])] });
    case 'ConcludeJob':
      return decideConclude(job);
  }
}

type Submit = Extract<JobCommand, { kind: 'SubmitJob' }>;

function decideSubmit(state: State, command: Submit): Decision {
  const repeat = decideRepeat(state, command);
  if (repeat) return repeat;
  const tenant = state.tenants.get(command.tenant);
  if (!tenant) return refused('ERR_UNAUTHENTICATED', 'unknown tenant');
  if (state.controller.draining) return refused('ERR_DRAINING', 'the controller is shutting down');
  const { attestMs, lossesMax, queuedMax } = configured(state);
  if (state.waiting.total >= queuedMax)
    return refused('ERR_QUEUE_FULL', `${queuedMax} jobs wait already, the bound of this controller`);
  if ((state.waiting.byTenant.get(command.tenant) ?? 0) >= tenant.terms.queuedMax) {
    return refused('ERR_QUEUE_FULL', `${tenant.terms.queuedMax} of your jobs wait already, your bound`);
  }
  if (state.jobs.has(command.id)) return refused('ERR_EXISTS', 'a job with this id exists');
  const { idempotencyKey, jobDigest, jti, kid, request, spec, via } = command;
  const data: FactData<'job.submitted'> = {
    deadlineMs: attestMs,
    idempotencyKey,
    jobDigest,
    jti,
    kid,
    lossesMax,
    request,
    spec,
    tenant: command.tenant,
    via,
  };
  const stream = `job.${command.tenant}.${command.id}`;
  return { append: { stream, type: 'job.submitted', data, cause: null, trace: command.trace } };
}

/** The stored answer when the same key or token comes again; a refusal when it comes with another job. */
export function decideRepeat(
  state: State,
  command: Pick<Submit, 'tenant' | 'idempotencyKey' | 'jti' | 'jobDigest'>,
): { readonly same: string } | Refusal | null {
  const names = [
    command.idempotencyKey === null ? null : keyName(command.tenant, command.idempotencyKey),
    command.jti === null ? null : jtiName(command.tenant, command.jti),
  ];
  for (const name of names) {
    const seen = name === null ? undefined : state.remembered.get(name);
    if (seen && seen.digest !== command.jobDigest) {
      return refused('ERR_IDEMPOTENCY', `this key stands for job ${seen.id}, which is another job`);
    }
    if (seen) return { same: seen.id };
  }
  return null;
}

function decideCancel(state: State, job: Job, command: Extract<JobCommand, { kind: 'CancelJob' }>): Decision {
  const { context } = job;
  // Another tenant's job answers exactly as an unknown one.
  if (command.tenant !== null && command.tenant !== context.tenant)
    return refused('ERR_NOT_FOUND', 'no such job');
  const { by } = command;
  switch (job.state) {
    case 'attesting':
    case 'queued':
    case 'reserving':
    case 'backoff':
      return fact(job, 'job.cancelled', { by, cause: causeOf('ERR_CANCELLED') });
    case 'starting':
    case 'running':
    case 'stopping':
    case 'releasing': {
      if (context.reason === 'cancel') return { same: context.id };
      if (job.state === 'releasing' && !runsAgain(job))
        return refused('ERR_JOB_ENDED', 'its verdict is settled');
      return fact(job, 'job.cancelRequested', { by, deadlineMs: configured(state).stopMs });
    }
    default: {
      const { code, reason } = refusal(job.state, 'job.cancelRequested');
      return refused(code, reason);
    }
  }
}

function runsAgain(job: Job): boolean {
  const verdict = conclude(job.context).fact;
  return verdict === 'job.queued' || verdict === 'job.retryScheduled';
}

/** Placement and quota, on the state at head. What no longer holds becomes `unplaced`: nobody is left waiting. */
function decideReserve(
  state: State,
  job: Job,
  command: Extract<JobCommand, { kind: 'ReserveSlots' }>,
): Decision {
  const { slots, placement } = command;
  const tenant = state.tenants.get(job.context.tenant);
  const used = state.usage.get(job.context.tenant) ?? { jobs: 0, slices: 0 };
  if (!slots || !isFree(state.fleet, slots)) return fact(job, 'job.unplaced', { code: 'ERR_NO_PLACE' });
  const within =
    tenant &&
    used.jobs + 1 <= tenant.terms.jobsMax &&
    used.slices + slicesOf(slots) <= tenant.terms.slicesMax;
  if (!within) return fact(job, 'job.unplaced', { code: 'ERR_QUOTA' });
  return fact(job, 'job.reserved', { deadlineMs: specOf(job).limits.startMs, placement, slots: [...slots] });
}

function decideStarted(job: Job, command: Extract<JobCommand, { kind: 'ReportStarted' }>): Decision {
  const { fence } = command;
  const [isolation, runner] = [cutTo(textCharsMax, command.isolation), cutTo(textCharsMax, command.runner)];
  return fact(job, 'job.started', { deadlineMs: specOf(job).limits.wallMs, fence, isolation, runner });
}

/** One report, four facts: which one follows from the state, so whichever fact came first wins and no report is lost. */
function decideGone(job: Job, command: Extract<JobCommand, { kind: 'ReportGone' }>): Decision {
  const { fence } = command;
  const report = 'message' in command.report ? withCutMessage(command.report) : command.report;
  if (report.how === 'lost') return fact(job, 'job.lost', { fence, message: report.message });
  if (job.state === 'stopping') return fact(job, 'job.stopped', { fence, how: report.how });
  if (report.how === 'exited')
    return fact(job, 'job.exited', { exitCode: report.exitCode, fence, result: report.result });
  if (report.how === 'crashed')
    return fact(job, 'job.crashed', { code: report.code, fence, message: report.message });
  // Killed, yet the job was not being stopped: someone else's kill is a loss.
  return fact(job, 'job.lost', { fence, message: 'the runner was killed' });
}

const withCutMessage = <T extends { readonly message: string }>(said: T): T => ({
  ...said,
  message: cutTo(messageCharsMax, said.message),
});

function decideDeadline(state: State, job: Job, setBy: number): Decision {
  if (job.context.deadline?.setBy !== setBy)
    return refused('ERR_STALE_VISIT', 'another fact set the present deadline');
  const { stopMs } = configured(state);
  switch (job.state) {
    case 'attesting':
      return fact(job, 'job.expired', { cause: causeOf('ERR_ATTEST_TIMEOUT'), setBy });
    case 'queued':
    case 'reserving':
      return fact(job, 'job.expired', { cause: causeOf('ERR_QUEUE_TIMEOUT'), setBy });
    case 'starting':
      return fact(job, 'job.overdue', { deadlineMs: stopMs, setBy, what: 'start' });
    case 'running':
      return fact(job, 'job.overdue', { deadlineMs: stopMs, setBy, what: 'run' });
    case 'backoff':
      return { append: { ...queuedAgain(job, 'backoff'), author: 'jobs' } };
    default:
      return refused('ERR_NOT_IN_STATE', `nothing falls due in ${job.state}`);
  }
}

function decideConclude(job: Job): Decision {
  if (job.state !== 'releasing' || job.context.slots !== null) {
    const end = isEnd(job.state);
    return refused(end ? 'ERR_JOB_ENDED' : 'ERR_NOT_IN_STATE', 'a verdict follows a freed slot');
  }
  const verdict = conclude(job.context);
  switch (verdict.fact) {
    case 'job.succeeded':
      return fact(job, verdict.fact, { result: verdict.result });
    case 'job.failed':
    case 'job.timedOut':
      return fact(job, verdict.fact, { cause: verdict.cause });
    case 'job.cancelled':
      return fact(job, verdict.fact, { by: 'request', cause: verdict.cause });
    case 'job.queued':
      return { append: queuedAgain(job, verdict.after) };
    case 'job.retryScheduled':
      return fact(job, verdict.fact, { deadlineMs: verdict.backoffMs, failures: job.context.failures });
  }
}

function decideNote(state: State, command: PlainCommand): Decision {
  const [kind, name = ''] = command.stream.split('.');
  if (kind === 'tenant') {
    const tenant = state.tenants.get(name);
    if (command.type === 'tenant.added' && tenant) return refused('ERR_EXISTS', `tenant ${name} exists`);
    if (command.type !== 'tenant.added' && !tenant) return refused('ERR_NOT_FOUND', `no tenant ${name}`);
    if (command.type === 'tenant.keyAdded' && tenant) {
      if (tenant.keys.some(({ kid }) => kid === command.data.key.kid)) return { same: name };
      if (tenant.keys.length >= keysMax)
        return refused('ERR_BAD_REQUEST', `at most ${keysMax} keys a tenant`);
    }
    if (command.type === 'tenant.keyRevoked' && tenant) {
      const key = tenant.keys.find(({ kid }) => kid === command.data.kid);
      if (!key) return refused('ERR_NOT_FOUND', `${name} has no key ${command.data.kid}`);
      // A second revocation would move the first to a later seq, and what was signed in between would verify again.
      if (key.revokedAtSeq !== null) return { same: name };
    }
  }
  if (command.type === 'slot.added' || command.type === 'slot.drained' || command.type === 'slot.restored') {
    if (!acceptsSlotFact(state.fleet, name, command.type)) {
      return refused(
        state.fleet.has(name) ? 'ERR_EXISTS' : 'ERR_NOT_FOUND',
        `${name}: ${command.type} changes nothing`,
      );
    }
  }
  return { append: { stream: command.stream, type: command.type, data: command.data, cause: null } };
}

/** Settings as the log has them. The first facts of a life bring them, before any job. */
function configured(state: State): FactData<'controller.configured'> {
  invariant(state.controller.configured, 'a job before controller.configured');
  return state.controller.configured;
}

const specOf = (job: Job) => {
  invariant(job.context.spec, 'a job without spec');
  return job.context.spec;
};
