/** Ten thousand jobs: the page opens, draws a screenful and no more, finds one among them, and moves through time at once. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { foldsVersion } from '../../src/checkpointing.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { openLog } from '../../src/log/open.ts';
import { appendJobs } from '../bench/history.ts';
import { ServerProcess } from '../server-process.ts';
import { suite } from '../suite.ts';
import { Rig } from './rig.ts';

const jobsMany = 10_000;
const factsAJob = 9;
/** Rows that may be in the document, however many there are to scroll through. */
const rowsMax = 120;
/** A page that reads and folds 90,000 facts beside other tests, ms. */
const loadMsMax = 150_000;

const server = await ServerProcess.idle({ flags: ['--fleet', '1xH100-80GB'] });
const rig = new Rig({}, server);
const t = suite('ten thousand jobs');
t.after(() => rig.end());

/** Grows the log of a server that was there and has stopped, and starts it anew. */
async function grown(): Promise<void> {
  await server.start();
  await server.end();
  const place = { dir: join(server.data, 'log'), disk: nodeDisk, sha256: nodeSha256 };
  const checkpoints = new CheckpointFiles({ ...place, retiring: null });
  const nothing = (): void => undefined;
  const { log } = await openLog({
    ...place,
    checkpoints,
    version: foldsVersion,
    onCheckpoint: nothing,
    onRecords: nothing,
  });
  await appendJobs(log, jobsMany * factsAJob);
  await log.close();
  await server.start();
}

t.needing(
  'chromium',
  'the list opens, scrolls to its end, finds one, and each view draws with all of them',
  async () => {
    await grown();
    await rig.page(
      '#/jobs',
      async (screen) => {
        // What the history's jobs left was never stored.
        screen.expects(/status of 404 .*\/result/);
        const began = performance.now();
        await screen.reaches(await rig.head(), loadMsMax);
        console.log(`${await screen.headSeq()} facts read in ${Math.round(performance.now() - began)} ms`);
        const count = await screen.textOf('section[aria-label=Jobs] [role=status]');
        assert.ok(Number(/[\d,]+/.exec(count)?.[0].replaceAll(',', '')) >= jobsMany, count);
        const rows = screen.page.locator('.rows tbody tr[id]');
        assert.ok((await rows.count()) <= rowsMax, `${await rows.count()} rows`);
        await screen.accessible();
        await screen.shot('jobs', 'many');
        const first = await rows.first().getAttribute('id');
        await screen.page.locator('.rows table').focus();
        await screen.page.keyboard.press('End');
        await screen.until('it is at the end', async () => (await rows.first().getAttribute('id')) !== first);
        assert.ok((await rows.count()) <= rowsMax, `${await rows.count()} rows at the end`);
        const wanted = (await rows.last().getAttribute('id'))!.slice('row-'.length);
        await screen.key('/');
        await screen.page.keyboard.type(wanted);
        await screen.until('one is found', async () => (await rows.count()) === 1);
        assert.is(await rows.first().getAttribute('id'), `row-${wanted}`);
        const head = await screen.headSeq();
        for (const view of ['fleet', 'tenants', 'explain', 'audit', 'lab', `job/${wanted}`]) {
          await screen.goTo(`#/${view}`);
          await screen.shows(view.split('/')[0] as 'job');
          await screen.shot(view.split('/')[0]!, 'many');
        }
        for (const seq of [head - 1, Math.round(head / 2), 10]) await screen.drag(seq);
        await screen.key('l');
        await screen.stands(head);
      },
      { asItComes: true },
    );
  },
  { limitMs: 280_000 },
);

t.run();
