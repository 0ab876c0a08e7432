/** Pages of jobs: complete and stable, although jobs are added while someone pages. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Change, Job } from '../../src/jobs/state.ts';
import { type JobQuery, jobPage } from '../../src/views/job-list.ts';
import { pageCharsMax } from '../../src/views/page.ts';
import type { Views } from '../../src/views/views.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('job list');
const seeded = { seed: seed(), numRuns: runs(200) };

const spec = { labels: { team: 'red' } };

/** Views that hold jobs of these tenants and take more. Only what a list reads is there. */
function viewsOf(tenants: readonly string[]) {
  const jobs = new Map<string, Job>();
  const listeners: ((change: Change) => void)[] = [];
  const seqs = new Map<string, number>();
  const add = (tenant: string): void => {
    const id = `j${seqs.size}`;
    seqs.set(id, seqs.size);
    const times = { submittedAtMs: jobs.size, queuedAtMs: null, startedAtMs: null, endedAtMs: null };
    const job = {
      state: 'queued',
      context: { id, tenant, spec, cause: null, attempt: 0, slots: null, gone: null, times },
    } as unknown as Job;
    jobs.set(id, job);
    for (const listener of listeners) listener({ before: null, after: job } as Change);
  };
  const forget = (id: string): void => {
    jobs.delete(id);
    for (const listener of listeners) listener({ before: null, after: null, forgotten: [id] } as never);
  };
  for (const tenant of tenants) add(tenant);
  const views = {
    state: { jobs },
    job: (id: string) => {
      const job = jobs.get(id);
      return job
        ? { job, trail: { submittedSeq: seqs.get(id), seq: 1, version: 1, trace: null, attempts: [] } }
        : null;
    },
    onChange: (listener: (change: Change) => void) => listeners.push(listener),
  } as unknown as Views;
  return { views, add, jobs, forget };
}

const query: JobQuery = {
  tenant: null,
  state: null,
  labels: [],
  newestFirst: false,
  cursor: null,
  limit: 10,
};

t('pages join to all jobs of the filter, in order, with jobs being added meanwhile', () =>
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('acme', 'globex'), { maxLength: 60 }),
      fc.array(fc.constantFrom('acme', 'globex'), { maxLength: 10 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(null, 'acme', 'initech'),
      fc.boolean(),
      (tenants, later, limit, tenant, newestFirst) => {
        const { views, add, jobs } = viewsOf(tenants);
        const before = [...jobs.keys()];
        const seen: string[] = [];
        const adding = [...later];
        let cursor: number | null = null;
        for (let pages = 0; pages < 200; pages += 1) {
          const page = jobPage(views, { ...query, tenant, newestFirst, limit, cursor });
          assert.ok(page.jobs.length <= limit);
          seen.push(...page.jobs.map(({ id }) => id));
          const more = adding.pop();
          if (more) add(more);
          cursor = page.next;
          if (cursor === null) break;
        }
        const wanted = before.filter((id) => tenant === null || jobs.get(id)?.context.tenant === tenant);
        const old = seen.filter((id) => before.includes(id));
        assert.equal(old, newestFirst ? [...wanted].reverse() : wanted);
        assert.is(new Set(seen).size, seen.length);
      },
    ),
    seeded,
  ),
);

t('jobs that are forgotten between two pages are left out, and no other is passed over or shown twice', () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.nat(39), { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      (count, gone, limit, newestFirst) => {
        const { views, jobs, forget } = viewsOf(Array.from({ length: count }, () => 'acme'));
        const forgetting = [...gone];
        const seen: string[] = [];
        for (let cursor: number | null = null, pages = 0; pages < 100; pages += 1) {
          const page = jobPage(views, { ...query, newestFirst, limit, cursor });
          seen.push(...page.jobs.map(({ id }) => id));
          const next = forgetting.pop();
          if (next !== undefined && jobs.has(`j${next}`)) forget(`j${next}`);
          cursor = page.next;
          if (cursor === null) break;
        }
        assert.is(new Set(seen).size, seen.length);
        for (const id of jobs.keys()) assert.ok(seen.includes(id), `${id} was never shown`);
      },
    ),
    seeded,
  ),
);

t('a cursor beyond the end, or a filter that nothing fulfils, is an empty page', () => {
  const { views } = viewsOf(['acme', 'globex']);
  assert.equal(jobPage(views, { ...query, cursor: 99 }), { jobs: [], next: null });
  assert.is(jobPage(views, { ...query, cursor: 99, newestFirst: true }).jobs.length, 2);
  assert.equal(jobPage(views, { ...query, state: 'failed' }), { jobs: [], next: null });
  assert.equal(jobPage(views, { ...query, labels: ['team=blue'] }), { jobs: [], next: null });
  assert.is(jobPage(views, { ...query, labels: ['team=red', 'team'] }).jobs.length, 2);
});

t('one page looks at a bounded number of jobs and says where to go on', () => {
  const { views } = viewsOf(Array.from({ length: 25_000 }, () => 'acme'));
  const page = jobPage(views, { ...query, state: 'failed' });
  assert.equal(page, { jobs: [], next: 20_000 });
  assert.equal(jobPage(views, { ...query, state: 'failed', cursor: page.next }), { jobs: [], next: null });
});

t('a page ends at its weight, with one job at least, and pages join', () => {
  const { views, jobs } = viewsOf(Array.from({ length: 12 }, () => 'acme'));
  for (const [i, job] of [...jobs.values()].entries())
    (job.context as { spec: unknown }).spec = {
      labels: {},
      args: ['x'.repeat(i === 5 ? pageCharsMax * 2 : pageCharsMax / 3)],
    };
  const seen: string[] = [];
  const lengths: number[] = [];
  for (let cursor: number | null = 0; cursor !== null; ) {
    const page = jobPage(views, { ...query, limit: 1_000, cursor });
    seen.push(...page.jobs.map(({ id }) => id));
    lengths.push(page.jobs.length);
    cursor = page.next;
  }
  assert.equal(seen, [...jobs.keys()]);
  assert.equal(lengths, [3, 3, 3, 3]);
});

t.run();
