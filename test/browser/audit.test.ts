/** Audit: chain, decisions, state hashes and signed head come out good in the page, and a fact that was altered on its way does not. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { limit, Rig, type Screen } from './rig.ts';
import { storyFlags, tell } from './story.ts';

const rig = new Rig({ flags: [...storyFlags, '--head-every', '10'] });
const t = suite('the audit in the page');
t.after(() => rig.end());

const panel = (screen: Screen, name: string) => screen.page.locator(`section.panel[aria-label="${name}"]`);
/** Presses what the panel offers, and waits for what it says then. */
async function verdictOf(screen: Screen, name: string): Promise<string> {
  const verdict = panel(screen, name).locator('.verdict').first();
  await panel(screen, name).locator('button.primary').first().click();
  await verdict.waitFor();
  return (await verdict.textContent()) ?? '';
}

t.needing(
  'chromium',
  'all that can be checked is checked in the browser, and is good',
  async () => {
    await tell(rig);
    await rig.page('#/audit', async (screen) => {
      await screen.reaches(await rig.head());
      assert.match(await verdictOf(screen, 'Chain'), /✓/);
      assert.match(await verdictOf(screen, 'Decisions'), /✓/);
      assert.match(await verdictOf(screen, 'Signed head'), /✓/);
      await panel(screen, 'State hashes')
        .getByRole('button', { name: /compute all/i })
        .click();
      await screen.until(
        'each recorded state hash is the computed one',
        async () => (await panel(screen, 'State hashes').locator('tbody .tag.good').count()) >= 1,
      );
      assert.is(await panel(screen, 'State hashes').locator('tbody .tag.bad').count(), 0);
      await screen.accessible();
      await screen.shot('audit', 'checked');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a fact that is not what was hashed is found, and named by its seq',
  async () => {
    const head = await rig.head();
    assert.ok(head > 40, `${head} facts`);
    const altered = 20;
    await rig.page(
      'about:blank',
      async (screen) => {
        await screen.page.route('**/v1/log?*', async (route) => {
          if ((route.request().headers()['accept'] ?? '').includes('event-stream')) return route.continue();
          const answer = await route.fetch();
          const body = (await answer.json()) as { facts: { seq: number; at: number }[] };
          for (const fact of body.facts) if (fact.seq === altered) fact.at += 1;
          return route.fulfill({ response: answer, json: body });
        });
        await screen.visit(`${(await rig.server()).url}/#/audit`);
        await screen.loaded();
        await screen.reaches(head);
        assert.match(await verdictOf(screen, 'Chain'), new RegExp(`✕.*seq ${altered}\\b`));
        await screen.shot('audit', 'broken');
      },
      { asItComes: true },
    );
  },
  limit,
);

t.run();
