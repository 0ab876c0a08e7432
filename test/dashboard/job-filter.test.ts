/** Which jobs a list shows. */
import * as assert from 'uvu/assert';
import { type JobState, newJob } from '../../machines/job.ts';
import { everything, findJobs } from '../../src/dashboard/job-filter.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import type { Job } from '../../src/jobs/state.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: finding jobs');

function job(id: string, tenant: string, state: JobState, over: object = {}): Job {
  const spec = jobSpecSchema.parse({ module: `sha256:${'a'.repeat(64)}`, slot: '1g.10gb', ...over });
  return { state, context: { ...newJob(id, tenant), spec } };
}

const jobs = [
  job('aa1', 'acme', 'succeeded', { labels: { team: 'Vision' } }),
  job('bb2', 'acme', 'queued', { name: 'Nightly train' }),
  job('cc3', 'globex', 'running'),
  job('dd4', 'globex', 'timedOut'),
];
const codes: Readonly<Record<string, string>> = { bb2: 'NoFreeSlice', dd4: 'ERR_RUN_TIMEOUT' };
const find = (wanted: object) =>
  findJobs(jobs, ({ context }) => codes[context.id] ?? null, { ...everything, ...wanted });
const idsOf = (wanted: object): string[] => find(wanted).jobs.map(({ context }) => context.id);

t('newest first unless told otherwise', () => {
  assert.equal(idsOf({}), ['dd4', 'cc3', 'bb2', 'aa1']);
  assert.equal(idsOf({ newestFirst: false }), ['aa1', 'bb2', 'cc3', 'dd4']);
});

t('a word is found in id, tenant, name, label, state and code, whatever its case; all words must be', () => {
  assert.equal(idsOf({ text: 'B2' }), ['bb2']);
  assert.equal(idsOf({ text: 'globex' }), ['dd4', 'cc3']);
  assert.equal(idsOf({ text: 'NIGHTLY' }), ['bb2']);
  assert.equal(idsOf({ text: 'team=vision' }), ['aa1']);
  assert.equal(idsOf({ text: 'timedout' }), ['dd4']);
  assert.equal(idsOf({ text: 'nofree' }), ['bb2']);
  assert.equal(idsOf({ text: ' globex  running ' }), ['cc3']);
  assert.equal(idsOf({ text: 'globex vision' }), []);
});

t('filters narrow together', () => {
  assert.equal(idsOf({ groups: ['waiting', 'failed'] }), ['dd4', 'bb2']);
  assert.equal(idsOf({ groups: ['waiting', 'failed'], tenant: 'acme' }), ['bb2']);
  assert.equal(idsOf({ code: 'ERR_RUN_TIMEOUT' }), ['dd4']);
  assert.equal(idsOf({ code: 'ERR_RUN_TIMEOUT', tenant: 'acme' }), []);
});

t('what there is to choose from does not depend on what was chosen', () => {
  const all = find({});
  const none = find({ text: 'nothing like it', tenant: 'acme' });
  assert.is(none.jobs.length, 0);
  for (const { total, groups, tenants, codes: found } of [all, none]) {
    assert.is(total, 4);
    assert.equal(groups, { waiting: 1, running: 1, succeeded: 1, failed: 1, cancelled: 0 });
    assert.equal(
      [...tenants],
      [
        ['acme', 2],
        ['globex', 2],
      ],
    );
    assert.equal([...found.keys()], ['NoFreeSlice', 'ERR_RUN_TIMEOUT']);
  }
});

t.run();
