/**
 * The queue: waiting jobs by class (tenant and shape), oldest first. A fold.
 *
 * Why by class: a thousand like jobs of one tenant are one question to placement, not a thousand. Jobs
 * that come back unplaced keep their place, which is the seq of the fact that began their wait.
 * Cost: O(1) to join at the end and to leave at the head; O(n) only for a job that leaves the middle.
 * Test: `test/scheduler/queue.test.ts`.
 */
import type { Shape } from '../slots/placement.ts';

export interface Waiting {
  readonly id: string;
  readonly visit: number;
  readonly waitSince: number;
}

export interface JobClass {
  readonly tenant: string;
  readonly shape: Shape;
  /** Ascending by `waitSince`. */
  readonly jobs: Waiting[];
}

export class Queue {
  readonly #classes = new Map<string, JobClass>();
  readonly #classOf = new Map<string, string>();

  get size(): number {
    return this.#classOf.size;
  }

  /** Classes that have a waiting job. */
  classes(): Iterable<JobClass> {
    return this.#classes.values();
  }

  join(tenant: string, shape: Shape, job: Waiting): void {
    this.leave(job.id);
    const key = classKey(tenant, shape);
    const found = this.#classes.get(key) ?? { tenant, shape, jobs: [] };
    this.#classes.set(key, found);
    this.#classOf.set(job.id, key);
    // Nearly always the end; a job that was not placed goes back to where it was.
    let index = found.jobs.length;
    while (index > 0 && (found.jobs[index - 1] as Waiting).waitSince > job.waitSince) index -= 1;
    found.jobs.splice(index, 0, job);
  }

  leave(id: string): void {
    const key = this.#classOf.get(id);
    const found = key === undefined ? undefined : this.#classes.get(key);
    if (key === undefined || !found) return;
    this.#classOf.delete(id);
    const index = found.jobs.findIndex((job) => job.id === id);
    found.jobs.splice(index, 1);
    if (found.jobs.length === 0) this.#classes.delete(key);
  }
}

/** Names a class; also the key of "this shape has no room for this tenant now". */
export const classKey = (tenant: string, { profile, gpus }: Shape): string => `${tenant} ${gpus}x${profile}`;
