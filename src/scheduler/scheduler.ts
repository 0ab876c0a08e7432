/**
 * The scheduler: picks the next job to get a slot. It selects only what placement says fits and for
 * which a runner is free, so a full fleet with a thousand jobs waiting writes no fact at all.
 *
 * Why it looks at capacity though the slot manager places: a scheduler blind to it sends jobs to and
 * fro (select, no room, queue again), measured at 32 facts a job instead of 9.
 *
 * Its fold: the queue, the fleet, what tenants use, and jobs selected but not yet placed. A class that
 * has no room or no quota is set aside and looked at again only when capacity or terms changed.
 * Test: `test/scheduler/scheduler.test.ts`.
 */
import type { FactData, Slot } from '../events/facts.ts';
import type { Actor } from '../jobs/actor.ts';
import type { Command } from '../jobs/commands.ts';
import { refill } from '../jobs/retention.ts';
import { type Change, foldUsage, type Job, slotMove, type Usage } from '../jobs/state.ts';
import { type Fleet, foldSlotFact, foldSlotMove, slicesOf } from '../slots/fleet.ts';
import { place, type Shape, sizeIn } from '../slots/placement.ts';
import { foldTenantFact, type Tenants } from '../tenants/tenants.ts';
import { type Candidate, type Policy, policies } from './policies.ts';
import { classKey, type JobClass, Queue } from './queue.ts';

/** The scheduler's fold as others may read it. */
export interface Sight {
  readonly queue: Queue;
  readonly fleet: Fleet;
  readonly tenants: Tenants;
  readonly usage: ReadonlyMap<string, Usage>;
  /** Slots that selected jobs are about to get. */
  readonly promised: readonly Slot[];
  readonly busyRunners: number;
  readonly runners: number;
  readonly draining: boolean;
  readonly policy: Policy;
  candidate(tenant: string, waitSince: number): Candidate;
  /** What the tenant holds, with what its selected jobs are about to get. */
  holdingOf(tenant: string): Usage;
}

/** A selected job with the slots that it is about to get; none when there is no place any more. */
interface Promised {
  readonly tenant: string;
  readonly shape: Shape;
  readonly slots: readonly Slot[];
}

export class Scheduler implements Actor {
  readonly name = 'scheduler';
  readonly reads = 'head';
  readonly #queue = new Queue();
  readonly #fleet: Fleet = new Map();
  readonly #tenants: Tenants = new Map();
  readonly #usage = new Map<string, Usage>();
  /** Selected, not yet reserved: they will take room that the fleet does not show yet. */
  readonly #selected = new Map<string, { readonly tenant: string; readonly shape: Shape }>();
  /** Jobs that hold a runner: starting, running, stopping. */
  readonly #onRunner = new Set<string>();
  /** Virtual time used by each tenant, and the virtual time of the last selection. */
  readonly #served = new Map<string, number>();
  #virtualTime = 0;
  /** Classes that found no room or no quota beside what was promised: looked at again when a promise or capacity changes. */
  readonly #noRoom = new Set<string>();
  /** Classes whose job came back unplaced: looked at again only when capacity or terms change. */
  readonly #cameBack = new Set<string>();
  #policyName = 'fifo';
  #policy: Policy = policies['fifo'] as Policy;
  #runners = 0;
  #draining = false;

  fold(change: Change): void {
    const { record, before, after } = change;
    if (after) this.#foldJob(before, after);
    else this.#foldOther(record.type, change);
  }

  decide(): Command | null {
    if (this.#draining || this.#queue.size === 0) return null;
    if (this.#selected.size + this.#onRunner.size >= this.#runners) return null;
    const promises = this.#promises();
    const promised = slotsIn(promises);
    let best: { candidate: Candidate; head: JobClass['jobs'][number] } | null = null;
    for (const jobClass of this.#queue.classes()) {
      const key = classKey(jobClass.tenant, jobClass.shape);
      const head = jobClass.jobs[0];
      if (!head || this.#noRoom.has(key) || this.#cameBack.has(key)) continue;
      const candidate = this.#candidate(jobClass.tenant, head.waitSince);
      if (best && !this.#policy.before(candidate, best.candidate)) continue;
      if (this.#startable(jobClass, promises, promised)) best = { candidate, head };
      else this.#noRoom.add(key);
    }
    if (!best) return null;
    return { kind: 'SelectJob', id: best.head.id, visit: best.head.visit, policy: this.#policy.name };
  }

  /** What it sees, read only: for `explain.ts`. */
  get sight(): Sight {
    return {
      queue: this.#queue,
      fleet: this.#fleet,
      tenants: this.#tenants,
      usage: this.#usage,
      promised: slotsIn(this.#promises()),
      busyRunners: this.#selected.size + this.#onRunner.size,
      runners: this.#runners,
      draining: this.#draining,
      policy: this.#policy,
      candidate: (tenant, waitSince) => this.#candidate(tenant, waitSince),
      holdingOf: (tenant) => this.#holdingOf(tenant, this.#promises()),
    };
  }

  snapshot() {
    const classes = [...this.#queue.classes()].map(({ tenant, shape, jobs }) => ({ tenant, shape, jobs }));
    return {
      queue: classes.sort((a, b) => (classKey(a.tenant, a.shape) < classKey(b.tenant, b.shape) ? -1 : 1)),
      fleet: this.#fleet,
      tenants: this.#tenants,
      usage: this.#usage,
      selected: this.#selected,
      onRunner: this.#onRunner,
      served: this.#served,
      virtualTime: this.#virtualTime,
      cameBack: this.#cameBack,
      policy: this.#policyName,
      runners: this.#runners,
      draining: this.#draining,
    };
  }

  restore(saved: unknown): void {
    const from = saved as ReturnType<Scheduler['snapshot']>;
    for (const { tenant, shape, jobs } of from.queue)
      for (const job of jobs) this.#queue.join(tenant, shape, job);
    refill(this.#fleet, from.fleet);
    refill(this.#tenants, from.tenants);
    refill(this.#usage, from.usage);
    refill(this.#selected, from.selected);
    for (const id of from.onRunner) this.#onRunner.add(id);
    refill(this.#served, from.served);
    this.#virtualTime = from.virtualTime;
    for (const key of from.cameBack) this.#cameBack.add(key);
    this.#setPolicy(from.policy);
    this.#runners = from.runners;
    this.#draining = from.draining;
  }

  /** A name that this version doesn't know leaves the policy as it is: the log was written by another one. */
  #setPolicy(name: string): void {
    const policy = policies[name];
    if (!policy) return;
    this.#policyName = name;
    this.#policy = policy;
  }

  #foldJob(before: Job | null, after: Job): void {
    const { id, tenant, spec, visit, waitSince } = after.context;
    const move = slotMove(before, after);
    if (move) {
      foldSlotMove(this.#fleet, move);
      foldUsage(this.#usage, move);
    }
    if (!spec) return;
    const shape: Shape = { profile: spec.slot, gpus: spec.gpus };
    const wasSelected = this.#selected.has(id);
    if (after.state === 'queued') this.#queue.join(tenant, shape, { id, visit, waitSince });
    else this.#queue.leave(id);
    if (after.state === 'reserving') this.#select(id, tenant, shape);
    else this.#selected.delete(id);
    const runs = after.state === 'starting' || after.state === 'running' || after.state === 'stopping';
    if (runs) this.#onRunner.add(id);
    else this.#onRunner.delete(id);
    // Not placed although it was selected: its class waits until capacity changes. The others may have been set
    // aside only for the slot that was promised to it, so they are looked at again.
    if (after.state === 'queued' && wasSelected) {
      this.#noRoom.clear();
      this.#cameBack.add(classKey(tenant, shape));
    } else if (move?.freed.length || (wasSelected && after.state !== 'starting')) this.#capacityChanged();
  }

  #capacityChanged(): void {
    this.#noRoom.clear();
    this.#cameBack.clear();
  }

  #select(id: string, tenant: string, shape: Shape): void {
    if (this.#selected.has(id)) return;
    this.#selected.set(id, { tenant, shape });
    this.#virtualTime = Math.max(this.#virtualTime, this.#served.get(tenant) ?? 0);
    const weight = this.#tenants.get(tenant)?.terms.weight ?? 1;
    this.#served.set(tenant, this.#virtualTime + 1 / weight);
  }

  #foldOther(type: string, { record }: Change): void {
    if (type.startsWith('slot.')) foldSlotFact(this.#fleet, record);
    else if (type.startsWith('tenant.')) foldTenantFact(this.#tenants, record);
    else if (type === 'controller.configured') {
      const { policy, runners } = record.data as FactData<'controller.configured'>;
      this.#setPolicy(policy);
      this.#runners = runners;
    } else if (type === 'controller.draining') this.#draining = true;
    else if (type === 'controller.recovered') this.#draining = false;
    else return;
    this.#capacityChanged();
  }

  #candidate(tenant: string, waitSince: number): Candidate {
    const served = Math.max(this.#served.get(tenant) ?? 0, this.#virtualTime);
    return { tenant, weight: this.#tenants.get(tenant)?.terms.weight ?? 1, waitSince, served };
  }

  /** Where the selected jobs will go: the slot manager uses the same function in the same order. */
  #promises(): readonly Promised[] {
    const taken: Slot[] = [];
    return [...this.#selected.values()].map(({ tenant, shape }) => {
      const slots = place(this.#fleet, shape, taken) ?? [];
      taken.push(...slots);
      return { tenant, shape, slots };
    });
  }

  #startable({ tenant, shape }: JobClass, promises: readonly Promised[], promised: readonly Slot[]): boolean {
    const slots = place(this.#fleet, shape, promised);
    const terms = this.#tenants.get(tenant)?.terms;
    if (!slots || !terms) return false;
    const { jobs, slices } = this.#holdingOf(tenant, promises);
    return jobs + 1 <= terms.jobsMax && slices + slicesOf(slots) <= terms.slicesMax;
  }

  /** What the tenant will hold: counted with the very slots that are promised, for boards cut one name differently. */
  #holdingOf(tenant: string, promises: readonly Promised[]): Usage {
    let { jobs, slices } = this.#usage.get(tenant) ?? { jobs: 0, slices: 0 };
    for (const { tenant: owner, shape, slots } of promises) {
      if (owner !== tenant) continue;
      jobs += 1;
      slices += slots.length > 0 ? slicesOf(slots) : (sizeIn(this.#fleet, shape.profile) ?? 0) * shape.gpus;
    }
    return { jobs, slices };
  }
}

const slotsIn = (promises: readonly Promised[]): readonly Slot[] => promises.flatMap(({ slots }) => slots);
