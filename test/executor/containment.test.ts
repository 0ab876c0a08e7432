/** Whatever a guest does, it ends, it ends alone, and it never outlives its controller. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import type { Backend, Run, RunOutcome, RunRequest } from '../../src/executor/backend.ts';
import { startWasmPool } from '../../src/executor/pool.ts';
import { killFormerRunners } from '../../src/executor/processes.ts';
import { processStat } from '../../src/process-stat.ts';
import { suite } from '../suite.ts';
import { deepModule, guests, requestFor, sampleGuest } from './guests.ts';

const t = suite('executor/containment');
const dir = mkdtempSync(join(tmpdir(), 'berth-containment-'));
const leaseMs = 3_000;
const graceMs = 300;
let pool: Backend;

t.before(async () => {
  pool = await startWasmPool({ runners: 1, dir, clock: systemClock, leaseMs, graceMs, memoryMiBMax: 256 });
});

t.after(async () => {
  await pool.stop();
  rmSync(dir, { recursive: true });
});

function run(module: Uint8Array, more: Partial<RunRequest> = {}): Run {
  const started = pool.run(requestFor(module, more));
  if (started === null) throw new Error('every runner is busy');
  return started;
}

const pidOf = async (run: Run): Promise<number> => Number((await run.started).runner.replace('runner-', ''));
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Runs nothing any more: no entry in /proc, or a zombie. */
function isGone(pid: number): boolean {
  const state = processStat(pid)?.state;
  return state === undefined || state === 'Z' || state === 'X';
}

async function msUntilGone(pid: number, msMax: number): Promise<number> {
  const fromMs = performance.now();
  while (!isGone(pid)) {
    if (performance.now() - fromMs > msMax)
      throw new Error(`process ${pid} is still there after ${msMax} ms`);
    await pause(2);
  }
  return performance.now() - fromMs;
}

async function crashOf(module: Uint8Array, more: Partial<RunRequest> = {}): Promise<string> {
  const outcome = await run(module, more).ended;
  return outcome.how === 'crashed' ? outcome.code : JSON.stringify(outcome);
}

async function alive(): Promise<void> {
  assert.is((await run(sampleGuest('noop')).ended).how, 'exited', 'the pool does not work any more');
}

t('a looping guest is gone from the process table within a second of its kill', async () => {
  for (const module of [sampleGuest('loop'), guests.fillLoop]) {
    const looping = run(module);
    const pid = await pidOf(looping);
    await pause(20);
    assert.not(isGone(pid));
    looping.kill();
    const outcome = await looping.ended;
    assert.equal(outcome, { how: 'killed' });
    await msUntilGone(pid, 1_000);
  }
  await alive();
});

t('a memory bomb meets its own limit and is told apart from a bug', async () => {
  assert.is(await crashOf(sampleGuest('membomb')), 'ERR_GUEST_MEMORY');
  assert.is(await crashOf(sampleGuest('membomb'), { memoryMiBMax: 128 }), 'ERR_GUEST_MEMORY');
  await alive();
});

t('a module that wants more memory than its limit from the start is told so', async () => {
  assert.is(await crashOf(guests.fillLoop, { memoryMiBMax: 63 }), 'ERR_GUEST_MEMORY');
});

t(
  'a table bomb ends at the engine limit, where it would abort a worker thread with its process',
  async () => {
    const outcome = await run(guests.tableBomb).ended;
    assert.ok(outcome.how === 'exited' || outcome.how === 'crashed', JSON.stringify(outcome));
    const huge: RunOutcome = await run(guests.hugeTable).ended;
    assert.is(huge.how, 'crashed');
    await alive();
  },
);

t('a module that fills the memory while it compiles takes down its own sandbox and pays for it', async () => {
  assert.is((await run(deepModule(1_000)).ended).how, 'exited');
  assert.is(await crashOf(deepModule(1_500_000)), 'ERR_GUEST_MEMORY');
  await alive();
});

t('endless recursion, a trap and a flood of output each have a code of their own', async () => {
  assert.is(await crashOf(sampleGuest('recurse')), 'ERR_GUEST_STACK');
  assert.is(await crashOf(sampleGuest('trap')), 'ERR_GUEST_TRAP');
  assert.is(await crashOf(sampleGuest('flood')), 'ERR_GUEST_OUTPUT');
  await alive();
});

t('a guest that catches the end of its output does not win', async () => {
  assert.is(await crashOf(guests.stubborn), 'ERR_GUEST_OUTPUT');
});

t('what a guest said before it hung can be read while it hangs', async () => {
  const talking = run(guests.talkThenLoop);
  await talking.started;
  for (let tries = 0; talking.logs() === '' && tries < 200; tries++) await pause(5);
  assert.is(talking.logs(), 'I am alive here\n');
  talking.kill();
  await talking.ended;
});

t('a flood of stderr costs the controller little, and 64 KiB of it are kept', async () => {
  const flooding = run(guests.stderrFlood);
  await flooding.started;
  const before = process.cpuUsage();
  await pause(500);
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1000 < 400, `${(user + system) / 1000} ms of CPU in 500 ms`);
  assert.ok(
    flooding.logs().length > 1_000 && flooding.logs().length <= 65_536,
    String(flooding.logs().length),
  );
  flooding.kill();
  assert.equal(await flooding.ended, { how: 'killed' });
});

t('a runner killed from outside is a loss, not the guest’s fault', async () => {
  const looping = run(guests.loop);
  process.kill(await pidOf(looping), 'SIGKILL');
  assert.is((await looping.ended).how, 'lost');
  await alive();
});

t('a sandbox that dies under its guest is the guest’s fault', async () => {
  for (const signal of ['SIGSEGV', 'SIGABRT'] as const) {
    const looping = run(guests.loop);
    process.kill(await pidOf(looping), signal);
    const outcome = await looping.ended;
    assert.is(outcome.how === 'crashed' && outcome.code, 'ERR_GUEST_SANDBOX', JSON.stringify(outcome));
  }
  await alive();
});

t('a stopped runner is lost only after lease and grace, and really dead by then', async () => {
  const looping = run(guests.loop);
  const pid = await pidOf(looping);
  const fromMs = performance.now();
  process.kill(pid, 'SIGSTOP');
  const outcome = await looping.ended;
  const tookMs = performance.now() - fromMs;
  assert.is(outcome.how, 'lost');
  assert.ok(isGone(pid));
  // The last heartbeat may be a third of a lease old when the process stops, and the next look as late.
  assert.ok(tookMs >= (leaseMs * 2) / 3 + graceMs - 50 && tookMs < 2 * leaseMs + graceMs, `${tookMs} ms`);
  await alive();
});

t('a runner has no environment, and no descriptor but null, pipes and its event loop', async () => {
  const looping = run(guests.loop);
  const pid = await pidOf(looping);
  assert.is(readFileSync(`/proc/${pid}/environ`, 'utf8'), '');
  assert.is(readlinkSync(`/proc/${pid}/cwd`), '/');
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  assert.ok(open.length > 4);
  assert.equal(
    open.filter((target) => !/^(\/dev\/null|socket:|pipe:|anon_inode:)/.test(target)),
    [],
  );
  assert.is(open.filter((target) => target.startsWith('socket:')).length, 3);
  looping.kill();
  await looping.ended;
});

t('the kernel limits a runner: private memory, core dumps, files', async () => {
  assert.is(pool.probe().isolation, 'L1');
  const looping = run(guests.loop);
  const limits = readFileSync(`/proc/${await pidOf(looping)}/limits`, 'utf8');
  assert.match(limits, /Max data size\s+\d+\s+\d+\s/);
  assert.match(limits, /Max core file size\s+0\s+0\s/);
  assert.match(limits, /Max file size\s+0\s+0\s/);
  looping.kill();
  await looping.ended;
});

interface Victim {
  readonly child: ChildProcess;
  readonly runner: number;
  readonly dir: string;
}

async function controllerWithLoop(lease: number, ...without: string[]): Promise<Victim> {
  const own = mkdtempSync(join(tmpdir(), 'berth-victim-'));
  const script = fileURLToPath(new URL('./controller.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, own, String(lease), ...without], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('exit', () => reject(new Error('the controller ended by itself')));
  });
  assert.not(isGone(Number(line)));
  return { child, runner: Number(line), dir: own };
}

/** Every runner of that controller: the looping one and the spares, by their records. */
function runnersOf({ dir, runner }: Victim): number[] {
  const recorded = readdirSync(dir).flatMap((file) =>
    /^\d+\.json$/.test(file) ? [Number.parseInt(file, 10)] : [],
  );
  assert.ok(recorded.includes(runner));
  return recorded;
}

for (const [walls, without] of [
  ['with setpriv', []],
  ['by its own lease thread alone', ['setpriv']],
] as const) {
  t(`no runner outlives its controller's kill -9 by a second, ${walls}`, async () => {
    const victim = await controllerWithLoop(60_000, ...without);
    await pause(200);
    const runners = runnersOf(victim);
    victim.child.kill('SIGKILL');
    for (const pid of runners) await msUntilGone(pid, 1_000);
    assert.is(await killFormerRunners(victim.dir), 0);
    assert.equal(readdirSync(victim.dir), ['runner.mjs']);
    rmSync(victim.dir, { recursive: true });
  });
}

t('setpriv alone is enough: even a runner that can not act dies with its controller', async () => {
  const victim = await controllerWithLoop(60_000);
  process.kill(victim.runner, 'SIGSTOP');
  victim.child.kill('SIGKILL');
  await msUntilGone(victim.runner, 1_000);
  rmSync(victim.dir, { recursive: true });
});

t('a runner whose controller hangs ends itself when its lease is over', async () => {
  const victim = await controllerWithLoop(900);
  victim.child.kill('SIGSTOP');
  const tookMs = await msUntilGone(victim.runner, 2_500);
  assert.ok(tookMs > 500, `${tookMs} ms: it died of something else`);
  victim.child.kill('SIGKILL');
  rmSync(victim.dir, { recursive: true });
});

t('the next controller kills what the last one left, and waits until it is dead', async () => {
  const victim = await controllerWithLoop(60_000);
  // A stopped controller can't be cut off by the end of its pipes: only the successor ends its runners.
  victim.child.kill('SIGSTOP');
  const runners = runnersOf(victim);
  assert.is(await killFormerRunners(victim.dir), runners.length);
  assert.ok(runners.every(isGone));
  victim.child.kill('SIGKILL');
  rmSync(victim.dir, { recursive: true });
});

t.run();
