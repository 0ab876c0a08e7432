/** The pump: one loop, never inside itself; bounded; fair; and whoever asked is answered, whatever happens. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { BerthError } from '../../src/errors.ts';
import type { Actor } from '../../src/jobs/actor.ts';
import type { Command, Outcome } from '../../src/jobs/commands.ts';
import { Concluder } from '../../src/jobs/concluder.ts';
import { Pump } from '../../src/jobs/pump.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { SlotManager } from '../../src/slots/slot-manager.ts';
import { Ledger } from '../properties/invariants.ts';
import { runs, seed, suite } from '../suite.ts';
import { Desk, exitedWell, submission } from './desk.ts';

const t = suite('pump');

/** An actor that takes part in nothing unless told. */
const actor = (over: Partial<Actor>): Actor => ({
  name: 'test',
  reads: 'head',
  fold: () => undefined,
  decide: () => null,
  snapshot: () => null,
  restore: () => undefined,
  ...over,
});

class Loop {
  readonly desk = new Desk({ tenants: { acme: { queuedMax: 100_000 } } });
  readonly faults: unknown[] = [];
  readonly pump: Pump;
  #deferred: (() => void)[] = [];
  /** How often the loop was asked to run. */
  wakes = 0;

  constructor(actors: readonly Actor[]) {
    // The facts of the desk's own making come before the actors' first seat: they fold them here, as in recovery.
    for (const change of this.desk.news()) for (const each of actors) each.fold(change);
    const { log, host, feed: changes } = this.desk;
    const defer = (fn: () => void): void => {
      this.wakes += 1;
      this.#deferred.push(fn);
    };
    this.pump = new Pump({ log, host, changes, actors, defer, onFault: (error) => this.faults.push(error) });
  }

  /** Runs what was deferred until nothing is. */
  run(): void {
    for (let fn = this.#deferred.shift(); fn; fn = this.#deferred.shift()) fn();
  }

  ask(command: Command): { outcome: Outcome | null; error: BerthError | null } {
    const answer: { outcome: Outcome | null; error: BerthError | null } = { outcome: null, error: null };
    this.pump.ask(command, 'test').then(
      (outcome) => {
        answer.outcome = outcome;
      },
      (error: BerthError) => {
        answer.error = error;
      },
    );
    return answer;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Plays attestor and executor as one: everything affirmed, every guest runs and exits well. */
class Outside implements Actor {
  readonly name = 'outside';
  readonly reads = 'head';
  readonly #todo = new Map<string, Command>();

  fold({ after }: Parameters<Actor['fold']>[0]): void {
    if (!after) return;
    const { id, visit, fence, affirmed } = after.context;
    this.#todo.delete(id);
    if (after.state === 'attesting' && !affirmed) {
      this.#todo.set(id, {
        kind: 'AttestJob',
        id,
        visit,
        report: { affirms: true, imports: [], report: 'r' },
      });
    } else if (after.state === 'starting') {
      this.#todo.set(id, { kind: 'ReportStarted', id, fence, runner: 'r', isolation: 'L0' });
    } else if (after.state === 'running')
      this.#todo.set(id, { kind: 'ReportGone', id, fence, report: exitedWell });
  }
  decide(): Command | null {
    for (const command of this.#todo.values()) return command;
    return null;
  }
  snapshot(): unknown {
    return null;
  }
  restore(): void {}
}

t('whatever the order of the actors, every history is legal and every verdict the same', () => {
  let jobs = 0;
  const wishes = fc.array(
    fc.record({ slot: fc.constantFrom('1g.10gb', '3g.40gb', '7g.80gb'), gpus: fc.constant(1) }),
    { minLength: 1, maxLength: 12 },
  );
  const order = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
  void fc.assert(
    fc.property(wishes, order, (list, at) => {
      const cast = [new Concluder(), new Scheduler(), new SlotManager(), new Outside()];
      const loop = new Loop(at.map((i) => cast[i] as Actor));
      for (const [i, wish] of list.entries()) loop.ask(submission(`job${i}`, wish));
      loop.run();
      assert.equal(loop.faults, []);
      const records = Array.from({ length: loop.desk.log.head }, (_, i) => loop.desk.feed.at(i + 1)?.record);
      new Ledger().check(records.filter((record) => record !== undefined));
      for (const [i] of list.entries()) assert.is(loop.desk.job(`job${i}`).state, 'succeeded');
      jobs += list.length;
    }),
    { seed: seed(), numRuns: runs(60) },
  );
  assert.ok(jobs > 100, `only ${jobs} jobs`);
});

t(
  'the mailbox is bounded: what is beyond it is answered ERR_BUSY at once, and the rest in order',
  async () => {
    const loop = new Loop([actor({})]);
    const answers = Array.from({ length: 4_100 }, (_, i) => loop.ask(submission(`job${i}`)));
    await settled();
    assert.is(
      answers.filter(({ outcome }) => outcome && 'refused' in outcome && outcome.refused === 'ERR_BUSY')
        .length,
      4,
    );
    assert.is(loop.desk.state.jobs.size, 0, 'nothing is handled inside ask');
    loop.run();
    await settled();
    assert.is(loop.desk.state.jobs.size, 4_096);
    assert.equal([...loop.desk.state.jobs.keys()].slice(0, 3), ['job0', 'job1', 'job2']);
  },
);

t('it never runs inside itself: who asks or wakes in the middle of a turn waits for its end', () => {
  let depth = 0;
  let deepest = 0;
  let asked = 0;
  let wakes = 0;
  const inside = (): void => {
    depth += 1;
    deepest = Math.max(deepest, depth);
    const before = loop?.desk.log.head;
    if (wakes++ < 20) loop?.pump.wake();
    if (loop && asked < 5) loop.ask(submission(`more${asked++}`));
    assert.is(loop?.desk.log.head, before, 'a command was handled in the middle of a turn');
    depth -= 1;
  };
  let loop: Loop | null = null;
  const decide = (): null => {
    inside();
    return null;
  };
  loop = new Loop([actor({ fold: inside, decide })]);
  loop.ask(submission('first'));
  loop.run();
  assert.is(deepest, 1);
  assert.equal(loop.faults, []);
  assert.is(loop.desk.state.jobs.size, 6);
});

t('many wakes before a turn are one turn', () => {
  const loop = new Loop([actor({})]);
  for (let i = 0; i < 50; i += 1) loop.pump.wake();
  assert.is(loop.wakes, 1);
});

t('an actor that throws ends the loop: the fault is told once, and whoever waits is answered', async () => {
  let threw = 0;
  const bad = actor({
    fold: () => {
      threw += 1;
      throw new Error('broken invariant: test');
    },
  });
  const loop = new Loop([actor({})]);
  const { log, host, feed: changes } = loop.desk;
  const deferred: (() => void)[] = [];
  const pump = new Pump({
    log,
    host,
    changes,
    actors: [bad],
    defer: (fn) => deferred.push(fn),
    onFault: (error) => loop.faults.push(error),
  });
  const first = pump.ask(submission('a'), 'test');
  for (const fn of deferred.splice(0)) fn();
  assert.ok('seq' in (await first));
  assert.is(threw, 1);
  assert.is(loop.faults.length, 1);
  let refusedWith = '';
  await pump.ask(submission('b'), 'test').catch((error: BerthError) => {
    refusedWith = error.code;
  });
  assert.is(refusedWith, 'ERR_READ_ONLY');
  pump.wake();
  assert.is(deferred.length, 0, 'it does not run again');
});

t('when the log fails in the middle of a batch, every command of the batch is answered', async () => {
  const loop = new Loop([actor({})]);
  const answers = [0, 1, 2, 3].map((i) => loop.ask(submission(`job${i}`)));
  await loop.desk.log.close();
  loop.run();
  await settled();
  assert.is(loop.faults.length, 1);
  assert.is(loop.desk.state.jobs.size, 0);
  for (const [i, { error }] of answers.entries()) assert.ok(error, `command ${i} waits for ever`);
});

t('a refusal does not hold up what the same actor has to say next', () => {
  const said: Command[] = [
    { kind: 'CancelJob', id: 'nobody', tenant: null, by: 'x' },
    { kind: 'CancelJob', id: 'nobody', tenant: null, by: 'x' },
    submission('a'),
  ];
  const outcomes: Outcome[] = [];
  const talker = actor({
    decide: () => said[0] ?? null,
    answered: (_, outcome) => {
      outcomes.push(outcome);
      said.shift();
    },
  });
  const loop = new Loop([talker]);
  loop.pump.wake();
  loop.run();
  assert.is(outcomes.length, 3);
  assert.ok(loop.desk.state.jobs.has('a'));
});

t('an actor that insists on a refused command is left alone until something moves', () => {
  let asked = 0;
  const stubborn = actor({
    decide: () => {
      asked += 1;
      return { kind: 'CancelJob', id: 'nobody', tenant: null, by: 'x' };
    },
  });
  const loop = new Loop([stubborn]);
  loop.pump.wake();
  loop.run();
  assert.is(asked, 1);
});

t('an actor that reads to the durable point never sees a fact before it is durable', async () => {
  const seen: number[] = [];
  let ahead = 0;
  const reader = actor({
    reads: 'durable',
    fold: ({ record }) => {
      seen.push(record.seq);
      if (loop && record.seq > loop.desk.log.durable) ahead += 1;
    },
  });
  let loop: Loop | null = null;
  loop = new Loop([reader]);
  await settled();
  const { head } = loop.desk.log;
  loop.ask(submission('a'));
  loop.run();
  assert.is(loop.desk.log.durable, head, 'the memory log makes durable a moment later');
  assert.not(seen.includes(head + 1));
  await settled();
  loop.pump.wake();
  loop.run();
  assert.ok(seen.includes(head + 1));
  assert.is(ahead, 0);
});

t.run();
