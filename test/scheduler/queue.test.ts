/** The queue: classes in which every job stands where its wait began. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { classKey, Queue, type Waiting } from '../../src/scheduler/queue.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('queue');
const shape = { profile: '1g.10gb', gpus: 1 };
const idsOf = (queue: Queue): string[][] => [...queue.classes()].map(({ jobs }) => jobs.map(({ id }) => id));

t('a job that comes back unplaced stands again where it stood', () => {
  const queue = new Queue();
  for (const [i, id] of ['a', 'b', 'c'].entries())
    queue.join('acme', shape, { id, visit: i + 1, waitSince: i + 1 });
  queue.leave('a');
  queue.join('acme', shape, { id: 'a', visit: 9, waitSince: 1 });
  assert.equal(idsOf(queue), [['a', 'b', 'c']]);
  queue.join('acme', shape, { id: 'b', visit: 10, waitSince: 10 });
  assert.equal(idsOf(queue), [['a', 'c', 'b']], 'a new wait begins at the end');
  assert.is(queue.size, 3);
});

t('like jobs of one tenant are one class; an empty class is none', () => {
  const queue = new Queue();
  queue.join('acme', shape, { id: 'a', visit: 1, waitSince: 1 });
  queue.join('acme', { ...shape, gpus: 2 }, { id: 'b', visit: 2, waitSince: 2 });
  queue.join('globex', shape, { id: 'c', visit: 3, waitSince: 3 });
  assert.equal(idsOf(queue), [['a'], ['b'], ['c']]);
  queue.leave('b');
  queue.leave('nobody');
  assert.equal(idsOf(queue), [['a'], ['c']]);
  assert.is.not(classKey('acme', shape), classKey('acme', { ...shape, gpus: 2 }));
});

t('it equals a plain sorted list over random joins and leaves', () => {
  let joined = 0;
  const step = fc.record({
    id: fc.nat({ max: 12 }),
    tenant: fc.nat({ max: 1 }),
    waitSince: fc.nat({ max: 1_000 }),
    leaves: fc.boolean(),
  });
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const queue = new Queue();
      const model = new Map<string, Waiting & { tenant: string }>();
      for (const { id: n, tenant, waitSince, leaves } of steps) {
        const id = `job${n}`;
        if (leaves) {
          queue.leave(id);
          model.delete(id);
        } else {
          // No two waits begin with one fact.
          const since = waitSince * 100 + model.size;
          if ([...model.values()].some((other) => other.waitSince === since)) continue;
          queue.join(`t${tenant}`, shape, { id, visit: 1, waitSince: since });
          model.set(id, { id, visit: 1, waitSince: since, tenant: `t${tenant}` });
          joined += 1;
        }
        assert.is(queue.size, model.size);
        for (const { tenant: name, jobs } of queue.classes()) {
          const expected = [...model.values()]
            .filter((job) => job.tenant === name)
            .sort((a, b) => a.waitSince - b.waitSince);
          assert.equal(
            jobs.map((job) => job.id),
            expected.map((job) => job.id),
          );
        }
      }
    }),
    { seed: seed(), numRuns: runs(200) },
  );
  assert.ok(joined > 500);
});

t.run();
