/**
 * A desk for tests of the pure core: the production host over a log in memory, and nobody else. The test plays every
 * actor: it sends the commands, reads the facts, and may hand the changes to an actor of its own, in its own time.
 */
import * as assert from 'uvu/assert';
import type { JobState } from '../../machines/job.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { FactData, TenantTerms } from '../../src/events/facts.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import type { Command, GoneReport, JobCommand, Outcome } from '../../src/jobs/commands.ts';
import { Feed, Host } from '../../src/jobs/host.ts';
import { type Change, type Job, newState } from '../../src/jobs/state.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Log } from '../../src/log/log.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { fleetOfPreset } from '../../src/slots/fleet-setting.ts';
import { place } from '../../src/slots/placement.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { SimulatedClock } from '../properties/simulated.ts';

export interface DeskOptions {
  readonly fleet?: string;
  readonly policy?: string;
  readonly runners?: number;
  readonly queuedMax?: number;
  readonly tenants?: Readonly<Record<string, Partial<TenantTerms>>>;
}

export interface Wish {
  readonly tenant?: string;
  readonly slot?: string;
  readonly gpus?: number;
  readonly attempts?: number;
  readonly key?: string;
  readonly jti?: string;
  readonly digest?: string;
}

type Submit = Extract<JobCommand, { kind: 'SubmitJob' }>;

/** What the module, the input and the model of a job are called when nobody reads them. */
export const someDigest = `sha256:${'a'.repeat(64)}`;
export const exitedWell: GoneReport = {
  how: 'exited',
  exitCode: 0,
  result: { bytes: 3, sha256: 'c'.repeat(64) },
};

export function submission(id: string, wish: Wish = {}): Submit {
  const spec = jobSpecSchema.parse({
    module: someDigest,
    slot: wish.slot ?? '1g.10gb',
    gpus: wish.gpus ?? 1,
    attempts: { max: wish.attempts ?? 1, backoffMs: 1_000 },
  });
  return {
    kind: 'SubmitJob',
    id,
    tenant: wish.tenant ?? 'acme',
    spec,
    jobDigest: wish.digest ?? `sha256:${nodeSha256(JSON.stringify(spec))}`,
    idempotencyKey: wish.key ?? null,
    jti: wish.jti ?? null,
    kid: null,
    request: null,
    via: 'http',
    trace: null,
  };
}

/** The states that a job can be brought to, and the way there. */
const ways: Readonly<Record<string, readonly JobCommand['kind'][]>> = {
  attesting: [],
  queued: ['AttestJob', 'QueueJob'],
  reserving: ['AttestJob', 'QueueJob', 'SelectJob'],
  starting: ['AttestJob', 'QueueJob', 'SelectJob', 'ReserveSlots'],
  running: ['AttestJob', 'QueueJob', 'SelectJob', 'ReserveSlots', 'ReportStarted'],
  stopping: ['AttestJob', 'QueueJob', 'SelectJob', 'ReserveSlots', 'ReportStarted', 'EvictJob'],
  releasing: ['AttestJob', 'QueueJob', 'SelectJob', 'ReserveSlots', 'ReportStarted', 'ReportGone'],
};

export class Desk {
  readonly clock = new SimulatedClock();
  readonly log: Log = openMemoryLog({ sha256: nodeSha256 }).log;
  readonly state = newState();
  readonly feed = new Feed();
  readonly host: Host;
  #read = 0;

  constructor({
    fleet = '1xH100-80GB',
    policy = 'fifo',
    runners = 100,
    queuedMax = 10_000,
    tenants = { acme: {} },
  }: DeskOptions = {}) {
    this.host = new Host({ log: this.log, clock: this.clock, changes: this.feed, state: this.state });
    this.configure({ policy, runners, queuedMax });
    for (const { id, board } of fleet === '' ? [] : fleetOfPreset(fleet)) {
      this.do({
        kind: 'Note',
        type: 'slot.added',
        stream: `slot.${id}`,
        data: { board, enforcement: 'simulated' },
      });
    }
    for (const [name, terms] of Object.entries(tenants)) this.terms(name, terms, 'tenant.added');
  }

  configure(over: Partial<FactData<'controller.configured'>>): void {
    const before = this.state.controller.configured;
    const data = { attestMs: 1_000, lossesMax: 1, placement: 'first-fit/1', stopMs: 200, version: 'test' };
    const rest = { policy: 'fifo', queuedMax: 100, runners: 1 };
    this.do({
      kind: 'Note',
      type: 'controller.configured',
      stream: 'controller',
      data: { ...data, ...rest, ...before, ...over },
    });
  }

  terms(
    name: string,
    terms: Partial<TenantTerms>,
    type: 'tenant.added' | 'tenant.changed' = 'tenant.changed',
  ): void {
    const data = { terms: { ...defaultTerms, unsigned: true, ...terms } };
    this.do({ kind: 'Note', type, stream: `tenant.${name}`, data });
  }

  gpu(id: string, type: 'slot.drained' | 'slot.restored'): void {
    this.do({ kind: 'Note', type, stream: `slot.${id}`, data: { reason: 'test' } });
  }

  handle(command: Command, author = 'test'): Outcome {
    return this.host.handle(command, author, this.log.head);
  }

  /** The fact that the command became; fails when it became none. */
  do(command: Command): FactRecord {
    const outcome = this.handle(command);
    assert.ok('seq' in outcome, `${command.kind}: ${JSON.stringify(outcome)}`);
    return this.feed.at(this.log.head)?.record as FactRecord;
  }

  /** The code with which the command was refused; fails when anything was written. */
  refuse(command: Command): ErrorCode {
    const { head } = this.log;
    const outcome = this.handle(command);
    assert.ok('refused' in outcome, `${command.kind} became ${JSON.stringify(outcome)}`);
    assert.is(this.log.head, head, 'a refusal wrote a fact');
    return outcome.refused;
  }

  job(id: string): Job {
    const job = this.state.jobs.get(id);
    assert.ok(job, `no job ${id}`);
    return job;
  }

  /** The command that takes this job its usual next step of this kind. */
  step(kind: JobCommand['kind'], id: string): Command {
    const { context } = this.job(id);
    const { visit, fence, spec } = context;
    switch (kind) {
      case 'AttestJob':
        return { kind, id, visit, report: { affirms: true, imports: [], report: 'a.b.c' } };
      case 'SelectJob':
        return { kind, id, visit, policy: 'test' };
      case 'ReserveSlots': {
        const slots = place(this.state.fleet, { profile: spec?.slot ?? '', gpus: spec?.gpus ?? 1 });
        return { kind, id, visit, slots, placement: 'test' };
      }
      case 'ReportStarted':
        return { kind, id, fence, runner: 'runner-1', isolation: 'L0' };
      case 'ReportGone':
        return { kind, id, fence, report: exitedWell };
      case 'EvictJob':
        return { kind, id, visit, reason: 'drain' };
      case 'CancelJob':
        return { kind, id, tenant: null, by: 'test' };
      case 'NoteDeadline':
        return { kind, id, setBy: context.deadline?.setBy ?? 0 };
      case 'RejectJob':
        return {
          kind,
          id,
          visit,
          cause: { code: 'ERR_MODULE_INVALID', message: 'no', retryable: false },
          report: null,
        };
      case 'SubmitJob':
        return submission(id);
      default:
        return { kind, id, visit } as Command;
    }
  }

  /** Submits a job and takes it to this state by the usual way. */
  bring(id: string, state: JobState, wish: Wish = {}): Job {
    this.do(submission(id, wish));
    for (const kind of ways[state] ?? assert.unreachable(`no way to ${state}`) ?? [])
      this.do(this.step(kind, id));
    assert.is(this.job(id).state, state);
    return this.job(id);
  }

  /** From `starting` or later to the freed slot, then what `conclude` says. */
  finish(id: string, report: GoneReport = exitedWell): FactRecord {
    if (this.job(id).state === 'starting' && report.how === 'exited') this.do(this.step('ReportStarted', id));
    if (this.job(id).context.slots !== null && this.job(id).state !== 'releasing') {
      this.do({ kind: 'ReportGone', id, fence: this.job(id).context.fence, report });
    }
    if (this.job(id).context.slots !== null) this.do(this.step('ReleaseSlots', id));
    return this.do(this.step('ConcludeJob', id));
  }

  /** Changes since the last call: what an actor that reads to the head folds now. */
  news(): Change[] {
    const changes: Change[] = [];
    while (this.#read < this.log.head) changes.push(this.feed.at(++this.#read) as Change);
    return changes;
  }
}
