/**
 * The judge: holds what a scenario promises against the log on disk and against what HTTP answers.
 *
 * Why it works out slots, states and order by itself, from the facts: asking the controller whether it was
 * right would find only the faults that it knows of. Only the state hash is recomputed with the controller's
 * own fold, because there the question is whether two processes come to the same state.
 * It acts on nothing. Test: `test/demo.serial.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { FactRecord } from '../events/record.ts';
import { slotFindings } from './judge-slots.ts';
import type { Expectation, ExpectedJob } from './scenario.ts';

/** One question to the judge. */
export interface Case {
  /** Data directory of the controller; the log lies in its folder `log`. */
  readonly data: string;
  /** Where the controller answers; null: it has ended, and its log must be sealed. */
  readonly url: string | null;
  /** First seq that belongs to the case; every job submitted from there on must be one of `jobs`. */
  readonly fromSeq: number;
  readonly expectation: Expectation;
  readonly jobs: Readonly<Record<string, string>>;
  readonly results: Readonly<Record<string, string>>;
  /** How long facts may trail behind the answer that told of them, ms. */
  readonly settleMs?: number;
}

export interface Verdict {
  /** What is not as promised; empty: all is. */
  readonly findings: readonly string[];
  /** Role → states in the order in which the job was in them. */
  readonly walks: Readonly<Record<string, readonly string[]>>;
  /** Last fact on disk. */
  readonly headSeq: number;
}

/** A log as it lies on disk, every hash and link verified. */
export interface OnDisk {
  readonly records: readonly FactRecord[];
  /** Why the records end where they do, when that is no proper end. */
  readonly damage: string | null;
  /** Restarts whose recorded state hash differs from the one computed here. */
  readonly diverged: readonly string[];
}

/** A job as HTTP shows it. */
export interface Shown {
  readonly state: string;
  readonly cause: string | null;
  readonly seq: number;
  readonly version: number;
  /** Seqs of its facts, in the order in which they are served. */
  readonly facts: readonly number[];
  /** SHA-256 of the result's bytes as they came; null when there is none. */
  readonly result: string | null;
}

/** The judge's eyes. */
export interface Sources {
  readonly clock: Clock;
  onDisk(data: string): Promise<OnDisk>;
  /** Looks at a job over HTTP. */
  shown(url: string, data: string, id: string): Promise<Shown>;
  /** Memory slices that HTTP says are held, over all GPUs. */
  slicesHeld(url: string, data: string): Promise<number>;
}

/** Counted refusals come once a second. */
const settleMsDefault = 2_500;
const againMs = 150;

/** Looks until all is as promised, or until what trails must have come. */
export async function judge(asked: Case, sources: Sources): Promise<Verdict> {
  const { clock } = sources;
  const lastMs = clock.monotonicMs() + (asked.settleMs ?? settleMsDefault);
  for (;;) {
    const verdict = await look(asked, sources);
    if (verdict.findings.length === 0 || clock.monotonicMs() >= lastMs) return verdict;
    await new Promise<void>((resolve) => clock.after(againMs, resolve));
  }
}

async function look(asked: Case, sources: Sources): Promise<Verdict> {
  const { data, expectation, fromSeq, jobs } = asked;
  const disk = await sources.onDisk(data);
  const { records } = disk;
  const since = records.filter(({ seq }) => seq >= fromSeq);
  const streams = Object.fromEntries(
    Object.entries(jobs).map(([role, id]) => [role, records.filter((record) => jobOf(record) === id)]),
  );
  const roles = Object.entries(expectation.jobs);
  const findings = [
    ...(disk.damage === null ? [] : [`the log does not verify: ${disk.damage}`]),
    ...disk.diverged,
    ...(records.length === 0 ? ['the log is empty'] : []),
    ...strangers(since, jobs, expectation),
    ...roles.flatMap(([role, expected]) => jobFindings(role, expected, streams[role] ?? [])),
    ...orderFindings(expectation, streams),
    ...controllerFindings(since, expectation),
    ...refusalFindings(since, expectation),
    ...slotFindings(records),
    ...(await httpFindings(asked, sources, streams)),
  ];
  const walks = Object.fromEntries(
    Object.entries(streams).map(([role, facts]) => [role, walkOf(facts.map(factOf))]),
  );
  return { findings, walks, headSeq: records.at(-1)?.seq ?? 0 };
}

/** `job.acme.x1.started` → `x1`; null for what is no job's. */
export function jobOf({ subject }: FactRecord): string | null {
  const [kind, , id] = subject.split('.');
  return kind === 'job' ? (id ?? null) : null;
}

export const factOf = ({ type }: FactRecord): string => type.slice(type.indexOf('.') + 1);

/** Jobs that nobody promised, and promises without a job. */
function strangers(
  since: readonly FactRecord[],
  jobs: Case['jobs'],
  { jobs: expected }: Expectation,
): string[] {
  const known = new Set(Object.values(jobs));
  const found = since.filter((record) => record.type === 'job.submitted' && !known.has(jobOf(record) ?? ''));
  const roles = Object.keys(jobs).filter((role) => !Object.hasOwn(expected, role));
  return [
    ...found.map((record) => `seq ${record.seq}: a job ${jobOf(record)} that the scenario does not have`),
    ...roles.map((role) => `${role}: is not in the expectation`),
  ];
}

function jobFindings(role: string, expected: ExpectedJob, stream: readonly FactRecord[]): string[] {
  const facts = stream.map(factOf).join(' ');
  if (facts === '') return [`${role}: there is no such job in the log`];
  const { cause } = (stream.at(-1)?.data ?? {}) as { cause?: { code?: string } };
  const code = cause?.code ?? null;
  const wanted = expected.cause ?? null;
  return [
    ...(facts === expected.facts ? [] : [`${role}: its facts are "${facts}", not "${expected.facts}"`]),
    ...(code === wanted
      ? []
      : [`${role}: ended because of ${code ?? 'nothing'}, not ${wanted ?? 'nothing'}`]),
    ...unattested(role, stream),
  ];
}

/** Nothing may run before an affirming report stands in the log. */
function unattested(role: string, stream: readonly FactRecord[]): string[] {
  const started = stream.find(({ type }) => type === 'job.started');
  const affirmed = stream.find(({ type, data }) => type === 'job.attested' && data['affirms'] === true);
  if (!started || (affirmed && affirmed.seq < started.seq)) return [];
  return [`${role}: ran without an affirming attestation`];
}

function orderFindings(
  { order = [] }: Expectation,
  streams: Record<string, readonly FactRecord[]>,
): string[] {
  const seqOf = (name: string): number | undefined => {
    const [role = '', fact] = name.split('.');
    return streams[role]?.find((record) => factOf(record) === fact)?.seq;
  };
  return order.flatMap(([before, after]) => {
    const [first, second] = [seqOf(before), seqOf(after)];
    if (first !== undefined && second !== undefined && first < second) return [];
    return [`${before} (seq ${first ?? 'none'}) is not before ${after} (seq ${second ?? 'none'})`];
  });
}

function controllerFindings(since: readonly FactRecord[], { controller = '' }: Expectation): string[] {
  const facts = since.filter(({ type }) => type.startsWith('controller.')).map(factOf);
  const found = facts.join(' ');
  return found === controller ? [] : [`the controller's facts are "${found}", not "${controller}"`];
}

function refusalFindings(since: readonly FactRecord[], { refused = [] }: Expectation): string[] {
  const all = since.filter(({ type }) => type === 'intake.refused');
  return refused.flatMap(({ tenant, code, count }) => {
    const own = all.filter(({ subject, data }) => subject.split('.')[1] === tenant && data['code'] === code);
    const found = own.reduce((sum, { data }) => sum + Number(data['count']), 0);
    return found === count
      ? []
      : [`${tenant} was refused with ${code} ${found} times in the log, not ${count}`];
  });
}

async function httpFindings(
  { data, expectation, jobs, results, url }: Case,
  sources: Sources,
  streams: Record<string, readonly FactRecord[]>,
): Promise<string[]> {
  if (url === null) return [];
  const findings: string[] = [];
  for (const [role, { cause, facts }] of Object.entries(expectation.jobs)) {
    const id = jobs[role];
    // A job that is not in the log was told of already; HTTP has nothing to add.
    if (id === undefined || !streams[role]?.length) continue;
    const shown = await sources.shown(url, data, id);
    const seqs = (streams[role] ?? []).map(({ seq }) => seq);
    const wanted: Shown = {
      state: facts.slice(facts.lastIndexOf(' ') + 1),
      cause: cause ?? null,
      seq: seqs.at(-1) ?? 0,
      version: seqs.length,
      facts: seqs,
      result: results[role] ?? shown.result,
    };
    for (const member of Object.keys(wanted) as (keyof Shown)[]) {
      const [is, should] = [String(shown[member]), String(wanted[member])];
      if (is !== should) findings.push(`${role}: HTTP says ${member} ${is}, it should be ${should}`);
    }
  }
  const held = await sources.slicesHeld(url, data);
  return held === 0 ? findings : [...findings, `HTTP says that ${held} slices are still held`];
}

/** Which state each fact leads to, written down once more by hand; those left out stay in the state. */
const leadsTo: Readonly<Record<string, string>> = {
  submitted: 'attesting',
  queued: 'queued',
  selected: 'reserving',
  unplaced: 'queued',
  reserved: 'starting',
  started: 'running',
  overdue: 'stopping',
  cancelRequested: 'stopping',
  evicted: 'stopping',
  exited: 'releasing',
  crashed: 'releasing',
  stopped: 'releasing',
  lost: 'releasing',
  retryScheduled: 'backoff',
};
const ends = ['succeeded', 'failed', 'timedOut', 'expired', 'cancelled', 'rejected'];

/** The states of a job in order, told from its facts. */
export function walkOf(facts: readonly string[]): string[] {
  const states = facts.flatMap((fact) => (ends.includes(fact) ? [fact] : (leadsTo[fact] ?? [])));
  return states.filter((state, i) => state !== states[i - 1]);
}
