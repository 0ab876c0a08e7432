/** The small machines: one GPU, one attempt, the controller's door. Tables by hand, and XState agrees. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { type AnyStateMachine, createActor, transition } from 'xstate';
import { compileTable } from '../../machines/compile.ts';
import { controllerMachine } from '../../machines/controller.ts';
import { newRun, type RunContext, runMachine } from '../../machines/run.ts';
import { type GpuContext, slotMachine } from '../../machines/slot.ts';
import { type JobFactType, jobFactTypes } from '../../src/events/facts.ts';
import { suite } from '../suite.ts';
import { applied, cellsOf, differences, type Expected } from './grid.ts';
import { holds } from './holds.ts';
import { fact } from './samples.ts';

interface Event {
  readonly type: string;
  readonly seq: number;
  readonly at: number;
  readonly data: object;
}

/** By GPU state and slots held. `serving=2`: stays or goes there, and then holds two. `-`: refused. */
const slotTable = `
event          absent:0   serving:0  serving:1   serving:2   draining:1  draining:2  drained:0
slot.added     serving=0  -          -           -           -           -           -
slot.drained   -          drained=0  draining=1  draining=2  -           -           -
slot.restored  -          -          -           -           serving=1   serving=2   serving=0
job.reserved   -          serving=1  serving=2   serving=3   -           -           -
job.released   -          -          serving=0   serving=1   drained=0   draining=1  -
`;

const runTable = `
event            none      starting  running   stopping  gone
reserved         starting  -         -         -         -
started          -         running   -         -         -
overdue          -         stopping  stopping  -         -
cancelRequested  -         stopping  stopping  -         -
evicted          -         stopping  stopping  -         -
exited           -         -         gone      -         -
crashed          -         gone      gone      -         -
stopped          -         -         -         gone      -
lost             -         gone      gone      gone      -
`;

/** What an attempt remembers; all other facts only move it. */
const runEffects: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  reserved: { fence: 'seq', reservedAtMs: 'at' },
  started: { runner: 'data.runner', startedAtMs: 'at' },
  exited: { goneAtMs: 'at', end: 'exited' },
  crashed: { goneAtMs: 'at', end: 'crashed' },
  stopped: { goneAtMs: 'at', end: 'stopped' },
  lost: { goneAtMs: 'at', end: 'lost' },
};

/** `controller.recovered` is the first fact of each life, whatever the last one ended in; `-`: nothing changes. */
const controllerTable = `
event                 recovering  accepting  full       readOnly   draining   stopped
controller.recovered  accepting   accepting  accepting  accepting  accepting  accepting
controller.draining   -           draining   draining   -          -          -
controller.stopped    -           -          -          -          stopped    -
queue.full            -           full       -          -          -          -
queue.freed           -           -          accepting  -          -          -
log.failed            readOnly    readOnly   readOnly   -          readOnly   -
`;

const bare = (type: string): Event => ({ type, seq: 77, at: 9_000, data: {} });

const slotExpected = cellsOf(slotTable).map(({ column, row, value }): Expected<GpuContext, Event> => {
  const [state = '', held] = column.split(':');
  const [next = '', heldAfter] = value.split('=');
  const context = { held: Number(held) };
  const after = value === '-' ? context : { held: Number(heldAfter) };
  return {
    state,
    situation: `holds ${held}`,
    context,
    event: bare(row),
    name: row,
    next: value === '-' ? null : next,
    after,
  };
});

const runExpected = cellsOf(runTable).map(({ column, row, value }): Expected<RunContext, Event> => {
  const event: Event = fact(`job.${row}` as JobFactType, 77, 9_000);
  const context: RunContext = column === 'none' ? newRun : { ...newRun, fence: 9, reservedAtMs: 5_000 };
  const after = value === '-' ? context : applied(context, runEffects[row] ?? {}, event);
  return {
    state: column,
    situation: '',
    context,
    event,
    name: row,
    next: value === '-' ? null : value,
    after,
  };
});

const controllerExpected = cellsOf(controllerTable).map(({ column, row, value }): Expected<object, Event> => {
  const next = value === '-' ? null : value;
  return { state: column, situation: '', context: {}, event: bare(row), name: row, next, after: {} };
});

const t = suite('slot, run, controller');

t('a GPU takes slots only while serving, and is drained when the last one is free', () => {
  const states = ['absent', 'serving', 'draining', 'drained'];
  assert.equal(differences(compileTable<string, GpuContext, Event>(slotMachine), states, slotExpected), []);
});

t('an attempt answers every fact as its table says', () => {
  const states = ['none', 'starting', 'running', 'stopping', 'gone'];
  assert.equal(differences(compileTable<string, RunContext, Event>(runMachine), states, runExpected), []);
});

t('the controller answers every event as its table says', () => {
  const states = ['recovering', 'accepting', 'full', 'readOnly', 'draining', 'stopped'];
  assert.equal(
    differences(compileTable<string, object, Event>(controllerMachine), states, controllerExpected),
    [],
  );
});

const machines: readonly [machine: AnyStateMachine, events: readonly string[]][] = [
  [slotMachine, ['slot.added', 'slot.drained', 'slot.restored', 'job.reserved', 'job.released']],
  [runMachine, jobFactTypes],
  [controllerMachine, cellsOf(controllerTable).map(({ row }) => row)],
];

for (const [machine, events] of machines) {
  t(`${machine.id}: table, pure transition and live actor agree`, () => {
    const table = compileTable<string, object, Event>(machine);
    const seen = new Set<string>();
    holds(fc.noBias(fc.array(fc.nat(1_000), { maxLength: 40, size: 'max' })), 300, (picks) => {
      const actor = createActor(machine).start();
      let pure = actor.getSnapshot();
      let folded = { state: table.initial, context: pure.context as object };
      for (const [i, pick] of picks.entries()) {
        const type = events[pick % events.length]!;
        const event: Event = type.startsWith('job.') ? fact(type as JobFactType, i + 1, i * 10) : bare(type);
        const next = table.step(folded, event);
        const [pureNext] = transition(machine, pure, event);
        actor.send(event);
        if (next === null) assert.is(pureNext, pure);
        folded = next ?? folded;
        pure = pureNext;
        seen.add(folded.state);
        for (const snapshot of [pure, actor.getSnapshot()]) {
          assert.equal({ state: snapshot.value, context: snapshot.context }, folded, `after ${type}`);
        }
      }
    });
    for (const state of table.states)
      assert.ok(seen.has(state) || state === table.initial, `${state} was never visited`);
  });
}

t('a GPU never holds fewer than no slots, and is drained exactly when it holds none and takes none', () => {
  const table = compileTable<string, GpuContext, Event>(slotMachine);
  holds(fc.array(fc.nat(4), { maxLength: 60, size: 'max' }), 500, (picks) => {
    let gpu = { state: table.initial, context: { held: 0 } };
    for (const pick of picks) {
      gpu = table.step(gpu, bare(machines[0]![1][pick]!)) ?? gpu;
      assert.ok(gpu.context.held >= 0);
      if (gpu.state === 'draining') assert.ok(gpu.context.held > 0);
      if (gpu.state === 'drained' || gpu.state === 'absent') assert.is(gpu.context.held, 0);
    }
  });
});

t.run();
