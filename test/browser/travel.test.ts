/** Time travel: a link leads to the controller as it was, and every way to move through the log ends where the log says. */
import * as assert from 'uvu/assert';
import { isFailure } from '../../src/dashboard/model.ts';
import { suite } from '../suite.ts';
import { limit, Rig, type Screen } from './rig.ts';
import { type Story, storyFlags, tell } from './story.ts';

interface Fact {
  readonly seq: number;
  readonly type: string;
  readonly subject: string;
}

const rig = new Rig({ flags: storyFlags });
let told: Promise<{ story: Story; facts: Fact[] }> | null = null;
const log = (): Promise<{ story: Story; facts: Fact[] }> => {
  told ??= tell(rig).then(async (story) => ({ story, facts: await factsOf(await rig.head()) }));
  return told;
};
const t = suite('time travel');
t.after(() => rig.end());

/** All facts, as the server tells them: what the page is held against. */
async function factsOf(head: number): Promise<Fact[]> {
  const { json } = await (await rig.caller('admin')).ask('GET', '/v1/log?limit=1000');
  const { facts } = json as { facts: Fact[] };
  assert.ok(facts.length > 50 && facts.at(-1)!.seq >= head, `${facts.length} facts`);
  return facts;
}

const ofJob = (facts: readonly Fact[], id: string): Fact[] =>
  facts.filter(({ subject }) => subject.split('.')[2] === id);
const seqOf = (facts: readonly Fact[], id: string, type: string): number =>
  ofJob(facts, id).find((fact) => fact.type === type)!.seq;
/** What the job view says of the job's state, at the seq that is looked at. */
const stateShown = (screen: Screen): Promise<string> => screen.textOf('main .job-title .tag');

/** The states of a job that times out, each with the fact that enters it: written by hand from the chart. */
const lateJob: readonly (readonly [string, string])[] = [
  ['job.submitted', 'attesting'],
  ['job.queued', 'queued'],
  ['job.selected', 'reserving'],
  ['job.reserved', 'starting'],
  ['job.started', 'running'],
  ['job.overdue', 'stopping'],
  ['job.timedOut', 'timedOut'],
];

t.needing(
  'chromium',
  'a link shows a job as it was right after each of its facts',
  async () => {
    const { story, facts } = await log();
    await rig.page('#/fleet', async (screen) => {
      for (const [type, state] of lateJob) {
        const seq = seqOf(facts, story.timedOut, type);
        await screen.goTo(`#/at/${seq}/job/${story.timedOut}`);
        await screen.stands(seq);
        await screen.until(`the job is ${state} at ${type}`, async () =>
          (await stateShown(screen)).includes(state),
        );
      }
      await screen.shot('job', 'past');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a link into the past opens there when the page is loaded with it, and leads back to now',
  async () => {
    const { story, facts } = await log();
    const seq = seqOf(facts, story.timedOut, 'job.started');
    await rig.page(`#/at/${seq}/job/${story.timedOut}`, async (screen) => {
      await screen.reaches(facts.at(-1)!.seq);
      assert.is(await screen.seq(), seq);
      await screen.until('it runs', async () => (await stateShown(screen)).includes('running'));
      await screen.key('l');
      await screen.until('it is now', async () => (await screen.seq()) === (await screen.headSeq()));
      await screen.until('it is over', async () => (await stateShown(screen)).includes('timedOut'));
      await screen.isAt(`#/job/${story.timedOut}`);
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a job that is not there yet is told of, without a fault',
  async () => {
    const { story, facts } = await log();
    const before = seqOf(facts, story.running, 'job.submitted') - 1;
    await rig.page(`#/at/${before}/job/${story.running}`, async (screen) => {
      await screen.stands(before);
      await screen.until('it says where the job begins', async () =>
        (await screen.text()).includes(story.running),
      );
      assert.is(await screen.page.locator('main .job-title').count(), 0);
      const begins = screen.page.locator(`main a[href="#/at/${before + 1}/job/${story.running}"]`);
      assert.is(await begins.count(), 1);
      await screen.accessible();
      await screen.shot('job', 'not-yet');
      await screen.goTo('#/job/nosuchjob');
      await screen.until('a job that never was is told of', async () =>
        (await screen.text()).includes('nosuchjob'),
      );
      await screen.shot('job', 'unknown');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'the arrows go from fact to fact; of the job alone where one is shown',
  async () => {
    const { story, facts } = await log();
    const own = ofJob(facts, story.timedOut).map(({ seq }) => seq);
    await rig.page(`#/at/${own[0]}/job/${story.timedOut}`, async (screen) => {
      for (const seq of own.slice(1)) {
        await screen.key('ArrowRight');
        await screen.stands(seq);
      }
      await screen.key('ArrowLeft');
      await screen.stands(own.at(-2)!);
      await screen.goTo('#/at/10/fleet');
      await screen.stands(10);
      await screen.key('ArrowRight');
      await screen.stands(11);
      await screen.page.getByRole('button', { name: /back/i }).first().click();
      await screen.stands(10);
    });
  },
  limit,
);

t.needing(
  'chromium',
  'the next failure is the next in the log, and after the last comes the first',
  async () => {
    const { facts } = await log();
    const failures = facts.filter(isFailure).map(({ seq }) => seq);
    assert.ok(failures.length >= 4, `${failures.length} failures`);
    await rig.page('#/at/1/jobs', async (screen) => {
      for (const seq of [...failures, failures[0]!]) {
        await screen.key('n');
        await screen.stands(seq);
      }
    });
  },
  limit,
);

t.needing(
  'chromium',
  'playing goes on by itself, stands still when told, and follows the log at the end',
  async () => {
    await log();
    await rig.page('#/at/1/jobs', async (screen) => {
      await screen.key(' ');
      await screen.until('it goes on', async () => (await screen.seq()) > 3);
      await screen.key(' ');
      const play = screen.page.locator('[data-key=play]');
      assert.is(await play.getAttribute('aria-pressed'), 'false');
      const stood = await screen.seq();
      await screen.page.evaluate('new Promise((done) => setTimeout(done, 300))');
      assert.is(await screen.seq(), stood);
      await screen.page.locator('.scrubber select').selectOption({ index: 3 });
      await screen.key(' ');
      await screen.until(
        'it has come to the end',
        async () => (await screen.seq()) === (await screen.headSeq()),
      );
      await screen.until('it follows', async () => (await play.getAttribute('aria-pressed')) === 'false');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'each view draws every moment, from the first fact to the last',
  async () => {
    const { story, facts } = await log();
    const head = facts.at(-1)!.seq;
    const moments = [1, Math.round(head / 3), Math.round((2 * head) / 3), head - 1];
    await rig.page(`#/job/${story.timedOut}`, async (screen) => {
      for (const view of [
        'fleet',
        'jobs',
        'tenants',
        'audit',
        `job/${story.timedOut}`,
        `explain/${story.waiting}`,
      ]) {
        for (const seq of moments) {
          await screen.goTo(`#/at/${seq}/${view}`);
          await screen.stands(seq);
          screen.clean();
        }
      }
    });
  },
  limit,
);

t.run();
