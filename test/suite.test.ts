/**
 * The wrapper over uvu, tested from outside: each way in which uvu alone passes in silence must end with code 1.
 * Bare uvu is run beside it where the difference is the point, so that the wrapper goes when uvu no longer needs it.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import * as assert from 'uvu/assert';
import { runs, seed, suite } from './suite.ts';

const here = dirname(fileURLToPath(import.meta.url));
const childMsMax = 15_000;
const wrapped = "import { suite } from './suite.mjs'; const t = suite('inner'); const absent = 'no-such';";
const uvu = new URL('index.mjs', pathToFileURL(createRequire(import.meta.url).resolve('uvu')));
const bare = `import { suite } from '${uvu}'; const t = suite('inner');`;

const t = suite('suite');
let folder = '';
let childCount = 0;
t.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-suite-'));
  // Built once to plain JavaScript: the 30 children then start four times as fast.
  const entryPoints = [join(here, 'suite.ts')];
  buildSync({
    entryPoints,
    outfile: join(folder, 'suite.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
  });
});
t.after(() => rmSync(folder, { recursive: true, force: true }));

/** One line a fault: what the file says, what the report must say, and whether bare uvu passes it (exit 0). */
const faults = [
  [
    'before throws',
    "t.before(() => { throw new Error('no'); }); t('law', () => {}); t.run();",
    'before hook',
    0,
  ],
  [
    'before.each throws',
    "t.before.each(() => { throw new Error('no'); }); t('law', () => {}); t.run();",
    'no',
    1,
  ],
  [
    'after.each throws',
    "t.after.each(() => { throw new Error('no'); }); t('law', () => {}); t.run();",
    'no',
    0,
  ],
  [
    'after throws',
    "t.after(() => { throw new Error('no'); }); t('law', () => {}); t.run();",
    'after hook',
    1,
  ],
  ['a test throws null', "t('law', () => { throw null; }); t('next', () => {}); t.run();", 'threw null', 0],
  [
    'a test throws a string',
    "t('law', () => { throw 'text'; }); t('next', () => {}); t.run();",
    "threw 'text'",
    0,
  ],
  [
    'a test throws undefined',
    "t('law', () => Promise.reject()); t('next', () => {}); t.run();",
    'undefined',
    0,
  ],
  ['run() is forgotten', "t('law', () => {});", 'run() was never called', 0],
  ['a suite has no tests', 't.run();', 'no tests', 0],
  ['a test ends the process', "t('law', () => process.exit(0)); t.run();", 'not all tests ran', 1],
  [
    'a failure can not be formatted',
    "t('law', () => { throw Object.assign(new Error('odd'), { name: 7 }); }); t.run();",
    'odd',
    0,
  ],
] as const;

for (const [fault, body, says, bareExit] of faults) {
  t(`${fault}: the run fails and says so`, async () => {
    const { status, stdout } = await runFile(wrapped + body);
    assert.is(status, 1, stdout);
    assert.match(stdout, new RegExp(`failed .*${literally(says)}`));
    assert.match(stdout, /\d+ passed, [1-9]\d* failed, 0 skipped\n$/);
  });
  t(`${fault}: bare uvu ${bareExit === 0 ? 'passes it' : 'fails it too'}`, async () => {
    assert.is((await runFile(bare + body)).status, bareExit);
  });
}

t('a test that hangs fails at its limit', async () => {
  const { status, stdout } = await runFile(
    `${wrapped} t('law', () => new Promise(() => {}), { limitMs: 50 }); t.run();`,
  );
  assert.is(status, 1);
  assert.match(stdout, 'took longer than 50 ms');
});

t('an open handle ends the run as failed, whether its test hung or held', async () => {
  const [hung, held] = await Promise.all([
    runFile(
      `${wrapped} t('law', () => { setInterval(() => {}, 9); return new Promise(() => {}); }, { limitMs: 50 }); t.run();`,
    ),
    runFile(`${wrapped} t('law', () => { setInterval(() => {}, 9); }); t.run();`),
  ]);
  assert.is(hung.status, 1);
  assert.match(hung.stdout, 'took longer than 50 ms');
  assert.match(hung.stdout, /open handles \(.*Timeout/);
  assert.is(held.status, 1);
  assert.match(held.stdout, '1 passed, 1 failed, 0 skipped');
});

t('a rejection that nobody awaits is a failure', async () => {
  const { status } = await runFile(
    `${wrapped} t('law', () => { Promise.reject(new Error('late')); }); t.run();`,
  );
  assert.is(status, 1);
});

t('a file without a suite is a failure', async () => {
  const { status, stdout } = await runFile("import './suite.mjs';");
  assert.is(status, 1);
  assert.match(stdout, 'no suite');
});

t('a test declared when tests are already running is refused', async () => {
  const body = "t('law', () => {}); t.run(); await new Promise((go) => setTimeout(go, 50)); suite('late');";
  assert.is((await runFile(wrapped + body)).status, 1);
});

t('when before fails no test body runs, and after still does', async () => {
  const body =
    "t.before(() => { throw new Error('no'); }); t.after(() => console.log('cleaned')); t('law', () => console.log('body')); t.run();";
  const { stdout } = await runFile(wrapped + body);
  assert.match(stdout, 'cleaned');
  assert.not.match(stdout, 'body\n');
});

t('after.each runs after a test that failed', async () => {
  const body =
    "t.after.each(() => console.log('cleaned')); t('law', () => { throw new Error('no'); }); t.run();";
  assert.match((await runFile(wrapped + body)).stdout, 'cleaned');
});

t('a good file passes, its skips counted and named with the reason', async () => {
  const body =
    "t('law', async () => {}); t.skip('gpu law', 'no GPU'); t.needing(absent, 'served law', () => {}); t.run();";
  const { status, stdout } = await runFile(wrapped + body);
  assert.is(status, 0, stdout);
  assert.match(stdout, 'skipped  inner: gpu law (no GPU)');
  assert.match(stdout, 'skipped  inner: served law (needs no-such)');
  assert.match(stdout, /\n1 passed, 0 failed, 2 skipped\n$/);
});

t('under npm test a program that test/servers.mjs does not list is refused, not skipped', async () => {
  const { status } = await runFile(`${wrapped} t.needing(absent, 'law', () => {}); t.run();`, {
    BERTH_TEST_WITH: 'strace',
    BERTH_TEST_WITHOUT: '',
  });
  assert.is(status, 1);
});

t('the seed is the one given, and the long run tries ten times as many cases', async () => {
  const body =
    "import { seed, runs } from './suite.mjs'; t('law', () => console.log('said', seed(), runs(20))); t.run();";
  const env = { BERTH_SEED: '41', BERTH_TEST_LONG: '1' };
  assert.match((await runFile(wrapped + body, env)).stdout, 'said 41 200');
  assert.ok(Number.isInteger(seed()) && runs(1) >= 1);
});

t('npm test fails when it finds nothing to run', async () => {
  const { status, stdout } = await runNode([join(here, 'run.mjs'), '--only', '^no such file$']);
  assert.is(status, 1);
  assert.match(stdout, /\n0 passed, 0 failed, 0 skipped\n$/);
});

function runFile(text: string, env: Record<string, string> = {}): Promise<Ended> {
  const file = join(folder, `inner-${childCount++}.mjs`);
  writeFileSync(file, text);
  return runNode([file], env);
}

function runNode(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { BERTH_TEST_WITH, BERTH_TEST_WITHOUT, NODE_V8_COVERAGE, ...inherited } = process.env;
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: childMsMax,
    env: { ...inherited, ...env },
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stdout })));
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

t.run();
