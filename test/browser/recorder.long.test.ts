/** A hundred thousand facts: in a recording from a file, with the server's state at every 1,000th seq; and in the live page. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { foldsVersion } from '../../src/checkpointing.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { openLog } from '../../src/log/open.ts';
import { appendJobs } from '../bench/history.ts';
import { longRecords } from '../dashboard/logs.ts';
import { ServerProcess } from '../server-process.ts';
import { suite } from '../suite.ts';
import { answersOf, askedNobody, hashesOf, holds, read, recorded, told } from './recorder.ts';
import { Rig } from './rig.ts';

const facts = 100_000;
/** Of the page's own thread, ms: a move of the slider, drawing included. */
const answerMsMax = 100;
const slow = { limitMs: 1_200_000 };

const server = await ServerProcess.idle({ flags: ['--fleet', '1xH100-80GB'] });
const rig = new Rig({}, server);
const t = suite('a hundred thousand facts');
let dir: string;
t.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-recorder-'));
});
t.after(async () => {
  await rig.end();
  await rm(dir, { recursive: true, force: true });
});

t.needing(
  'chromium',
  'a recording opens from a file, has the state of the server at every 1,000th seq and at the end, and asks nobody',
  async () => {
    const records = await longRecords(facts);
    const hashes = hashesOf(records, 1_000);
    assert.ok(hashes.size > 100);
    const address = await recorded(dir, records);
    await rig.page(
      address,
      async (screen) => {
        const began = performance.now();
        await read(screen);
        const heap = await screen.page.evaluate<number>('performance.memory.usedJSHeapSize');
        const readMs = Math.round(performance.now() - began);
        console.log(`${records.length} facts read in ${readMs} ms, heap ${Math.round(heap / 2 ** 20)} MiB`);
        assert.is(await screen.headSeq(), records.length);
        for (const view of ['fleet', 'jobs', 'tenants'] as const) {
          await screen.goTo(`#/${view}`);
          await screen.shows(view);
          const answers = await answersOf(screen, 100);
          console.log(told(`${records.length} recorded facts, ${view}`, answers));
          assert.ok(answers.threadMs.p95 < answerMsMax, JSON.stringify(answers));
        }
        await holds(screen, hashes);
        await screen.shot('recorder', 'long');
        await askedNobody(screen);
      },
      { asItComes: true },
    );
  },
  slow,
);

/** Grows the log of a server that was there and has stopped, and starts it anew. */
async function grown(): Promise<void> {
  await server.start();
  await server.end();
  const place = { dir: join(server.data, 'log'), disk: nodeDisk, sha256: nodeSha256 };
  const checkpoints = new CheckpointFiles({ ...place, retiring: null });
  const nothing = (): void => undefined;
  const options = { ...place, checkpoints, version: foldsVersion, onCheckpoint: nothing, onRecords: nothing };
  const { log } = await openLog(options);
  await appendJobs(log, facts);
  await log.close();
  await server.start();
}

t.needing(
  'chromium',
  'the slider of the live page answers as quickly',
  async () => {
    await grown();
    await rig.page(
      '#/fleet',
      async (screen) => {
        await read(screen);
        const head = await rig.head();
        assert.ok(head > facts);
        await screen.reaches(head);
        for (const view of ['fleet', 'jobs'] as const) {
          await screen.goTo(`#/${view}`);
          await screen.shows(view);
          const answers = await answersOf(screen, 100);
          console.log(told(`${head} facts in the live page, ${view}`, answers));
          assert.ok(answers.threadMs.p95 < answerMsMax, JSON.stringify(answers));
        }
        await screen.key('l');
        await screen.stands(await rig.head());
      },
      { asItComes: true },
    );
  },
  slow,
);

t.run();
