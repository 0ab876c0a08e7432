/** What each view says when there is nothing, when it is not there yet, and when it can't come. */
import * as assert from 'uvu/assert';
import { viewNames } from '../../src/dashboard/address.ts';
import { suite } from '../suite.ts';
import { limit, Rig, type Scheme } from './rig.ts';

const rig = new Rig();
const t = suite('states of the page');
t.after(() => rig.end());

for (const scheme of ['light', 'dark'] satisfies Scheme[]) {
  t.needing(
    'chromium',
    `a controller without jobs says in each view what to do next, in ${scheme}`,
    () =>
      rig.page(
        '#/fleet',
        async (screen) => {
          for (const view of viewNames) {
            await screen.goTo(`#/${view}`);
            await screen.shows(view);
            assert.ok((await screen.text()).length > 40, `${view} says nothing`);
            await screen.accessible();
            await screen.fits();
            await screen.shot(view, 'empty');
          }
        },
        { scheme },
      ),
    limit,
  );
}

t.needing(
  'chromium',
  'while the log is on its way each view says so, and then shows it',
  () =>
    rig.page(
      'about:blank',
      async (screen) => {
        let letIn = (): void => undefined;
        const mayCome = new Promise<void>((resolve) => {
          letIn = resolve;
        });
        await screen.page.route('**/v1/log?*', async (route) => {
          await mayCome;
          await route.continue();
        });
        await screen.visit(`${(await rig.server()).url}/#/fleet`);
        for (const view of viewNames) {
          await screen.goTo(`#/${view}`);
          await screen.shows(view);
          assert.match(await screen.text(), /connect|loading|read/i, view);
        }
        await screen.accessible();
        await screen.shot('lab', 'loading');
        letIn();
        await screen.loaded();
      },
      { asItComes: true },
    ),
  limit,
);

t.needing(
  'chromium',
  'a server that is not there yet is waited for',
  () =>
    rig.page(
      'about:blank',
      async (screen) => {
        screen.expects(/demo\/sign|ERR_FAILED|ERR_CONNECTION_REFUSED/);
        await screen.page.route('**/demo/sign', (route) => route.abort('connectionrefused'));
        await screen.visit(`${(await rig.server()).url}/#/fleet`);
        await screen.page.locator('.loading').waitFor();
        await screen.shot('frame', 'no-server');
        await screen.page.unroute('**/demo/sign');
        await screen.loaded();
      },
      { asItComes: true },
    ),
  limit,
);

t.needing(
  'chromium',
  'a token that the server does not take is told, with the next step, and not asked with again and again',
  () =>
    rig.page(
      'about:blank',
      async (screen) => {
        screen.expects(/status of 401/);
        let asked = 0;
        screen.page.on('request', (request) => {
          asked += Number(request.url().endsWith('/v1/about'));
        });
        const jws = 'eyJhbGciOiJFZERTQSJ9.e30.AAAA';
        await screen.page.route('**/demo/sign', (route) =>
          route.request().method() === 'POST' ? route.fulfill({ json: { jws } }) : route.continue(),
        );
        await screen.visit(`${(await rig.server()).url}/#/fleet`);
        const failure = screen.page.locator('.failure').first();
        await failure.waitFor();
        assert.ok(((await failure.textContent()) ?? '').length > 20);
        await screen.accessible();
        await screen.shot('fleet', 'bad-token');
        // A token may have become too old meanwhile, so a new one is tried, once.
        assert.ok(asked <= 2, `asked ${asked} times`);
      },
      { asItComes: true },
    ),
  limit,
);

t.run();
