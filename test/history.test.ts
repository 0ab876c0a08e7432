/** A real server with a short memory: it starts from checkpoints, forgets what ended long ago, and looks after old history. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { run } from './cli/berth.ts';
import { ofType, recordsOf } from './faults/history.ts';
import { Caller, eventually, ServerProcess, sampleGuest } from './server-process.ts';
import { suite } from './suite.ts';

const t = suite('history');
const flags = ['--fleet', '1xH100-80GB', '--runners', '2', '--checkpoint-facts', '40'];

/** Runs `count` jobs to their end, one key each. */
async function runJobs(caller: Caller, count: number): Promise<string[]> {
  const module = await caller.put(sampleGuest('noop'));
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) ids.push((await caller.submit({ module })).id);
  for (const id of ids) await caller.until(id);
  return ids;
}

t(
  'after kill -9 a server begins from its newest checkpoint, answers for every job, and its log replays whole',
  async () => {
    const server = await ServerProcess.begin({ flags });
    const acme = new Caller(server);
    try {
      const ids = await runJobs(acme, 20);
      await server.end('SIGKILL');
      await server.start();
      assert.match(server.stderr, /"fromCheckpoint":\d+/);
      for (const id of ids) assert.is((await acme.view(id)).state, 'succeeded');
      await server.end();
      const records = await recordsOf(server.data);
      assert.ok(ofType(records, 'controller.checkpointed').length >= 2);
      const { code, stderr } = await run(['log', 'replay', server.data]);
      assert.is(code, 0, stderr);
    } finally {
      acme.close();
      await server.remove();
    }
  },
  { limitMs: 60_000 },
);

t(
  'a flipped bit in history that a start did not read is told of, by file, byte and seq; service goes on',
  async () => {
    const server = await ServerProcess.begin({ flags });
    const acme = new Caller(server);
    try {
      await runJobs(acme, 12);
      await server.end();
      const log = join(server.data, 'log');
      const [first = ''] = readdirSync(log).filter((name) => name.endsWith('.seg'));
      const bytes = readFileSync(join(log, first));
      const at = bytes.indexOf('"seq":5,');
      assert.ok(at > 0);
      bytes[at + 6] = (bytes[at + 6] as number) ^ 1;
      writeFileSync(join(log, first), bytes);
      await server.start();
      await eventually('the damage is told', () => server.stderr.includes('damaged in history'), 10_000);
      const [line = ''] = server.stderr.split('\n').filter((each) => each.includes('damaged in history'));
      const told = JSON.parse(line) as { file: string; seq: number; reason: string };
      assert.equal([told.file.endsWith(first), told.seq], [true, 5]);
      await runJobs(acme, 1);
      const verified = await run(['log', 'verify', server.data]);
      assert.is(verified.code, 1);
    } finally {
      acme.close();
      await server.remove();
    }
  },
  { limitMs: 60_000 },
);

t(
  'a run in memory between two on disk leaves no trace in the log on disk, and no head beside it',
  async () => {
    const server = await ServerProcess.begin({ flags });
    const acme = new Caller(server);
    try {
      const ids = await runJobs(acme, 2);
      assert.is((await server.end()).code, 0);
      await server.start({ flags: [...flags, '--log', 'memory'] });
      await runJobs(acme, 4);
      assert.is((await server.end()).code, 0);
      await server.start({ flags });
      for (const id of ids) assert.is((await acme.view(id)).state, 'succeeded');
    } finally {
      acme.close();
      await server.remove();
    }
  },
  { limitMs: 60_000 },
);

t.run();
