/**
 * One fixed piece of work under strace, with a kill or an error at one chosen system call; and what clients were told.
 *
 * Why at system calls: whatever a crash can leave behind changes only there. A process that dies before its n-th call
 * on the disk leaves what the calls before it did, so "before every call, once" is every state that a crash can leave.
 * Random kills hit the same few long calls again and again. Why one thread for files (`UV_THREADPOOL_SIZE=1`): strace
 * counts calls by thread.
 */
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Caller, eventually, type ServeOptions, ServerProcess, sampleGuest } from '../server-process.ts';
import { bundledServer } from './bundle.ts';
import type { Judged } from './history.ts';
import { Insisting } from './insisting.ts';
import { busyFor, mixedSpecs, Promises, realTime, submitUntil } from './load.ts';
import { judgeTold } from './told.ts';

/** Calls that change the disk, and those that make sure of it. */
export const diskCalls = [
  ...['openat', 'write', 'pwrite64', 'ftruncate', 'fdatasync', 'fsync'],
  ...['rename', 'link', 'unlink', 'mkdir'],
] as const;
export type DiskCall = (typeof diskCalls)[number];

/** What happens at the n-th call of that name in a thread: death before it, or an error instead of it. */
export interface Fault {
  readonly call: DiskCall;
  readonly nth: number;
  /** Absent: SIGKILL. */
  readonly error?: string;
}

export const nameOf = ({ call, nth, error = 'SIGKILL' }: Fault): string => `${call}:${error}:when=${nth}`;

/** What became of one faulty piece of work. */
export interface Outcome extends Judged {
  /** Did the fault strike at all? */
  readonly struck: boolean;
  /** Ends of controllers that were not asked for. */
  readonly died: readonly string[];
  readonly accepted: number;
  /** Answers that were no success, by status and code. */
  readonly refused: readonly string[];
}

const flags = [
  ...['--fleet', '1xH100-80GB', '--runners', '1', '--losses-max', '20', '--log-level', 'error'],
  ...['--checkpoint-facts', '40'],
];

/** Options under which a controller meets the fault; its calls are written to `trace`. */
async function faulty(trace: string, fault: Fault | null, only: readonly string[]): Promise<ServeOptions> {
  const how = fault?.error === undefined ? 'signal=SIGKILL' : `error=${fault.error}`;
  const inject = fault ? ['-e', `inject=${fault.call}:${how}:when=${fault.nth}`] : [];
  const calls = fault ? [fault.call] : diskCalls;
  // Only the traced calls stop then; but at such a stop no signal can be handed in.
  const quick = fault !== null && fault.error === undefined ? [] : ['--seccomp-bpf'];
  return {
    flags,
    program: await bundledServer(),
    env: { UV_THREADPOOL_SIZE: '1' },
    around: [
      ...['strace', '-f', ...quick, '-y', '-e', 'signal=none', '-o', trace],
      ...['-e', `trace=${calls.join(',')}`, ...inject, ...only.flatMap((path) => ['-P', path]), '--'],
    ],
  };
}

/** The work: blobs, jobs one by one and several at once, one of each fate, a cancel, results. */
async function work(client: Insisting): Promise<void> {
  const put = (name: string): Promise<string> => client.put(sampleGuest(name));
  const noop = await put('noop');
  await client.see(await client.submit({ module: noop }));
  const [hello, trap, busy] = [await put('hello'), await put('trap'), await client.put(busyFor(5_000))];
  const ids = await Promise.all([
    client.submit({ module: busy, ...realTime }),
    client.submit({ module: hello, args: ['world'], slot: '2g.20gb' }),
    client.submit({ module: trap, attempts: { max: 2, backoffMs: 20 } }),
    client.submit({ module: noop }),
  ]);
  await client.cancel(ids[0]!);
  for (const id of ids) await client.see(id);
}

/** Does the work on a controller that meets no fault, and stops it in order. */
export async function workWithout(client: Insisting): Promise<void> {
  await client.server.start();
  await work(client);
  await client.stop();
}

/** Does the work on a fresh directory with this fault, ends in order, and judges what is on the disk. */
export async function workWith(fault: Fault, survey: Survey): Promise<Outcome> {
  return (await fresh(fault, pathsFor(fault, survey))).outcome;
}

async function fresh(fault: Fault | null, only: readonly string[]): Promise<Run> {
  const healthy = { flags, program: await bundledServer() };
  const server = await ServerProcess.idle(healthy);
  return judged(new Insisting(server, healthy), fault, only, work);
}

/** A data directory as a kill under load left it, and what clients had been told by then. */
export interface Wreck {
  readonly data: string;
  readonly promises: Promises;
  remove(): Promise<void>;
}

/** Loads a controller for a while and kills it: jobs are left in every state that they pass. */
export async function makeWreck(random: () => number): Promise<Wreck> {
  const server = await ServerProcess.begin({ flags, program: await bundledServer() });
  const callers = Array.from({ length: 2 }, () => new Caller(server));
  const promises = new Promises();
  let over = false;
  try {
    const specs = await mixedSpecs(callers[0]!);
    const load = callers.map((caller) =>
      submitUntil(() => over, caller, promises, { specs, random, restMs: 60 }),
    );
    await eventually('some jobs have ended', () => promises.ended.size >= 3, 30_000);
    await server.end('SIGKILL');
    over = true;
    await Promise.all(load);
    return { data: server.data, promises, remove: () => server.remove() };
  } catch (error) {
    await server.remove();
    throw error;
  } finally {
    over = true;
    for (const caller of callers) caller.close();
  }
}

/** Recovers a copy of the wreck with this fault, a second crash as a rule; then every job ends, and all is judged. */
export async function recoverWith(wreck: Wreck, fault: Fault, survey: Survey): Promise<Outcome> {
  return (await recoverCopy(wreck, fault, pathsFor(fault, survey))).outcome;
}

async function recoverCopy(wreck: Wreck, fault: Fault | null, only: readonly string[]): Promise<Run> {
  const healthy = { flags, program: await bundledServer() };
  const server = await ServerProcess.idle(healthy);
  await cp(wreck.data, server.data, { recursive: true });
  const client = new Insisting(server, healthy, wreck.promises.copy());
  // The fault strikes in the recovery or in the stop; a healthy controller then ends what was begun.
  return judged(client, fault, only, async () => {
    await client.stop();
    await server.start();
    for (const id of client.promises.accepted) await client.see(id);
  });
}

/** Which calls on the disk a piece of work makes, when nothing goes wrong. */
export interface Survey {
  /** Of each call, which ones (counted by thread) of the thread for files touch the data directory. */
  readonly moments: Readonly<Record<DiskCall, readonly number[]>>;
  /** Files and folders of the data directory that have the same name each time. */
  readonly paths: readonly string[];
}

/**
 * Notes the calls of a run without fault; of a second one too, for names with a random part or a process id are in one
 * of them alone. Node opens many files of its own, so `openat` is counted, and later struck, on the common names only.
 */
export async function surveyOf(wreck?: Wreck): Promise<Survey> {
  const traces: TracedCall[][] = [];
  for (let run = 0; run < 2; run += 1) {
    const { outcome, trace } = await (wreck ? recoverCopy(wreck, null, []) : fresh(null, []));
    assert.equal(outcome.died, []);
    traces.push(callsOf(trace));
  }
  const [first = [], second = []] = traces;
  const again = new Set(second.map(({ path }) => path));
  const paths = [...new Set(first.map(({ path }) => path))].filter(
    (path) => again.has(path) && !path.startsWith('runners/'),
  );
  const momentsOf = (call: DiskCall): readonly number[] => {
    const calls = first.filter(({ name }) => name === call);
    if (call !== 'openat') return calls.map(({ nth }) => nth);
    return calls.filter(({ path }) => paths.includes(path)).map((_, at) => at + 1);
  };
  const moments = Object.fromEntries(diskCalls.map((call) => [call, momentsOf(call)]));
  return { moments: moments as Survey['moments'], paths };
}

const pathsFor = ({ call }: Fault, { paths }: Survey): readonly string[] => (call === 'openat' ? paths : []);

interface TracedCall {
  readonly name: string;
  /** Within the data directory; empty for the directory itself. */
  readonly path: string;
  /** Among all calls of that name by the thread. */
  readonly nth: number;
}

/** The calls on the data directory by the thread for files: the one that syncs. */
function callsOf(trace: string): TracedCall[] {
  const lines = trace.split('\n');
  const thread = lines.find((line) => / fdatasync\(/.test(line))?.split(' ')[0];
  const counts = new Map<string, number>();
  const calls: TracedCall[] = [];
  for (const line of lines) {
    const [, pid, name = ''] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (pid === undefined || pid !== thread) continue;
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    const path = /\/berth-faults-\w{6}\/?([^">]*)[">]/.exec(line)?.[1];
    if (path !== undefined) calls.push({ name, path, nth });
  }
  return calls;
}

interface Run {
  readonly outcome: Outcome;
  readonly trace: string;
}

async function judged(
  client: Insisting,
  fault: Fault | null,
  only: readonly string[],
  body: (client: Insisting) => Promise<void>,
): Promise<Run> {
  const { promises, server } = client;
  const file = `${server.data}.strace`;
  try {
    const paths = only.map((path) => join(server.data, path));
    server.launch(await faulty(file, fault, paths));
    await client.listening();
    await body(client);
    await client.stop();
    const trace = await readFile(file, 'utf8');
    const outcome = {
      ...(await judgeTold(server.data, promises)),
      struck: fault?.error === undefined ? client.died.includes('SIGKILL') : trace.includes('(INJECTED)'),
      died: client.died,
      accepted: promises.accepted.size,
      refused: [...promises.answers.keys()].filter((name) => name !== '202'),
    };
    return { outcome, trace };
  } catch (error) {
    if (fault) (error as Error).message += `\nat ${nameOf(fault)}; stderr: ${server.stderr.slice(-2_000)}`;
    throw error;
  } finally {
    client.caller.close();
    await server.remove();
    await rm(file, { force: true });
  }
}

/** A line for so many faults tried. */
const tellEvery = 25;

/** Tries these faults, two at a time, and tells what was seen. Fails unless most of them struck. A failure names its fault. */
export async function tryAll(
  faults: readonly Fault[],
  attempt: (fault: Fault) => Promise<Outcome>,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...faults];
  const worker = async (): Promise<void> => {
    for (let fault = waiting.shift(); fault; fault = waiting.shift()) {
      outcomes.push(await attempt(fault));
      if (outcomes.length % tellEvery === 0) console.log(`${outcomes.length} of ${faults.length} tried`);
    }
  };
  await Promise.all([worker(), worker()]);
  const struck = outcomes.filter((outcome) => outcome.struck).length;
  const died = outcomes.flatMap((outcome) => outcome.died);
  const refused = new Set(outcomes.flatMap((outcome) => outcome.refused));
  const jobs = outcomes.reduce((sum, { accepted }) => sum + accepted, 0);
  console.log(
    `${faults.length} faults, ${struck} struck; ${died.length} controllers ended (${[...new Set(died)]}); ` +
      `${jobs} jobs accepted, none lost; refused with ${[...refused]}`,
  );
  // The number of calls differs a little from run to run, so the last few may not come.
  const most = faults.length * (faults.length < 20 ? 0.5 : 0.8);
  assert.ok(struck >= most, `only ${struck} of ${faults.length} faults struck`);
  return outcomes;
}

/** Every call that changes the disk or makes sure of it, one after the other, fails once with what a disk may say. */
export const everyError = (survey: Survey): readonly Fault[] => [
  ...everyCall(survey, ['fdatasync', 'fsync', 'pwrite64', 'ftruncate', 'unlink'], 'EIO'),
  ...everyCall(survey, ['pwrite64', 'rename', 'link', 'mkdir'], 'ENOSPC'),
  ...everyCall(survey, ['openat'], 'EMFILE'),
];

/** Every call of these names in a survey; death, or this error. */
export const everyCall = (
  { moments }: Survey,
  calls: readonly DiskCall[],
  error?: string,
): readonly Fault[] =>
  calls.flatMap((call) => moments[call].map((nth) => ({ call, nth, ...(error ? { error } : {}) })));
