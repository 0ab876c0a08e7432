/**
 * The state of the controller: one fold over all facts, and the only one the writer decides from.
 *
 * Why one fold: what a job may do next, which slots are held, what a tenant uses and how long the
 * queue is all follow from the same facts in the same order. There is no counter to forget to lower.
 * Recovery folds with this same function, so the state after a crash is the state before it.
 * Test: `test/jobs/state.test.ts`; properties in `test/properties/`.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import {
  isEnd,
  type JobContext,
  type JobFact,
  type JobState,
  jobMachine,
  newJob,
} from '../../machines/job.ts';
import { invariant } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { type Fleet, foldSlotFact, foldSlotMove, type SlotMove, slicesOf } from '../slots/fleet.ts';
import { foldTenantFact, type Tenants } from '../tenants/tenants.ts';
import { expired, forget, newRetained, type Retained, refill, retain, surplusOf } from './retention.ts';

export type Job = Folded<JobState, JobContext>;

export const jobTable = compileTable<JobState, JobContext, JobFact>(jobMachine);

/** What one fact did. Actors fold this: states before and after, never the names of facts. */
export interface Change {
  readonly record: FactRecord;
  /** The job before and after, when the fact is a job's; `before` is null for its first. */
  readonly before: Job | null;
  readonly after: Job | null;
  /** Ended jobs that the fold has let go of with this fact; most facts have none. */
  readonly forgotten?: readonly string[];
}

/** What a tenant holds now. */
export interface Usage {
  readonly jobs: number;
  /** Memory slices. */
  readonly slices: number;
}

/** The job that an idempotency key or a token id stands for. */
export interface Remembered {
  readonly id: string;
  readonly digest: string;
}

export interface ControllerFacts {
  readonly epoch: number;
  readonly configured: FactData<'controller.configured'> | null;
  readonly draining: boolean;
  /** First seq of a cut tail that may have held promised facts; null once accepted, or when there is none. */
  readonly tornFrom: number | null;
}

/** Before the first fact of any life. */
export const noControllerFacts: ControllerFacts = {
  epoch: 0,
  configured: null,
  draining: false,
  tornFrom: null,
};

export interface State {
  readonly jobs: Map<string, Job>;
  readonly tenants: Tenants;
  readonly fleet: Fleet;
  /** Waiting jobs (attesting, queued, reserving, backoff), all and by tenant: what the queue bound counts. */
  readonly waiting: { total: number; readonly byTenant: Map<string, number> };
  readonly usage: Map<string, Usage>;
  readonly remembered: Map<string, Remembered>;
  readonly retained: Retained;
  controller: ControllerFacts;
}

export function newState(): State {
  return {
    jobs: new Map(),
    tenants: new Map(),
    fleet: new Map(),
    waiting: { total: 0, byTenant: new Map() },
    usage: new Map(),
    remembered: new Map(),
    retained: newRetained(),
    controller: noControllerFacts,
  };
}

/** Takes over what another state held, thawed; `state` has folded nothing yet. */
export function restoreState(state: State, saved: State): void {
  for (const name of ['jobs', 'tenants', 'fleet', 'usage', 'remembered'] as const)
    refill(state[name] as Map<string, unknown>, saved[name] as Map<string, unknown>);
  state.waiting.total = saved.waiting.total;
  refill(state.waiting.byTenant, saved.waiting.byTenant);
  refill(state.retained.ended, saved.retained.ended);
  refill(state.retained.names, saved.retained.names);
  refill(state.retained.orphans, saved.retained.orphans);
  state.controller = saved.controller;
}

/** Folds one fact into `state` and says what it did. Throws when the fact is illegal: the log is not ours. */
export function fold(state: State, record: FactRecord): Change {
  if (record.type.startsWith('job.')) return foldJobFact(state, record);
  if (record.type.startsWith('tenant.')) foldTenantFact(state.tenants, record);
  else if (record.type.startsWith('slot.')) foldSlotFact(state.fleet, record);
  else if (record.type.startsWith('controller.')) {
    state.controller = foldControllerFact(state.controller, record);
    if (record.type === 'controller.configured')
      return { record, before: null, after: null, ...thinned(state, record.at) };
  }
  return { record, before: null, after: null };
}

/** Lets ended jobs go beyond the bound in force, and says which. */
function thinned(state: State, atMs: number): Pick<Change, 'forgotten'> {
  for (const name of expired(state.retained, atMs)) state.remembered.delete(name);
  const { configured } = state.controller;
  const forgotten = surplusOf(state.retained, configured?.retainedMax ?? Number.POSITIVE_INFINITY);
  if (forgotten.length === 0) return {};
  for (const id of forgotten) {
    forget(state.retained, id, state.jobs.get(id)?.context.times.endedAtMs ?? atMs);
    state.jobs.delete(id);
  }
  return { forgotten };
}

function foldJobFact(state: State, record: FactRecord): Change {
  const id = jobIdOf(record.subject);
  const before = state.jobs.get(id) ?? null;
  const after = stepJob(before, id, record);
  invariant(after, `seq ${record.seq}: ${record.type} of ${id} in state ${before?.state ?? 'new'}`);
  state.jobs.set(id, after);
  const { tenant } = after.context;
  countWaiting(state, tenant, isWaiting(before), isWaiting(after));
  const move = slotMove(before, after);
  if (move) {
    foldSlotMove(state.fleet, move);
    foldUsage(state.usage, move);
  }
  if (record.type === 'job.submitted')
    rememberNames(state, id, tenant, record.data as FactData<'job.submitted'>);
  if (!isEnd(after.state)) return { record, before, after };
  retain(state.retained, id, record.seq);
  return { record, before, after, ...thinned(state, record.at) };
}

function rememberNames(
  { remembered, retained }: State,
  id: string,
  tenant: string,
  { idempotencyKey, jti, jobDigest }: FactData<'job.submitted'>,
): void {
  const names = [
    ...(idempotencyKey === null ? [] : [keyName(tenant, idempotencyKey)]),
    ...(jti === null ? [] : [jtiName(tenant, jti)]),
  ];
  for (const name of names) remembered.set(name, { digest: jobDigest, id });
  if (names.length > 0) retained.names.set(id, names);
}

/** The job after this fact, or null when the table refuses it. */
export function stepJob(
  before: Job | null,
  id: string,
  record: Pick<FactRecord, 'type' | 'seq' | 'at' | 'data'>,
): Job | null {
  const from = before ?? {
    state: jobTable.initial,
    context: newJob(id, (record.data as { tenant?: string }).tenant ?? ''),
  };
  return jobTable.step(from, record as unknown as JobFact);
}

/** `job.<tenant>.<id>.<fact>` → id. */
export function jobIdOf(subject: string): string {
  const end = subject.lastIndexOf('.');
  return subject.slice(subject.lastIndexOf('.', end - 1) + 1, end);
}

export const keyName = (tenant: string, key: string): string => `${tenant} key ${key}`;
export const jtiName = (tenant: string, jti: string): string => `${tenant} jti ${jti}`;

const waitingStates: ReadonlySet<JobState> = new Set(['attesting', 'queued', 'reserving', 'backoff']);
export const isWaiting = (job: Job | null): boolean => job !== null && waitingStates.has(job.state);

function countWaiting(state: State, tenant: string, was: boolean, is: boolean): void {
  if (was === is) return;
  const step = is ? 1 : -1;
  const { waiting } = state;
  waiting.total += step;
  const own = (waiting.byTenant.get(tenant) ?? 0) + step;
  if (own === 0) waiting.byTenant.delete(tenant);
  else waiting.byTenant.set(tenant, own);
}

/** Slots that this change took or freed, told from the states before and after alone. */
export function slotMove(before: Job | null, after: Job): SlotMove | null {
  const held = before?.context.slots ?? null;
  const holds = after.context.slots;
  if (held === holds) return null;
  const { id, tenant, fence } = after.context;
  return { job: id, tenant, fence, taken: holds ?? [], freed: held ?? [] };
}

/** Folds a move into what tenants use; a tenant that holds nothing has no entry. */
export function foldUsage(usage: Map<string, Usage>, move: SlotMove): void {
  const now = usage.get(move.tenant) ?? { jobs: 0, slices: 0 };
  const jobs = now.jobs + (move.taken.length > 0 ? 1 : 0) - (move.freed.length > 0 ? 1 : 0);
  const slices = now.slices + slicesOf(move.taken) - slicesOf(move.freed);
  if (jobs === 0) usage.delete(move.tenant);
  else usage.set(move.tenant, { jobs, slices });
}

/** Folds a `controller.*` fact. The gate folds with it too: both must read the same in it. */
export function foldControllerFact(before: ControllerFacts, record: FactRecord): ControllerFacts {
  switch (record.type) {
    case 'controller.recovered': {
      const { epoch, fromSeq, lostIds } = record.data as FactData<'controller.recovered'>;
      const tornFrom = lostIds && fromSeq ? fromSeq : before.tornFrom;
      return { ...before, epoch, draining: false, tornFrom };
    }
    case 'controller.tailAccepted':
      return { ...before, tornFrom: null };
    case 'controller.configured':
      return { ...before, configured: record.data as FactData<'controller.configured'> };
    case 'controller.draining':
      return { ...before, draining: true };
    default:
      return before;
  }
}
