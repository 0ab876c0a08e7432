/** The flight recorder in a browser: from a file, without any network, with the server's states; and files that are opened. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { goldenRecords, linesOf, longRecords } from '../dashboard/logs.ts';
import { suite } from '../suite.ts';
import { answersOf, askedNobody, hashesOf, holds, read, recorded, told } from './recorder.ts';
import { limit, Rig, type Screen } from './rig.ts';

const slow = { limitMs: 240_000 };
/** A hundred thousand are in `recorder.long.test.ts`. */
const facts = 20_000;
/** Of the page's own thread, ms: a move of the slider, drawing included. */
const answerMsMax = 100;

const rig = new Rig();
const t = suite('the flight recorder');
let dir: string;
let address = '';
const golden = goldenRecords(2);

t.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-recorder-'));
  address = await recorded(dir, golden);
});
t.after(async () => {
  await rig.end();
  await rm(dir, { recursive: true, force: true });
});

const stateHash = (screen: Screen): Promise<string> => screen.page.evaluate<string>('berth.stateHash()');
const choose = (screen: Screen, file: string): Promise<void> =>
  screen.page.locator('input[type=file]').setInputFiles(file);

t.needing(
  'chromium',
  `${facts} facts from a file: the server's states, answers in time, nobody asked`,
  async () => {
    const records = await longRecords(facts);
    const hashes = hashesOf(records, 1_000);
    await rig.page(
      await recorded(dir, records),
      async (screen) => {
        await read(screen);
        assert.is(await screen.headSeq(), records.length);
        await holds(screen, hashes);
        const answers = await answersOf(screen, 60);
        console.log(told(`${records.length} recorded facts`, answers));
        assert.ok(answers.threadMs.p95 < answerMsMax, JSON.stringify(answers));
        await screen.shot('recorder', 'fleet');
        await askedNobody(screen);
      },
      { asItComes: true },
    );
  },
  slow,
);

t.needing(
  'chromium',
  'every view of a recording opens, at any seq, with nothing to write with',
  async () => {
    await rig.page(address, async (screen) => {
      await read(screen);
      assert.is(await screen.page.locator('nav a', { hasText: 'Lab' }).count(), 0);
      const job = golden.find(({ type }) => type === 'job.timedOut')!.subject.split('.')[2]!;
      for (const hash of ['fleet', 'jobs', `job/${job}`, `explain/${job}`, 'tenants', 'audit']) {
        const view = hash.split('/')[0]!;
        for (const at of [golden.length, 40]) {
          await screen.goTo(`#/at/${at}/${hash}`);
          await screen.shows(view as 'job');
          await screen.stands(at);
        }
        await screen.accessible();
        await screen.shot('recorder', view);
      }
      await askedNobody(screen);
    });
  },
  slow,
);

t.needing(
  'chromium',
  'a link into a recording shows that seq from the start',
  async () => {
    const hashes = hashesOf(golden, 50);
    await rig.page(`${address}#/at/50/jobs`, async (screen) => {
      await read(screen);
      await screen.stands(50);
      assert.is(await stateHash(screen), hashes.get(50));
      assert.is(await screen.view(), 'jobs');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a log opened in the live page is shown without its server, and the way back leads to it',
  async () => {
    const file = join(dir, 'run.jsonl');
    await writeFile(file, linesOf(golden));
    const last = hashesOf(golden, 50).get(golden.length);
    await rig.page('#/jobs', async (screen) => {
      const head = await screen.headSeq();
      await choose(screen, file);
      await screen.until('it is shown', async () => (await screen.headSeq()) === golden.length);
      await read(screen);
      assert.is(await stateHash(screen), last);
      assert.match((await screen.page.locator('.banner').textContent()) ?? '', /run\.jsonl/);
      assert.is(await screen.page.locator('nav a', { hasText: 'Lab' }).count(), 0);
      await screen.drag(30);
      await screen.accessible();
      await screen.shot('recorder', 'opened');
      // What happens on the server meanwhile is there afterwards.
      await rig.run('hello');
      const later = await rig.head();
      assert.ok(later > head);
      await screen.page.getByRole('button', { name: 'Back to live' }).click();
      await screen.reaches(later);
      assert.is(await screen.view(), 'jobs');
      await screen.go('lab');
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a file that is no log is refused in words, and nothing that was shown is lost',
  async () => {
    const bad = join(dir, 'bad.jsonl');
    await writeFile(bad, `${linesOf(golden.slice(0, 6))}{"seq":7\n`);
    await rig.page(address, async (screen) => {
      await read(screen);
      await screen.drag(33);
      await choose(screen, bad);
      const alert = screen.page.getByRole('alert').filter({ hasText: 'bad.jsonl' });
      await alert.waitFor();
      assert.match((await alert.textContent()) ?? '', /Line 7 is not JSON[\s\S]*berth log export/);
      assert.equal([await screen.seq(), await screen.headSeq()], [33, golden.length]);
      await screen.accessible();
      await screen.shot('recorder', 'bad-file');
      await screen.page.getByRole('button', { name: 'Dismiss' }).click();
      await alert.waitFor({ state: 'detached' });
      // A recording in a recording, and back.
      const other = fileURLToPath(await recorded(dir, goldenRecords(1)));
      await choose(screen, other);
      await screen.until('it is shown', async () => (await screen.headSeq()) === goldenRecords(1).length);
      await screen.page.getByRole('button', { name: 'Back to the recorded log' }).click();
      await screen.until('the first one is back', async () => (await screen.headSeq()) === golden.length);
      await screen.stands(33);
    });
  },
  limit,
);

/** In the page: holds a file over it, and lets it go. */
const dropped = (text: string): string => `(() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([${JSON.stringify(text)}], 'dropped.jsonl'));
  const target = document.querySelector('main');
  for (const type of ['dragover', 'drop'])
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
})()`;

t.needing(
  'chromium',
  'a log that is dropped on the page is shown',
  async () => {
    await rig.page(address, async (screen) => {
      await read(screen);
      await screen.page.evaluate(dropped(linesOf(golden.slice(0, 60))));
      await screen.until('it is shown', async () => (await screen.headSeq()) === 60);
      assert.match((await screen.page.locator('.banner').textContent()) ?? '', /dropped\.jsonl/);
    });
  },
  limit,
);

t.run();
