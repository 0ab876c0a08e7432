/** A page that is signed in as a tenant shows no other tenant: no name, no job, nowhere in the document. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { viewNames } from '../../src/dashboard/address.ts';
import { suite } from '../suite.ts';
import { limit, Rig } from './rig.ts';
import { tell } from './story.ts';

// Beyond loopback the server signs for nobody, and the page asks for a key.
const rig = new Rig({ flags: ['--fleet', '1xH100-80GB', '--runners', '2', '--listen', '0.0.0.0:0'] });
const t = suite('a page signed in as a tenant');
t.after(() => rig.end());

t.needing(
  'chromium',
  'no view, at no seq, holds the name or a job of another tenant',
  async () => {
    const story = await tell(rig);
    const server = await rig.server();
    const url = server.url.replace('0.0.0.0', '127.0.0.1');
    const head = await rig.head();
    await rig.page(
      url,
      async (screen) => {
        await screen.page.locator('input[type=file]').setInputFiles(join(server.data, 'tenants', 'acme.jwk'));
        await screen.page.locator('button[type=submit]').click();
        await screen.loaded();
        let seen = '';
        for (const view of viewNames)
          for (const at of ['', `at/${Math.round(head / 2)}/`, `at/${head}/`]) {
            const job = view === 'job' ? `/${story.running}` : view === 'explain' ? `/${story.waiting}` : '';
            await screen.goTo(`#/${at}${view}${job}`);
            await screen.shows(view);
            // What the page draws; its own script knows the names of demo tenants.
            const html = await screen.page.locator('#page').innerHTML();
            assert.not.match(html, new RegExp(`globex|${story.others}`), `${view} ${at}`);
            seen += html;
          }
        assert.ok(seen.includes(story.running) && seen.includes('acme'), 'its own is shown');
        await screen.accessible();
        // Whoever knows the id learns no more than whoever makes one up.
        await screen.goTo(`#/job/${story.others}`);
        await screen.until('it is not known', async () => /no job/i.test(await screen.text()));
        assert.is(await screen.page.locator('main .job-title').count(), 0);
        await screen.shot('job', 'of-another');
      },
      { asItComes: true },
    );
  },
  limit,
);

t.run();
