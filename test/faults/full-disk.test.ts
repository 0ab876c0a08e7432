/** A disk that is full or fails: new jobs get a 503 with its code, nothing promised is lost, and service comes back by itself. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Caller, eventually, type HttpAnswer, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { judge, ofType, recordsOf } from './history.ts';
import { Promises } from './load.ts';
import { straceArgs } from './strace.ts';
import { judgeTold } from './told.ts';

const t = suite('faults/full disk');
const slow = { limitMs: 90_000 };
const flags = ['--fleet', '1xH100-80GB', '--runners', '1', '--log-level', 'error'];
const codeOf = ({ json }: HttpAnswer): string | undefined => (json as { code?: string }).code;

/** A file system of so many MiB, mounted while `body` runs. */
async function onSmallDisk(mib: number, body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-small-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder]);
  try {
    await body(folder);
  } finally {
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  }
}

/** Fills the disk to the last byte, as another program would. */
async function fill(file: string): Promise<void> {
  for (const bytes of [65_536, 4_096, 1]) {
    try {
      for (;;) await writeFile(file, Buffer.alloc(bytes), { flag: 'a' });
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

/** May this process mount a file system? Root may, outside of most containers. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'berth-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}

async function fullDiskAndBack(folder: string): Promise<void> {
  const server = new ServerProcess(join(folder, 'data'), { flags });
  const acme = new Caller(server);
  const promises = new Promises();
  try {
    await server.start();
    const noop = await acme.put(sampleGuest('noop'));
    for (let n = 0; n < 5; n += 1) promises.note(await acme.send(await acme.signed({ module: noop })));
    const [known = ''] = promises.accepted;
    await acme.until(known, 'succeeded');
    await fill(join(folder, 'ballast'));
    const refusal = await eventually('the disk is noticed', async () => {
      const answer = await acme.send(await acme.signed({ module: noop }));
      promises.note(answer);
      return answer.status >= 400 && answer;
    });
    assert.is(refusal.status, 503);
    assert.match(codeOf(refusal) ?? '', /^ERR_(LOG_FAILED|READ_ONLY)$/);
    const blob = await acme.ask('PUT', `/v1/blobs/${'0'.repeat(64)}`, { body: Buffer.alloc(100_000) });
    assert.ok([503, 413].includes(blob.status), `blob: ${blob.status}`);
    assert.match(codeOf(blob) ?? '', /^ERR_/);
    // Long enough for several tries to begin a new life.
    const lastMs = performance.now() + 3_500;
    while (performance.now() < lastMs) {
      assert.is((await acme.ask('GET', '/livez')).status, 200);
      assert.is((await acme.view(known)).state, 'succeeded');
      assert.is((await acme.ask('GET', '/v1/jobs')).status, 200);
      assert.is((await acme.ask('GET', '/v1/queue')).status, 200);
      const again = await acme.send(await acme.signed({ module: noop }));
      promises.note(again);
      assert.is(again.status, 503, `a job was accepted on a full disk: ${again.bytes}`);
    }
    assert.is((await acme.ask('GET', '/readyz')).status, 503);
    await rm(join(folder, 'ballast'));
    const accepted = await eventually('it accepts again by itself', async () => {
      const answer = await acme.send(await acme.signed({ module: noop }));
      promises.note(answer);
      return answer.status === 202 && (answer.json as { id: string });
    });
    await acme.until(accepted.id, 'succeeded');
    for (const id of promises.accepted) await acme.until(id, 'succeeded');
    assert.is((await server.end()).code, 0, server.stderr);
    await judge(server.data, promises.accepted);
  } finally {
    acme.close();
    await server.remove();
  }
}

const fullDisk =
  'on a full disk new jobs get a 503, reads are answered, and it accepts again once there is room';
if (canMount()) t(fullDisk, () => onSmallDisk(8, fullDiskAndBack), slow);
else t.skip(fullDisk, 'may not mount a file system of its own');

/** Names of whole checkpoints, oldest first. */
const checkpointsIn = async (folder: string): Promise<string[]> =>
  (await readdir(join(folder, 'log'))).filter((name) => /^checkpoint-\d+\.json$/.test(name)).sort();

/** Room for facts but not for a checkpoint: it is a shortcut for the next start, and must not cost a job. */
async function noRoomForCheckpoints(folder: string): Promise<void> {
  const data = join(folder, 'data');
  const server = new ServerProcess(data, { flags: [...flags, '--checkpoint-facts', '40'] });
  const acme = new Caller(server);
  const promises = new Promises();
  const trouble = 'no checkpoint could be written';
  try {
    await server.start();
    const noop = await acme.put(sampleGuest('noop'));
    const oneJob = async (): Promise<void> => {
      const answer = await acme.send(await acme.signed({ module: noop }));
      assert.is(answer.status, 202, `a job was refused: ${answer.bytes}\n${server.stderr}`);
      promises.note(answer);
      promises.see(await acme.until((answer.json as { id: string }).id));
    };
    // Enough of them that a checkpoint needs more room than the facts up to the next one.
    for (let n = 0; n < 40; n += 1) await oneJob();
    await eventually('a checkpoint is there', async () => (await checkpointsIn(data)).length > 0);
    await writeFile(join(folder, 'room'), Buffer.alloc(roomBytes));
    await fill(join(folder, 'ballast'));
    await rm(join(folder, 'room'));
    for (let n = 0; n < 9 && !server.stderr.includes(trouble); n += 1) await oneJob();
    await eventually('the trouble is told', () => server.stderr.includes(trouble), 5_000);
    // What the failed checkpoint had taken of the room is free again.
    await oneJob();
    await rm(join(folder, 'ballast'));
    const before = await checkpointsIn(data);
    for (let n = 0; n < 12; n += 1) await oneJob();
    await eventually(
      'the next checkpoint is written',
      async () => (await checkpointsIn(data)).at(-1) !== before.at(-1),
    );
    await server.end('SIGKILL');
    await server.start();
    for (const id of promises.accepted) promises.see(await acme.view(id));
    assert.is((await server.end()).code, 0, server.stderr);
    await judgeTold(data, promises);
  } finally {
    acme.close();
    await server.remove();
  }
}

/** For the facts of about nine jobs. */
const roomBytes = 56 * 1024;

const noRoom =
  'a disk with room for facts but not for a checkpoint costs no job, and the next checkpoint is taken';
if (canMount()) t(noRoom, () => onSmallDisk(8, noRoomForCheckpoints), slow);
else t.skip(noRoom, 'may not mount a file system of its own');

/** Runs jobs on a controller whose `call` fails `when` strace says so; one thread for all files, so that it can count. */
async function failingCalls(call: string, error: string, when: string): Promise<void> {
  const server = await ServerProcess.idle({ flags });
  const trace = `${server.data}.strace`;
  const acme = new Caller(server);
  const promises = new Promises();
  const [program = '', ...args] = straceArgs(trace, [call]);
  const inject = ['-e', `inject=${call}:error=${error}:when=${when}`];
  try {
    await server.start({ around: [program, ...inject, ...args], env: { UV_THREADPOOL_SIZE: '1' } });
    const noop = await acme.put(sampleGuest('noop'));
    for (let n = 0; n < 40; n += 1) {
      const request = await acme.signed({ module: noop });
      await eventually('the job is taken', async () => {
        const one = await acme.send(request);
        promises.note(one);
        // The first to notice, and those who come until the next life has recovered.
        if (one.status !== 202) {
          assert.is(one.status, 503);
          assert.match(codeOf(one) ?? '', /^ERR_(LOG_FAILED|READ_ONLY)$/);
        }
        return one.status === 202;
      });
    }
    for (const id of promises.accepted) await acme.until(id);
    assert.is((await server.end()).code, 0, server.stderr);
    const injected = (await readFile(trace, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('(INJECTED)'));
    assert.ok(injected.length > 0, 'no call was made to fail');
    assert.ok((promises.answers.get('503 ERR_READ_ONLY') ?? 0) > 0, 'nobody was refused');
    const judged = await judge(server.data, promises.accepted);
    assert.ok(judged.recoveries > 1, 'no new life began');
    const lives = ofType(await recordsOf(server.data), 'controller.recovered').map(
      ({ data }) => data['epoch'],
    );
    console.log(`${call} ${error}: ${injected.length} failed, lives ${lives}`);
  } finally {
    acme.close();
    await server.remove();
    await rm(trace, { force: true });
  }
}

for (const [call, error, when] of [
  ['fdatasync', 'EIO', '40'],
  ['pwrite64', 'ENOSPC', '40..43'],
] as const) {
  t.needing(
    'strace',
    `${call} fails with ${error} at ${when}: 503, a new life recovers, nothing acknowledged is lost`,
    () => failingCalls(call, error, when),
    slow,
  );
}

t.run();
