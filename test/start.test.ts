/**
 * `npm start` and its end. Between a person and the controller stand npm and a shell, and both have their own ideas of
 * signals: a shell dies of SIGTERM and tells nobody, npm tells its child of a Ctrl-C that the terminal has told it too.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { lineOf, root } from './cli/berth.ts';
import { runnersOf } from './server-process.ts';
import { suite } from './suite.ts';

const t = suite('npm start');

/** Starts it in a group of its own, ends it with `end`, and tells what was left. */
async function startAndEnd(end: (npmPid: number) => void): Promise<{ code: number | null; said: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-start-'));
  const data = join(folder, 'data');
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('BERTH_'));
  const npm = spawn('npm', ['start'], {
    cwd: root,
    env: { ...Object.fromEntries(own), BERTH_DATA: data, BERTH_LISTEN: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pid = npm.pid as number;
  let said = '';
  npm.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  // Not until npm exits but until nobody holds its pipes: an orphaned controller would.
  const closed = new Promise<number | null>((resolve) => npm.on('close', resolve));
  try {
    await lineOf(npm.stdout, /^listening on http:\S+$/m);
    end(pid);
    const late = new Promise<'late'>((resolve) => setTimeout(resolve, 15_000, 'late').unref());
    const code = await Promise.race([closed, late]);
    if (code === 'late') throw new Error(`still there 15 s after the signal:\n${said}`);
    assert.equal(runnersOf(data), [], 'no runner is left');
    assert.is(await readFile(join(data, 'lock.1'), 'utf8'), '{}', 'the data directory was given back');
    return { code, said };
  } finally {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nobody of the group is left, as it should be.
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

t(
  'SIGTERM to npm ends the controller in order',
  async () => {
    const { code, said } = await startAndEnd((pid) => process.kill(pid, 'SIGTERM'));
    assert.match(said, /^SIGTERM: stopping/m);
    assert.is(code, 0);
  },
  { limitMs: 60_000 },
);

t(
  'Ctrl-C, which reaches the controller from the terminal and from npm, ends it in order',
  async () => {
    const { code, said } = await startAndEnd((pid) => process.kill(-pid, 'SIGINT'));
    assert.match(said, /^SIGINT: stopping/m);
    assert.is(code, 0);
  },
  { limitMs: 60_000 },
);

t.run();
