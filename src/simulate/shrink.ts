/**
 * Makes a failing run small: fewer jobs, fewer kinds of fault, fewer crashes, as long as the same law breaks.
 *
 * Why: a history of two thousand facts under twenty kinds of fault shows that something is wrong; one of forty facts
 * under two kinds shows what. The search is greedy and starts over whenever a step helped, so what is left can't be
 * made smaller by any single step. It never looks for the same history, only for the same broken law.
 * Test: `test/simulate/shrink.test.ts`.
 */
import { type FaultKind, faultKinds, optionsOf, type RunChoice } from './options.ts';

/** Runs that the search may take. */
const triesMax = 400;

/** What law a run breaks; null when it breaks none. */
export type Judge = (choice: RunChoice) => Promise<string | null>;

/**
 * The smallest choice found that still breaks `invariant`, and how many runs that took.
 * @param onBetter  told of each smaller one
 */
export async function shrink(
  choice: RunChoice,
  { invariant, judge, onBetter }: { invariant: string; judge: Judge; onBetter: (better: RunChoice) => void },
): Promise<{ readonly choice: RunChoice; readonly tries: number }> {
  let best = choice;
  let tries = 0;
  const stillBreaks = async (smaller: RunChoice): Promise<boolean> => {
    tries += 1;
    return (await judge(smaller)) === invariant;
  };
  for (let helped = true; helped && tries < triesMax; ) {
    helped = false;
    for (const smaller of smallerThan(best)) {
      if (tries >= triesMax) break;
      if (!(await stillBreaks(smaller))) continue;
      best = smaller;
      helped = true;
      onBetter(best);
      break;
    }
  }
  return { choice: best, tries };
}

/** Every single step towards a smaller run, the largest first. */
function* smallerThan(choice: RunChoice): Generator<RunChoice> {
  const { crashAt, jobs, without } = choice;
  for (const share of [0.25, 0.5, 0.75, 0.9]) {
    const fewer = Math.floor(jobs * share);
    if (fewer >= 1 && fewer < jobs) yield { ...choice, jobs: fewer };
  }
  if (jobs > 1) yield { ...choice, jobs: jobs - 1 };
  const { faults } = optionsOf(choice);
  const on = faultKinds.filter((kind) => faults[kind] > 0);
  for (let size = on.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < on.length; at += size) {
      const off: FaultKind[] = on.slice(at, at + size);
      yield { ...choice, without: [...without, ...off] };
    }
  }
  for (const point of crashAt) yield { ...choice, crashAt: crashAt.filter((other) => other !== point) };
}
