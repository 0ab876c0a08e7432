/** The way of a job is that of its facts, from its first one on. */
import * as assert from 'uvu/assert';
import { walkOf } from '../../src/jobs/walk.ts';
import { fact } from '../machines/samples.ts';
import { suite } from '../suite.ts';

const t = suite('walk');

t('a good job goes by nine steps from new to succeeded, each beginning where the last one ended', () => {
  const names = 'submitted attested queued selected reserved started exited released succeeded'.split(' ');
  const facts = names.map((name, i) => fact(`job.${name}` as 'job.queued', i + 7, 1_000 + i));
  const { state, steps } = walkOf(facts);
  assert.is(state, 'succeeded');
  assert.equal(
    steps.map((step) => step.fact),
    names,
  );
  assert.equal(steps[0], { seq: 7, from: 'new', to: 'attesting', fact: 'submitted' });
  assert.equal(steps[1], { seq: 8, from: 'attesting', to: 'attesting', fact: 'attested' });
  for (const [i, { from }] of steps.entries()) if (i > 0) assert.is(from, steps[i - 1]!.to);
});

t('before its first fact a job is new, and a fact that the machine refuses is told with its seq', () => {
  assert.equal(walkOf([]), { state: 'new', steps: [] });
  assert.throws(() => walkOf([fact('job.started', 12, 1_000)]), /seq 12: job\.started is no way out of new/);
});

t.run();
