/**
 * Folds a history anew, from its first fact, and gives the state as text: what every live state must equal.
 *
 * Why the production folds and not others: they are what recovery uses. That the *rules* hold is the ledger's to say;
 * here the question is whether the state that was built up fact by fact, restored from wherever, over crashes, is
 * still a function of the log and of nothing else (I10).
 */
import { castAround, stateText } from '../cast.ts';
import type { FactRecord } from '../events/record.ts';
import { fold, newState } from '../jobs/state.ts';

const never = (): never => {
  throw new Error('a muted actor reached out');
};
const muted = {
  blobs: { read: never, verify: never, putBytes: never },
  sign: never,
  clock: { wallMs: never, monotonicMs: never, after: never },
  killWaitMs: 0,
  wake: never,
};

export interface Refolded {
  /** Host and actors. */
  readonly whole: string;
  /** The writer's state alone. */
  readonly host: string;
}

/** The state after `records`, which begin with seq 1. */
export function refold(records: readonly FactRecord[]): Refolded {
  const state = newState();
  const cast = castAround(state, muted);
  for (const record of records) {
    const change = fold(state, record);
    for (const actor of cast.all) actor.fold(change);
  }
  return { whole: stateText(state, cast.all), host: stateText(state, []) };
}
