/** The job machine equals the table written by hand; and whoever bends one line of it is noticed. */

import * as assert from 'uvu/assert';
import { type AnyStateMachine, createMachine } from 'xstate';
import { compileTable, type Table } from '../../machines/compile.ts';
import { type JobContext, type JobFact, type JobState, jobMachine } from '../../machines/job.ts';
import { refusal } from '../../machines/refusals.ts';
import { errors } from '../../src/errors.ts';
import { type JobFactType, jobFactTypes } from '../../src/events/facts.ts';
import { suite } from '../suite.ts';
import { differences } from './grid.ts';
import { effects, endStates, states } from './job-table.ts';
import { expectedSteps } from './situations.ts';

const compiled = (machine: AnyStateMachine) => compileTable<string, JobContext, JobFact>(machine);
const table: Table<string, JobContext, JobFact> = compiled(jobMachine);
const rows = table.rows();

const t = suite('the job table');

t('the hand-written table is total: 15 states × 22 facts', () => {
  assert.is(jobFactTypes.length, 22);
  assert.is(states.length, 15);
  const asked = new Set(expectedSteps.map(({ state, event }) => `${state} ${event.type}`));
  assert.is(asked.size, 15 * 22);
  for (const state of states)
    for (const type of jobFactTypes) assert.ok(asked.has(`${state} ${type}`), `${state} ${type}`);
});

t('every effect that is written is asked for', () => {
  const used = new Set(
    expectedSteps.filter(({ next }) => next !== null).map(({ state, name }) => `${state} ${name}`),
  );
  assert.equal([...used].sort(), Object.keys(effects).sort());
});

t(
  'the machine answers every state, fact and guard outcome as the table says, and remembers exactly that',
  () => {
    assert.ok(expectedSteps.length > 1_000, `only ${expectedSteps.length} questions`);
    assert.equal(differences(table, states, expectedSteps), []);
  },
);

t('every guard is seen to hold and to fail', () => {
  for (const { state, event, guard, target } of rows.filter((row) => row.guard !== null)) {
    const asked = expectedSteps.filter((each) => each.state === state && each.event.type === event);
    assert.ok(
      asked.some(({ next }) => next === (target ?? state)),
      `${state} on ${event}: ${guard} never holds`,
    );
    assert.ok(
      asked.some(({ next }) => next === null),
      `${state} on ${event}: ${guard} never fails`,
    );
  }
});

t('every refusal has its code from the table and a reason of its own', () => {
  for (const { state, event, value, next } of expectedSteps) {
    if (next !== null) continue;
    const { code, reason } = refusal(state as JobState, event.type);
    assert.is(code, value === 'ended' ? 'ERR_JOB_ENDED' : 'ERR_NOT_IN_STATE', `${state} ${event.type}`);
    assert.ok(Object.hasOwn(errors, code));
    assert.ok(reason.includes(state) && reason.length > 30, reason);
  }
  const reasons = jobFactTypes.map((type) => refusal('queued', type).reason);
  assert.is(new Set(reasons).size, 22, 'two facts share a reason');
});

t('a reason is written for every pair, also where a guard only sometimes refuses', () => {
  for (const state of states as JobState[]) {
    for (const type of jobFactTypes as JobFactType[])
      assert.ok(refusal(state, type).reason, `${state} ${type}`);
  }
});

t('neither the root nor an end state has an on', () => {
  assert.not.ok('on' in jobMachine.config);
  for (const state of endStates) {
    assert.equal(jobMachine.config.states?.[state as JobState], { type: 'final' });
    assert.equal(table.eventsOf(state), []);
  }
});

// From here on the machine is broken on purpose. `config` is plain data: one row is changed, the rest is shared.
interface RowConfig {
  readonly target?: string;
  readonly guard?: string;
  readonly actions?: string;
}
type States = Readonly<
  Record<string, { readonly type?: string; readonly on?: Readonly<Record<string, RowConfig | RowConfig[]>> }>
>;
const original = jobMachine.config.states as States;

/** The same machine with the rows of one state on one fact replaced; none: removed. */
function bent(state: string, event: string, row: RowConfig | RowConfig[] | undefined): AnyStateMachine {
  const { [event]: _, ...others } = original[state]?.on ?? {};
  const { type: _final, ...node } = original[state] ?? {};
  const on = row === undefined ? others : { ...others, [event]: row };
  const config = { ...jobMachine.config, states: { ...original, [state]: { ...node, on } } };
  return createMachine(config as never, jobMachine.implementations as never);
}

const isNoticed = (machine: AnyStateMachine): boolean =>
  differences(compiled(machine), states, expectedSteps, 1).length > 0;

const rowConfigs = Object.entries(original).flatMap(([state, { on }]) =>
  Object.entries(on ?? {}).map(([event, row]) => ({ state, event, row: row as RowConfig })),
);
const nameOf = ({ state, event }: { state: string; event: string }): string => `${state} on ${event}`;

t('a machine that is rebuilt unchanged is not told apart', () => {
  assert.is(rowConfigs.length, rows.length, 'a fact with two rows: extend the tests below');
  for (const { state, event, row } of rowConfigs)
    assert.not.ok(isNoticed(bent(state, event, row)), `${state} ${event}`);
});

t('each transition that is removed is noticed', () => {
  for (const each of rowConfigs) assert.ok(isNoticed(bent(each.state, each.event, undefined)), nameOf(each));
});

t('each transition that is sent to any other state is noticed', () => {
  for (const each of rowConfigs) {
    for (const target of states.filter((state) => state !== (each.row.target ?? each.state))) {
      assert.ok(
        isNoticed(bent(each.state, each.event, { ...each.row, target })),
        `${nameOf(each)} → ${target}`,
      );
    }
  }
});

t('a transition that is added for any pair that has none is noticed, ends included', () => {
  let added = 0;
  for (const state of states) {
    for (const event of jobFactTypes.filter((type) => !table.eventsOf(state).includes(type))) {
      for (const row of [
        { target: 'queued' },
        { target: state },
        { target: 'backoff', actions: 'backOff' },
      ]) {
        assert.ok(isNoticed(bent(state, event, row)), `${state} on ${event} → ${row.target}`);
        added += 1;
      }
    }
  }
  assert.is(added, 3 * (15 * 22 - rows.length));
});

t('a second way out behind a guard is noticed', () => {
  for (const each of rowConfigs.filter(({ row }) => row.guard)) {
    assert.ok(isNoticed(bent(each.state, each.event, [each.row, { target: 'failed' }])), nameOf(each));
  }
});

t('each guard that is dropped or exchanged for another is noticed', () => {
  const guards = Object.keys(jobMachine.implementations.guards);
  for (const each of rowConfigs) {
    const { guard, ...unguarded } = each.row;
    if (guard) assert.ok(isNoticed(bent(each.state, each.event, unguarded)), `${nameOf(each)}: no ${guard}`);
    for (const other of guards.filter((name) => guard && name !== guard)) {
      const machine = bent(each.state, each.event, { ...each.row, guard: other });
      assert.ok(isNoticed(machine), `${nameOf(each)}: ${other} for ${guard}`);
    }
  }
});

/** Actions that do the same: two names for two meanings. */
const twins = [['leaveQueue', 'rejoinQueue']];

t('each action that is dropped or exchanged for another is noticed', () => {
  const actions = Object.keys(jobMachine.implementations.actions);
  for (const each of rowConfigs) {
    const { actions: own, ...bare } = each.row;
    assert.ok(own && isNoticed(bent(each.state, each.event, bare)), `${nameOf(each)}: without ${own}`);
    for (const other of actions.filter((name) => name !== own)) {
      if (twins.some((pair) => pair.includes(other) && pair.includes(own))) continue;
      let noticed: boolean;
      try {
        noticed = isNoticed(bent(each.state, each.event, { ...each.row, actions: other }));
      } catch {
        noticed = true; // The action of another fact misses data of this one.
      }
      assert.ok(noticed, `${nameOf(each)}: ${other} for ${own}`);
    }
  }
});

t.run();
