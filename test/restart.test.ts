/** A controller that ends, kindly or not, comes back to the very state that its log tells. */
import * as assert from 'uvu/assert';
import { run } from './cli/berth.ts';
import { factsOf, judge, ofType, recordsOf } from './faults/history.ts';
import { Caller, eventually, pause, runnersOf, ServerProcess, sampleGuest } from './server-process.ts';
import { suite } from './suite.ts';

const t = suite('restart');
const slow = { limitMs: 60_000 };
const fleet = ['--fleet', '1xH100-80GB', '--runners', '1'];

/** What an operator sees in the directory of a controller that is gone. */
async function stateOnDisk(data: string): Promise<{ seq: number; stateHash: string }> {
  const { code, text, stderr } = await run(['log', 'replay', data, '-o', 'json']);
  assert.is(code, 0, stderr);
  const { seq, stateHash } = JSON.parse(text) as { seq: number; stateHash: string };
  return { seq, stateHash };
}

t(
  'the state hash computed from the disk is the one that the next start records, after kill -9 and after a clean stop',
  async () => {
    const server = await ServerProcess.begin({ flags: [...fleet, '--shutdown', 'requeue'] });
    const acme = new Caller(server);
    try {
      const loop = await acme.put(sampleGuest('loop'));
      const noop = await acme.put(sampleGuest('noop'));
      const ids: string[] = [];
      for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
        ids.push((await acme.submit({ module: noop })).id);
        const { id } = await acme.submit({ module: loop, limits: { wallMs: 1_500 } });
        ids.push(id, (await acme.submit({ module: noop })).id);
        await acme.until(id, 'running');
        await server.end(signal);
        const onDisk = await stateOnDisk(server.data);
        await server.start();
        const { ofSeq, stateHash } = ofType(await recordsOf(server.data), 'controller.recovered').at(
          -1,
        )!.data;
        assert.equal({ seq: ofSeq, stateHash }, onDisk);
        // The hash before the restart is no accident of the last fact alone.
        const again = await run(['log', 'replay', server.data, '--to', String(ofSeq), '-o', 'json']);
        assert.is((JSON.parse(again.text) as { stateHash: string }).stateHash, stateHash);
      }
      for (const id of ids) await acme.until(id);
      await server.end();
      const judged = await judge(server.data, ids);
      assert.is(judged.ended, ids.length);
      assert.is(judged.recoveries, 4);
    } finally {
      acme.close();
      await server.remove();
    }
  },
  slow,
);

t(
  'no guest outlives kill -9 of the controller by a second; its attempt is lost, released, and run again',
  async () => {
    const server = await ServerProcess.begin({ flags: fleet });
    const acme = new Caller(server);
    try {
      const loop = await acme.put(sampleGuest('loop'));
      const { id } = await acme.submit({ module: loop, limits: { wallMs: 3_000 } });
      await acme.until(id, 'running');
      assert.ok(runnersOf(server.data).length > 0, 'no runner seen, so its absence would prove nothing');
      await server.end('SIGKILL');
      const killedAtMs = performance.now();
      await eventually('all runners are gone', () => runnersOf(server.data).length === 0, 1_000);
      const goneMs = performance.now() - killedAtMs;
      // Nothing of it comes back by itself either.
      await pause(200);
      assert.equal(runnersOf(server.data), []);
      await server.start();
      const ended = await acme.until(id);
      assert.is(ended.state, 'timedOut');
      await server.end();
      const facts = factsOf(await recordsOf(server.data), id).join(' ');
      assert.match(
        facts,
        /started lost released queued selected reserved started overdue stopped released timedOut$/,
      );
      await judge(server.data, [id]);
      console.log(`guests gone after ${goneMs.toFixed(0)} ms`);
    } finally {
      acme.close();
      await server.remove();
    }
  },
  slow,
);

t(
  'a job that lost its runner once too often fails, and says so',
  async () => {
    const server = await ServerProcess.begin({ flags: [...fleet, '--losses-max', '1'] });
    const acme = new Caller(server);
    try {
      const loop = await acme.put(sampleGuest('loop'));
      const { id } = await acme.submit({ module: loop, limits: { wallMs: 60_000 } });
      for (let kills = 0; kills < 2; kills += 1) {
        await acme.until(id, 'running');
        await server.end('SIGKILL');
        await server.start();
      }
      const ended = await acme.until(id);
      assert.is(ended.state, 'failed');
      assert.is(ended.cause?.code, 'ERR_RUNNER_LOST');
      await server.end();
      await judge(server.data, [id]);
    } finally {
      acme.close();
      await server.remove();
    }
  },
  slow,
);

t(
  'a second controller on the same directory ends with ERR_DATA_LOCKED and leaves the first unharmed',
  async () => {
    const server = await ServerProcess.begin({ flags: fleet });
    const acme = new Caller(server);
    const second = new ServerProcess(server.data, { flags: fleet });
    try {
      const noop = await acme.put(sampleGuest('noop'));
      const before = await acme.submit({ module: noop });
      second.launch();
      const { code } = await second.ended;
      assert.not(code === 0 || code === null, `exit code ${code}`);
      assert.match(second.stderr, /ERR_DATA_LOCKED/);
      assert.match(second.stderr, new RegExp(`process ${server.pid}`));
      assert.is((await acme.until((await acme.submit({ module: noop })).id)).state, 'succeeded');
      assert.is((await acme.until(before.id)).state, 'succeeded');
      assert.is((await server.end()).code, 0);
      assert.is((await judge(server.data, [before.id])).recoveries, 1);
    } finally {
      acme.close();
      await second.end('SIGKILL');
      await server.remove();
    }
  },
  slow,
);

t.run();
