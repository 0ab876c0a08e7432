/** A log in which somebody has written what no controller writes: the page says so, and stays a page. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { goldenRecords } from '../dashboard/logs.ts';
import { suite } from '../suite.ts';
import { read, recorded } from './recorder.ts';
import { limit, Rig, type Screen } from './rig.ts';

const rig = new Rig();
const t = suite('a page on a broken log');
const golden = goldenRecords(2);
let dir: string;
t.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-broken-'));
});
t.after(async () => {
  await rig.end();
  await rm(dir, { recursive: true, force: true });
});

/** Opens the golden log without data in all facts of these types, over a recording. */
async function opened(screen: Screen, ...types: readonly string[]): Promise<void> {
  const name = `${types.join('-')}.jsonl`;
  const file = join(dir, name);
  const lines = golden.map((record) =>
    JSON.stringify(types.includes(record.type) ? { ...record, data: {} } : record),
  );
  await writeFile(file, lines.join('\n'));
  await read(screen);
  await screen.page.locator('input[type=file]').setInputFiles(file);
  await screen.page.locator('.banner', { hasText: name }).waitFor();
}

t.needing(
  'chromium',
  'a view that can not be drawn says why and at which seq; frame, slider and other views go on',
  async () => {
    await rig.page(await recorded(dir, golden), async (screen) => {
      // A tenant without terms is folded, and the fleet wants its weight.
      await opened(screen, 'tenant.added');
      const failure = screen.page.getByRole('alert').filter({ hasText: "can't be drawn" });
      await screen.goTo('#/fleet');
      await failure.waitFor();
      const seq = await screen.seq();
      assert.match((await failure.textContent()) ?? '', new RegExp(`Fleet can't be drawn at seq ${seq}: `));
      await screen.accessible();
      await screen.shot('frame', 'broken');
      await screen.page.getByRole('button', { name: 'Draw it again' }).click();
      await failure.waitFor();
      await screen.goTo('#/jobs');
      await failure.waitFor({ state: 'detached' });
      await screen.goTo('#/fleet');
      await failure.waitFor();
      // Before there was such a tenant all is well, and the slider leads there.
      await screen.drag(1);
      await failure.waitFor({ state: 'detached' });
      await screen.shows('fleet');
      await screen.drag(seq);
      await failure.waitFor();
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a fact that can not be folded is told, and each view draws what lies before it',
  async () => {
    const job = golden.find(({ type }) => type === 'job.reserved')!.subject.split('.')[2]!;
    await rig.page(await recorded(dir, golden), async (screen) => {
      // The index of all facts reads those behind the halt, too.
      await opened(screen, 'job.attested', 'job.reserved', 'job.released');
      const halt = screen.page.getByRole('alert').filter({ hasText: "can't be folded beyond seq" });
      for (const hash of ['fleet', 'jobs', `job/${job}`, `explain/${job}`, 'tenants', 'audit']) {
        await screen.goTo(`#/${hash}`);
        await screen.shows(hash.split('/')[0] as 'job');
        await halt.waitFor();
        assert.not.match(await screen.text(), "can't be drawn", hash);
      }
    });
  },
  limit,
);

t.run();
