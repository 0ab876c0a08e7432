/** The timekeeper: no timer acts early, stale ones are not heard, and after a restart the rest is waited for. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { Command } from '../../src/jobs/commands.ts';
import type { Change } from '../../src/jobs/state.ts';
import { Timekeeper } from '../../src/jobs/timekeeper.ts';
import { SimulatedClock } from '../properties/simulated.ts';
import { runs, seed, suite } from '../suite.ts';
import { Desk } from './desk.ts';

const t = suite('timekeeper');

/** A job with one deadline, or none, as the timekeeper sees it. */
const change = (id: string, setBy: number | null, ms: number, atMs: number): Change =>
  ({
    record: {},
    before: null,
    after: { state: 'queued', context: { id, deadline: setBy === null ? null : { setBy, ms, atMs } } },
  }) as unknown as Change;

function keeper(clock: Clock): { keeper: Timekeeper; wakes: () => number; due: () => Command[] } {
  let wakes = 0;
  const wake = (): void => {
    wakes += 1;
  };
  const made = new Timekeeper({ clock, wake });
  const due = (): Command[] => {
    const commands: Command[] = [];
    for (let command = made.decide(); command; command = made.decide()) commands.push(command);
    return commands;
  };
  return { keeper: made, wakes: () => wakes, due };
}

t('a deadline fires once, when its duration has passed and not a millisecond before', () => {
  const clock = new SimulatedClock();
  const { keeper: timekeeper, due, wakes } = keeper(clock);
  timekeeper.start();
  timekeeper.fold(change('a', 7, 500, clock.wallMs()));
  clock.advance(499);
  assert.equal([due(), wakes()], [[], 0]);
  clock.advance(1);
  assert.equal(due(), [{ kind: 'NoteDeadline', id: 'a', setBy: 7 }]);
  assert.is(wakes(), 1);
  clock.advance(10_000);
  assert.equal(due(), []);
});

t('no timer acts early and none is forgotten, over random deadlines, moves and restarts', () => {
  let fired = 0;
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      id: fc.constantFrom('a', 'b', 'c'),
      ms: fc.integer({ min: 0, max: 300 }),
    }),
    fc.record({
      kind: fc.constant('clear' as const),
      id: fc.constantFrom('a', 'b', 'c'),
      ms: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant('pass' as const),
      id: fc.constant(''),
      ms: fc.integer({ min: 0, max: 200 }),
    }),
    fc.record({
      kind: fc.constant('restart' as const),
      id: fc.constant(''),
      ms: fc.integer({ min: 0, max: 100 }),
    }),
  );
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const clock = new SimulatedClock();
      const model = new Map<string, { setBy: number; dueMs: number; ms: number; atMs: number }>();
      let one = keeper(clock);
      one.keeper.start();
      let seq = 0;
      const collect = (): void => {
        for (const command of one.due()) {
          assert.ok(command.kind === 'NoteDeadline');
          const expected = model.get(command.id);
          assert.is(expected?.setBy, command.setBy, 'a stale timer spoke');
          assert.ok((expected?.dueMs ?? 0) <= clock.monotonicMs(), 'a timer spoke early');
          model.delete(command.id);
          one.keeper.fold(change(command.id, null, 0, 0));
          fired += 1;
        }
      };
      for (const { kind, id, ms } of steps) {
        if (kind === 'set') {
          seq += 1;
          model.set(id, { setBy: seq, dueMs: clock.monotonicMs() + ms, ms, atMs: clock.wallMs() });
          one.keeper.fold(change(id, seq, ms, clock.wallMs()));
        } else if (kind === 'clear') {
          model.delete(id);
          one.keeper.fold(change(id, null, 0, 0));
        } else if (kind === 'pass') clock.advance(ms);
        else {
          one.keeper.stop();
          clock.advance(ms);
          one = keeper(clock);
          for (const [job, { setBy, ms: whole, atMs }] of model)
            one.keeper.fold(change(job, setBy, whole, atMs));
          one.keeper.start();
        }
        collect();
      }
      clock.advance(1_000);
      collect();
      assert.is(model.size, 0, 'a deadline was forgotten');
    }),
    { seed: seed(), numRuns: runs(300) },
  );
  assert.ok(fired > 300, `only ${fired} fired`);
});

t(
  'a timer whose deadline another fact has replaced says nothing, even when it was already on its way',
  () => {
    const clock = new SimulatedClock();
    const { keeper: timekeeper, due } = keeper(clock);
    timekeeper.start();
    timekeeper.fold(change('a', 7, 100, clock.wallMs()));
    clock.advance(100);
    timekeeper.fold(change('a', 9, 100, clock.wallMs()));
    assert.equal(due(), []);
    clock.advance(100);
    assert.equal(due(), [{ kind: 'NoteDeadline', id: 'a', setBy: 9 }]);
  },
);

t('a fact that leaves the deadline as it is does not start it anew', () => {
  const clock = new SimulatedClock();
  const { keeper: timekeeper, due } = keeper(clock);
  timekeeper.start();
  timekeeper.fold(change('a', 7, 100, clock.wallMs()));
  clock.advance(60);
  timekeeper.fold(change('a', 7, 100, clock.wallMs() - 60));
  clock.advance(40);
  assert.is(due().length, 1);
});

t(
  'after a restart the rest is the duration less what has passed, never less than none nor more than all',
  () => {
    for (const { passedMs, restMs } of [
      { passedMs: 300, restMs: 700 },
      { passedMs: 5_000, restMs: 0 },
      { passedMs: 0, restMs: 1_000 },
      // The wall clock went back while the controller was down.
      { passedMs: -3_600_000, restMs: 1_000 },
    ]) {
      const clock = new SimulatedClock();
      const { keeper: timekeeper } = keeper(clock);
      timekeeper.fold(change('a', 7, 1_000, clock.wallMs() - passedMs));
      assert.is(clock.nextMs(), null, 'nothing is armed before the start');
      timekeeper.start();
      assert.is(clock.nextMs(), restMs, `${passedMs} ms passed`);
    }
  },
);

t('a jump of the wall clock within a life neither expires nor extends a deadline', () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    const monotonic = new SimulatedClock();
    let offMs = 0;
    const clock: Clock = {
      wallMs: () => monotonic.wallMs() + offMs,
      monotonicMs: () => monotonic.monotonicMs(),
      after: (ms, fn) => monotonic.after(ms, fn),
    };
    const { keeper: timekeeper, due } = keeper(clock);
    timekeeper.start();
    timekeeper.fold(change('a', 7, 1_000, clock.wallMs()));
    monotonic.advance(500);
    offMs = jumpMs;
    timekeeper.fold(change('b', 8, 1_000, clock.wallMs()));
    monotonic.advance(499);
    assert.equal(due(), []);
    monotonic.advance(1);
    assert.is(due().length, 1);
    monotonic.advance(500);
    assert.is(due().length, 1);
  }
});

t('stopped, it has no timer left and wakes nobody', () => {
  const clock = new SimulatedClock();
  const { keeper: timekeeper, wakes } = keeper(clock);
  timekeeper.start();
  timekeeper.fold(change('a', 7, 100, clock.wallMs()));
  timekeeper.stop();
  timekeeper.stop();
  timekeeper.fold(change('b', 8, 100, clock.wallMs()));
  clock.advance(1_000);
  assert.is(wakes(), 0);
});

t('its command is taken by the host while the deadline stands, and is stale after', () => {
  const desk = new Desk();
  const { keeper: timekeeper, due } = keeper(desk.clock);
  for (const each of desk.news()) timekeeper.fold(each);
  timekeeper.start();
  desk.bring('a', 'running');
  for (const each of desk.news()) timekeeper.fold(each);
  desk.clock.advance(10_000);
  const [command] = due();
  assert.is(desk.do(command as Command).type, 'job.overdue');
  assert.is(desk.refuse(command as Command), 'ERR_STALE_VISIT');
});

t("the machine's own clock never calls back early", async () => {
  const early: number[] = [];
  await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => {
      const ms = (i * 7.37) % 97;
      const fromMs = systemClock.monotonicMs();
      return new Promise<void>((resolve) => {
        systemClock.after(ms, () => {
          const passedMs = systemClock.monotonicMs() - fromMs;
          if (passedMs < ms) early.push(passedMs - ms);
          resolve();
        });
      });
    }),
  );
  assert.equal(early, []);
});

t(
  'a timer that is called off does not call, and a wait longer than setTimeout can hold is not cut short',
  async () => {
    let called = 0;
    const call = (): void => {
      called += 1;
    };
    systemClock.after(5, call)();
    const off = systemClock.after(2 ** 33, call);
    await new Promise<void>((resolve) => void systemClock.after(20, resolve));
    off();
    assert.is(called, 0);
  },
);

t.run();
