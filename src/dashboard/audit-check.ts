/**
 * The audit of a log, in the page: the chain, the decisions, the recorded state hashes, the lives, a signed head.
 *
 * Why in slices: hashing a hundred thousand records takes seconds, and a page that stands still meanwhile looks broken. Each
 * check is asked for so many records at a time, and can go on when the log has grown.
 *
 * Why the server's own modules: `sealRecord` makes the bytes that were hashed when the record was written, `Chain` holds its
 * rules of versions and epochs, `Replayer` makes the decisions again. A page that checked with rules of its own would only
 * show that they agree. Pure. Test: `test/dashboard/audit-check.test.ts`.
 */
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { foldsVersion } from '../checkpointing.ts';
import type { FactData } from '../events/facts.ts';
import { type FactRecord, genesis, type Sha256, sealRecord } from '../events/record.ts';
import { Chain } from '../log/chain.ts';
import { type Divergence, Replayer, type ReplayFrom } from '../log/replay.ts';
import type { Head } from '../log/verdict.ts';
import type { PlayedRecord } from './player.ts';

/** Does every record carry what a check needs? A tenant's facts come without hashes. */
export const isChained = (record: PlayedRecord): record is FactRecord =>
  record.hash !== undefined && record.prev !== undefined;

/** How far a check has come. */
export interface Progress {
  /** Records checked. */
  readonly done: number;
  /** Seq of the last of them. */
  readonly seq: number;
}

export interface Fault {
  readonly seq: number;
  readonly reason: string;
}

/** Hashes every record anew and holds the links. */
export class ChainCheck {
  readonly #records: readonly PlayedRecord[];
  readonly #sha256: Sha256;
  readonly #chain: Chain;
  #done = 0;
  #fault: Fault | null = null;

  /** @param records may grow */
  constructor(records: readonly PlayedRecord[], sha256: Sha256) {
    this.#records = records;
    this.#sha256 = sha256;
    const [first] = records;
    // What lies before the first record is not here: its hash is what the first record says.
    this.#chain =
      first && first.seq > 1
        ? new Chain(sha256, { seq: first.seq - 1, hash: first.prev ?? genesis, epoch: 0 })
        : new Chain(sha256);
  }

  get progress(): Progress {
    return { done: this.#done, seq: this.#chain.head };
  }

  /** The first record that is not as it must be; null while there is none. */
  get fault(): Fault | null {
    return this.#fault;
  }

  /** Hash of the last sound record. */
  get headHash(): string {
    return this.#chain.headHash;
  }

  /** Checks so many more. False: all that is there is checked, or a fault is found. */
  step(recordsMax: number): boolean {
    const end = Math.min(this.#done + recordsMax, this.#records.length);
    while (this.#fault === null && this.#done < end) {
      const record = this.#records[this.#done] as PlayedRecord;
      const reason = this.#faultIn(record);
      if (reason !== null) this.#fault = { seq: this.#chain.head + 1, reason };
      else this.#done += 1;
    }
    return this.#fault === null && this.#done < this.#records.length;
  }

  #faultIn(record: PlayedRecord): string | null {
    if (!isChained(record)) return 'it has no hash';
    if (record.seq !== this.#chain.head + 1)
      return `the next record says seq ${record.seq}: one is missing, or was put in`;
    if (record.prev !== this.#chain.headHash) return 'it does not chain to the record before it';
    if (sealRecord(record, this.#sha256).hash !== record.hash) return 'its hash does not match what it says';
    const broken = this.#chain.accept(record);
    return broken === null ? null : `it ${broken}`;
  }
}

/** Makes every decision again, as its actor would have with what it had read. */
export class DecisionCheck {
  readonly #records: readonly PlayedRecord[];
  readonly #replayer: Replayer;
  #done = 0;
  #seq = 0;
  #divergence: Divergence | null = null;

  /** @param records may grow */
  constructor(records: readonly PlayedRecord[], from: ReplayFrom) {
    this.#records = records;
    this.#replayer = new Replayer(from);
    this.#seq = from.seq;
  }

  get progress(): Progress {
    return { done: this.#done, seq: this.#seq };
  }

  get counts(): { readonly decisions: number; readonly inputs: number } {
    return this.#replayer.counts;
  }

  /** The first fact that does not follow from those before; null while there is none. */
  get divergence(): Divergence | null {
    return this.#divergence;
  }

  /** Judges so many more. False: all that is there is judged, or one does not follow. */
  step(recordsMax: number): boolean {
    const end = Math.min(this.#done + recordsMax, this.#records.length);
    while (this.#divergence === null && this.#done < end) {
      const record = this.#records[this.#done] as FactRecord;
      this.#divergence = this.#replayer.feed(record).divergence;
      this.#done += 1;
      this.#seq = record.seq;
    }
    return this.#divergence === null && this.#done < this.#records.length;
  }
}

/** A place in the log where the controller wrote down the hash of its state. */
export interface HashPoint {
  /** Seq of the fact that says so. */
  readonly seq: number;
  readonly what: 'start' | 'checkpoint';
  /** The state after this seq. */
  readonly ofSeq: number;
  readonly recorded: string;
  /** Were these the folds of this page? Others may give another hash of the same facts. Null: it does not say. */
  readonly isSameFolds: boolean | null;
}

/** One controller between its start and its end. */
export interface LifeSpan {
  readonly epoch: number;
  readonly startSeq: number;
  readonly startAtMs: number;
  /** Last seq that it wrote; null: it is the present one, or the log ends with it. */
  endSeq: number | null;
  /** Did it stop in order? */
  isStopped: boolean;
  configured: FactData<'controller.configured'> | null;
  /** What its start cut from the log's end; null: nothing. */
  readonly cut: {
    readonly bytes: number;
    readonly fromSeq: number | null;
    readonly lostIds: number;
  } | null;
  facts: number;
}

/** What the log says of its own lives and states; reads on as the log grows. */
export class LifeIndex {
  readonly points: HashPoint[] = [];
  readonly lives: LifeSpan[] = [];
  readonly #records: readonly PlayedRecord[];
  #read = 0;

  /** @param records may grow */
  constructor(records: readonly PlayedRecord[]) {
    this.#records = records;
  }

  readOn(): this {
    for (; this.#read < this.#records.length; this.#read += 1)
      this.#take(this.#records[this.#read] as PlayedRecord);
    return this;
  }

  #take({ at, data, epoch, seq, type }: PlayedRecord): void {
    if (type === 'controller.recovered') this.#begin(data as FactData<'controller.recovered'>, seq, at);
    const life = this.lives.at(-1);
    if (life && life.epoch === epoch) {
      life.facts += 1;
      if (type === 'controller.configured') life.configured = data as FactData<'controller.configured'>;
      if (type === 'controller.stopped') life.isStopped = true;
    }
    if (type === 'controller.checkpointed') {
      const { folds, ofSeq, stateHash } = data as FactData<'controller.checkpointed'>;
      this.#point(seq, 'checkpoint', ofSeq, stateHash, folds);
    }
  }

  #begin(data: FactData<'controller.recovered'>, seq: number, at: number): void {
    const { bytes, epoch, folds, fromSeq, lostIds, ofSeq, stateHash } = data;
    const former = this.lives.at(-1);
    if (former) former.endSeq = seq - 1;
    const cut = bytes === undefined ? null : { bytes, fromSeq: fromSeq ?? null, lostIds: lostIds ?? 0 };
    this.lives.push({
      epoch,
      startSeq: seq,
      startAtMs: at,
      endSeq: null,
      isStopped: false,
      configured: null,
      cut,
      facts: 0,
    });
    this.#point(seq, 'start', ofSeq, stateHash, folds);
  }

  #point(
    seq: number,
    what: HashPoint['what'],
    ofSeq: number,
    recorded: string,
    folds: string | undefined,
  ): void {
    const isSameFolds = folds === undefined ? null : folds === foldsVersion;
    this.points.push({ seq, what, ofSeq, recorded, isSameFolds });
  }
}

/** A recorded state hash beside the one that was computed here. `other`: by other folds, so it may differ. */
export type HashVerdict = 'same' | 'differs' | 'other';

export function hashVerdict({ recorded, isSameFolds }: HashPoint, computed: string): HashVerdict {
  if (recorded === computed) return 'same';
  return isSameFolds === true ? 'differs' : 'other';
}

/** What a signed head says of this log. */
export interface HeadVerdict {
  readonly head: Head;
  /** `unknown`: the record is not here. */
  readonly verdict: 'same' | 'differs' | 'foreign' | 'unknown';
}

/**
 * Verifies a signed head with the controller's public keys, and holds it against the record that it names.
 * Rejects when the signature does not hold, or when this browser can't verify it.
 */
export async function checkHead(
  jws: string,
  keys: JSONWebKeySet,
  recordAt: (seq: number) => PlayedRecord | undefined,
): Promise<HeadVerdict> {
  const { payload } = await compactVerify(jws, createLocalJWKSet(keys), { algorithms: ['EdDSA'] }).then(
    (verified) => {
      if (verified.protectedHeader.typ === 'berth-head+jws') return verified;
      throw new Error(
        `it is signed as ${verified.protectedHeader.typ ?? 'something unnamed'}, not as a head`,
      );
    },
  );
  const head = JSON.parse(new TextDecoder().decode(payload)) as Head;
  const first = recordAt(1);
  if (first?.hash !== undefined && head.log !== null && head.log !== first.hash)
    return { head, verdict: 'foreign' };
  const found = recordAt(head.seq)?.hash;
  return { head, verdict: found === undefined ? 'unknown' : found === head.hash ? 'same' : 'differs' };
}
