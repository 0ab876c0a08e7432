/** The policies: strict orders, and under round robin shares that follow the weights over a long run. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Command } from '../../src/jobs/commands.ts';
import { type Candidate, policies } from '../../src/scheduler/policies.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { Desk, submission } from '../jobs/desk.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('policies');

const candidate = fc.record({
  tenant: fc.constantFrom('a', 'b'),
  weight: fc.integer({ min: 1, max: 5 }),
  waitSince: fc.integer({ min: 1, max: 1_000 }),
  served: fc.integer({ min: 0, max: 4 }),
});

t('every policy is a strict total order over distinct arrivals', () => {
  for (const { name, before } of Object.values(policies)) {
    void fc.assert(
      fc.property(candidate, candidate, candidate, (a: Candidate, b: Candidate, c: Candidate) => {
        if (new Set([a, b, c].map(({ waitSince }) => waitSince)).size < 3) return;
        assert.not(before(a, a), name);
        assert.is(before(a, b), !before(b, a), name);
        if (before(a, b) && before(b, c)) assert.ok(before(a, c), name);
      }),
      { seed: seed(), numRuns: runs(500) },
    );
  }
});

/** Plays `rounds` selections with every tenant always backlogged; how often each was selected. */
function shares(
  policy: string,
  weights: Readonly<Record<string, number>>,
  rounds: number,
): Map<string, number> {
  const tenants = Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, { weight }]));
  const desk = new Desk({ policy, tenants });
  const scheduler = new Scheduler();
  const counts = new Map<string, number>();
  let jobs = 0;
  const submit = (tenant: string): void => {
    const id = `job${jobs++}`;
    desk.bring(id, 'queued', { tenant });
  };
  for (const tenant of Object.keys(weights)) for (let i = 0; i < 3; i += 1) submit(tenant);
  for (let round = 0; round < rounds; round += 1) {
    for (const change of desk.news()) scheduler.fold(change);
    const command = scheduler.decide() as Command & { id: string };
    desk.do(command);
    const { tenant } = desk.job(command.id).context;
    counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    desk.do(desk.step('ReserveSlots', command.id));
    desk.finish(command.id);
    submit(tenant);
    // While all are backlogged no tenant is ever further ahead of its share than one job, by weight.
    if (policy === 'round-robin') {
      const served = Object.entries(weights).map(([name, weight]) => (counts.get(name) ?? 0) / weight);
      assert.ok(Math.max(...served) - Math.min(...served) <= 2, `shares drift: ${served}`);
    }
  }
  return counts;
}

t('round robin gives every tenant its weight, at every moment and over a long run', () => {
  const counts = shares('round-robin', { acme: 1, globex: 2, initech: 5 }, 400);
  assert.equal([counts.get('acme'), counts.get('globex'), counts.get('initech')], [50, 100, 250]);
});

t('first come, first served knows no shares', () => {
  const desk = new Desk({ policy: 'fifo', tenants: { acme: {}, globex: { weight: 1_000 } } });
  for (let i = 0; i < 5; i += 1) desk.bring(`a${i}`, 'queued');
  desk.bring('b', 'queued', { tenant: 'globex' });
  const scheduler = new Scheduler();
  for (const change of desk.news()) scheduler.fold(change);
  assert.is((scheduler.decide() as { id?: string }).id, 'a0');
});

t('a tenant that was idle saves up no turns: it shares from where the others are', () => {
  const desk = new Desk({ policy: 'round-robin', tenants: { acme: {}, globex: {} } });
  const scheduler = new Scheduler();
  const next = (): string => {
    for (const change of desk.news()) scheduler.fold(change);
    const command = scheduler.decide() as Command & { id: string };
    desk.do(command);
    desk.do(desk.step('ReserveSlots', command.id));
    desk.finish(command.id);
    return command.id;
  };
  for (let i = 0; i < 30; i += 1) desk.bring(`a${i}`, 'queued');
  for (let i = 0; i < 20; i += 1) next();
  for (let i = 0; i < 10; i += 1) desk.bring(`b${i}`, 'queued', { tenant: 'globex' });
  const turns = Array.from({ length: 10 }, next).map((id) => id[0]);
  assert.is(turns.filter((who) => who === 'b').length, 5, turns.join(''));
  assert.ok(desk.handle(submission('z')));
});

t.run();
