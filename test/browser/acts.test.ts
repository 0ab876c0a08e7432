/** What can be done from the page: submit, make a failure happen and see it on the chart, cancel one and many. */
import * as assert from 'uvu/assert';
import { eventually } from '../server-process.ts';
import { suite } from '../suite.ts';
import { limit, Rig, type Screen } from './rig.ts';

const rig = new Rig({ flags: ['--fleet', '1xH100-80GB', '--runners', '2'] });
const t = suite('acting from the page');
t.after(() => rig.end());

const foreverMs = 3_600_000;

/** The question that is asked before anything that can't be undone. */
const question = (screen: Screen) => screen.page.getByRole('alertdialog');
const stateShown = (screen: Screen): Promise<string> => screen.textOf('main .job-title .tag');

t.needing(
  'chromium',
  'a job submitted in the Lab runs, and its result can be read',
  () =>
    rig.page('#/lab', async (screen) => {
      await screen.accessible();
      await screen.shot('lab', 'form');
      const before = (await jobs()).length;
      await screen.page.getByRole('button', { name: 'Submit', exact: true }).click();
      const id = await screen.until('the server has it', async () => (await jobs()).at(before)?.id);
      assert.is((await (await rig.caller()).until(id)).state, 'succeeded');
      await screen.page.getByRole('button', { name: id }).click();
      await screen.shows('job');
      await screen.key('l');
      await screen.until('it has succeeded', async () => (await stateShown(screen)).includes('succeeded'));
      await screen.until('its result is there', async () => /hello/.test(await screen.text()));
      await screen.accessible();
      await screen.shot('job', 'succeeded');
    }),
  limit,
);

async function jobs(): Promise<{ id: string; state: string }[]> {
  const { json } = await (await rig.caller('admin')).ask('GET', '/v1/jobs?limit=1000');
  return (json as { jobs: { id: string; state: string }[] }).jobs;
}

t.needing(
  'chromium',
  'a guest that never returns is run from its card, and the chart takes the edge of the time limit',
  () =>
    rig.page('#/lab', async (screen) => {
      const before = (await jobs()).length;
      await screen.page.getByRole('button', { name: 'Run run-timeout', exact: true }).click();
      const id = await screen.until('the server has it', async () => (await jobs()).at(before)?.id);
      assert.is((await (await rig.caller()).until(id)).state, 'timedOut');
      await screen.page.locator('.lab-card.good').first().waitFor();
      await screen.shot('lab', 'promised');
      await screen.goTo(`#/job/${id}`);
      await screen.until('it has timed out', async () => (await stateShown(screen)).includes('timedOut'));
      const walked = screen.page.locator('.chart .way.walked');
      const lit = screen.page.locator('.chart .state.lit').first();
      await screen.until('its end is lit', async () =>
        ((await lit.textContent()) ?? '').includes('timedOut'),
      );
      const whole = await walked.count();
      assert.ok(whole >= 7, `${whole} arrows walked`);
      await screen.shot('job', 'timed-out');
      // Back before the limit was reached, the chart has not been there yet.
      const began = await seqOf(id, 'job.started');
      await screen.goTo(`#/at/${began}/job/${id}`);
      await screen.until('running is lit', async () => ((await lit.textContent()) ?? '').includes('running'));
      assert.ok((await walked.count()) < whole, 'arrows were not taken yet');
    }),
  limit,
);

async function seqOf(id: string, type: string): Promise<number> {
  const { json } = await (await rig.caller('admin')).ask('GET', `/v1/jobs/${id}/events`);
  return (json as { facts: { seq: number; type: string }[] }).facts.find((fact) => fact.type === type)!.seq;
}

t.needing(
  'chromium',
  'a running job is cancelled from its page, after a question that "no" answers harmlessly',
  async () => {
    const [{ id = '' } = {}] = await rig.run('loop', { limits: { wallMs: foreverMs } });
    const caller = await rig.caller();
    await caller.until(id, 'running');
    await rig.page(`#/job/${id}`, async (screen) => {
      const ask = screen.page.locator('main').getByRole('button', { name: /^cancel/i });
      await ask.first().click();
      await question(screen).waitFor();
      await screen.accessible();
      await screen.shot('job', 'cancel-asked');
      await screen.page.keyboard.press('Escape');
      await question(screen).waitFor({ state: 'detached' });
      assert.is((await caller.view(id)).state, 'running');
      const focused = await ask.first().evaluate((button) => button.matches(':focus'));
      assert.ok(focused, 'the focus is not on the button that asked');
      await ask.first().click();
      await question(screen).getByRole('button').first().click();
      await screen.until('it is cancelled', async () => (await stateShown(screen)).includes('cancelled'));
      assert.is((await caller.view(id)).state, 'cancelled');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'many are cancelled at once from Jobs, and how many is said first; none beside them is touched',
  async () => {
    const waits = { slot: '7g.80gb', limits: { queueMs: foreverMs, wallMs: foreverMs } };
    // The first takes the whole GPU, the others wait for it.
    const all = await rig.run('loop', waits, 6);
    const caller = await rig.caller();
    await oneRuns(all.map(({ id }) => id));
    const ids = all.map(({ id }) => id);
    await rig.page('#/jobs', async (screen) => {
      await screen.reaches(await rig.head());
      const waiting: string[] = [];
      for (const id of ids) if ((await caller.view(id)).state === 'queued') waiting.push(id);
      assert.is(waiting.length, 5);
      const chosen = waiting.slice(0, 4);
      for (const id of chosen) await screen.page.locator(`#row-${id} input[type=checkbox]`).click();
      await screen.accessible();
      const act = screen.page.locator('.selection button', { hasText: 'Cancel' });
      assert.match(await act.textContent().then(String), /4/);
      await act.click();
      assert.match(await question(screen).textContent().then(String), /4/);
      await screen.shot('jobs', 'cancel-asked');
      await question(screen).getByRole('button').first().click();
      for (const id of chosen) assert.is((await caller.until(id)).state, 'cancelled');
      for (const id of ids.filter((each) => !chosen.includes(each)))
        assert.is.not((await caller.view(id)).state, 'cancelled');
      await screen.until('none is chosen any more', async () =>
        /\b0\b/.test(await screen.textOf('.selection [role=status]')),
      );
      await screen.shot('jobs', 'cancelled');
    });
  },
  limit,
);

/** Waits until one of them holds the GPU and all others wait. */
async function oneRuns(ids: readonly string[]): Promise<void> {
  const caller = await rig.caller();
  const statesOf = async (): Promise<string[]> =>
    Promise.all(ids.map(async (id) => (await caller.view(id)).state));
  await eventually('one runs and the others wait', async () => {
    const states = await statesOf();
    return (
      states.filter((state) => state === 'running').length === 1 &&
      states.filter((state) => state === 'queued').length === ids.length - 1
    );
  });
}

t.run();
