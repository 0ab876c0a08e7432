/**
 * Plays one named failure of the Lab against a real server, step by step, tidies up, and then looks in the log whether the job
 * really took the edges that were promised.
 *
 * Why the log is the judge: a page that says "timed out" because it asked for a time-out proves nothing. The facts come from
 * the server, are folded by the production table, and either hold the edge or do not. So a card can turn red.
 *
 * No DOM and no socket: everything outside comes by `LabPort`. Test: `test/dashboard/lab.test.ts`.
 */
import { isEnd, type JobState } from '../../machines/job.ts';
import type { JobFactType, TenantTerms } from '../events/facts.ts';
import { jobIdOf } from '../jobs/state.ts';
import { walkOf } from '../jobs/walk.ts';
import type { LabSight } from './lab-sight.ts';
import type { PlayedRecord } from './player.ts';

type FactWord = JobFactType extends `job.${infer Word}` ? Word : never;

/** One arrow of the job's chart: the state it leaves, the fact, the state it enters. */
export type Edge = `${JobState} ${FactWord} ${JobState}`;

/** What a scenario may do to the world outside. Whatever the server refuses rejects with a `Problem`. */
export interface LabPort {
  /** Who sends the jobs. */
  readonly tenant: string;
  sight(): LabSight;
  /** All facts so far, ascending; grows at its end. */
  records(): readonly PlayedRecord[];
  /** Bytes of a sample guest. */
  guest(name: string): Promise<Uint8Array>;
  /** Stores bytes under their digest, or under another; gives `sha256:…`. */
  put(bytes: Uint8Array, as?: string): Promise<string>;
  /** Sends a job; gives its id. */
  submit(job: object, key?: string): Promise<string>;
  /** A signed request for a job, not sent. */
  signed(job: object): Promise<string>;
  /** Sends what `signed` gave, or what became of it. */
  sendSigned(request: string): Promise<string>;
  cancel(id: string): Promise<void>;
  /** As the operator. */
  drain(gpu: string): Promise<void>;
  restore(gpu: string): Promise<void>;
  setTerms(terms: Partial<TenantTerms>): Promise<void>;
  /** Kills the runner in which the job's guest runs; in a demo alone. */
  strike(id: string): Promise<void>;
  /** An idempotency key that was never used. */
  newKey(): string;
  pause(ms: number): Promise<void>;
  nowMs(): number;
}

export interface Step {
  /** What is done, for whoever looks on. */
  readonly says: string;
  /** What it changes for others, in words; absent: nothing. */
  readonly touches?: string;
  act(run: Run): Promise<void>;
}

/** What a scenario can't do without: the operator's key, the demo's power to kill a runner, a runner. */
export type Need = 'admin' | 'strike' | 'runner';

export interface Scenario {
  /** Stable; the same as in `berth demo` where that has it, too. */
  readonly name: string;
  readonly title: string;
  /** What will happen, and why it matters. */
  readonly about: string;
  readonly needs: readonly Need[];
  /** Edges that the job called `job` must take. */
  readonly takes: readonly Edge[];
  /** Facts that are no job's, with what must stand in them. */
  readonly tells?: readonly { readonly type: string; readonly code?: string }[];
  readonly steps: readonly Step[];
}

/** One thing that was promised, and the seq of the fact that keeps it; null: it did not happen. */
export interface Kept {
  readonly what: string;
  readonly seq: number | null;
}

export interface Verdict {
  readonly kept: readonly Kept[];
  readonly isAsPromised: boolean;
  /** What came instead; empty when all is as promised. */
  readonly instead: string;
  /** Where to look: the job, and its first fact or that of the refusal. */
  readonly job: string | null;
  readonly fromSeq: number | null;
}

/** A step did not go as it should. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

/** The role of the job that the scenario is about. */
export const mainRole = 'job';
/** What does not happen by then never will, ms; a busy machine is slow. */
const waitMsMax = 60_000;
/** Between two looks at the log: short, as some edges are open for milliseconds. */
const lookMs = 2;
/** Refusals are written to the log at most once a second. */
const evidenceMsMax = 10_000;
const tidyMsMax = 30_000;

/** One scenario under way: its jobs by role, what the log says of them, and what has to be undone. */
export class Run {
  readonly port: LabPort;
  readonly sight: LabSight;
  /** This run's idempotency key. */
  readonly key: string;
  readonly #ids = new Map<string, string>();
  readonly #sent: string[] = [];
  readonly #facts = new Map<string, PlayedRecord[]>();
  readonly #others: PlayedRecord[] = [];
  readonly #undo: (() => Promise<void>)[] = [];
  #read: number;

  constructor(port: LabPort) {
    this.port = port;
    this.sight = port.sight();
    this.key = port.newKey();
    this.#read = port.records().length;
  }

  /** The job of this role. */
  id(role: string): string {
    const id = this.#ids.get(role);
    if (id === undefined) throw new StepFailed(`there is no job called ${role}`);
    return id;
  }

  has(role: string): boolean {
    return this.#ids.has(role);
  }

  /** Gives a job a role; a later one takes its place. It is cancelled at the end, if it still lives. */
  is(role: string, id: string): void {
    this.#ids.set(role, id);
    this.#sent.push(id);
  }

  /** Does this at the end, come what may; the last one first. */
  finally(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Facts since the run began that are no job's. */
  others(): readonly PlayedRecord[] {
    this.#catchUp();
    return this.#others;
  }

  /** The job's facts so far. */
  facts(role: string): readonly PlayedRecord[] {
    this.#catchUp();
    return this.#facts.get(this.id(role)) ?? [];
  }

  state(role: string): JobState {
    return this.#stateOf(this.id(role));
  }

  /** The job's way so far. */
  walk(role: string): readonly { readonly edge: Edge; readonly seq: number }[] {
    return walkOf(this.facts(role)).steps.map(({ from, fact, to, seq }) => ({
      edge: `${from} ${fact} ${to}` as Edge,
      seq,
    }));
  }

  /** Resolves when `holds`; otherwise fails with `what`. */
  async until(what: string, holds: () => boolean, msMax = waitMsMax): Promise<void> {
    const lastMs = this.port.nowMs() + msMax;
    while (!holds()) {
      if (this.port.nowMs() > lastMs) throw new StepFailed(`waited in vain: ${what}`);
      await this.port.pause(lookMs);
    }
  }

  /** Waits until the job is in one of these states. Fails when it has ended otherwise. */
  async reaches(role: string, ...states: readonly JobState[]): Promise<JobState> {
    const what = `${role} is ${states.join(' or ')}`;
    await this.until(what, () => states.includes(this.state(role)) || isEnd(this.state(role)));
    const state = this.state(role);
    if (!states.includes(state)) throw new StepFailed(`${role} is ${state}, not ${states.join(' or ')}`);
    return state;
  }

  /** Waits for the end of the job, whichever. */
  async ends(role: string): Promise<JobState> {
    await this.until(`${role} ends`, () => isEnd(this.state(role)));
    return this.state(role);
  }

  /** Undoes what was done. Gives what could not be undone, as sentences. */
  async tidy(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const undo of this.#undo.splice(0).reverse())
      await undo().catch((error: Error) => left.push(`not undone: ${error.message}`));
    const living = (): string[] => this.#sent.filter((id) => !isEnd(this.#stateOf(id)));
    // A job may end between the look and the cancel; then there is nothing left to cancel.
    for (const id of living()) await this.port.cancel(id).catch(() => undefined);
    await this.until('all jobs end', () => living().length === 0, tidyMsMax).catch(() => {
      left.push(`still there: job ${living().join(', ')}`);
    });
    return left;
  }

  #stateOf(id: string): JobState {
    this.#catchUp();
    return walkOf(this.#facts.get(id) ?? []).state;
  }

  #catchUp(): void {
    const records = this.port.records();
    if (records.length < this.#read) throw new StepFailed('the server has begun another log');
    for (; this.#read < records.length; this.#read += 1) {
      const record = records[this.#read]!;
      if (!record.type.startsWith('job.')) {
        this.#others.push(record);
        continue;
      }
      const id = jobIdOf(record.subject);
      const known = this.#facts.get(id);
      if (known) known.push(record);
      else this.#facts.set(id, [record]);
    }
  }
}

/** Plays a scenario; tells each step before it is taken. Never rejects: what goes wrong is the verdict. */
export async function runScenario(
  scenario: Scenario,
  port: LabPort,
  onStep: (step: number) => void = () => undefined,
): Promise<Verdict> {
  try {
    const run = new Run(port);
    const wrong = await played(scenario, run, onStep);
    onStep(scenario.steps.length);
    return await judged(scenario, run, wrong);
  } catch (error) {
    const kept = [...scenario.takes, ...(scenario.tells ?? []).map(textOf)].map((what) => ({
      what,
      seq: null,
    }));
    return { kept, isAsPromised: false, instead: (error as Error).message, job: null, fromSeq: null };
  }
}

/** Takes all steps, and waits for the facts that tell of them. Gives what went wrong, empty when nothing did. */
async function played(scenario: Scenario, run: Run, onStep: (step: number) => void): Promise<string> {
  try {
    for (const [i, step] of scenario.steps.entries()) {
      onStep(i);
      await step.act(run);
    }
    const isTold = (): boolean => keptOf(scenario, run).every(({ seq }) => seq !== null);
    await run.until('the log tells of it', isTold, evidenceMsMax).catch(() => undefined);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

/** Tidies up, and says what became of the promises. */
async function judged(scenario: Scenario, run: Run, wrong: string): Promise<Verdict> {
  const kept = keptOf(scenario, run);
  const way = run.has(mainRole) ? run.walk(mainRole) : [];
  const left = await run.tidy();
  const isAsPromised = wrong === '' && left.length === 0 && kept.every(({ seq }) => seq !== null);
  const came = way.length === 0 ? '' : `its way was ${wayText(way.map(({ edge }) => edge))}`;
  return {
    kept,
    isAsPromised,
    instead: isAsPromised ? '' : [wrong, ...left, came].filter((each) => each !== '').join('; '),
    job: run.has(mainRole) ? run.id(mainRole) : null,
    fromSeq: way[0]?.seq ?? kept.find(({ seq }) => seq !== null)?.seq ?? null,
  };
}

/** A promised fact that is no job's, in words. */
export const textOf = ({ type, code }: { readonly type: string; readonly code?: string }): string =>
  code === undefined ? type : `${type} ${code}`;

/** What the scenario promises, each with the fact that keeps it. */
function keptOf({ takes, tells = [] }: Scenario, run: Run): Kept[] {
  const way = run.has(mainRole) ? run.walk(mainRole) : [];
  const edges = takes.map((what) => ({ what, seq: way.find(({ edge }) => edge === what)?.seq ?? null }));
  const facts = tells.map((told) => ({
    what: textOf(told),
    seq: run.others().find((record) => isToldBy(record, told.type, told.code))?.seq ?? null,
  }));
  return [...edges, ...facts];
}

const isToldBy = ({ type, data }: PlayedRecord, wanted: string, code: string | undefined): boolean =>
  type === wanted && (code === undefined || (data as { code?: string }).code === code);

/** `new > attesting > rejected`: states alone, each as often as it was entered. */
export function wayText(edges: readonly Edge[]): string {
  const states = edges.map((edge) => edge.split(' ')[2] ?? '');
  return states.filter((state, i) => i === 0 || state !== states[i - 1]).join(' > ');
}
