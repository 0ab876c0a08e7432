/**
 * What the page knows: one player, where it stands, where its facts come from, and whom it may ask.
 *
 * Why one object and one signal: every view draws the same moment. If each kept its own copy, a slider would have to move
 * all of them, and two that disagree could be seen side by side. Views read; only the methods here change anything.
 *
 * Pure but for the ports it is handed. Test: `test/dashboard/model.test.ts`.
 */
import type { Sha256 } from '../events/record.ts';
import type { State } from '../jobs/state.ts';
import { type Address, hashOf } from './address.ts';
import type { Beginning, Halt, Moment, PlayedRecord, Player } from './player.ts';
import { Present } from './present.ts';
import type { About, Server } from './server.ts';

/** How the facts come. */
export type Source =
  | { readonly kind: 'loading'; readonly loaded: number; readonly total: number | null }
  | { readonly kind: 'live' }
  /** The connection is gone; what was read stays, and it is tried again. */
  | { readonly kind: 'reconnecting'; readonly reason: string }
  /** A log that does not grow: recorded in this page, or opened from a file. */
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly next: string };

/** Facts that end a way badly: what "next failure" looks for. */
const failures: ReadonlySet<string> = new Set([
  'job.failed',
  'job.timedOut',
  'job.expired',
  'job.rejected',
  'job.crashed',
  'job.lost',
  'job.overdue',
  'job.unplaced',
  'intake.refused',
  'slot.failed',
]);

export const isFailure = ({ type }: Pick<PlayedRecord, 'type'>): boolean => failures.has(type);

export interface ModelParts {
  readonly player: Player;
  readonly address: Address;
  /** Null in a page that has no server behind it. */
  readonly server: Server | null;
  /** Absent where nobody signed in. */
  readonly signOut?: () => void;
  /** Writes the address where the user sees it. */
  readonly navigate: (address: Address) => void;
  /** Calls back before the next picture is drawn; many requests between two pictures count as one. */
  readonly soon: (draw: () => void) => void;
  /** A clock that only goes on, ms; absent where no log grows. */
  readonly elapsedMs?: () => number;
}

export class Model {
  readonly #parts: ModelParts;
  readonly #listeners = new Set<() => void>();
  #player: Player;
  #address: Address;
  #source: Source = { kind: 'loading', loaded: 0, total: null };
  /** What is known of the controller itself; null before it was asked, or when nobody can be. */
  about: About | null = null;
  /** Why the log here does not begin with its first fact, and where the older ones are; null when it does. */
  beginReason: string | null = null;
  #isDue = false;
  #logNumber = 0;
  readonly #present: Present | null;

  constructor(parts: ModelParts) {
    this.#parts = parts;
    this.#player = parts.player;
    this.#address = parts.address;
    this.#present = parts.elapsedMs ? new Present(parts.elapsedMs) : null;
  }

  get server(): Server | null {
    return this.#parts.server;
  }

  /**
   * Are these all facts of the log? A tenant gets its own and those of slots and controller: what others hold, how long the
   * queue really is, hashes of facts and of the state are not known then.
   */
  get seesAll(): boolean {
    const [first] = this.records;
    return first ? first.hash !== undefined : (this.server?.isAdmin ?? true);
  }

  /** Gives up the keys that the user handed over; null where there are none. */
  get signOut(): (() => void) | null {
    return this.#parts.signOut ?? null;
  }

  get source(): Source {
    return this.#source;
  }

  get address(): Address {
    return this.#address;
  }

  /** Seq of the newest fact. */
  get headSeq(): number {
    return this.#player.headSeq;
  }

  /** Seq before the oldest fact that is here. */
  get beginSeq(): number {
    return this.#player.beginSeq;
  }

  /** Another number is another log, or another copy of it: what was found out about the former one no longer holds. */
  get logNumber(): number {
    return this.#logNumber;
  }

  get records(): readonly PlayedRecord[] {
    return this.#player.records;
  }

  get halt(): Halt | null {
    return this.#player.halt;
  }

  get sha256(): Sha256 {
    return this.#player.sha256;
  }

  /** The writer's fold before the oldest fact that is here; null where the log is here from its first fact on. */
  get stateAtBegin(): State | null {
    return this.#player.stateAtBegin;
  }

  /** The record of this seq; undefined where there is none. */
  recordAt(seq: number): PlayedRecord | undefined {
    return this.#player.recordAt(seq);
  }

  /** Does the page follow the newest fact? */
  get isFollowing(): boolean {
    return this.#address.at === null;
  }

  /**
   * What the controller's clock shows now, ms since the Unix epoch; null unless the newest fact of a log that grows is looked
   * at. Nothing has happened since that fact, but time has passed.
   */
  get presentMs(): number | null {
    const { kind } = this.#source;
    const isPresent = this.isFollowing && this.halt === null && (kind === 'live' || kind === 'reconnecting');
    return isPresent ? (this.#present?.nowMs ?? null) : null;
  }

  /** Some time has passed: what is reckoned from the present is drawn anew. To be called about once a second. */
  tick(): void {
    if (this.presentMs !== null) this.#changed();
  }

  /** The server's clock has just shown this, ms since the Unix epoch. */
  hear(atMs: number): void {
    this.#present?.hear(atMs);
  }

  /** The controller as it was at the seq that is looked at. */
  get moment(): Moment {
    const wanted = this.#address.at ?? this.#player.headSeq;
    if (this.#player.moment.seq !== wanted) this.#player.seek(wanted);
    return this.#player.moment;
  }

  /** Hash over all folds at the moment that is looked at; slow with many jobs. */
  stateHash(): string {
    void this.moment;
    return this.#player.stateHash();
  }

  /** The same after another seq; null when the log can't be folded up to there. What is looked at stays. */
  stateHashAt(seq: number): string | null {
    this.#player.seek(seq);
    return this.#player.moment.seq === seq ? this.#player.stateHash() : null;
  }

  /** The folds before the first record; null where the log begins with its first fact. */
  get beginning(): Beginning | null {
    return this.#player.beginning;
  }

  /** Called after each change, at most once a picture. Returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * More of the log; a thousand or so at a time, with pauses for drawing. Folded at once, also when something earlier is
   * looked at: whoever then moves the slider to the end need not wait for all that came meanwhile.
   */
  append(records: readonly PlayedRecord[]): void {
    this.#player.append(records);
    this.#player.advance(records.length);
    const newest = this.records.at(-1);
    if (newest) this.#present?.hear(newest.at);
    this.#changed();
  }

  /** Another log takes the place of this one. */
  replace(player: Player): void {
    this.#player = player;
    this.#present?.forget();
    this.#logNumber += 1;
    this.#changed();
  }

  tell(source: Source): void {
    this.#source = source;
    this.#changed();
  }

  /** Shows something else, at the same seq unless told otherwise. */
  go(to: Partial<Address>): void {
    const address = this.#addressFor(to);
    this.#parts.navigate(address);
    this.arrive(address);
  }

  /** Where `go` would lead, as a link. */
  hashFor(to: Partial<Address>): string {
    return hashOf(this.#addressFor(to));
  }

  /** The address was changed from outside. */
  arrive(address: Address): void {
    this.#address = address;
    this.#changed();
  }

  /** Looks at `seq`; at or beyond the head it follows the log again, where the log can grow. */
  lookAt(seq: number): void {
    const at = Math.max(this.beginSeq, Math.min(seq, this.headSeq));
    this.go({ at: at === this.headSeq && this.#source.kind !== 'file' ? null : at });
  }

  follow(): void {
    this.go({ at: null });
  }

  /**
   * So many facts on, or back. By facts and not by seq: a tenant's log has gaps, and who asks for a seq in a gap stays where
   * he is. False: that was the end.
   */
  travel(by: number): boolean {
    const { seq } = this.moment;
    const next = this.#player.seqBeyond(seq, by);
    if (next !== seq) this.lookAt(next);
    return next !== this.#player.seqBeyond(next, Math.sign(by));
  }

  /** One fact on or back; those of one job alone when a job is looked at. */
  step(by: 1 | -1): void {
    const next = this.#find(
      by,
      ({ subject }) => this.#address.job === null || isOf(subject, this.#address.job),
    );
    if (next) this.lookAt(next.seq);
  }

  /** The next fact behind the present one that tells of a failure; round again from the beginning. False: there is none. */
  nextFailure(): boolean {
    const next = this.#find(1, isFailure) ?? this.#reachable(isFailure);
    if (next) this.lookAt(next.seq);
    return next !== undefined;
  }

  #addressFor({ job = null, ...rest }: Partial<Address>): Address {
    return { ...this.#address, ...rest, job: rest.view === undefined ? this.#address.job : job };
  }

  #find(by: 1 | -1, wanted: (record: PlayedRecord) => boolean): PlayedRecord | undefined {
    const { seq } = this.moment;
    return by > 0
      ? this.#reachable((record) => record.seq > seq && wanted(record))
      : this.records.findLast((record) => record.seq < seq && wanted(record));
  }

  /** The first such record that the log can be folded to. */
  #reachable(wanted: (record: PlayedRecord) => boolean): PlayedRecord | undefined {
    const end = this.halt?.seq ?? Number.POSITIVE_INFINITY;
    return this.records.find((record) => record.seq < end && wanted(record));
  }

  #changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#parts.soon(() => {
      this.#isDue = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

const isOf = (subject: string, job: string): boolean => subject.split('.')[2] === job;
