/** Random commands, interleavings and crashes over the production controller: the invariants hold at every moment. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { runs, seed, suite } from '../suite.ts';
import { World } from './world.ts';

type Act = (world: World) => Promise<void> | void;

const tenant = fc.constantFrom('acme', 'globex');
const slot = fc.constantFrom('1g.6gb', '1g.6gb', '2g.12gb', '4g.24gb', '3g.40gb');
const submit = fc
  .record({
    tenant,
    slot,
    attempts: fc.integer({ min: 1, max: 3 }),
    key: fc.option(fc.constantFrom('k1', 'k2'), { freq: 3 }),
  })
  .map((job) => ({
    name: `submit ${JSON.stringify(job)}`,
    act: ((world) => world.submit(job.tenant, job)) as Act,
  }));
const pick = fc.nat({ max: 1_000 });
const outcome = fc.constantFrom(
  { how: 'exited', exitCode: 0, stdout: new Uint8Array(3) } as const,
  { how: 'exited', exitCode: 7, stdout: new Uint8Array(0) } as const,
  { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' } as const,
  { how: 'lost', message: 'the runner is gone' } as const,
);

const act = (name: string, run: Act) => fc.constant({ name, act: run });
const step = fc.oneof(
  { weight: 6, arbitrary: submit },
  { weight: 6, arbitrary: act('settle', (world) => world.settle()) },
  { weight: 5, arbitrary: act('one turn', (world) => world.runDeferred()) },
  { weight: 5, arbitrary: act('flush', (world) => world.log.flush()) },
  {
    weight: 3,
    arbitrary: fc
      .integer({ min: 1, max: 400 })
      .map((ms) => ({ name: `${ms} ms pass`, act: ((world) => world.clock.advance(ms)) as Act })),
  },
  {
    weight: 4,
    arbitrary: pick.map((n) => ({
      name: `a guest starts (${n})`,
      act: ((world) => world.backend.live[n % world.backend.live.length]?.start()) as Act,
    })),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(pick, outcome).map(([n, how]) => ({
      name: `a guest ends ${JSON.stringify(how.how)} (${n})`,
      act: ((world) => world.backend.live[n % world.backend.live.length]?.finish(how)) as Act,
    })),
  },
  {
    weight: 3,
    arbitrary: pick.map((n) => ({ name: `cancel (${n})`, act: ((world) => cancelSome(world, n)) as Act })),
  },
  {
    weight: 2,
    arbitrary: pick.map((n) => ({
      name: `a stale report (${n})`,
      act: ((world) => staleReport(world, n)) as Act,
    })),
  },
  {
    weight: 1,
    arbitrary: pick.map((n) => ({ name: `evict (${n})`, act: ((world) => evictSome(world, n)) as Act })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('slot.drained', 'slot.restored')
      .map((type) => ({ name: type, act: ((world) => noteSlot(world, type)) as Act })),
  },
);
/** Crashes are rare among the steps, or no job would ever get far. */
const crash = fc.integer({ min: 0, max: 100 }).map((keep) => ({
  name: `crash, ${keep} % of the tail kept`,
  act: ((world) => world.crashAndBegin(keep / 100)) as Act,
}));
const script = (crashes: number) =>
  fc.array(fc.oneof({ weight: 40, arbitrary: step }, { weight: crashes, arbitrary: crash }), {
    minLength: 5,
    maxLength: 60,
    size: 'max',
  });

function cancelSome(world: World, n: number): void {
  const ids = [...(world.controller?.state.jobs.keys() ?? [])];
  const id = ids[n % ids.length];
  if (id) world.send({ kind: 'CancelJob', id, tenant: null, by: 'test' });
}

function evictSome(world: World, n: number): void {
  const jobs = [...(world.controller?.state.jobs.values() ?? [])];
  const job = jobs[n % jobs.length];
  if (job) world.send({ kind: 'EvictJob', id: job.context.id, visit: job.context.visit, reason: 'drain' });
}

function staleReport(world: World, n: number): void {
  const jobs = [...(world.controller?.state.jobs.values() ?? [])].filter(
    ({ context }) => context.attempt > 1 || context.slots === null,
  );
  const job = jobs[n % jobs.length];
  if (!job) return;
  const report = { how: 'exited', exitCode: 0, result: { bytes: 0, sha256: '1'.repeat(64) } } as const;
  world.send({ kind: 'ReportGone', id: job.context.id, fence: Math.max(1, job.context.fence - 1), report });
}

function noteSlot(world: World, type: 'slot.drained' | 'slot.restored'): void {
  world.send({ kind: 'Note', type, stream: 'slot.gpu-0', data: { reason: 'test' } });
}

const options = { seed: seed(), endOnFailure: true } as const;
const t = suite('properties: a life of faults');

t(
  'random commands, interleavings, lost guests and crashes keep every invariant, and every job ends',
  async () => {
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(script(2), fc.constantFrom('fifo', 'round-robin'), async (steps, policy) => {
        const world = new World({ policy });
        await world.begin();
        for (const { act: run } of steps) {
          await run(world);
          if (world.crashed) await world.crashAndBegin(1);
        }
        world.check();
        noteSlot(world, 'slot.restored');
        await world.runToTheEnd();
        world.check();
        for (const { state } of world.controller?.state.jobs.values() ?? [])
          ended += state === 'succeeded' ? 1 : 0;
      }),
      { ...options, numRuns: runs(500) },
    );
    assert.ok(ended > 100, `the checker saw only ${ended} successes`);
  },
  { limitMs: 120_000 },
);

t(
  'a crash after any single append of a script keeps every invariant, and every job ends',
  async () => {
    let crashes = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 30, size: 'max' }),
        fc.integer({ min: 0, max: 100 }),
        async (steps, keep) => {
          const appends = await play(steps, Number.POSITIVE_INFINITY, keep);
          for (let fuse = 1; fuse <= appends; fuse += 1) {
            crashes += 1;
            await play(steps, fuse, keep);
          }
        },
      ),
      { ...options, numRuns: runs(25) },
    );
    assert.ok(crashes > 100, `the checker crashed only ${crashes} times`);
  },
  { limitMs: 180_000 },
);

/** Plays a script with the machine stopping after append number `fuse`; returns how many appends there were. */
async function play(steps: readonly { act: Act }[], fuse: number, keep: number): Promise<number> {
  const world = new World();
  world.disk.fuse = fuse;
  await world.begin();
  for (const { act: run } of [{ act: (w: World) => w.settle() }, ...steps]) {
    if (world.crashed) await world.crashAndBegin(keep / 100);
    await run(world);
  }
  if (world.crashed) await world.crashAndBegin(keep / 100);
  noteSlot(world, 'slot.restored');
  await world.runToTheEnd(keep / 100);
  world.check();
  return world.disk.appends;
}

t.run();
