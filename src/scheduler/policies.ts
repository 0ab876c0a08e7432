/**
 * Who is next: policies as pure functions over the classes that could start now.
 *
 * A *class* is all waiting jobs of one tenant that want the same shape; within it the order is the order
 * of arrival, whatever the policy. So a policy compares a handful of class heads, never a million jobs.
 *
 * Why several: first-come-first-served is simple and lets one tenant with a thousand jobs starve the
 * rest; round robin gives each tenant its turn however much it asks for.
 * Test: `test/scheduler/policies.test.ts`.
 */

/** One tenant's waiting jobs of one shape, as a policy sees them. */
export interface Candidate {
  readonly tenant: string;
  readonly weight: number;
  /** Seq of the `queued` fact of the class's oldest job: its place in the queue. */
  readonly waitSince: number;
  /** Virtual time that the tenant has used: it grows by 1/weight with each selected job. */
  readonly served: number;
}

export interface Policy {
  /** Recorded with each selection; the number rises when the rule changes. */
  readonly name: string;
  /** True when `a` goes before `b`. A strict total order over distinct `waitSince`. */
  before(a: Candidate, b: Candidate): boolean;
}

/**
 * First come, first served among what could start now. A job whose shape has no room is overtaken by
 * smaller ones: nothing that could run waits, but a large job can wait long. O(1) a comparison.
 */
const fifo: Policy = {
  name: 'fifo/1',
  before: (a, b) => a.waitSince < b.waitSince,
};

/**
 * Weighted round robin over tenants, as virtual time: who has been served least, by weight, goes first.
 * A tenant of weight 2 gets two turns for each turn of weight 1; one that was idle starts at the present
 * virtual time, so it can't save up turns. Counts jobs, not their length. O(1) a comparison.
 * Source: start-time fair queueing, Goyal, Vin and Cheng, SIGCOMM 1996.
 */
const roundRobin: Policy = {
  name: 'round-robin/1',
  before: (a, b) => (a.served === b.served ? a.waitSince < b.waitSince : a.served < b.served),
};

export const policies: Readonly<Record<string, Policy>> = { fifo, 'round-robin': roundRobin };
