/** Lives: when one can't go on, the next begins from what is durable; and when none can, that is said and not hidden. */
import * as assert from 'uvu/assert';
import { Controller } from '../src/controller.ts';
import { BerthError } from '../src/errors.ts';
import { Lives } from '../src/lives.ts';
import type { Appended, Draft } from '../src/log/log.ts';
import { submission } from './jobs/desk.ts';
import { LifeOnDisk } from './life.ts';
import { CrashLog } from './properties/crash-log.ts';
import { suite } from './suite.ts';

const t = suite('lives');

/** A log that fails when told: it takes no fact, and nothing more becomes durable. */
class SickLog extends CrashLog {
  sick: BerthError | null = null;
  override get failure(): Error | null {
    return this.sick;
  }
  override append(draft: Draft): Appended {
    if (this.sick) throw this.sick;
    return super.append(draft);
  }
  override flush(): void {
    if (!this.sick) super.flush();
  }
}

class Bench {
  readonly disk = new LifeOnDisk();
  readonly trusted: (number | null)[] = [];
  readonly logged: string[] = [];
  /** What opening the log throws, first to last; then it opens. */
  readonly troubles: Error[] = [];
  log!: SickLog;
  lives!: Lives;
  begun = 0;

  async start(): Promise<Lives> {
    this.lives = await this.through(
      Lives.start({
        begin: (trustedSeq, onFault) => {
          this.trusted.push(trustedSeq);
          return Controller.begin(
            this.disk.parts({ onFault, openLog: async (onRecords) => this.#open(onRecords) }),
          );
        },
        clock: this.disk.clock,
        logger: (level, message) => void this.logged.push(`${level}: ${message}`),
        onBegin: () => {
          this.begun += 1;
        },
      }),
    );
    await this.through(this.lives.current.ask(tenant, 'test'));
    return this.lives;
  }

  #open(onRecords: (batch: typeof this.disk.disk.records) => void) {
    const trouble = this.troubles.shift();
    if (trouble) throw trouble;
    this.log = new SickLog(this.disk.disk);
    onRecords(this.disk.disk.records);
    return { log: this.log, cut: null, settled: async () => undefined };
  }

  /** Waits for `promise`, the disk writing and time passing. */
  async through<T>(promise: Promise<T>, msEachTurn = 0): Promise<T> {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    for (let i = 0; i < 5_000 && !over; i += 1) {
      this.log?.flush();
      await new Promise((resolve) => setImmediate(resolve));
      this.disk.clock.advance(msEachTurn);
    }
    if (!over) throw new Error('nothing came of it');
    return promise;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      this.disk.clock.advance(50);
      for (let i = 0; i < 10; i += 1) {
        this.log.flush();
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
}

const terms = { capabilities: ['stdio'], jobsMax: 9, queuedMax: 99, slicesMax: 9, unsigned: true, weight: 1 };
const tenant = { kind: 'Note', type: 'tenant.added', stream: 'tenant.acme', data: { terms } } as const;
const noRoom = () => new BerthError('ERR_LOG_FAILED', 'no room');

t('after a failed log the next life begins from what is durable, a second later', async () => {
  const bench = new Bench();
  const lives = await bench.start();
  await bench.through(lives.current.ask(submission('a'), 'test'));
  const first = lives.current;
  const { durable } = bench.log;
  bench.log.sick = noRoom();
  const refused = await first.ask(submission('b'), 'test').catch((error: BerthError) => error);
  assert.is((refused as BerthError).code, 'ERR_LOG_FAILED');
  assert.is(first.gate.closed?.code, 'ERR_READ_ONLY');
  await bench.pass(900);
  assert.is(lives.current, first);
  assert.ok(lives.current.views.job('a'), 'what was durable stays readable meanwhile');
  await bench.pass(200);
  assert.is.not(lives.current, first);
  assert.ok((bench.trusted.at(-1) ?? 0) >= durable);
  assert.equal(
    [lives.current.log.epoch, lives.current.state.jobs.has('a'), lives.current.state.jobs.has('b')],
    [2, true, false],
  );
  assert.is(lives.current.gate.closed, null);
  await bench.through(lives.end());
});

t('while the disk stays full it tries once a second, and takes up service when there is room', async () => {
  const bench = new Bench();
  const lives = await bench.start();
  bench.troubles.push(noRoom(), noRoom(), noRoom());
  bench.log.sick = noRoom();
  await lives.current.ask(submission('a'), 'test').catch(() => undefined);
  await bench.pass(3_500);
  assert.is(bench.begun, 1);
  assert.is(
    bench.logged.filter((line) => line.startsWith('error: ')).length,
    1 + 3,
    'the failure, then each vain try',
  );
  await bench.pass(1_000);
  assert.is(bench.begun, 2);
  await bench.through(lives.end());
});

t('a corrupt log ends it: the error is handed up and no life begins', async () => {
  const bench = new Bench();
  const lives = await bench.start();
  bench.troubles.push(new BerthError('ERR_LOG_CORRUPT', 'seq 3 does not verify'));
  bench.log.sick = noRoom();
  await lives.current.ask(submission('a'), 'test').catch(() => undefined);
  await bench.pass(1_200);
  assert.is(((await bench.through(lives.failed)) as BerthError).code, 'ERR_LOG_CORRUPT');
  await bench.pass(3_000);
  assert.is(bench.begun, 1);
});

t(
  'a life that breaks our own rules is begun again three times, then the process is told to stop',
  async () => {
    const bench = new Bench();
    const lives = await bench.start();
    for (let i = 0; i < 4; i += 1) {
      bench.disk.disk.fuse = 1;
      await lives.current.ask(submission(`job${i}`), 'test').catch(() => undefined);
      bench.disk.disk.fuse = Number.POSITIVE_INFINITY;
      await bench.pass(1_300);
    }
    assert.match((await bench.through(lives.failed)).message, /the machine stops here/);
    assert.is(bench.begun, 4);
    assert.is(bench.logged.filter((line) => line.includes('rule of ours')).length, 4);
  },
);

t('a first life that can not begin is the caller’s to hear of', async () => {
  const bench = new Bench();
  bench.troubles.push(noRoom());
  const error = await bench.start().catch((thrown: BerthError) => thrown);
  assert.is((error as BerthError).code, 'ERR_LOG_FAILED');
});

t(
  'a stop ends in time on a disk that hangs, says that it was not in order, and no life follows',
  async () => {
    const bench = new Bench();
    const lives = await bench.start();
    bench.log.flush = () => undefined;
    const fromMs = bench.disk.clock.monotonicMs();
    const error = await bench
      .through(lives.drain('finish', 1_000, 500), 20)
      .catch((thrown: BerthError) => thrown);
    assert.is((error as BerthError | undefined)?.code, 'ERR_LOG_FAILED');
    assert.ok(bench.disk.clock.monotonicMs() - fromMs <= 8_000);
    await bench.pass(3_000);
    assert.is(bench.begun, 1);
  },
);

t('a stop on a good disk is in order, and is the last life', async () => {
  const bench = new Bench();
  const lives = await bench.start();
  await bench.through(lives.drain('finish', 1_000, 500), 20);
  assert.is(bench.disk.types.at(-1), 'controller.stopped');
  await bench.pass(2_000);
  assert.is(bench.begun, 1);
});

t.run();
