/** A process is known again by id, start time and boot, and a zombie runs no more. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { bootId, dataBytes, hasProc, isRunning, processStat } from '../src/process-stat.ts';
import { suite } from './suite.ts';

const t = suite('process-stat');
/** More than the kernel ever gives out. */
const nobody = 2 ** 22 + 1;
const programOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
const own = () => ({
  pid: process.pid,
  startTicks: processStat(process.pid)?.startTicks ?? '',
  bootId: bootId(),
});

t('this machine has /proc, or the tests below would prove nothing', () => {
  assert.ok(hasProc());
  assert.match(processStat(process.pid)?.state ?? '', /^[RS]$/);
  assert.match(own().startTicks, /^[0-9]+$/);
  assert.match(bootId(), /^[0-9a-f-]{36}$/);
  assert.ok((dataBytes(process.pid) ?? 0) > 1_000_000);
});

t('of an id that nobody has, nothing is said', () => {
  assert.equal([processStat(nobody), dataBytes(nobody)], [null, null]);
});

t('a process is itself only with its own id, start time and boot', () => {
  assert.ok(isRunning(own()));
  for (const other of [{ pid: nobody }, { startTicks: '1' }, { bootId: 'another boot' }])
    assert.not.ok(isRunning({ ...own(), ...other }), JSON.stringify(other));
});

t('a program whose name holds spaces and parentheses is read like any other', async () => {
  const program = "process.title = 'a ) S 1 (b'; process.stdout.write('.'); setInterval(() => {}, 1000);";
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const stat = processStat(child.pid as number);
  assert.ok(isRunning({ pid: child.pid as number, startTicks: stat?.startTicks ?? '', bootId: bootId() }));
  assert.ok(Number(stat?.startTicks) >= Number(own().startTicks));
  child.kill('SIGKILL');
  await once(child, 'exit');
});

t('a zombie runs no more', async () => {
  // The shell starts a child, tells its id, and becomes a program that never asks for its exit code.
  const script = 'sleep 60 & echo $!; exec sleep 60';
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const name = { pid, startTicks: processStat(pid)?.startTicks ?? '', bootId: bootId() };
  assert.ok(isRunning(name));
  // While it is still a shell it would ask.
  for (let tries = 0; programOf(parent.pid ?? 0) !== 'sleep' && tries < 400; tries += 1)
    await new Promise((done) => setTimeout(done, 5));
  process.kill(pid, 'SIGKILL');
  for (let tries = 0; processStat(pid)?.state !== 'Z' && tries < 400; tries += 1)
    await new Promise((done) => setTimeout(done, 5));
  assert.is(processStat(pid)?.state, 'Z');
  assert.not.ok(isRunning(name));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});

t.run();
