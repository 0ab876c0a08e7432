/** The executor: makes the world agree with the log, starts nothing twice and nothing that is no longer wanted. */
import * as assert from 'uvu/assert';
import { BerthError } from '../../src/errors.ts';
import type { RunOutcome } from '../../src/executor/backend.ts';
import { Executor, type ResultStore } from '../../src/executor/executor.ts';
import type { Command } from '../../src/jobs/commands.ts';
import { Desk } from '../jobs/desk.ts';
import { SimulatedBackend } from '../properties/simulated.ts';
import { suite } from '../suite.ts';

const t = suite('executor');
const killWaitMs = 500;
const exited: RunOutcome = { how: 'exited', exitCode: 0, stdout: Uint8Array.of(1, 2, 3) };

/** The executor beside a desk; it folds when told, as if the disk had just caught up. */
class Bench {
  readonly desk = new Desk();
  readonly backend: SimulatedBackend;
  readonly executor: Executor;
  readonly stored: number[] = [];
  readonly troubles: unknown[] = [];
  constructor(runners = 3, blobs: Partial<ResultStore> = {}) {
    this.backend = new SimulatedBackend(runners);
    const store: ResultStore = {
      read: async () => new Uint8Array(),
      verify: async () => true,
      putBytes: async (_tenant, bytes) => {
        this.stored.push(bytes.length);
        return { sha256: 'e'.repeat(64), bytes: bytes.length };
      },
      ...blobs,
    };
    const { state: head, clock } = this.desk;
    const onTrouble = (_message: string, { error }: Record<string, unknown>) => this.troubles.push(error);
    this.executor = new Executor({ blobs: store, clock, wake: () => undefined, head, killWaitMs, onTrouble });
  }
  /** The disk catches up: the executor folds what is there. */
  durable(): void {
    for (const change of this.desk.news()) this.executor.fold(change);
  }
  /** What the loop does after folding, and everything that follows from it without time. */
  async act(): Promise<void> {
    this.durable();
    this.executor.act();
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  /** Sends all reports; the codes of refusals or the facts they became. */
  reports(): string[] {
    const became: string[] = [];
    for (let command = this.executor.decide(); command; command = this.executor.decide()) {
      const outcome = this.desk.handle(command as Command, 'executor');
      became.push(
        'refused' in outcome ? outcome.refused : (this.desk.feed.at(this.desk.log.head)?.record.type ?? ''),
      );
      this.executor.answered(command, outcome);
    }
    return became;
  }
}

t(
  'a reserved job is started once, its start and its end are reported, and its result is stored before',
  async () => {
    const bench = new Bench();
    bench.executor.start(bench.backend);
    bench.desk.bring('a', 'starting');
    await bench.act();
    await bench.act();
    assert.is(bench.backend.live.length, 1);
    bench.backend.live[0]?.start();
    await bench.act();
    assert.equal(bench.reports(), ['job.started']);
    bench.backend.live[0]?.finish(exited);
    await bench.act();
    assert.equal(bench.stored, [3]);
    assert.equal(bench.reports(), ['job.exited']);
    await bench.act();
    assert.equal([bench.reports(), bench.backend.fencesStarted.length], [[], 1]);
  },
);

/** Runs one job to its guest's good exit; the store is `putBytes`. */
async function exitedWith(putBytes: ResultStore['putBytes']): Promise<Bench> {
  const bench = new Bench(3, { putBytes });
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  await bench.act();
  bench.backend.live[0]?.start();
  await bench.act();
  bench.reports();
  bench.backend.live[0]?.finish(exited);
  await bench.act();
  return bench;
}

t('a result is stored before its exit is reported', async () => {
  let release = (): void => undefined;
  const waiting = new Promise<void>((resolve) => {
    release = resolve;
  });
  const bench = await exitedWith(async () => waiting.then(() => ({ sha256: 'e'.repeat(64), bytes: 3 })));
  assert.equal(bench.reports(), [], 'reported before the result was durable');
  release();
  await bench.act();
  assert.equal(bench.reports(), ['job.exited']);
});

t('a result without room is the end of the attempt, and says so', async () => {
  const bench = await exitedWith(() => Promise.reject(new BerthError('ERR_BLOB_QUOTA', 'used up')));
  assert.equal(bench.reports(), ['job.crashed']);
});

t('a result that the disk does not take is kept until it does, or until nobody wants it', async () => {
  for (const cancelled of [false, true]) {
    let tries = 0;
    const bench = await exitedWith(async () => {
      tries += 1;
      if (tries < 3) throw new Error('EIO');
      return { sha256: 'e'.repeat(64), bytes: 3 };
    });
    assert.equal(bench.reports(), []);
    if (cancelled) bench.desk.do(bench.desk.step('CancelJob', 'a'));
    for (let i = 0; i < 3; i += 1) {
      await bench.act();
      bench.desk.clock.advance(1_000);
    }
    await bench.act();
    assert.equal(bench.reports(), [cancelled ? 'job.stopped' : 'job.exited']);
    assert.is(bench.backend.fencesStarted.length, 1, 'the guest is not run again for it');
    assert.equal(bench.troubles, ['EIO'], 'told of once, however often it is tried');
  }
});

t('a guest that exits while it is told to stop is gone, though its result can not be stored', async () => {
  const bench = new Bench(3, { putBytes: () => Promise.reject(new Error('EIO')) });
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  await bench.act();
  const [run] = bench.backend.live;
  run?.start();
  await bench.act();
  bench.reports();
  // The kill is on its way, the guest's result as well: it arrives first.
  if (run) run.kill = () => run.finish(exited);
  bench.desk.do(bench.desk.step('CancelJob', 'a'));
  await bench.act();
  await bench.act();
  assert.equal(bench.reports(), ['job.stopped']);
});

t('nothing is started for a fact that is not durable', async () => {
  const bench = new Bench();
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  bench.executor.act();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(bench.backend.fencesStarted, []);
});

t('a job cancelled between the fact and the act is never started, and its attempt ends', async () => {
  const bench = new Bench();
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  bench.durable();
  bench.desk.do(bench.desk.step('CancelJob', 'a'));
  bench.executor.act();
  await bench.act();
  assert.equal(bench.backend.fencesStarted, []);
  assert.equal(bench.reports(), ['job.stopped']);
});

t('a job cancelled while its blobs are read is never started either', async () => {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const bench = new Bench(3, { read: async () => gate.then(() => new Uint8Array()) });
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  await bench.act();
  bench.desk.do(bench.desk.step('CancelJob', 'a'));
  release();
  await bench.act();
  assert.equal([bench.backend.fencesStarted, bench.reports()], [[], ['job.stopped']]);
});

t('attempts of a former life are reported lost and never started again', async () => {
  for (const state of ['starting', 'running', 'stopping'] as const) {
    const bench = new Bench();
    bench.desk.bring('a', state);
    bench.durable();
    bench.executor.start(bench.backend);
    await bench.act();
    assert.equal(bench.backend.fencesStarted, [], state);
    assert.equal(bench.reports(), ['job.lost'], state);
    await bench.act();
    assert.equal([bench.backend.fencesStarted, bench.reports()], [[], []], 'said once');
  }
});

t('a busy backend is asked again, and no longer when the job is not wanted', async () => {
  const bench = new Bench(1);
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  bench.desk.bring('b', 'starting');
  bench.desk.bring('c', 'starting');
  await bench.act();
  assert.is(bench.backend.fencesStarted.length, 1);
  bench.desk.do(bench.desk.step('CancelJob', 'c'));
  await bench.act();
  bench.backend.live[0]?.finish({ how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'x' });
  bench.desk.clock.advance(100);
  await bench.act();
  const fences = ['a', 'b'].map((id) => bench.desk.job(id).context.fence);
  assert.equal(bench.backend.fencesStarted, fences);
  assert.equal(bench.reports().sort(), ['job.crashed', 'job.stopped']);
});

t('a stopped job is killed once; a kill that is not seen to end is a loss after the lease', async () => {
  const bench = new Bench();
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  await bench.act();
  const [run] = bench.backend.live;
  let kills = 0;
  if (run) {
    run.kill = () => {
      kills += 1;
    };
  }
  run?.start();
  await bench.act();
  bench.reports();
  bench.desk.do(bench.desk.step('CancelJob', 'a'));
  await bench.act();
  await bench.act();
  assert.is(kills, 1);
  bench.desk.clock.advance(killWaitMs - 1);
  assert.equal(bench.reports(), []);
  bench.desk.clock.advance(1);
  assert.equal(bench.reports(), ['job.lost']);
});

t('a late report of a killed guest is refused and changes nothing', async () => {
  const bench = new Bench();
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  await bench.act();
  bench.desk.do(bench.desk.step('CancelJob', 'a'));
  bench.backend.live[0]?.start();
  await bench.act();
  assert.equal(bench.reports(), ['ERR_NOT_IN_STATE', 'job.stopped'], 'a start after the stop, then the end');
});

t('blobs that can not be read are a loss, and the message is bounded', async () => {
  const bench = new Bench(3, { read: () => Promise.reject(new Error('E'.repeat(5_000))) });
  bench.executor.start(bench.backend);
  bench.desk.bring('a', 'starting');
  await bench.act();
  assert.equal(bench.reports(), ['job.lost']);
});

t.run();
