/** The WASM backend does what the port says: results, refusals, tenants, records. Hostile guests: `containment.test.ts`. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { Backend, Run, RunOutcome, RunRequest } from '../../src/executor/backend.ts';
import { startWasmPool } from '../../src/executor/pool.ts';
import { suite } from '../suite.ts';
import { guests, heavyModule, requestFor, sampleGuest } from './guests.ts';

const t = suite('executor/pool');
const dir = mkdtempSync(join(tmpdir(), 'berth-pool-'));
let pool: Backend;

t.before(async () => {
  pool = await startWasmPool({
    runners: 2,
    dir,
    clock: systemClock,
    leaseMs: 10_000,
    graceMs: 1_000,
    memoryMiBMax: 256,
  });
});

t.after(async () => {
  await pool.stop();
  rmSync(dir, { recursive: true });
});

function run(request: RunRequest): Run {
  const started = pool.run(request);
  if (started === null) throw new Error('every runner is busy');
  return started;
}

const outcomeOf = (module: Uint8Array, more: Partial<RunRequest> = {}): Promise<RunOutcome> =>
  run(requestFor(module, more)).ended;

async function stdoutOf(module: Uint8Array, more: Partial<RunRequest> = {}): Promise<Buffer> {
  const outcome = await outcomeOf(module, more);
  if (outcome.how !== 'exited') throw new Error(JSON.stringify(outcome));
  return Buffer.from(outcome.stdout);
}

async function pidOf(run: Run): Promise<number> {
  return Number((await run.started).runner.replace('runner-', ''));
}

t('a guest gets its arguments and its input, and its output comes back', async () => {
  const out = await stdoutOf(sampleGuest('hello'), {
    args: ['ünï', 'two'],
    input: Buffer.from('from stdin'),
  });
  assert.match(out.toString(), /^hello ünï two\n/);
  assert.match(out.toString(), /from stdin$/);
});

t('a result is what another implementation computes', async () => {
  const out = await stdoutOf(sampleGuest('sha256'), { input: Buffer.from('abc') });
  assert.is(out.toString(), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n');
});

t('an exit code is a result, not a crash', async () => {
  const outcome = await outcomeOf(guests.exit42);
  assert.equal([outcome.how, outcome.how === 'exited' && outcome.exitCode], ['exited', 42]);
});

t('a guest reads its model at descriptor 3, from where it seeks to', async () => {
  const model = Uint8Array.from({ length: 100 }, (_, index) => index);
  assert.equal([...(await stdoutOf(guests.model, { model }))], [...model.subarray(4, 20)]);
});

t('a guest sees of its environment only the keys that it declared', async () => {
  const env = { BERTH_ATTEMPT: '2', OTHER: 'x' };
  const out = await stdoutOf(sampleGuest('flaky'), { env, capabilities: ['stdio', 'env:BERTH_ATTEMPT'] });
  assert.is(out.toString(), 'second time lucky\n');
  const blind = await outcomeOf(sampleGuest('flaky'), { env, capabilities: ['stdio', 'env:OTHER'] });
  assert.is(blind.how === 'exited' && blind.exitCode, 1);
});

t('seeded randomness is the same on every runner, and another seed gives other bytes', async () => {
  const first = await stdoutOf(guests.random, { seed: 'a', tenant: 'alice' });
  const again = await stdoutOf(guests.random, { seed: 'a', tenant: 'bob' });
  const other = await stdoutOf(guests.random, { seed: 'b', tenant: 'alice' });
  assert.is(first.toString('hex'), again.toString('hex'));
  assert.is.not(first.toString('hex'), other.toString('hex'));
  assert.is.not(first.toString('hex'), '00'.repeat(16));
});

t('the virtual clock starts at 0 and goes 1 ms a reading', async () => {
  const out = await stdoutOf(guests.clock);
  assert.equal([out.readBigUInt64LE(0), out.readBigUInt64LE(8)], [0n, 1_000_000n]);
});

t('the real clock is real', async () => {
  const out = await stdoutOf(guests.clock, { capabilities: ['stdio', 'clock:real'] });
  assert.ok(Math.abs(Number(out.readBigUInt64LE(0) / 1_000_000n) - Date.now()) < 60_000);
});

t('bytes that do not hash to their name never run', async () => {
  const run_ = run(requestFor(guests.exit42, { moduleSha256: 'ab'.repeat(32) }));
  const outcome = await run_.ended;
  assert.is(outcome.how === 'crashed' && outcome.code, 'ERR_GUEST_LINK');
  assert.is(await Promise.race([run_.started.then(() => 'started'), Promise.resolve('never')]), 'never');
});

t('an import that is not declared is not linked', async () => {
  for (const [module, capabilities] of [
    [sampleGuest('smuggle'), ['stdio']],
    [guests.random, ['stdio']],
    [guests.exit42.slice(0, -1), []],
    [guests.invalid, []],
  ] as const) {
    const outcome = await outcomeOf(module, { capabilities });
    assert.is(outcome.how === 'crashed' && outcome.code, 'ERR_GUEST_LINK', JSON.stringify(outcome));
  }
});

t('more jobs than runners are refused with null, and a killed one makes room', async () => {
  const both = [run(requestFor(guests.loop)), run(requestFor(guests.loop, { tenant: 'bob' }))];
  assert.is(pool.run(requestFor(guests.exit42)), null);
  for (const one of both) one.kill();
  assert.equal(await Promise.all(both.map((one) => one.ended)), [{ how: 'killed' }, { how: 'killed' }]);
  assert.is((await outcomeOf(guests.exit42)).how, 'exited');
});

t('two tenants never share a process, whatever the order of their jobs', async () => {
  const tenantOf = new Map<number, string>();
  let jobs = 0;
  for (let round = 0; round < 24; round++) {
    const runs = [0, 1].map((lane) => {
      const tenant = ['alice', 'bob', 'carol'][(round * round + lane * 2) % 3] as string;
      return { tenant, run: run(requestFor(sampleGuest('noop'), { tenant })) };
    });
    for (const { tenant, run } of runs) {
      const pid = await pidOf(run);
      assert.is(tenantOf.get(pid) ?? tenant, tenant);
      tenantOf.set(pid, tenant);
      await run.ended;
      jobs++;
    }
  }
  assert.ok(
    new Set(tenantOf.values()).size === 3 && tenantOf.size < jobs,
    'nothing was shared or nothing was seen',
  );
});

t('a tenant who comes again gets its own process again', async () => {
  const first = run(requestFor(sampleGuest('noop'), { tenant: 'dave' }));
  const pid = await pidOf(first);
  await first.ended;
  const second = run(requestFor(sampleGuest('noop'), { tenant: 'dave' }));
  assert.is(await pidOf(second), pid);
  await second.ended;
});

t('a runner is on record before it runs anything', async () => {
  const looping = run(requestFor(guests.loop));
  const pid = await pidOf(looping);
  assert.ok(readdirSync(dir).includes(`${pid}.json`));
  looping.kill();
  await looping.ended;
});

t('a module of 60 MiB passes, and a second run of it sends no bytes', async () => {
  const module = heavyModule(60 * 2 ** 20);
  const request = requestFor(module, { tenant: 'heavy' });
  assert.is((await run(request).ended).how, 'exited');
  const startedMs = performance.now();
  assert.is((await run({ ...request, fence: request.fence + 1_000_000 }).ended).how, 'exited');
  assert.ok(performance.now() - startedMs < 1_000);
});

t('a runner that dropped a module asks for it again', async () => {
  const modules = Array.from({ length: 20 }, (_, index) => heavyModule(10 + index));
  for (const module of [...modules, ...modules])
    assert.is((await outcomeOf(module, { tenant: 'erin' })).how, 'exited');
});

t('a job larger than the pool allows is refused as a crash, not thrown', async () => {
  const outcome = await outcomeOf(guests.exit42, { memoryMiBMax: 257 });
  assert.is(outcome.how === 'crashed' && outcome.code, 'ERR_GUEST_MEMORY');
  const wordy = await outcomeOf(guests.exit42, { args: ['x'.repeat(1_000_000)] });
  assert.is(wordy.how === 'crashed' && wordy.code, 'ERR_GUEST_LINK');
});

t('a killed run that still waits for a process ends at once', async () => {
  const blocker = run(requestFor(guests.loop, { tenant: 'x1' }));
  const waiting = run(requestFor(guests.loop, { tenant: 'x2' }));
  waiting.kill();
  waiting.kill();
  assert.equal(await waiting.ended, { how: 'killed' });
  blocker.kill();
  assert.equal(await blocker.ended, { how: 'killed' });
});

t('after stop no process and no record is left, and nothing more is taken', async () => {
  const own = mkdtempSync(join(tmpdir(), 'berth-pool-'));
  const second = await startWasmPool({
    runners: 1,
    dir: own,
    clock: systemClock,
    leaseMs: 10_000,
    graceMs: 1_000,
    memoryMiBMax: 64,
  });
  const looping = second.run(requestFor(guests.loop));
  await looping?.started;
  await second.stop();
  assert.equal(await looping?.ended, { how: 'killed' });
  assert.equal(readdirSync(own), ['runner.mjs']);
  assert.is(second.run(requestFor(guests.loop)), null);
  await second.stop();
  rmSync(own, { recursive: true });
});

t('a pool of 0 runners starts no process, takes no run, and says so', async () => {
  const own = join(dir, 'none');
  const processes = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
  const before = processes();
  const parts = { runners: 0, dir: own, clock: systemClock, leaseMs: 10_000, graceMs: 1_000 };
  const none = await startWasmPool({ ...parts, memoryMiBMax: 64 });
  assert.equal([processes(), existsSync(own)], [before, false]);
  assert.equal([none.runners, none.run(requestFor(guests.exit42))], [0, null]);
  assert.match(none.probe().notes.join(), /no runner is started here/);
  await none.stop();
});

t('a runner that SIGKILL does not end in time is lost, not killed, and stays on record', async () => {
  const own = mkdtempSync(join(tmpdir(), 'berth-pool-'));
  const { clock, jump } = jumpingClock();
  const parts = { runners: 1, dir: own, leaseMs: 60_000, graceMs: 1_000, memoryMiBMax: 64 };
  const second = await startWasmPool({ ...parts, clock });
  const looping = second.run(requestFor(guests.loop));
  const pid = Number((await looping?.started)?.runner.replace('runner-', ''));
  looping?.kill();
  // Within one turn of the event loop, so that the exit, which does come here, cannot be seen before.
  jump(10_000);
  assert.equal(await looping?.ended, {
    how: 'lost',
    message: `no exit of runner ${pid} was seen after SIGKILL`,
  });
  assert.ok(existsSync(join(own, `${pid}.json`)), 'the next controller must look for it');
  await second.stop();
  rmSync(own, { recursive: true });
});

/** The machine's clock, but `jump` takes it ahead, and every timer that is due by then goes off in it. */
function jumpingClock(): { clock: Clock; jump: (ms: number) => void } {
  let aheadMs = 0;
  const timers = new Set<{ dueMs: number; ring: () => void }>();
  const monotonicMs = () => systemClock.monotonicMs() + aheadMs;
  const after = (ms: number, fn: () => void): (() => void) => {
    const ring = (): void => {
      off();
      fn();
    };
    const timer = { dueMs: monotonicMs() + ms, ring };
    const offSystem = systemClock.after(ms, ring);
    const off = (): void => {
      offSystem();
      timers.delete(timer);
    };
    timers.add(timer);
    return off;
  };
  const jump = (ms: number): void => {
    aheadMs += ms;
    for (const timer of [...timers]) if (timer.dueMs <= monotonicMs() && timers.has(timer)) timer.ring();
  };
  return { clock: { wallMs: () => systemClock.wallMs() + aheadMs, monotonicMs, after }, jump };
}

t.run();
