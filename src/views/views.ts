/**
 * The views: what may be told to the outside. A fold like any other, but only up to what is durable.
 *
 * Why not read the writer's state: it may hold facts that a crash would still drop. Whoever was shown a
 * job as succeeded must find it succeeded after the crash, too. And since this fold never runs ahead of
 * the disk, it stays true, and readable, when the log can't be written any more.
 * Test: `test/views/views.test.ts`.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import type { JobFact } from '../../machines/job.ts';
import { newRun, type RunContext, type RunState, runMachine } from '../../machines/run.ts';
import { BerthError } from '../errors.ts';
import type { FactData } from '../events/facts.ts';
import type { Actor } from '../jobs/actor.ts';
import { refill } from '../jobs/retention.ts';
import { type Change, fold, type Job, newState, restoreState, type State } from '../jobs/state.ts';
import { Scheduler } from '../scheduler/scheduler.ts';

const runTable = compileTable<RunState, RunContext, JobFact>(runMachine as never);

/** Attempts of one job that are remembered for its view. */
const attemptsMax = 32;

/** What the views keep of a job beside its state. */
export interface JobTrail {
  /** Seq of its first fact: the place in a list by arrival. */
  readonly submittedSeq: number;
  /** Last fact: seq and version in the stream. */
  readonly seq: number;
  readonly version: number;
  /** Traceparent that came with the request. */
  readonly trace: string | null;
  readonly attempts: readonly Folded<RunState, RunContext>[];
}

/** A fold beside the views that is part of every checkpoint: it must come out as if it had seen the whole log. */
export interface Follower {
  readonly name: string;
  /** Called with each durable change, in order, replayed ones included. */
  fold(change: Change): void;
  snapshot(): unknown;
  /** As `Actor.restore`. */
  restore(saved: unknown): void;
}

/** What a checkpoint holds of the views; host and scheduler are those of the writer at the same seq. */
export interface SavedViews {
  readonly host: State;
  readonly scheduler: unknown;
  readonly trails: Map<string, JobTrail>;
  readonly drained: Map<string, string>;
  readonly followers: Map<string, unknown>;
  readonly seq: number;
}

export class Views implements Actor {
  readonly name = 'views';
  readonly reads = 'durable';
  #state: State = newState();
  /** Who folds for the views while everything is durable. */
  #writer: { readonly state: State; readonly scheduler: Scheduler } | null = null;
  readonly #scheduler = new Scheduler();
  readonly #trails = new Map<string, JobTrail>();
  readonly #drained = new Map<string, string>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #followers: Follower[] = [];
  readonly #awaited: {
    readonly seq: number;
    readonly resolve: () => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  #closed = false;
  #seq = 0;

  /** Host's fold at the durable point. */
  get state(): State {
    return this.#writer?.state ?? this.#state;
  }

  /** The scheduler's fold at the durable point: for `explain`. */
  get scheduler(): Scheduler {
    return this.#writer?.scheduler ?? this.#scheduler;
  }

  /**
   * During recovery all that is read is durable, so the writer's folds are what these would be: they are looked at
   * and not folded a second time. To be called before the first fact; `standAlone` ends it.
   */
  leanOn(state: State, scheduler: Scheduler): void {
    this.#writer = { state, scheduler };
  }

  /** From now on the writer may run ahead of what is durable: takes copies, and folds by itself. */
  standAlone(): void {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    restoreState(this.#state, writer.state);
    this.#scheduler.restore(writer.scheduler.snapshot());
  }

  /** Seq up to which everything here is folded. */
  get seq(): number {
    return this.#seq;
  }

  fold(change: Change): void {
    const { record } = change;
    const own = this.#writer ? change : fold(this.#state, record);
    if (!this.#writer) this.#scheduler.fold(own);
    if (own.after) this.#follow(own.after, change);
    for (const id of own.forgotten ?? []) this.#trails.delete(id);
    if (record.type === 'slot.drained') {
      this.#drained.set(record.subject.split('.')[1] ?? '', (record.data as FactData<'slot.drained'>).reason);
    }
    this.#seq = record.seq;
    for (const follower of this.#followers) follower.fold(own);
    for (const listener of this.#listeners) listener(own);
    while (this.#awaited[0] && this.#awaited[0].seq <= this.#seq) this.#awaited.shift()?.resolve();
  }

  decide(): null {
    return null;
  }

  /** Without host and scheduler, which at the same seq equal those of the writer. */
  snapshot(): Omit<SavedViews, 'host' | 'scheduler'> {
    const followers = new Map(this.#followers.map((each) => [each.name, each.snapshot()]));
    return { trails: this.#trails, drained: this.#drained, followers, seq: this.#seq };
  }

  restore(saved: unknown): void {
    const { host, scheduler, trails, drained, followers, seq } = saved as SavedViews;
    if (!this.#writer) {
      restoreState(this.#state, host);
      this.#scheduler.restore(scheduler);
    }
    refill(this.#trails, trails);
    refill(this.#drained, drained);
    this.#seq = seq;
    for (const follower of this.#followers) {
      const own = followers.get(follower.name);
      if (own !== undefined) follower.restore(own);
    }
  }

  /** Adds a fold that is saved and restored with the views. To be called before the first fact. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  /** Called with each durable change, in order, replayed ones included; returns a function that stops it. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Resolves when everything up to `seq` is folded here: who was answered can read what they wrote.
   * Rejects with ERR_READ_ONLY when the life ends before that.
   */
  whenSeen(seq: number): Promise<void> {
    if (this.#seq >= seq) return Promise.resolve();
    if (this.#closed) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      // Nearly always asked for in the order of the head, so this looks at the last entry only.
      let at = this.#awaited.length;
      while (at > 0 && (this.#awaited[at - 1]?.seq ?? 0) > seq) at -= 1;
      this.#awaited.splice(at, 0, { seq, resolve, reject });
    });
  }

  /** No fact will be folded any more; what is folded stays readable. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#awaited.splice(0)) reject(ended());
  }

  job(id: string): { readonly job: Job; readonly trail: JobTrail } | null {
    const job = this.state.jobs.get(id);
    const trail = this.#trails.get(id);
    return job && trail ? { job, trail } : null;
  }

  /** GPUs whose last drain gave this reason. */
  drainedFor(reason: string): ReadonlySet<string> {
    return new Set([...this.#drained].filter(([, given]) => given === reason).map(([id]) => id));
  }

  #follow(after: Job, { record }: Change): void {
    const { id } = after.context;
    const known = this.#trails.get(id);
    const trace = known ? known.trace : record.trace;
    this.#trails.set(id, {
      submittedSeq: known?.submittedSeq ?? record.seq,
      seq: record.seq,
      version: record.version,
      trace,
      attempts: nextAttempts(known?.attempts ?? [], record),
    });
  }
}

const ended = (): BerthError =>
  new BerthError('ERR_READ_ONLY', 'the controller stopped before this could be seen');

function nextAttempts(attempts: JobTrail['attempts'], record: Change['record']): JobTrail['attempts'] {
  const event = { type: record.type, seq: record.seq, at: record.at, data: record.data } as JobFact;
  const last = attempts.at(-1);
  const stepped = last && runTable.step(last, event);
  if (stepped) return [...attempts.slice(0, -1), stepped];
  const begun = runTable.step({ state: runTable.initial, context: newRun }, event);
  return begun ? [...attempts, begun].slice(-attemptsMax) : attempts;
}
