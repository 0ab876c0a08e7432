import * as fc from 'fast-check';
import { runs, seed } from '../suite.ts';

/** A law that must hold for `n` random values, repeatable by the seed of the run; shrinks what breaks it. */
export function holds<T>(values: fc.Arbitrary<T>, n: number, law: (value: T) => void): void {
  // The property is synchronous, so this throws when the law breaks; `void` tells the linter that no promise is lost.
  void fc.assert(fc.property(values, law), { seed: seed(), numRuns: runs(n) });
}
