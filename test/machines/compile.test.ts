/** The compiler refuses whatever a flat table can't say; a machine can't quietly outgrow it. */

import * as assert from 'uvu/assert';
import { type AnyStateMachine, and, assign, createMachine, enqueueActions } from 'xstate';
import { compileTable } from '../../machines/compile.ts';
import { suite } from '../suite.ts';

const implementations = {
  guards: { yes: () => true, no: () => false, both: and(['yes', 'no']) },
  actions: {
    note: assign(() => ({ noted: 1 })),
    fixed: assign({ noted: 2 }),
    enqueue: enqueueActions(() => {}),
    shout: () => {},
  },
  actors: { child: createMachine({}) },
};
/** A machine with state `a` (given), state `b`, and more members of the root. */
function machineWith(a: object, root: object = {}): AnyStateMachine {
  const config = { id: 'm', context: { noted: 0 }, initial: 'a', states: { a, b: {} }, ...root };
  return createMachine(config as never, implementations as never);
}

/** What is wrong, the state's config, the root's, and what the message must name. */
const refused: readonly [what: string, a: object, root: object, names: RegExp][] = [
  ['nested states', { initial: 'x', states: { x: {} } }, {}, /state a: .*states/],
  ['a parallel root', {}, { type: 'parallel', initial: undefined }, /root .*type/],
  ['a parallel state', { type: 'parallel' }, {}, /state a: .*parallel/],
  ['a history state', { type: 'history' }, {}, /state a: .*history/],
  ['after in a state', { after: { 100: 'b' } }, {}, /state a: .*after/],
  ['after at the root', {}, { after: { 100: '.b' } }, /root .*after/],
  ['invoke in a state', { invoke: { src: 'child' } }, {}, /state a: .*invoke/],
  ['invoke at the root', {}, { invoke: { src: 'child' } }, /root .*invoke/],
  ['an entry action', { entry: 'note' }, {}, /state a: .*entry/],
  ['an exit action', { exit: 'note' }, {}, /state a: .*exit/],
  ['entry at the root', {}, { entry: 'note' }, /root .*entry/],
  ['exit at the root', {}, { exit: 'note' }, /root .*exit/],
  ['always in a state', { always: { guard: 'no', target: 'b' } }, {}, /state a: .*always/],
  ['always at the root', {}, { always: { guard: 'no', target: '.b' } }, /root .*always/],
  ['tags', { tags: 'busy' }, {}, /state a: .*tags/],
  ['onDone', { onDone: 'b' }, {}, /state a: .*onDone/],
  ['an on at the root', {}, { on: { e: '.b' } }, /root .*on/],
  ['a wildcard', { on: { '*': 'b' } }, {}, /state a: wildcard/],
  ['a partial wildcard', { on: { 'job.*': 'b' } }, {}, /state a: wildcard/],
  ['an unknown guard', { on: { e: { guard: 'maybe', target: 'b' } } }, {}, /a on e: guards .*maybe/],
  ['a guard without name', { on: { e: { guard: () => true, target: 'b' } } }, {}, /a on e: guards/],
  [
    'a guard with parameters',
    { on: { e: { guard: { type: 'yes', params: {} }, target: 'b' } } },
    {},
    /a on e: guards/,
  ],
  [
    'a guard made of guards, by name',
    { on: { e: { guard: 'both', target: 'b' } } },
    {},
    /a on e: .*plain function/,
  ],
  [
    'a guard made of guards, in place',
    { on: { e: { guard: and(['yes']), target: 'b' } } },
    {},
    /a on e: guards/,
  ],
  ['an unknown action', { on: { e: { actions: 'sing' } } }, {}, /a on e: actions .*sing/],
  ['two actions', { on: { e: { actions: ['note', 'note'] } } }, {}, /a on e: actions/],
  ['an action without name', { on: { e: { actions: assign(() => ({})) } } }, {}, /a on e: actions/],
  ['an assign of an object', { on: { e: { actions: 'fixed' } } }, {}, /a on e: .*assign/],
  ['enqueueActions', { on: { e: { actions: 'enqueue' } } }, {}, /a on e: .*assign/],
  ['an action that is no assign', { on: { e: { actions: 'shout' } } }, {}, /a on e: .*assign/],
  ['reenter', { on: { e: { target: 'a', reenter: true } } }, {}, /a on e: .*reenter/],
  ['an end state with an on', { type: 'final', on: { e: 'b' } }, {}, /end state a has an on/],
  ['a target by id', { on: { e: '#m.b' } }, {}, /a on e: .*target/],
  ['a list of targets', { on: { e: { target: ['b'] } } }, {}, /a on e: .*target/],
  ['an initial state with actions', {}, { initial: { target: 'a' } }, /initial/],
];

const t = suite('compile');

t('what a flat table can say is compiled: targets, guards, first match, one assign', () => {
  const table = compileTable(
    machineWith({
      on: {
        e: [
          { guard: 'no', target: 'a' },
          { guard: 'yes', target: 'b', actions: 'note' },
        ],
        f: { actions: 'note' },
        g: 'b',
      },
    }),
  );
  const from = { state: 'a', context: { noted: 0, kept: true } };
  assert.equal(table.step(from, { type: 'e' }), { state: 'b', context: { noted: 1, kept: true } });
  assert.equal(table.step(from, { type: 'f' }), { state: 'a', context: { noted: 1, kept: true } });
  assert.is(table.step(from, { type: 'g' })?.context, from.context);
  assert.is(table.step(from, { type: 'h' }), null);
  assert.is(table.step({ ...from, state: 'b' }, { type: 'e' }), null);
  assert.equal(table.eventsOf('a'), ['e', 'f', 'g']);
  assert.equal(table.rows()[1], { state: 'a', event: 'e', guard: 'yes', target: 'b' });
});

for (const [what, a, root, names] of refused) {
  t(`${what} is refused, and the message says where`, () => {
    const machine = machineWith(a, root);
    assert.throws(() => compileTable(machine), names);
  });
}

t.run();
