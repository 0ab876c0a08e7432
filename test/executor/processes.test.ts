/** Runners of a former controller are found by id *and* start time, killed, and waited for. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { forgetRunner, killFormerRunners, recordRunner } from '../../src/executor/processes.ts';
import { hasProc, processStat } from '../../src/process-stat.ts';
import { suite } from '../suite.ts';

const t = suite('executor/processes');
const dir = mkdtempSync(join(tmpdir(), 'berth-processes-'));
t.after(() => rmSync(dir, { recursive: true }));

const sleeper = () => spawn('sleep', ['60'], { stdio: 'ignore' });

t('this machine has /proc, or the tests below would prove nothing', () => {
  assert.ok(hasProc());
  assert.match(processStat(process.pid)?.state ?? '', /^[RS]$/);
});

t('a recorded process is killed, and dead when that is said', async () => {
  const child = sleeper();
  const pid = child.pid as number;
  await recordRunner(dir, pid);
  assert.is(await killFormerRunners(dir), 1);
  assert.match(processStat(pid)?.state ?? 'Z', /^[ZX]$/);
  assert.equal(readdirSync(dir), []);
});

t('a process that only has the id of a runner is left alone', async () => {
  const child = sleeper();
  const pid = child.pid as number;
  await recordRunner(dir, pid);
  const path = join(dir, `${pid}.json`);
  const record = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  for (const other of [{ startTicks: '1' }, { bootId: 'another boot' }]) {
    writeFileSync(path, JSON.stringify({ ...record, ...other }));
    assert.is(await killFormerRunners(dir), 0);
    assert.not(existsSync(path));
    assert.match(processStat(pid)?.state ?? '', /^[RS]$/);
  }
  child.kill('SIGKILL');
});

t('a torn record, a foreign file and a missing folder stop nobody', async () => {
  writeFileSync(join(dir, `${process.pid}.json`), '{"pid":');
  writeFileSync(join(dir, 'notes.json'), '{}');
  writeFileSync(join(dir, '-1.json'), '{}');
  writeFileSync(join(dir, '4194305.json'), '{}');
  assert.is(await killFormerRunners(dir), 0);
  assert.equal(readdirSync(dir).sort(), ['-1.json', 'notes.json']);
  assert.is(await killFormerRunners(join(dir, 'nowhere')), 0);
});

t('a record can be removed twice', async () => {
  await recordRunner(dir, process.pid);
  await forgetRunner(dir, process.pid);
  await forgetRunner(dir, process.pid);
  assert.not(existsSync(join(dir, `${process.pid}.json`)));
});

t.run();
