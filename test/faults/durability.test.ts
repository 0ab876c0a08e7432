/** A 202 is a promise: what the kernel saw shows that the disk had it first. And the checker can tell. */
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { Caller, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { judge } from './history.ts';
import { callsIn, judgeAnswers, straceArgs, type Verdict } from './strace.ts';

const t = suite('faults/durability');
const jobs = 24;
const traced = ['fdatasync', 'write', 'pwrite64', 'writev', 'pwritev', 'sendto', 'sendmsg'];
const noSync = fileURLToPath(new URL('./no-sync.mjs', import.meta.url));

/** Runs jobs on a traced controller, one by one and several at once, and judges its answers. */
async function verdictOn(node: readonly string[]): Promise<Verdict> {
  const server = await ServerProcess.idle();
  const trace = `${server.data}.strace`;
  const acme = new Caller(server);
  const flags = ['--fleet', '1xH100-80GB', '--runners', '1', '--log-level', 'error'];
  try {
    await server.start({ flags, node, around: straceArgs(trace, traced) });
    const noop = await acme.put(sampleGuest('noop'));
    const accepted: string[] = [];
    for (let n = 0; n < jobs / 3; n += 1) accepted.push((await acme.submit({ module: noop })).id);
    const rest = Array.from({ length: jobs - accepted.length }, () => acme.submit({ module: noop }));
    for (const { id } of await Promise.all(rest)) accepted.push(id);
    for (const id of accepted) await acme.until(id, 'succeeded');
    assert.is((await server.end()).code, 0, server.stderr);
    assert.is((await judge(server.data, accepted)).ended, jobs);
    return judgeAnswers(callsIn(await readFile(trace, 'utf8')));
  } finally {
    acme.close();
    await server.remove();
    await rm(trace, { force: true });
  }
}

t.needing(
  'strace',
  'every 202 leaves after the fdatasync that covers its seq has returned',
  async () => {
    const { answers, synced, early } = await verdictOn([]);
    assert.ok(answers >= jobs, `only ${answers} answers were seen`);
    assert.ok(synced >= 9 * jobs, `only ${synced} facts were seen to be synced`);
    assert.equal(early, []);
  },
  { limitMs: 90_000 },
);

t.needing(
  'strace',
  'the same check reports every 202 of a controller whose fdatasync does nothing',
  async () => {
    const { answers, synced, early } = await verdictOn(['--import', noSync]);
    assert.ok(answers >= jobs, `only ${answers} answers were seen`);
    assert.is(synced, 0);
    assert.is(early.length, answers);
  },
  { limitMs: 90_000 },
);

t.run();
