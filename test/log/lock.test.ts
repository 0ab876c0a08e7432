/** One controller a data directory, whatever way the one before ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { lockDataDirectory } from '../../src/log/lock.ts';
import { bootId } from '../../src/process-stat.ts';
import { suite } from '../suite.ts';
import { codeOf, withFolder } from './drafts.ts';

const t = suite('data directory lock');
const lockPath = new URL('../../src/log/lock.ts', import.meta.url).href;

/** A process that takes the lock, says how that went, and then waits to be killed. */
async function holder(dir: string): Promise<{ child: ChildProcess; says: string }> {
  const program = `
    import { lockDataDirectory } from ${JSON.stringify(lockPath)};
    const said = await lockDataDirectory(${JSON.stringify(dir)}).then(() => 'locked', (error) => error.code);
    process.stdout.write(said);
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [says] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, says: says.toString() };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

t('a directory is locked once, and free again after the release', () =>
  withFolder(async (dir) => {
    const lock = await lockDataDirectory(dir);
    const refused = await lockDataDirectory(dir).catch((error: Error) => error);
    assert.instance(refused, Error);
    assert.match((refused as Error).message, String(process.pid));
    assert.is(await codeOf(() => lockDataDirectory(dir)), 'ERR_DATA_LOCKED');
    await lock.release();
    const again = await lockDataDirectory(dir);
    await lock.release();
    assert.is(await codeOf(() => lockDataDirectory(dir)), 'ERR_DATA_LOCKED', 'an old release frees nothing');
    await again.release();
    assert.equal(await readdir(dir), ['lock.2']);
  }),
);

t(
  'of two processes one gets the lock; when it is killed with -9, the next gets it',
  () =>
    withFolder(async (dir) => {
      const one = await holder(dir);
      assert.is(one.says, 'locked');
      const error = (await lockDataDirectory(dir).catch((thrown: Error) => thrown)) as Error;
      assert.match(error.message, `process ${one.child.pid}`);
      const two = await holder(dir);
      assert.is(two.says, 'ERR_DATA_LOCKED');
      await Promise.all([kill(one.child), kill(two.child)]);
      const lock = await lockDataDirectory(dir);
      await lock.release();
    }),
  { limitMs: 30_000 },
);

t('a pid that another process has got since does not keep the lock', () =>
  withFolder(async (dir) => {
    await writeFile(join(dir, 'lock.1'), JSON.stringify({ pid: process.pid, start: '1', nonce: 'x' }));
    await (await lockDataDirectory(dir)).release();
  }),
);

t('a process of another boot does not keep the lock, whatever its id and start time', () =>
  withFolder(async (dir) => {
    const own = await lockDataDirectory(dir);
    const [name] = await readdir(dir);
    const held = JSON.parse(await readFile(join(dir, name!), 'utf8')) as Record<string, unknown>;
    assert.equal([held['pid'], held['bootId']], [process.pid, bootId()]);
    await own.release();
    const path = join(dir, 'lock.9');
    await writeFile(path, JSON.stringify({ ...held, bootId: 'another boot' }));
    await (await lockDataDirectory(dir)).release();
    // Locks of the version that wrote no boot are still believed.
    const { bootId: _, ...old } = held;
    await writeFile(join(dir, 'lock.99'), JSON.stringify(old));
    assert.is(await codeOf(() => lockDataDirectory(dir)), 'ERR_DATA_LOCKED');
  }),
);

t('a lock that says nothing is no lock', () =>
  withFolder(async (dir) => {
    for (const text of ['', 'garbage', '{"pid":0}', '{"pid":-1,"start":"1"}', 'null']) {
      await writeFile(join(dir, 'lock.99'), text);
      await (await lockDataDirectory(dir)).release();
    }
  }),
);

t('of many that find a dead lock at the same time exactly one takes it over', () =>
  withFolder(async (dir) => {
    for (let round = 1; round <= 40; round += 1) {
      await writeFile(join(dir, `lock.${round * 100}`), JSON.stringify({ pid: 1, start: 'long ago' }));
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDirectory(dir)));
      const won = tries.filter((result) => result.status === 'fulfilled');
      assert.is(won.length, 1, `round ${round}`);
      for (const result of tries) {
        if (result.status === 'rejected') assert.is(result.reason.code, 'ERR_DATA_LOCKED');
      }
      assert.equal(await readdir(dir), [`lock.${round * 100 + 1}`]);
      await won[0]!.value.release();
    }
  }),
);

t('a lock that is given back and taken again in a storm is never held twice', () =>
  withFolder(async (dir) => {
    let [holders, held] = [0, 0];
    const contend = async (): Promise<void> => {
      for (let i = 0; i < 40; i += 1) {
        const lock = await lockDataDirectory(dir).catch(() => null);
        if (lock === null) continue;
        holders += 1;
        held += 1;
        assert.is(holders, 1);
        await new Promise((done) => setImmediate(done));
        holders -= 1;
        await lock.release();
      }
    };
    await Promise.all(Array.from({ length: 6 }, contend));
    assert.ok(held >= 20, `held ${held} times`);
  }),
);

t.run();
