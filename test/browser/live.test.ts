/** The page while jobs come: every view goes on, time travel stands still, and in the end page and server count alike. */
import * as assert from 'uvu/assert';
import { viewNames } from '../../src/dashboard/address.ts';
import type { JobView } from '../../src/views/job-view.ts';
import { sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { limit, Rig, type Screen } from './rig.ts';

/** Submitted at the least, and so many at once. */
const jobsMin = 200;
const batch = 10;

const rig = new Rig({ flags: ['--runners', '2'] });
const t = suite('the page under load');
t.after(() => rig.end());

/** Submits jobs for as long as `body` takes, and at least `jobsMin`; then waits until all are over. */
async function underLoad(body: () => Promise<void>): Promise<void> {
  let isOver = false;
  const load = (async () => {
    const caller = await rig.caller();
    const module = await caller.put(sampleGuest('noop'));
    for (let sent = 0; sent < jobsMin || !isOver; sent += batch)
      await Promise.all(Array.from({ length: batch }, () => caller.submit({ module })));
  })();
  await Promise.all([
    load,
    body().finally(() => {
      isOver = true;
    }),
  ]);
}

/** All jobs, as the server tells them. */
async function jobsOf(tenant = 'admin'): Promise<JobView[]> {
  const caller = await rig.caller(tenant);
  const jobs: JobView[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json } = await caller.ask('GET', `/v1/jobs?limit=1000${cursor && `&cursor=${cursor}`}`);
    const page = json as { jobs: JobView[]; next: string | null };
    jobs.push(...page.jobs);
    cursor = page.next;
  }
  return jobs;
}

/** First whole number in a text, `1,234` too. */
const numberIn = (text: string): number =>
  Number(/\d[\d,]*/.exec(text)?.[0].replaceAll(',', '') ?? Number.NaN);

/** One of the figures at the top of Fleet. */
const figure = async (screen: Screen, name: string): Promise<number> =>
  numberIn(await screen.textOf(`.numbers > div:has(dt:text-is("${name}")) dd`));

t.needing(
  'chromium',
  'every view goes on drawing while facts come, and ends with what the server has',
  () =>
    rig.page('#/fleet', async (screen) => {
      await underLoad(async () => {
        for (const view of viewNames.filter((name) => name !== 'job')) {
          await screen.go(view);
          const before = await screen.headSeq();
          await screen.reaches(before + batch);
        }
        await screen.go('fleet');
        await screen.shot('fleet', 'load');
        screen.clean();
      });
      const jobs = await screen.until('all jobs are over', async () => {
        const all = await jobsOf();
        return all.every(({ times }) => times.endedAtMs !== null) && all;
      });
      assert.ok(jobs.length >= jobsMin);
      await screen.reaches(await rig.head());
      await screen.until('Fleet says that nothing runs', async () => (await figure(screen, 'running')) === 0);
      assert.is(await figure(screen, 'waiting'), 0);
      await screen.go('jobs');
      await screen.until(
        `Jobs counts ${jobs.length}`,
        async () => numberIn(await screen.textOf('section[aria-label=Jobs] [role=status]')) === jobs.length,
      );
      await screen.shot('jobs', 'load');
    }),
  limit,
);

t.needing(
  'chromium',
  'who looks at the past is left there while facts come, and comes back to the newest',
  () =>
    rig.page('#/jobs', async (screen) => {
      await underLoad(async () => {
        const past = Math.max(2, Math.round((await screen.headSeq()) / 2));
        await screen.drag(past);
        const jobsThen = await screen.textOf('section[aria-label=Jobs] [role=status]');
        const head = await screen.headSeq();
        await screen.reaches(head + 5 * batch);
        assert.is(await screen.seq(), past);
        assert.is(await screen.textOf('section[aria-label=Jobs] [role=status]'), jobsThen);
        for (const seq of [past - 1, 1, past + 1]) await screen.drag(seq);
        await screen.page.locator('.scrubber .live').click();
        await screen.until('it follows', async () => (await screen.seq()) > head);
        await screen.isAt('#/jobs');
      });
    }),
  limit,
);

t.run();
