/** A broken law: the one thing that the simulator looks for. */

/** Names the law as ARCHITECTURE.md numbers it, or says it in a word, and what broke it. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/** Throws a `Violation` unless `holds`. */
export function law(holds: unknown, invariant: string, message: string): asserts holds {
  if (!holds) throw new Violation(invariant, message);
}
