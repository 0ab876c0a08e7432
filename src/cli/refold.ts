/**
 * The fold of `berth log replay`: a log on disk becomes the state that the controller has after it, every decision is
 * made again on the way, and every state hash that was recorded is compared.
 *
 * Why the very same actors: a second implementation of the fold would prove nothing. Host and actors are made
 * by the controller's own `castAround`, with nobody to take their commands; the hash of what they then hold
 * is the one that the server records as `controller.recovered`. So two machines can compare a state by 64
 * letters. Test: `test/cli/log.test.ts`, `test/golden.test.ts`.
 */
import { type Cast, castMuted, stateText } from '../cast.ts';
import { foldsVersion, replayFrom } from '../checkpointing.ts';
import { BerthError } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import { thaw } from '../events/frozen.ts';
import type { FactRecord } from '../events/record.ts';
import type { Candidate } from '../log/checkpoints.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { type Divergence, fromTheBeginning, type Life, Replayer } from '../log/replay.ts';

/** Divergences that are kept; more are counted. */
const divergencesMax = 1_000;

/** What a restart or a checkpoint in the log recorded, beside what the fold gives here. */
export interface RecordedHash {
  readonly seq: number;
  readonly ofSeq: number;
  readonly recorded: string;
  readonly computed: string;
}

export interface Replayed {
  /** The last folded seq. */
  readonly seq: number;
  readonly stateHash: string;
  /** Records folded, those in the checkpoint that the replay began from included. */
  readonly facts: number;
  /** Seq of that checkpoint; 0: it began with the first record. */
  readonly fromSeq: number;
  readonly jobs: Readonly<Record<string, number>>;
  readonly tenants: number;
  readonly gpus: number;
  readonly epoch: number;
  /** Restarts and checkpoints whose recorded state hash was compared. */
  readonly recoveries: number;
  readonly checkpoints: number;
  /** Those that differ although the same folds computed them: a rule broke, or the log was made up. */
  readonly diverged: readonly RecordedHash[];
  /** Those that differ, and say themselves that other folds computed them: no fault. */
  readonly otherFolds: number;
  /** Decisions made again, and inputs whose consequences were. */
  readonly decisions: number;
  readonly inputs: number;
  /** Records that do not follow from those before them: how many, and the first, or all with `all`. */
  readonly diverging: number;
  readonly divergences: readonly Divergence[];
  /** The log goes on behind `seq`, but no rule has a place for its next record. */
  readonly halted: boolean;
}

export interface RefoldOptions {
  /** Keep every divergence and not the first alone. */
  readonly all?: boolean;
  /** Begin from this checkpoint: records up to its seq are passed over. */
  readonly from?: Candidate;
}

/** A replay under way, fed record by record. */
export class Refold {
  readonly #replayer: Replayer;
  readonly #cast: Cast;
  readonly #keepsAll: boolean;
  readonly #from: Candidate | null;
  readonly #diverged: RecordedHash[] = [];
  readonly #divergences: Divergence[] = [];
  #diverging = 0;
  #recoveries = 0;
  #checkpoints = 0;
  #otherFolds = 0;
  #seq: number;
  #halted = false;

  constructor({ all = false, from }: RefoldOptions = {}) {
    const begin = from ? replayFrom(from.checkpoint) : fromTheBeginning();
    this.#replayer = new Replayer(begin);
    this.#cast = castMuted(begin.state);
    if (from) for (const actor of this.#cast.all) actor.restore(thaw(from.checkpoint.folds[actor.name]));
    this.#seq = begin.seq;
    this.#from = from ?? null;
    this.#keepsAll = all;
  }

  get seq(): number {
    return this.#seq;
  }

  get life(): Life {
    return this.#replayer.life;
  }

  get stateHash(): string {
    return nodeSha256(stateText(this.#replayer.state, this.#cast.all));
  }

  /** Takes the next record. Returns false when it can't be folded: then there is no next. */
  feed(record: FactRecord): boolean {
    if (record.seq <= (this.#from?.checkpoint.base.seq ?? 0)) return true;
    if (record.seq !== this.#seq + 1) throw notNext(record.seq, this.#seq + 1);
    if (this.#from && record.seq === this.#from.checkpoint.base.seq + 1) vouchedFor(this.#from, record);
    this.#compareHash(record);
    const { change, divergence } = this.#replayer.feed(record);
    if (divergence) {
      this.#diverging += 1;
      if (this.#divergences.length < (this.#keepsAll ? divergencesMax : 1))
        this.#divergences.push(divergence);
    }
    if (change === null) {
      this.#halted = true;
      return false;
    }
    for (const actor of this.#cast.all) actor.fold(change);
    this.#seq = record.seq;
    return true;
  }

  #compareHash({ seq, type, data }: FactRecord): void {
    if (type === 'controller.recovered') this.#recoveries += 1;
    else if (type === 'controller.checkpointed') this.#checkpoints += 1;
    else return;
    const told = data as FactData<'controller.recovered' | 'controller.checkpointed'>;
    const { ofSeq, stateHash: recorded } = told;
    const computed = this.stateHash;
    if (ofSeq === this.#seq && recorded === computed) return;
    if (ofSeq === this.#seq && told.folds !== foldsVersion) this.#otherFolds += 1;
    else this.#diverged.push({ seq, ofSeq, recorded, computed });
  }

  /** What came of it so far. */
  get replayed(): Replayed {
    const { state, counts } = this.#replayer;
    const jobs: Record<string, number> = {};
    for (const job of state.jobs.values()) jobs[job.state] = (jobs[job.state] ?? 0) + 1;
    return {
      seq: this.#seq,
      stateHash: this.stateHash,
      facts: this.#seq,
      fromSeq: this.#from?.checkpoint.base.seq ?? 0,
      jobs,
      tenants: state.tenants.size,
      gpus: state.fleet.size,
      epoch: state.controller.epoch,
      recoveries: this.#recoveries,
      checkpoints: this.#checkpoints,
      diverged: this.#diverged,
      otherFolds: this.#otherFolds,
      ...counts,
      diverging: this.#diverging,
      divergences: this.#divergences,
      halted: this.#halted,
    };
  }
}

/** A checkpoint is only used when the fact behind it names its digest. */
export function vouchedFor({ checkpoint, sha256 }: Candidate, { prev, type, data }: FactRecord): void {
  const isIts =
    type === 'controller.checkpointed' && data['sha256'] === sha256 && prev === checkpoint.base.hash;
  if (isIts) return;
  const { seq } = checkpoint.base;
  throw new BerthError(
    'ERR_LOG_CORRUPT',
    `the checkpoint of seq ${seq} is not the one that the log tells of`,
  );
}

function notNext(seq: number, wanted: number): BerthError {
  return new BerthError('ERR_LOG_CORRUPT', `seq ${wanted} is missing: the next record is ${seq}`);
}

/** Folds records up to and including `to`, and judges them. Throws ERR_LOG_CORRUPT when one is missing. */
export async function replay(
  batches: AsyncIterable<readonly FactRecord[]>,
  options: RefoldOptions & { readonly to?: number; readonly onSeq?: (seq: number) => void } = {},
): Promise<Replayed> {
  const { to = Number.MAX_SAFE_INTEGER, onSeq = () => undefined } = options;
  const refold = new Refold(options);
  for await (const batch of batches) {
    for (const record of batch) if (record.seq > to || !refold.feed(record)) return refold.replayed;
    onSeq(refold.seq);
  }
  return refold.replayed;
}
