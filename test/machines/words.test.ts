/** Each state and transition of every machine has its words, and no words are left of what is gone. */
import * as assert from 'uvu/assert';
import { factName } from '../../machines/chart.ts';
import { compileTable } from '../../machines/compile.ts';
import { machines } from '../../machines/draw.ts';
import {
  isGoodWay,
  kindOf,
  type MachineName,
  machineNames,
  rowWords,
  spokenOf,
  stateWords,
} from '../../machines/words.ts';
import { suite } from '../suite.ts';

const t = suite('words');

t('the machines are those that words name', () => {
  assert.equal(
    machines.map(({ id }) => id),
    [...machineNames],
  );
});

t('every state and every transition has words, and no words speak of another', () => {
  const rows = new Set<string>();
  const states = new Set<string>();
  for (const machine of machines) {
    const name = machine.id as MachineName;
    const table = compileTable(machine);
    for (const state of table.states) {
      assert.ok(stateWords(name, state).waits);
      states.add(`${name} ${state}`);
    }
    for (const { state, event } of table.rows()) {
      const fact = factName(name, event);
      const { by, sees } = rowWords(name, state, fact);
      assert.ok(by && sees);
      rows.add(name === 'job' ? `job ${state} ${fact}` : `${name} * ${fact}`);
    }
  }
  assert.ok(rows.size > 50 && states.size === 30, `${rows.size} rows, ${states.size} states`);
  const spoken = spokenOf();
  assert.equal([...spoken.rows].sort(), [...rows].sort());
  assert.equal([...spoken.states].sort(), [...states].sort());
});

t('what nobody described is an error that says where to describe it', () => {
  assert.throws(
    () => rowWords('job', 'running', 'queued'),
    /words\.ts: say who writes queued in running of job/,
  );
  assert.throws(() => rowWords('slot', 'serving', 'slot.lost'), /say who writes slot\.lost/);
  assert.throws(() => stateWords('run', 'queued'), /say what queued of run waits for/);
});

t('a good job is nine transitions, and none of them is drawn as a failure', () => {
  const job = machines.find(({ id }) => id === 'job')!;
  const rows = compileTable(job)
    .rows()
    .map(({ state, event }) => ({ state, fact: factName('job', event) }));
  const good = rows.filter(({ state, fact }) => isGoodWay(state, fact));
  assert.is(good.length, 9);
  for (const { state, fact } of good) assert.is(kindOf('job', state, fact), 'good');
  assert.is(kindOf('job', 'running', 'crashed'), 'failure');
  assert.is(kindOf('job', 'running', 'cancelRequested'), 'other');
  assert.is(kindOf('controller', 'full', 'log.failed'), 'failure');
});

t.run();
