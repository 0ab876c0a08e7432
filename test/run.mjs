/**
 * `npm test`: every test file in a process of its own, and one total at the end.
 *
 * Why a process each: module state can't leak from one file into the next, a file that crashes or hangs takes only
 * itself along, and the watchdog can kill it with all that it started. What a file reports is written line by line
 * by `test/suite.ts`, so a killed file has still told how far it came; a file that tells nothing counts as failed.
 *
 * Options: --long (also *.long.test.ts, ten times the random cases), --only PATTERN (regular expression over file
 * names), --seed N (repeat the random tests of an earlier run).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensure, inCi, namedBy, searchPath, servers, testFiles } from './servers.mjs';

const filesAtOnceMax = 2;
const fileMsMax = 300_000;
const fileMsMaxLong = 3_600_000;
const outputCharsMax = 4_000_000;
/** How long output may trail behind the end of the process that wrote it. */
const trailingOutputMs = 500;

const root = fileURLToPath(new URL('..', import.meta.url));
const options = readOptions();
const reports = mkdtempSync(join(tmpdir(), 'berth-test-'));
const running = new Set();

process.on('exit', () => {
  for (const child of running) killGroup(child);
  rmSync(reports, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

const files = selectFiles();
const tools = findTools(files);
const results = tools ? await runAll(files, tools) : [];
summarise(results);

function readOptions() {
  const spec = { long: { type: 'boolean' }, only: { type: 'string' }, seed: { type: 'string' } };
  try {
    const { values } = parseArgs({ options: spec });
    const seed = values.seed ?? process.env.BERTH_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
    if (!/^\d{1,10}$/.test(seed) || Number(seed) >= 2 ** 32) throw new Error('--seed takes 0 to 4294967295');
    return { long: values.long ?? false, only: new RegExp(values.only ?? ''), seed };
  } catch (error) {
    console.error(`${error.message}\nusage: npm test -- [--long] [--only PATTERN] [--seed N]`);
    process.exit(2);
  }
}

function selectFiles() {
  const named = testFiles().filter((file) => options.only.test(file));
  const chosen = named.filter((file) => options.long || !file.endsWith('.long.test.ts'));
  if (chosen.length < named.length) console.log(`${named.length - chosen.length} files only run with --long`);
  if (named.length === 0) console.log(`no test file matches ${options.only}`);
  return chosen;
}

/** The environment that tells tests which programs are here; undefined when the run may not go on. */
function findTools(chosen) {
  const names = namedBy(chosen);
  const unknown = names.filter((name) => !servers.some(({ binary }) => binary === name));
  if (unknown.length > 0) return refuse(`not listed in test/servers.mjs: ${unknown.join(', ')}`);
  const { here, gone, missing } = ensure(names);
  if (missing.length > 0 && inCi) return refuse(`missing, and CI is set: ${missing.join(', ')}`);
  return { BERTH_TEST_WITH: here.join(','), BERTH_TEST_WITHOUT: gone.join(','), PATH: searchPath };
}

function refuse(why) {
  console.log(why);
  return undefined;
}

async function runAll(chosen, env) {
  console.log(`${chosen.length} test files, seed ${options.seed}${options.long ? ', long' : ''}`);
  const alone = chosen.filter((file) => file.endsWith('.serial.test.ts'));
  const waiting = chosen.filter((file) => !alone.includes(file));
  const done = [];
  const work = async (queue) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file, env);
      print(result);
      done.push(result);
    }
  };
  await Promise.all(Array.from({ length: filesAtOnceMax }, () => work(waiting)));
  await work(alone);
  return done;
}

function runFile(file, env) {
  const reportPath = join(reports, file.replaceAll(/[^\w.]/g, '_'));
  const limitMs = options.long ? fileMsMaxLong : fileMsMax;
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', join('test', file)], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...env,
      BERTH_SEED: options.seed,
      BERTH_TEST_LONG: options.long ? '1' : '0',
      BERTH_TEST_REPORT: reportPath,
    },
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-outputCharsMax);
    });
  }
  return new Promise((resolve) => {
    let late = false;
    const watchdog = setTimeout(() => {
      late = true;
      killGroup(child);
    }, limitMs);
    const end = (how) => {
      clearTimeout(watchdog);
      killGroup(child);
      running.delete(child);
      const ended = late ? `killed after ${limitMs / 1000} s` : how;
      // A process that the file left behind may hold the pipe open: don't wait for its end.
      const settle = () => resolve(tally(file, reportPath, ended, output, performance.now() - startedMs));
      const timer = setTimeout(settle, trailingOutputMs);
      child.once('close', () => {
        clearTimeout(timer);
        settle();
      });
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal ?? code));
  });
}

/** Counts what the file reported; whatever it did not report as passed or skipped has failed. */
function tally(file, reportPath, ended, output, ms) {
  const lines = readLines(reportPath);
  const result = { file, output, ms, passed: 0, failed: [], skipped: [] };
  let unfinished;
  for (const line of lines) {
    const name = `${line.suite}: ${line.test}`;
    if (line.result === 'started') unfinished = name;
    else unfinished = undefined;
    if (line.result === 'passed') result.passed += 1;
    if (line.result === 'failed') result.failed.push(`${name} (${line.reason.split('\n')[0]})`);
    if (line.result === 'skipped') result.skipped.push(`${name} (${line.reason})`);
    if (line.result === 'skipped' && inCi && line.reason.startsWith('needs ')) {
      result.failed.push(`${name} (skipped, and CI is set: ${line.reason})`);
    }
  }
  if (unfinished) result.failed.push(`${unfinished} (did not end: ${ended})`);
  else if (lines.at(-1)?.result !== 'end') result.failed.push(`the file ended without a report: ${ended}`);
  else if (ended !== 0 && result.failed.length === 0) result.failed.push(`the file ended with ${ended}`);
  return result;
}

function readLines(reportPath) {
  try {
    const text = readFileSync(reportPath, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

function print({ file, output, ms, passed, failed, skipped }) {
  const counts = `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;
  console.log(`${failed.length > 0 ? 'FAIL' : 'ok  '}  ${file}: ${counts} in ${(ms / 1000).toFixed(1)} s`);
  if (failed.length > 0) console.log(`${'-'.repeat(20)} output of ${file}\n${output}\n${'-'.repeat(20)}`);
}

function summarise(done) {
  const failed = done.flatMap(({ file, failed: names }) => names.map((name) => `${file}: ${name}`));
  const skipped = done.flatMap(({ file, skipped: names }) => names.map((name) => `${file}: ${name}`));
  const passed = done.reduce((sum, each) => sum + each.passed, 0);
  console.log('');
  for (const name of skipped) console.log(`skipped  ${name}`);
  for (const name of failed) console.log(`failed   ${name}`);
  if (failed.length > 0) console.log(`repeat with:  npm test -- --seed ${options.seed}`);
  if (passed + failed.length === 0) console.log('nothing ran, which is a failure');
  if (passed === 0 || failed.length > 0) process.exitCode = 1;
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
}

function killGroup(child) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing of the group is left.
  }
}
