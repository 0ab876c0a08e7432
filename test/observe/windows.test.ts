import { config, interval, take } from 'rxjs';
import * as assert from 'uvu/assert';
import { clockScheduler } from '../../src/observe/clock-scheduler.ts';
import { createWindows, type Rates } from '../../src/observe/windows.ts';
import { suite } from '../suite.ts';
import { VirtualClock, World } from './world.ts';

const t = suite('observe/windows');
const unwanted = (error: unknown): void => assert.unreachable(String(error));

t('rates are those of the last ten seconds, told once a second', async () => {
  const { windows, world, seen } = await watched();
  for (let job = 0; job < 20; job += 1) await world.submit({ plan: 'exit:0:100' });
  await world.refuse('acme', 'ERR_RATE', 7);
  await world.pass(1_000);
  assert.equal(seen.length, 2);
  assert.equal(
    [windows.latest.overMs, windows.latest.submittedPerSecond, windows.latest.endedPerSecond],
    [1_000, 20, 20],
  );
  assert.equal([windows.latest.refusals, windows.latest.runP50Ms, windows.latest.waitP50Ms], [7, 100, 200]);
  await world.pass(9_000);
  assert.equal(
    [windows.latest.overMs, windows.latest.submittedPerSecond, windows.latest.refusals],
    [10_000, 2, 7],
  );
  await world.pass(1_000);
  const quiet: Rates = {
    overMs: 10_000,
    submittedPerSecond: 0,
    endedPerSecond: 0,
    refusals: 0,
    waitP50Ms: null,
    runP50Ms: null,
  };
  assert.equal(windows.latest, quiet);
  assert.is(seen.length, 12);
  windows.stop();
  await world.end();
});

t('a listener that throws each time ends neither the pipeline nor the other listeners', async () => {
  const errors: unknown[] = [];
  const clock = new VirtualClock();
  const windows = createWindows({ clock, onError: (error) => errors.push(error) });
  const seen: Rates[] = [];
  windows.watch(() => {
    throw new Error('a broken dashboard');
  });
  windows.watch((rates) => seen.push(rates));
  clock.move(5_000);
  assert.equal([errors.length, seen.length], [6, 6]);
  windows.stop();
});

t('a bare subscriber that throws does not end it either', async () => {
  const clock = new VirtualClock();
  const windows = createWindows({ clock, onError: unwanted });
  const reported: unknown[] = [];
  config.onUnhandledError = (error) => reported.push(error);
  try {
    const seen: Rates[] = [];
    windows.rates.subscribe(() => {
      throw new Error('a broken dashboard');
    });
    windows.rates.subscribe((rates) => seen.push(rates));
    clock.move(3_000);
    assert.is(seen.length, 4);
    await new Promise((resume) => setTimeout(resume, 5));
    assert.is(reported.length, 4);
  } finally {
    config.onUnhandledError = null;
  }
  windows.stop();
});

t('a process that was held up divides by the time that really passed', async () => {
  const world = await World.start();
  await world.tenant('acme');
  // Each timer fires when three times its wait is over.
  const late = {
    ...clockOf(world.clock),
    after: (ms: number, fn: () => void) => world.clock.after(3 * ms, fn),
  };
  const windows = createWindows({ clock: late, onError: unwanted });
  windows.attach(world.life.views);
  for (let job = 0; job < 12; job += 1) await world.submit({ plan: 'loop' });
  await world.pass(3_000);
  assert.equal([windows.latest.overMs, windows.latest.submittedPerSecond], [3_000, 4]);
  windows.stop();
  await world.end();
});

t('stop ends the timer and completes; a watcher that left hears no more', async () => {
  const clock = new VirtualClock();
  const windows = createWindows({ clock, onError: unwanted });
  let completed = false;
  let calls = 0;
  windows.rates.subscribe({ complete: () => (completed = true) });
  const leave = windows.watch(() => (calls += 1));
  clock.move(2_000);
  leave();
  clock.move(2_000);
  assert.is(calls, 3);
  windows.stop();
  assert.equal([completed, clock.armed], [true, 0]);
});

t(
  'the scheduler runs timed operators on the clock it is given, in order, and calls off what nobody awaits',
  () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    interval(100, clockScheduler(clock))
      .pipe(take(3))
      .subscribe({
        next: (n) => seen.push(`${n}@${clock.monotonicMs()}`),
        complete: () => seen.push('done'),
      });
    const called = interval(10, clockScheduler(clock)).subscribe(() => seen.push('never'));
    called.unsubscribe();
    clock.move(1_000);
    assert.equal(seen, ['0@100', '1@200', '2@300', 'done']);
    assert.is(clock.armed, 0);
  },
);

const clockOf = (clock: VirtualClock) => ({
  wallMs: () => clock.wallMs(),
  monotonicMs: () => clock.monotonicMs(),
});

async function watched() {
  const world = await World.start({ runners: 4 });
  await world.tenant('acme');
  // The whole seconds of the window begin now.
  const windows = createWindows({ clock: world.clock, onError: unwanted });
  windows.attach(world.life.views);
  const seen: Rates[] = [];
  windows.watch((rates) => seen.push(rates));
  return { windows, world, seen };
}

t.run();
