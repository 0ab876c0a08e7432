/**
 * Every named failure of the Lab, played against a real server by the very code of the page, and judged by the log that the page
 * follows: each must take the edges that its card promises, and leave everything as it was.
 */
import * as assert from 'uvu/assert';
import { isEnd } from '../../machines/job.ts';
import { labPort } from '../../src/dashboard/lab-port.ts';
import { runScenario, type Scenario } from '../../src/dashboard/lab-run.ts';
import { labGroups, notFromHere } from '../../src/dashboard/lab-scenarios.ts';
import { scenarios as toured } from '../../src/demo/scenarios.ts';
import { jobTable } from '../../src/jobs/state.ts';
import { suite } from '../suite.ts';
import { LabPage } from './lab-page.ts';

const scenarios = labGroups.flatMap((group) => group.scenarios);
const named = (name: string): Scenario => {
  const found = scenarios.find((each) => each.name === name);
  if (!found) throw new Error(`no scenario ${name}`);
  return found;
};
/** A scenario is done within seconds; a busy machine gets more. */
const limit = { limitMs: 120_000 };

const t = suite('dashboard: the failures of the Lab');
let page: LabPage;

t.after(() => page?.close());

t(
  'the page follows a server that has just begun',
  async () => {
    page = await LabPage.open(['--fleet', '2xH100-80GB', '--runners', '2']);
    assert.is(page.model.moment.state.fleet.size, 2);
  },
  limit,
);

for (const scenario of scenarios) {
  t(
    `${scenario.name}: the log takes the edges that the card promises`,
    async () => {
      const told: number[] = [];
      const verdict = await runScenario(scenario, page.port(), (step) => told.push(step));
      assert.is(verdict.instead, '');
      assert.ok(verdict.isAsPromised);
      assert.ok(verdict.kept.length > 0, 'nothing was promised');
      for (const { what, seq } of verdict.kept) assert.ok(seq !== null && seq > 0, what);
      assert.equal(told, [...scenario.steps.keys(), scenario.steps.length]);
      if (scenario.takes.length > 0) {
        assert.ok(verdict.job !== null);
        assert.is(page.model.recordAt(verdict.fromSeq ?? 0)?.type, 'job.submitted');
      }
    },
    limit,
  );
}

t(
  'the scenarios leave nothing behind: no job lives, every GPU serves, terms are as before',
  async () => {
    const { state } = page.model.moment;
    assert.ok(state.jobs.size >= scenarios.length, 'few jobs');
    assert.equal(
      [...state.jobs.values()].filter(({ state }) => !isEnd(state)),
      [],
    );
    assert.ok([...state.fleet.values()].every(({ machine }) => machine.state === 'serving'));
    const changes = page.model.records.filter(({ type }) => type === 'tenant.changed');
    assert.ok(changes.length >= 4, 'terms were never changed');
    assert.ok(state.tenants.has('acme'));
    const added = page.model.records.find(({ subject }) => subject === 'tenant.acme.added');
    assert.equal(state.tenants.get('acme')?.terms, (added?.data as { terms?: unknown } | undefined)?.terms);
  },
  limit,
);

t(
  'a card that promises what does not happen turns red and tells what came instead',
  async () => {
    const wrong: Scenario = { ...named('trap'), takes: ['running exited releasing'] };
    const verdict = await runScenario(wrong, page.port());
    assert.not(verdict.isAsPromised);
    assert.equal(verdict.kept, [{ what: 'running exited releasing', seq: null }]);
    assert.match(
      verdict.instead,
      /its way was attesting > queued > reserving > starting > running > releasing > failed/,
    );
  },
  limit,
);

t(
  'a step that fails is told, and what was begun is undone',
  async () => {
    const held = named('drained-gpu');
    const broken: Scenario = {
      ...held,
      steps: [
        ...held.steps.slice(0, 4),
        {
          says: 'fail',
          act: () => Promise.reject(new Error('nothing works')),
        },
      ],
    };
    const verdict = await runScenario(broken, page.port());
    assert.not(verdict.isAsPromised);
    assert.match(verdict.instead, /^nothing works; its way was attesting > queued/);
    const { jobs, fleet } = page.model.moment.state;
    assert.ok([...jobs.values()].every(({ state }) => isEnd(state)));
    await page.until(() =>
      [...page.model.moment.state.fleet.values()].every(({ machine }) => machine.state === 'serving'),
    );
    assert.is(fleet.size, 2);
  },
  limit,
);

t(
  'a tenant that sends unsigned jobs meets the same failures',
  async () => {
    const verdict = await runScenario(named('run-timeout'), labPort(page.model, page.server, 'globex'));
    assert.is(verdict.instead, '');
  },
  limit,
);

t(
  'a page with a tenant’s eyes, which sees neither hashes nor other tenants, judges the same',
  async () => {
    const own = await page.as('acme');
    try {
      assert.is(own.model.records.find(({ type }) => type === 'job.submitted')?.hash, undefined);
      for (const name of ['trap', 'queue-timeout', 'bad-signature']) {
        const verdict = await runScenario(named(name), own.port());
        assert.is(verdict.instead, '', name);
      }
    } finally {
      await own.leave();
    }
  },
  limit,
);

t('every edge off the good way is taken by a scenario, or named with the reason why it can not be', () => {
  const good =
    'new submitted,attesting attested,attesting queued,queued selected,reserving reserved,starting started';
  const well = [...good.split(','), 'running exited', 'releasing released', 'releasing succeeded'];
  const rows = jobTable.rows().map(({ state, event, target }) => ({
    key: `${state} ${event.slice('job.'.length)}`,
    edge: `${state} ${event.slice('job.'.length)} ${target ?? state}`,
  }));
  assert.ok(rows.length > 30);
  const taken = new Set(scenarios.flatMap(({ takes }) => takes as readonly string[]));
  for (const edge of taken)
    assert.ok(
      rows.some((row) => row.edge === edge),
      `no such edge: ${edge}`,
    );
  const off = rows.filter(({ key }) => !well.includes(key));
  const missed = off
    .filter(({ edge, key }) => !taken.has(edge) && !(key in notFromHere))
    .map(({ key }) => key);
  assert.equal(missed, []);
  const doubly = off.filter(({ edge, key }) => taken.has(edge) && key in notFromHere).map(({ key }) => key);
  assert.equal(doubly, []);
  for (const key of Object.keys(notFromHere))
    assert.ok(
      off.some((row) => row.key === key),
      `no such edge: ${key}`,
    );
});

t('names are unique, and those of the tour mean the same here', () => {
  const names = scenarios.map(({ name }) => name);
  assert.is(new Set(names).size, names.length);
  const known = new Set(toured.map(({ name }) => name));
  const missing = [...known].filter((name) => !names.includes(name));
  // What needs another process than the server, or goes well, is the tour's alone.
  assert.equal(missing.sort(), ['kill-9-restart', 'matmul-success', 'shutdown-during-run', 'success']);
});

t.run();
