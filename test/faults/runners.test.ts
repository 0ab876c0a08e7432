/** Runners that die or fall silent under a job: the job is lost to them, not to its owner. */
import * as assert from 'uvu/assert';
import { Caller, eventually, runnersOf, ServerProcess } from '../server-process.ts';
import { suite } from '../suite.ts';
import { factsOf, judge, ofType, recordsOf } from './history.ts';
import { busyFor, realTime } from './load.ts';

const t = suite('faults/runners');
const leaseMs = 1_000;
const graceMs = 500;
const lostOnce =
  'submitted attested queued selected reserved started lost released queued selected reserved started exited released succeeded';

/** Does `harm` to the runner of a running job; the job must be lost once, and succeed at the second try. */
async function harmed(harm: NodeJS.Signals): Promise<number> {
  const flags = ['--fleet', '1xH100-80GB', '--runners', '1', '--log-level', 'error'];
  const lease = ['--lease-ms', String(leaseMs), '--grace-ms', String(graceMs)];
  const server = await ServerProcess.begin({ flags: [...flags, ...lease] });
  const acme = new Caller(server);
  try {
    const module = await acme.put(busyFor(700));
    const { id } = await acme.submit({ module, ...realTime });
    await acme.until(id, 'running');
    const { attempts } = await acme.view(id);
    const pid = Number(/\d+$/.exec(attempts[0]?.runner ?? '')?.[0]);
    assert.ok(runnersOf(server.data).includes(pid), `${pid} is no runner, but ${runnersOf(server.data)} are`);
    const harmedAtMs = performance.now();
    process.kill(pid, harm);
    await eventually('the attempt is over', async () => (await acme.view(id)).attempts[0]?.end !== null);
    const lostAfterMs = performance.now() - harmedAtMs;
    assert.is((await acme.until(id)).state, 'succeeded');
    assert.not(runnersOf(server.data).includes(pid), 'the harmed runner is still there');
    await server.end();
    const records = await recordsOf(server.data);
    assert.is(factsOf(records, id).join(' '), lostOnce);
    assert.match(String(ofType(records, 'job.lost')[0]?.data['message']), /runner/);
    await judge(server.data, [id]);
    return lostAfterMs;
  } finally {
    acme.close();
    await server.remove();
  }
}

t(
  'a runner that is killed under its job loses it; the job runs again and succeeds',
  async () => {
    const ms = await harmed('SIGKILL');
    assert.ok(ms < leaseMs, `its exit is seen at once, not after ${ms} ms`);
  },
  { limitMs: 40_000 },
);

t(
  'a runner that falls silent is given up when lease and grace are over; the job runs again and succeeds',
  async () => {
    const ms = await harmed('SIGSTOP');
    assert.ok(ms >= leaseMs, `given up after ${ms} ms, with a lease of ${leaseMs}`);
    assert.ok(ms < 3 * (leaseMs + graceMs), `given up only after ${ms} ms`);
  },
  { limitMs: 40_000 },
);

t.run();
