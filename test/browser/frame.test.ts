/** The frame around the views: each of them opens, by hand and by key, reads well, and is kept as a picture. */
import { viewNames } from '../../src/dashboard/address.ts';
import { suite } from '../suite.ts';
import { limit, Rig } from './rig.ts';

const rig = new Rig();
const t = suite('the frame of the page');
t.after(() => rig.end());

t.needing(
  'chromium',
  'each view opens by its link',
  () =>
    rig.page('', async (screen) => {
      const [job] = await rig.run('hello');
      await screen.reaches(await rig.head());
      for (const view of viewNames.filter((name) => name !== 'job')) {
        await screen.go(view);
        await screen.accessible();
        await screen.fits();
        await screen.shot(view, 'one');
      }
      await screen.page.goto(`${(await rig.server()).url}/#/job/${job!.id}`);
      await screen.shows('job');
    }),
  limit,
);

t.run();
