/** The server goes and comes back: the page says so, goes on by itself, and has each fact once. */
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { ServerProcess } from '../server-process.ts';
import { suite } from '../suite.ts';
import { limit, Rig, type Screen } from './rig.ts';

const port = await freePort();
const server = await ServerProcess.idle({
  flags: ['--listen', `127.0.0.1:${port}`, '--shutdown', 'requeue'],
});
const rig = new Rig({}, server);
const t = suite('the page and a server that comes back');
t.after(() => rig.end());

/** What a browser writes of a server that is gone. */
const gone = /ERR_(CONNECTION_\w+|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)|status of 503/;
const foreverMs = 3_600_000;

/** A restarted server must be found where the page looks for it. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port: found } = probe.address() as { port: number };
      probe.close(() => resolve(found));
    });
  });
}

/** Seqs of the job's facts, as the page lists them. */
const seqsShown = async (screen: Screen): Promise<number[]> =>
  (await screen.page.locator('.facts tbody td:first-child .seq').allTextContents()).map((text) =>
    Number(text.replace(/\D/g, '')),
  );

/** Seqs of the job's facts, as the server has them. */
async function seqsKept(id: string): Promise<number[]> {
  const { json } = await (await rig.caller('admin')).ask('GET', `/v1/jobs/${id}/events?limit=1000`);
  return (json as { facts: { seq: number }[] }).facts.map(({ seq }) => seq);
}

const isTold = (screen: Screen): Promise<unknown> =>
  screen.page
    .locator('.banner .badge.warn', { hasText: /connect/i })
    .first()
    .waitFor();

/** Looks at a job that runs while `away` ends the server and brings it back. */
async function through(away: () => Promise<void>, picture: string): Promise<void> {
  if (!server.isRunning) await server.start();
  const limits = { wallMs: foreverMs };
  const [{ id = '' } = {}] = await rig.run('loop', { limits, attempts: { max: 1 } });
  const caller = await rig.caller();
  await caller.until(id, 'running');
  await rig.page(`#/job/${id}`, async (screen) => {
    await screen.reaches(await rig.head());
    await screen.page.evaluate('globalThis.sameDocument = true');
    screen.expects(gone);
    await away();
    await isTold(screen);
    await screen.accessible();
    await screen.shot('job', picture);
    await server.start();
    const again = await rig.caller();
    await again.ask('POST', `/v1/jobs/${id}/cancel`);
    await again.until(id);
    await screen.reaches(await rig.head());
    await screen.until('the job is over', async () =>
      /cancelled|failed/.test(await screen.textOf('main .job-title .tag')),
    );
    const kept = await seqsKept(id);
    assert.ok(kept.length > 8, `${kept.length} facts`);
    await screen.until('all facts are listed', async () => (await seqsShown(screen)).length >= kept.length);
    assert.equal(await seqsShown(screen), kept);
    assert.is(await screen.page.evaluate('globalThis.sameDocument'), true);
    assert.is(screen.documents, 1);
    await screen.until(
      'no warning is left',
      async () => (await screen.page.locator('main [role=status].note').count()) === 0,
    );
  });
}

t.needing(
  'chromium',
  'killed and started again: the page goes on without a reload, and misses or doubles nothing',
  () => through(async () => void (await server.end('SIGKILL')), 'killed'),
  limit,
);

t.needing(
  'chromium',
  'stopped in order and started again: the same',
  () => through(async () => void (await server.end('SIGTERM')), 'stopped'),
  limit,
);

t.run();
