/**
 * `suite`: uvu with its silent passes closed.
 *
 * Why: uvu is small and quick, but it exits with 0 when `before` throws, when `after.each` throws, when a test
 * throws something that is no Error, and when `run()` is forgotten; and it waits for ever on a test that hangs.
 * A green run must mean that every declared test ran and held. So hooks run inside our own guard, every test has a
 * time limit, and when the process ends, what was declared is compared with what ran.
 * `test/suite.test.ts` proves each of these in child processes.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { suite as uvuSuite } from 'uvu';

type Body = () => unknown;
type AddHook = (hook: Body) => void;

export interface TestOptions {
  /** Time limit, ms. Default 20,000; reaching it fails the test. */
  readonly limitMs?: number;
}

export interface Suite {
  (law: string, body: Body, options?: TestOptions): void;
  /** A test that talks to an installed program; skipped by name, and counted, where that is missing. */
  needing(binary: string, law: string, body: Body, options?: TestOptions): void;
  /** A test that can't run here: named with its reason and counted. */
  skip(law: string, reason: string): void;
  readonly before: AddHook & { readonly each: AddHook };
  readonly after: AddHook & { readonly each: AddHook };
  /** Last line of every test file. */
  run(): void;
}

const LIMIT_MS_DEFAULT = 20_000;
/** How long open handles may outlive the last test before the process is ended as failed. */
const OPEN_HANDLES_MS_MAX = 3_000;
/** Stack lines that every failure would share. */
const OWN_FRAMES = /\/test\/suite\.ts:|\/node_modules\/uvu\//;

/** Where `test/servers.mjs` puts what comes from npm. */
const newestNode = fileURLToPath(new URL('../node_modules/.newest-node/bin', import.meta.url));

// A test may replace the global timers; the limits must go on.
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;
// Debian keeps servers in /usr/sbin, which is not on every user's path.
process.env['PATH'] = [process.env['PATH'], '/usr/sbin', '/sbin', newestNode].filter(Boolean).join(delimiter);
// Taken out of the environment so that no process started by a test writes into this file's report.
const reportPath = process.env['BERTH_TEST_REPORT'];
delete process.env['BERTH_TEST_REPORT'];

/** Declares a suite; nothing runs before `run()`. Why not uvu's own: see the head of this file. */
export function suite(name: string): Suite {
  const state: SuiteState = { name, declared: 0, ran: 0, skipped: 0, asked: false, ended: false };
  const hooks = {
    before: [] as Body[],
    after: [] as Body[],
    beforeEach: [] as Body[],
    afterEach: [] as Body[],
  };
  const inner = uvuSuite(name);
  let beforeFailed: Error | undefined;
  refuseWhenStarted(`suite '${name}'`);
  suites.push(state);

  const add = (law: string, body: Body, { limitMs = LIMIT_MS_DEFAULT }: TestOptions = {}): void => {
    refuseWhenStarted(`test '${law}'`);
    if (state.asked) throw new Error(`test '${law}' is declared after run() of suite '${name}'`);
    state.declared += 1;
    inner(law, async () => {
      report({ suite: name, test: law, result: 'started' });
      const failure = beforeFailed ?? (await runOne(hooks, body, limitMs));
      state.ran += 1;
      count(name, law, failure);
      if (failure) throw failure;
    });
  };
  const skip = (law: string, reason: string): void => {
    state.skipped += 1;
    skips.push(`skipped  ${name}: ${law} (${reason})`);
    inner.skip(law);
    report({ suite: name, test: law, result: 'skipped', reason });
  };
  const hook = (list: Body[]): AddHook => {
    return (body) => void list.push(body);
  };

  inner.before(async () => {
    started = true;
    const failure = await runAll(hooks.before, 'before');
    if (failure) beforeFailed = printable(failure, `the before hook of '${name}' failed: `);
  });
  inner.after(async () => {
    const failure = await runAll(hooks.after, 'after');
    if (failure) fail(name, 'after hook', failure.stack ?? failure.message);
    state.ended = true;
    if (suites.every((each) => each.ended)) endOpenHandles();
  });

  return Object.assign(add, {
    needing(binary: string, law: string, body: Body, options?: TestOptions): void {
      if (needs(binary)) add(law, body, options);
      else skip(law, `needs ${binary}`);
    },
    skip,
    before: Object.assign(hook(hooks.before), { each: hook(hooks.beforeEach) }),
    after: Object.assign(hook(hooks.after), { each: hook(hooks.afterEach) }),
    run(): void {
      refuseWhenStarted(`run() of suite '${name}'`);
      if (state.asked) throw new Error(`run() of suite '${name}' is called twice`);
      state.asked = true;
      inner.run();
    },
  });
}

/**
 * Whether a program that tests talk to is here.
 *
 * Why `test/run.mjs` has the first word: it knows the list of programs and refuses to go on in CI without them.
 * A name that is not in its list would be skipped everywhere and noticed nowhere, so that throws.
 */
export function needs(binary: string): boolean {
  const known = process.env['BERTH_TEST_WITH'];
  const missing = process.env['BERTH_TEST_WITHOUT'];
  if (missing?.split(',').includes(binary)) return false;
  if (known?.split(',').includes(binary)) return true;
  if (known !== undefined) throw new Error(`'${binary}' is not listed in test/servers.mjs`);
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, binary)));
}

/** The seed of this run's random tests, an unsigned 32-bit number; `npm test -- --seed N` repeats a run. */
export function seed(): number {
  if (process.env['BERTH_SEED'] === undefined) {
    process.env['BERTH_SEED'] = String(Math.floor(Math.random() * 2 ** 32));
    console.log(`seed ${process.env['BERTH_SEED']}`);
  }
  return Number(process.env['BERTH_SEED']) >>> 0;
}

/** How many random cases to try: `n`, or ten times as many in the long run. */
export function runs(n: number): number {
  return process.env['BERTH_TEST_LONG'] === '1' ? n * 10 : n;
}

interface SuiteState {
  readonly name: string;
  declared: number;
  ran: number;
  skipped: number;
  asked: boolean;
  ended: boolean;
}
interface Hooks {
  readonly beforeEach: readonly Body[];
  readonly afterEach: readonly Body[];
}

const suites: SuiteState[] = [];
const skips: string[] = [];
const failures: string[] = [];
let passed = 0;
let failed = 0;
let started = false;

process.on('exit', (code) => {
  for (const each of suites) {
    const { name, declared, ran, skipped } = each;
    if (!each.asked) fail(name, 'run() was never called', `${declared} declared, none ran`);
    else if (ran !== declared) fail(name, 'not all tests ran', `${declared} declared, ${ran} ran`);
    else if (declared + skipped === 0) fail(name, 'no tests', '0 declared');
  }
  if (suites.length === 0) fail('this file', 'no suite', 'nothing was declared');
  if (code !== 0 && failed === 0)
    fail('this file', `the process ended with code ${code}`, 'outside of any test');
  if (!reportPath) {
    for (const line of [...skips, ...failures]) console.log(line);
    console.log(`${passed} passed, ${failed} failed, ${skips.length} skipped`);
  }
  report({ result: 'end' });
  if (failed > 0) process.exitCode = 1;
});

async function runOne(hooks: Hooks, body: Body, limitMs: number): Promise<Error | undefined> {
  let failure = await runAll(hooks.beforeEach, 'before.each');
  failure ??= await attempt(body, limitMs, 'the test');
  const afterwards = await runAll(hooks.afterEach, 'after.each');
  const first = failure ?? afterwards;
  return first && printable(first, '');
}

async function runAll(bodies: readonly Body[], what: string): Promise<Error | undefined> {
  let first: Error | undefined;
  for (const body of bodies) {
    const failure = await attempt(body, LIMIT_MS_DEFAULT, `the ${what} hook`);
    if (failure) first ??= printable(failure, what === 'before' || what === 'after' ? '' : `${what}: `);
  }
  return first;
}

/** Runs `body` within `limitMs`; what it threw comes back as an Error, whatever it was. */
async function attempt(body: Body, limitMs: number, what: string): Promise<Error | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = startTimer(() => reject(new Error(`${what} took longer than ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([Promise.resolve().then(body), limit]);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(`threw ${inspect(thrown)}, which is no Error`);
  } finally {
    stopTimer(timer);
  }
}

/**
 * The same failure as a plain Error.
 *
 * Why: uvu formats failures inside its own `catch`; an error whose name, operator or values it can't handle
 * throws there, and the rest of the suite is passed over in silence.
 */
function printable(error: Error, prefix: string): Error {
  const frames = String(error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !OWN_FRAMES.test(line));
  const details = 'details' in error && typeof error.details === 'string' ? error.details : undefined;
  const cause = error.cause === undefined ? undefined : `caused by ${inspect(error.cause)}`;
  const plain = new Error(`${prefix}${error.message}`);
  plain.stack = [`Error: ${plain.message.split('\n')[0]}`, ...frames].join('\n');
  return Object.assign(plain, { details: details ?? cause });
}

/** uvu reads its queue once: what is declared later would never run. */
function refuseWhenStarted(what: string): void {
  if (started) throw new Error(`${what} comes too late: tests are running; move the top-level await up`);
}

/** An open handle after the last test is a leak: named, and failed, instead of waited for. */
function endOpenHandles(): void {
  startTimer(() => {
    fail('this file', 'open handles', process.getActiveResourcesInfo().join(', '));
    process.exit(1);
  }, OPEN_HANDLES_MS_MAX).unref();
}

function count(name: string, law: string, failure: Error | undefined): void {
  if (failure) fail(name, law, failure.message);
  else {
    passed += 1;
    report({ suite: name, test: law, result: 'passed' });
  }
}

function fail(name: string, law: string, reason: string): void {
  failed += 1;
  failures.push(`failed   ${name}: ${law} (${reason.split('\n')[0]})`);
  report({ suite: name, test: law, result: 'failed', reason });
}

/** One JSON line a result, written at once: a process that is killed has still told how far it came. */
function report(line: { suite?: string; test?: string; result: string; reason?: string }): void {
  if (reportPath) appendFileSync(reportPath, `${JSON.stringify(line)}\n`);
}
