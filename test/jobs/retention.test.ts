/** What the folds keep of ended jobs: the newest, as many as the log says, and nothing that no longer belongs to a job. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Command } from '../../src/jobs/commands.ts';
import { namesMsMin } from '../../src/jobs/retention.ts';
import { runs, seed, suite } from '../suite.ts';
import { Desk, submission } from './desk.ts';

const t = suite('retention');

const cancel = (id: string): Command => ({ kind: 'CancelJob', id, tenant: null, by: 'test' });
/** A desk whose log says how many ended jobs are kept. */
function deskOf(retainedMax: number): Desk {
  const desk = new Desk();
  desk.configure({ retainedMax });
  return desk;
}

const endOf = (desk: Desk, id: string, key: string | null = null): void => {
  desk.do(submission(id, key === null ? {} : { key }));
  desk.do(cancel(id));
};

t('the newest ended jobs stay, the oldest go', () => {
  const desk = deskOf(3);
  for (let i = 1; i <= 5; i += 1) endOf(desk, `job${i}`, `key${i}`);
  assert.equal([...desk.state.jobs.keys()], ['job3', 'job4', 'job5']);
  assert.equal([...desk.state.retained.ended.keys()], ['job3', 'job4', 'job5']);
  assert.is(desk.state.retained.names.size, 3);
});

t(
  'a key outlives its job by ten minutes: until then the same job is named, with another digest it is refused',
  () => {
    const desk = deskOf(0);
    endOf(desk, 'first', 'key');
    assert.not(desk.state.jobs.has('first'));
    const again = () => desk.handle(submission('second', { key: 'key' }));
    assert.equal(again(), { same: 'first' });
    assert.is(
      desk.refuse(submission('third', { key: 'key', digest: `sha256:${'e'.repeat(64)}` })),
      'ERR_IDEMPOTENCY',
    );
    desk.clock.advance(namesMsMin - 1);
    endOf(desk, 'other');
    assert.equal(again(), { same: 'first' });
    desk.clock.advance(1);
    endOf(desk, 'another');
    assert.is(desk.state.remembered.size, 0);
    assert.ok('seq' in again());
  },
);

t('a job that has not ended is never let go', () => {
  const desk = deskOf(0);
  desk.do(submission('open'));
  for (let i = 1; i <= 5; i += 1) endOf(desk, `job${i}`);
  assert.equal([...desk.state.jobs.keys()], ['open']);
  assert.is(desk.state.waiting.total, 1);
});

t('a lower bound takes effect with the fact that brings it; without one all are kept', () => {
  const desk = new Desk();
  for (let i = 1; i <= 5; i += 1) endOf(desk, `job${i}`);
  assert.is(desk.state.jobs.size, 5);
  desk.configure({ retainedMax: 2 });
  assert.equal([...desk.state.jobs.keys()], ['job4', 'job5']);
});

t('whatever ends in whatever order, as many are held as the bound says', () =>
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), fc.nat(5), (ends, retainedMax) => {
      const desk = deskOf(retainedMax);
      for (let i = 0; i < 10; i += 1) desk.do(submission(`job${i}`));
      const ended = new Set<string>();
      for (const i of ends) {
        desk.handle(cancel(`job${i}`));
        ended.add(`job${i}`);
      }
      assert.is(desk.state.jobs.size, 10 - ended.size + Math.min(ended.size, retainedMax));
      assert.equal(
        [...desk.state.retained.ended.keys()],
        [...ended].slice(Math.max(0, ended.size - retainedMax)),
      );
    }),
    { seed: seed(), numRuns: runs(100) },
  ),
);

t.run();
