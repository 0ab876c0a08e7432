import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { newJob } from '../../machines/job.ts';
import { openBlobs } from '../../src/blobs/blobs.ts';
import { startCollector } from '../../src/blobs/collector.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import { newState } from '../../src/jobs/state.ts';
import { SimulatedClock } from '../properties/simulated.ts';
import { suite } from '../suite.ts';

const t = suite('blobs: collector');
const dir = mkdtempSync(join(tmpdir(), 'berth-collector-'));
t.after(() => rmSync(dir, { recursive: true }));

/** Far enough ahead that every file written just now is older than a day. */
const aheadMs = (): number => Date.now() + 10 * 86_400_000 - 1_700_000_000_000;

t('what no fact names goes after a day, what a job names stays', async () => {
  const blobs = await openBlobs({ dir, blobBytesMax: 1_000, tenantBytesMax: 10_000 });
  const named = await blobs.putBytes('acme', Buffer.from('named'));
  const forgotten = await blobs.putBytes('acme', Buffer.from('forgotten'));
  const state = newState();
  const spec = jobSpecSchema.parse({ module: `sha256:${named.sha256}`, slot: '1g.10gb' });
  state.jobs.set('one', { state: 'queued', context: { ...newJob('one', 'acme'), spec } });
  const clock = new SimulatedClock();
  const said: string[] = [];
  const life = () => ({ state, log: { head: 1 }, views: { state, seq: 1 } }) as never;
  const stop = startCollector({ blobs, life, clock, logger: (_level, message) => said.push(message) });
  clock.advance(aheadMs());
  for (let tries = 0; tries < 200 && said.length === 0; tries += 1) {
    await later(10);
    clock.advance(3_600_000);
  }
  stop();
  assert.equal(said, ['unreferenced blobs removed']);
  assert.ok(await blobs.has('acme', named.sha256));
  assert.not(await blobs.has('acme', forgotten.sha256));
});

t.run();
