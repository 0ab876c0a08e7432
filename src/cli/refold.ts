/**
 * The fold of `berth log replay`: a log on disk becomes the state that the controller has after it.
 *
 * Why the very same actors: a second implementation of the fold would prove nothing. Host and actors are made
 * by the controller's own `castAround`, with nobody to take their commands; the hash of what they then hold
 * is the one that the server records as `controller.recovered`. So two machines can compare a state by 64
 * letters, and every restart in the log is checked on the way. Test: `test/cli/log.test.ts`.
 */

import { castAround, stateText } from '../cast.ts';
import { systemClock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import { fold, newState, type State } from '../jobs/state.ts';
import { nodeSha256 } from '../log/hash-node.ts';

/** What a restart in the log recorded, beside what the fold gives here. */
export interface Recovery {
  readonly seq: number;
  readonly ofSeq: number;
  readonly recorded: string;
  readonly computed: string;
}

export interface Replayed {
  /** The last folded seq. */
  readonly seq: number;
  readonly stateHash: string;
  readonly facts: number;
  readonly jobs: Readonly<Record<string, number>>;
  readonly tenants: number;
  readonly gpus: number;
  readonly epoch: number;
  /** Restarts whose recorded state hash was compared. */
  readonly recoveries: number;
  /** Those that differ: the code that folds here is not the code that folded there, or a rule broke. */
  readonly diverged: readonly Recovery[];
}

/** Folds records up to and including `to`. Throws ERR_LOG_CORRUPT at a fact that the table refuses. */
export async function replay(
  batches: AsyncIterable<readonly FactRecord[]>,
  to = Number.MAX_SAFE_INTEGER,
): Promise<Replayed> {
  const state = newState();
  const cast = castAround(state, muted);
  const hash = (): string => nodeSha256(stateText(state, cast.all));
  const diverged: Recovery[] = [];
  let recoveries = 0;
  let seq = 0;
  for await (const batch of batches) {
    for (const record of batch) {
      if (record.seq > to) break;
      if (record.type === 'controller.recovered') {
        recoveries += 1;
        const { ofSeq, stateHash: recorded } = record.data as FactData<'controller.recovered'>;
        const computed = hash();
        if (ofSeq !== seq || recorded !== computed)
          diverged.push({ seq: record.seq, ofSeq, recorded, computed });
      }
      foldOne(state, cast.all, record);
      seq = record.seq;
    }
    if (seq >= to) break;
  }
  return { ...summaryOf(state), seq, facts: seq, stateHash: hash(), recoveries, diverged };
}

function foldOne(state: State, actors: ReturnType<typeof castAround>['all'], record: FactRecord): void {
  try {
    const change = fold(state, record);
    for (const actor of actors) actor.fold(change);
  } catch (cause) {
    throw new BerthError('ERR_LOG_CORRUPT', `seq ${record.seq}: ${(cause as Error).message}`, { cause });
  }
}

function summaryOf(state: State): Pick<Replayed, 'jobs' | 'tenants' | 'gpus' | 'epoch'> {
  const jobs: Record<string, number> = {};
  for (const job of state.jobs.values()) jobs[job.state] = (jobs[job.state] ?? 0) + 1;
  return { jobs, tenants: state.tenants.size, gpus: state.fleet.size, epoch: state.controller.epoch };
}

const never = (): Promise<never> => Promise.reject(new Error('a replay has no effects'));

/** Ports of actors that only remember: they are never started, so none of these is called. */
const muted = {
  blobs: { read: never, verify: never, putBytes: never },
  sign: never,
  clock: systemClock,
  killWaitMs: 0,
  wake: (): void => undefined,
};
