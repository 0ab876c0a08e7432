/** Stopping a controller: in order, within its deadline, on a sick disk too, and without losing what it accepted. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { Caller, eventually, pause, runnersOf, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { factsOf, judge, recordsOf } from './history.ts';
import { busyFor, Promises, randomFrom, realTime, submitUntil } from './load.ts';

const t = suite('faults/shutdown');
const slow = { limitMs: 60_000 };
const shutdownMs = 1_000;
/** Closing sockets, killing runners, sealing the log. */
const marginMs = 4_000;
const flags = ['--fleet', '1xH100-80GB', '--runners', '2', '--shutdown-ms', String(shutdownMs)];
const sickDisk = fileURLToPath(new URL('./sick-disk.mjs', import.meta.url));

/** A controller with one job that would run for ever; ended and judged afterwards. */
async function withLoop(
  body: (server: ServerProcess, acme: Caller, loopId: string) => Promise<void>,
  options: Parameters<typeof ServerProcess.begin>[0] = {},
): Promise<void> {
  const server = await ServerProcess.begin({ flags, ...options });
  const acme = new Caller(server);
  try {
    const loop = await acme.put(sampleGuest('loop'));
    const { id } = await acme.submit({ module: loop, limits: { wallMs: 2_000 } });
    await acme.until(id, 'running');
    await body(server, acme, id);
    assert.equal(runnersOf(server.data), []);
    await server.start();
    assert.is((await acme.until(id)).state, 'timedOut');
    await server.end();
    await judge(server.data, [id]);
  } finally {
    acme.close();
    await server.remove();
  }
}

const endsWithin = async (server: ServerProcess, signal: NodeJS.Signals, ms: number) => {
  const startedAt = performance.now();
  const late = pause(ms).then(() => 'late' as const);
  const ended = await Promise.race([server.end(signal), late]);
  assert.is.not(ended, 'late', `not ended ${ms} ms after ${signal}:\n${server.stderr}`);
  return { ...(ended as { code: number | null }), ms: performance.now() - startedAt };
};

t(
  'SIGTERM under load: not ready, no new jobs, running ones finish or go back, exit 0; the next life ends them all',
  async () => {
    const server = await ServerProcess.begin({ flags });
    const acme = new Caller(server);
    const other = new Caller(server);
    const promises = new Promises();
    let over = false;
    try {
      const [busy, noop, loop] = await Promise.all(
        [busyFor(400), sampleGuest('noop'), sampleGuest('loop')].map((each) => acme.put(each)),
      );
      const specs = [() => ({ module: busy, ...realTime }), () => ({ module: noop })];
      const load = submitUntil(() => over, other, promises, { specs, random: randomFrom(7), restMs: 20 });
      const { id } = await acme.submit({ module: loop, limits: { wallMs: 2_500 } });
      promises.accepted.add(id);
      await acme.until(id, 'running');
      await eventually('load', () => promises.accepted.size > 10);
      const stopping = endsWithin(server, 'SIGTERM', shutdownMs + marginMs);
      const notReady = await eventually('not ready', async () => {
        const { status, json } = await acme.ask('GET', '/readyz');
        return status === 503 && (json as { code: string; state: string });
      });
      assert.equal([notReady.code, notReady.state], ['ERR_DRAINING', 'draining']);
      const refusal = await acme.send(await acme.signed({ module: noop }));
      assert.is(refusal.status, 503);
      assert.is((refusal.json as { code: string }).code, 'ERR_DRAINING');
      assert.is((await acme.view(id)).state, 'running', 'a running job may go on');
      const { code, ms } = await stopping;
      assert.is(code, 0, server.stderr);
      assert.ok(ms >= shutdownMs, `the loop had ${ms} of ${shutdownMs} ms`);
      over = true;
      await load;
      assert.equal(runnersOf(server.data), []);
      await server.start();
      for (const each of promises.accepted) await acme.until(each, undefined, 40_000);
      assert.is((await server.end()).code, 0);
      await judge(server.data, promises.accepted);
      const lost = (await recordsOf(server.data)).filter(({ type }) => type === 'job.lost');
      assert.equal(lost, [], 'a stop in order loses no attempt');
      const facts = factsOf(await recordsOf(server.data), id).join(' ');
      assert.match(
        facts,
        /started evicted stopped released queued .*started overdue stopped released timedOut$/,
      );
    } finally {
      over = true;
      acme.close();
      other.close();
      await server.remove();
    }
  },
  slow,
);

t(
  'SIGINT stops as SIGTERM does',
  () =>
    withLoop(async (server, _acme, id) => {
      assert.is((await endsWithin(server, 'SIGINT', shutdownMs + marginMs)).code, 0);
      assert.match(factsOf(await recordsOf(server.data), id).join(' '), /evicted stopped released queued$/);
    }),
  slow,
);

t(
  'a signal that comes twice at once, from the terminal and from npm, is one: it still stops in order',
  () =>
    withLoop(async (server, _acme, id) => {
      server.signal('SIGINT');
      await eventually('it is stopping', () => /once more/.test(server.stderr));
      assert.is((await endsWithin(server, 'SIGINT', shutdownMs + marginMs)).code, 0);
      assert.match(factsOf(await recordsOf(server.data), id).join(' '), /evicted stopped released queued$/);
    }),
  slow,
);

t(
  'a second SIGTERM ends it at once, with exit code 130; what it accepted is still there',
  () =>
    withLoop(async (server) => {
      server.signal('SIGTERM');
      await eventually('it is stopping', () => /once more/.test(server.stderr));
      // Sooner than that it would be taken for the echo of the first.
      await pause(400);
      const { code, ms } = await endsWithin(server, 'SIGTERM', 1_000);
      assert.is(code, 130);
      assert.ok(ms < shutdownMs);
      await eventually('no runner is left', () => runnersOf(server.data).length === 0, 1_000);
    }),
  slow,
);

const faults = [
  { fault: 'EIO', when: 'during' },
  { fault: 'hang', when: 'during' },
] as const;
/** Some seconds each, so only in the long run: the disk is sick before anyone asks to stop. */
const slowFaults = [
  { fault: 'EIO', when: 'before' },
  { fault: 'hang', when: 'before' },
] as const;
for (const { fault, when } of process.env['BERTH_TEST_LONG'] === '1' ? [...faults, ...slowFaults] : faults) {
  const what = fault === 'hang' ? 'hangs' : `fails with ${fault}`;
  t(
    `SIGTERM ends within its deadline, and not as if all were well, when the disk ${what} ${when} the stop`,
    () => stopOnSickDisk(fault, when),
    slow,
  );
}

async function stopOnSickDisk(fault: string, when: 'before' | 'during'): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-sick-'));
  const FAULT_FILE = join(folder, 'fault');
  execFileSync('sh', ['-c', 'mkfifo "$0"', `${FAULT_FILE}.fifo`]);
  const lease = ['--lease-ms', '1000', '--grace-ms', '500', '--stop-ms', '500'];
  const killMs = 2_000;
  try {
    await withLoop(
      async (server) => {
        if (when === 'before') await writeFile(FAULT_FILE, fault);
        const ending = endsWithin(server, 'SIGTERM', shutdownMs + killMs + 2 * marginMs);
        await eventually('it is stopping', () => /once more/.test(server.stderr));
        if (when === 'during') {
          await pause(200);
          await writeFile(FAULT_FILE, fault);
        }
        const { code } = await ending;
        // It could not stop in order, and must not say that it did.
        assert.is.not(code, 0);
        if (fault !== 'hang') assert.match(server.stderr, /ERR_LOG_FAILED/);
        await rm(FAULT_FILE);
      },
      { flags: [...flags, ...lease], node: ['--import', sickDisk], env: { FAULT_FILE } },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

t.run();
