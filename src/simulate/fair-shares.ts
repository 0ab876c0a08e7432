/**
 * I9 for round robin, from the records alone: who waits with a job that could start is not passed over again and again.
 *
 * Why only jobs of one shape are compared: whether a job *could* have been placed is the policy's own view of room, and
 * a judge that shares it judges nothing. But where a job was selected, another of the very same shape could have been
 * selected in its place, as long as the quota of its tenant allows. So this law sees less than I9 says, and
 * whatever it sees is true. Source of the bound: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): between
 * two turns of one tenant another of `k` times its weight has at most `k + 1`. Test: `test/simulate/laws.test.ts`.
 */
import type { TenantTerms } from '../events/facts.ts';
import { law } from './violation.ts';

/** A turn more than the bound: the records don't show a class of jobs that was looked at in vain and waits for capacity. */
const slackTurns = 1;

/** One job that waits to be selected. */
interface Waiting {
  readonly tenant: string;
  readonly shape: string;
  /** Seq since which it is queued. */
  readonly since: number;
}

/** What a tenant may hold, and what it holds. */
export interface Room {
  readonly terms: TenantTerms | undefined;
  readonly jobs: number;
  readonly slices: number;
}

export class FairShares {
  readonly #waiting = new Map<string, Waiting>();
  /** Turns of `a` since one of `b`, during which `b` could have had each, by `a b`. */
  readonly #passed = new Map<string, number>();
  /** Tenants with a job that was not placed although it was selected: set aside until capacity changes. */
  readonly #setAside = new Set<string>();
  /** Slices of each shape, as seen in placements. */
  readonly #slices = new Map<string, number>();
  /** The least and the largest weight that a tenant has had: turns that it took stay paid by the weight it had then. */
  readonly #weights = new Map<string, { readonly min: number; readonly max: number }>();
  /** Jobs that are selected and not yet placed. */
  readonly #promised = new Map<string, Waiting>();
  #isRoundRobin = false;

  policy(name: string): void {
    this.#isRoundRobin = name === 'round-robin';
    this.anew();
  }

  /** A tenant's terms. */
  weight(tenant: string, weight: number): void {
    const { min, max } = this.#weights.get(tenant) ?? { min: weight, max: weight };
    this.#weights.set(tenant, { min: Math.min(min, weight), max: Math.max(max, weight) });
    this.anew();
  }

  /** Weights, quotas or the fleet changed: what was counted so far proves nothing. */
  anew(): void {
    this.#passed.clear();
    this.#setAside.clear();
  }

  /** Each fact of a job but `selected`. */
  take(
    fact: string,
    id: string,
    { tenant, shape, seq }: { tenant: string; shape: string; seq: number },
  ): void {
    if (fact === 'unplaced') this.#setAside.add(tenant);
    else if (fact === 'released') this.#setAside.clear();
    if (fact === 'queued' || fact === 'unplaced') this.#waiting.set(id, { tenant, shape, since: seq });
    else this.#waiting.delete(id);
    this.#promised.delete(id);
  }

  /** Is a tenant's job set aside until capacity changes? */
  get isSetAside(): boolean {
    return this.#setAside.size > 0;
  }

  /** A shape has a place: so many slices. */
  placed(shape: string, slices: number): void {
    this.#slices.set(shape, slices);
  }

  /** A job has its turn. @param basis  what the scheduler had read  @param roomOf  of each tenant, at that moment */
  selected(id: string, basis: number, roomOf: (tenant: string) => Room): void {
    const chosen = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (!this.#isRoundRobin || !chosen) return;
    this.#pass(chosen, basis, roomOf);
    this.#promised.set(id, chosen);
  }

  #pass(chosen: Waiting, basis: number, roomOf: (tenant: string) => Room): void {
    const { shape, tenant } = chosen;
    const slices = this.#slices.get(shape);
    const others = new Set([...this.#waiting.values()].map((other) => other.tenant));
    for (const key of this.#passed.keys()) {
      const [a, b] = key.split(' ') as [string, string];
      if (b === tenant || (a === tenant && !others.has(b))) this.#passed.delete(key);
    }
    for (const other of others) {
      if (other === tenant) continue;
      const key = `${tenant} ${other}`;
      const couldHave =
        slices !== undefined &&
        !this.#setAside.has(other) &&
        this.#couldStart(other, shape, basis, slices, roomOf(other));
      if (!couldHave) {
        this.#forgetTurnsBefore(other);
        continue;
      }
      const turns = (this.#passed.get(key) ?? 0) + 1;
      this.#passed.set(key, turns);
      const most =
        (this.#weights.get(tenant)?.max ?? 1) / (this.#weights.get(other)?.min ?? 1) + 1 + slackTurns;
      law(
        turns <= most,
        'I9',
        `${tenant} has ${turns} turns, and ${other} none, with a job of the same shape (${shape})`,
      );
    }
  }

  /**
   * A turn that `other` could not have had moves the common virtual time past it: what it had saved up is gone, for
   * this policy lends no credit to who can't be placed, and turns before that prove nothing.
   */
  #forgetTurnsBefore(other: string): void {
    for (const key of this.#passed.keys()) if (key.endsWith(` ${other}`)) this.#passed.delete(key);
  }

  #couldStart(
    tenant: string,
    shape: string,
    basis: number,
    slices: number,
    { terms, jobs, slices: held }: Room,
  ): boolean {
    const promised = [...this.#promised.values()].filter((each) => each.tenant === tenant);
    const soon = promised.reduce(
      (sum, each) => sum + (this.#slices.get(each.shape) ?? Number.POSITIVE_INFINITY),
      0,
    );
    if (!terms || jobs + promised.length + 1 > terms.jobsMax || held + soon + slices > terms.slicesMax)
      return false;
    for (const each of this.#waiting.values())
      if (each.tenant === tenant && each.shape === shape && each.since <= basis) return true;
    return false;
  }
}
