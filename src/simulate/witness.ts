/**
 * The witness: sees every fact when it is appended and again when it is durable, and everything that leaves the
 * process, and holds the second against the first.
 *
 * Why beside the ledger: the ledger judges a history by itself. The witness judges the process by the history:
 * a guest that was started for a fact that was not yet safe, a client that was told what a crash then took back, a
 * durable fact that the next start did not find (I1, I3, I6, I10, I18).
 */

import type { Controller } from '../controller.ts';
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';
import type { RunRequest } from '../executor/backend.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import type { LogBase, TailCut } from '../log/log.ts';
import type { JobView } from '../views/job-view.ts';
import type { BusMessage } from '../views/publication.ts';
import { Cuts } from './cuts.ts';
import { GuestLaws, type Past } from './guest-laws.ts';
import { quietMs, worksIfItCan } from './idle.ts';
import type { Kernel } from './kernel.ts';
import { Ledger, type Moment } from './ledger.ts';
import { Refold } from './refold.ts';
import { Stops } from './stops.ts';
import { law, Violation } from './violation.ts';

interface Pending {
  readonly record: FactRecord;
  readonly moment: Moment;
}

/** What the witness asks the machine. */
export interface World {
  guestLives(fence: number): boolean;
  readonly guests: ReadonlySet<number>;
  resultIsSafe(tenant: string, sha256: string): boolean;
  /** How often something struck that may make a clean stop late. */
  excuses(): number;
}

/** What a start found on the disk. */
export interface Opening {
  /** Where the checkpoint stands that it began from; null without one. */
  readonly base: LogBase | null;
  /** All that it read, in order. */
  readonly records: readonly FactRecord[];
  readonly cut: TailCut | null;
}

const goneFacts = new Set(['job.exited', 'job.crashed', 'job.stopped', 'job.lost']);

export class Witness {
  ledger = new Ledger();
  /** All durable facts, and when each was made. */
  readonly records: FactRecord[] = [];
  readonly #moments: Moment[] = [];
  /** Appended and not yet known to be durable. */
  #pending: Pending[] = [];
  /** A life is up: what is durable may be told to anyone. */
  #serves = false;
  /** Seq up to which facts may have been told to someone. */
  #served = 0;
  /** Seq of the last fact that the bus took. */
  #published = 0;
  readonly #refold = new Refold();
  readonly cuts = new Cuts();
  readonly stops: Stops;
  readonly #guests = new GuestLaws();
  readonly #kernel: Kernel;
  readonly #world: World;
  violation: Violation | null = null;
  /** How often each thing was seen, by name. */
  readonly counts = new Map<string, number>();

  constructor(parts: { kernel: Kernel; world: World }) {
    this.#kernel = parts.kernel;
    this.#world = parts.world;
    this.stops = new Stops(() => parts.kernel.nowMs, parts.world.excuses);
  }

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  /** Runs a check; the first law that it finds broken is kept. Never throws: production code is on the stack. */
  check(body: () => void): void {
    if (this.violation) return;
    try {
      body();
    } catch (error) {
      const { message, stack } = error as Error;
      this.violation = error instanceof Violation ? error : new Violation('broken', stack ?? message);
    }
  }

  fail(invariant: string, message: string): void {
    this.violation ??= new Violation(invariant, message);
  }

  /** A fact has its place. */
  appended(record: FactRecord): void {
    const { nowMs, wallOffsetMs, wallOffsetMsMax } = this.#kernel;
    this.#pending.push({ record, moment: { atMs: nowMs, wallOffsetMs, wallOffsetMsMax } });
    this.check(() => {
      this.#goneForCertain(record);
      this.stops.appended(record);
    });
  }

  /** What a fact says of the world must be so when it is written: the guest is dead, the result is safe. */
  #goneForCertain({ data, subject, type }: FactRecord): void {
    if (!goneFacts.has(type)) return;
    const { fence } = data as { fence: number };
    law(!this.#world.guestLives(fence), 'I3', `${type} is written while the guest of ${fence} lives`);
    if (type !== 'job.exited') return;
    const { sha256 } = (data as FactData<'job.exited'>).result;
    const tenant = subject.split('.')[1] ?? '';
    law(this.#world.resultIsSafe(tenant, sha256), 'I1', `${subject} names a result that is not stored`);
  }

  /** A life came up, or went. */
  serving(serves: boolean): void {
    this.#serves = serves;
    if (serves) this.#served = this.ledger.seq;
  }

  /** Everything up to `seq` is promised to survive. */
  durable(seq: number): void {
    let count = 0;
    while (this.#pending[count] && (this.#pending[count] as Pending).record.seq <= seq) count += 1;
    for (const { moment, record } of this.#pending.splice(0, count)) this.#take(record, moment, false);
    if (this.#serves) this.#served = this.ledger.seq;
  }

  #take(record: FactRecord, moment: Moment, wasRead: boolean): void {
    if (record.seq <= this.ledger.seq) return;
    this.records.push(record);
    this.#moments.push(moment);
    this.#coverCancel(record);
    this.check(() => this.ledger.take(record, moment));
    this.count(record.type);
    if (record.type === 'controller.recovered') this.#told(record, wasRead);
    if (record.type === 'controller.draining') this.cover('shutdown');
    if (record.type === 'controller.checkpointed') this.count('checkpoints');
  }

  #told({ data, seq }: FactRecord, wasRead: boolean): void {
    this.check(() => this.cuts.told(data as FactData<'controller.recovered'>, wasRead, seq));
  }

  /** In `releasing` a `cancelled` is the verdict on a cancel that was noted before. */
  #coverCancel({ subject, type }: FactRecord): void {
    if (type !== 'job.cancelled' && type !== 'job.cancelRequested') return;
    const state = this.ledger.jobs.get(subject.split('.')[2] ?? '')?.state;
    if (type === 'job.cancelRequested' || state !== 'releasing') this.count(`cancel in ${state}`);
  }

  /** Notes that something struck while jobs stood in these states. */
  cover(what: 'crash' | 'shutdown'): void {
    for (const id of this.ledger.open) this.count(`${what} in ${this.ledger.jobs.get(id)?.state}`);
  }

  /** A start has read the log. Of what was durable nothing may be missing or changed. */
  opened({ base, records, cut }: Opening): void {
    const moments = new Map(this.#pending.map(({ record, moment }) => [record.hash, moment]));
    this.#pending = [];
    const last = records.at(-1)?.seq ?? base?.seq ?? 0;
    this.check(() => {
      if (base) {
        this.count('starts from a checkpoint');
        const there = this.records[base.seq - 1];
        law(there?.hash === base.hash, 'I10', `the checkpoint of seq ${base.seq} is of another history`);
      }
      const lost = last < this.ledger.seq ? this.records[last] : this.#firstChanged(records);
      if (!lost) return;
      // What a life wrote that did not come up may be dropped by the next: nobody heard of it.
      law(
        lost.seq > this.#served,
        'I1',
        `${lost.type} at seq ${lost.seq} was durable; a start read up to ${last}, ${cutText(cut)}`,
      );
      this.#rollBack(lost.seq - 1);
    });
    for (const record of records) {
      if (record.seq <= this.ledger.seq) continue;
      this.#take(record, moments.get(record.hash) ?? this.#now(), true);
    }
    this.counts.set('tails cut', this.cuts.made);
    if (cut) this.count('torn tails');
    if (cut && cut.idCount > 0) this.count('torn tails with readable ids');
  }

  #firstChanged(records: readonly FactRecord[]): FactRecord | undefined {
    const changed = records.find(
      ({ hash, seq }) => seq <= this.ledger.seq && this.records[seq - 1]?.hash !== hash,
    );
    return changed && this.records[changed.seq - 1];
  }

  #rollBack(seq: number): void {
    const [records, moments] = [this.records.splice(0), this.#moments.splice(0)];
    this.ledger = new Ledger();
    for (const [i, record] of records.slice(0, seq).entries()) {
      this.records.push(record);
      this.#moments.push(moments[i] as Moment);
      this.ledger.take(record, moments[i] as Moment);
    }
    this.count('facts dropped that nobody heard of', records.length - seq);
  }

  #now(): Moment {
    const { nowMs, wallOffsetMs, wallOffsetMsMax } = this.#kernel;
    return { atMs: nowMs, wallOffsetMs, wallOffsetMsMax };
  }

  /** I10: the state that a life came back to is the fold of the log. */
  recovered({ ofSeq, stateHash }: { readonly ofSeq: number; readonly stateHash: string }): void {
    this.count('recoveries');
    this.check(() => {
      const { whole } = this.#refold.to(ofSeq, this.#at);
      law(
        nodeSha256(whole) === stateHash,
        'I10',
        `the state recovered at seq ${ofSeq} is not the fold of the log`,
      );
    });
  }

  /** I10: so is the live state, with what is not durable yet. */
  live(life: { readonly host: string }): void {
    this.count('live states compared');
    this.check(() => {
      const head = this.#head;
      const { host } = this.#refold.to(head, this.#at);
      law(host === life.host, 'I10', `the writer's state at seq ${head} is not the fold of the log`);
    });
  }

  /** I10, when nothing is under way: a fold from the first fact on gives the state of every actor. */
  atRest(life: { readonly whole: string; readonly edges: string }): void {
    this.count('whole states compared');
    this.check(() => {
      const head = this.#head;
      const { edges, whole } = new Refold({ withEdges: true }).to(head, this.#at);
      law(whole === life.whole, 'I10', `an actor at seq ${head} has another fold`);
      law(edges === life.edges, 'I10', `the gate or the views at seq ${head} have another fold`);
    });
  }

  get #head(): number {
    return this.records.length + this.#pending.length;
  }

  /** A fact of the history as it stands now, with what is not durable yet. */
  readonly #at = (seq: number): FactRecord | undefined =>
    this.records[seq - 1] ?? this.#pending[seq - 1 - this.records.length]?.record;

  /** Nothing is under way: nobody waits who could start. */
  idle(life: Controller, runners: number): void {
    const last = this.#moments.at(-1);
    if (!last || this.#pending.length > 0 || this.#kernel.nowMs - last.atMs < quietMs) return;
    this.count('quiet moments');
    this.check(() => worksIfItCan(life, runners, this.ledger.isSetAside));
  }

  /** I3, I18: a guest is about to be started. */
  starting(request: RunRequest): void {
    this.count('guests started');
    this.check(() => this.#guests.starting(request, this.#past));
  }

  /** I18: a guest is about to be killed. */
  killing(fence: number): void {
    this.count('guests killed');
    this.check(() => this.#guests.killing(fence, this.#past));
  }

  /** I6: no guest breathes without a slot. */
  noGuestWithoutSlot(): void {
    this.check(() => this.#guests.allHoldSlots(this.#world.guests, this.#past));
  }

  get #past(): Past {
    return { records: this.records, jobs: this.ledger.jobs };
  }

  /** I18: whatever a client is told of a job is durable, and so it is. */
  told(tenant: string, view: JobView): void {
    this.count('views told');
    this.check(() => {
      law(
        view.seq <= this.ledger.seq,
        'I18',
        `${tenant} is told of seq ${view.seq}; durable is ${this.ledger.seq}`,
      );
      const job = this.ledger.jobs.get(view.id);
      law(job, 'I1', `${tenant} is told of ${view.id}, which is not in the log`);
      law(job.tenant === tenant, 'I16', `${tenant} is told of ${view.id} of ${job.tenant}`);
      law(
        job.seq !== view.seq || job.state === view.state,
        'I18',
        `${view.id} is ${job.state}, told: ${view.state}`,
      );
    });
  }

  /** I18: an answer of the writer, a refusal and a repeat too, waits for all that was at head when it was decided. */
  answered(status: number, durable: number, headBefore: number): void {
    this.count('answers of the writer');
    this.check(() =>
      law(durable >= headBefore, 'I18', `a ${status} rests on seq ${headBefore}; durable is ${durable}`),
    );
  }

  /** I18: what goes out to the bus is the log's own durable facts, in order, without a gap. */
  published({ bytes, seq }: BusMessage): void {
    this.count('facts published');
    this.check(() => {
      law(seq === this.#published + 1, 'I18', `fact ${seq} is published after ${this.#published}`);
      this.#published = seq;
      const own = this.records[seq - 1];
      law(own, 'I18', `fact ${seq} is published; durable is ${this.ledger.seq}`);
      const { hash } = JSON.parse(new TextDecoder().decode(bytes)) as FactRecord;
      law(hash === own.hash, 'I18', `fact ${seq} is published with another hash`);
    });
  }
}

const cutText = (cut: TailCut | null): string => (cut ? `cut from seq ${cut.fromSeq}` : 'no cut reported');
