/**
 * `npm run check`: format, lint, types, unused code, then the tests; stops at the first fault and says what to type.
 *
 * With --static it leaves the tests out, runs every other step and tells which failed (`.ci/run` uses that).
 * No step may pass by looking at nothing: each tool here fails on a missing configuration, and `npm test` on zero tests.
 */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const onlyStatic = process.argv.includes('--static');

const steps = [
  { name: 'format', command: 'biome format .', next: 'npm run format' },
  {
    name: 'lint',
    command: 'biome check --formatter-enabled=false --error-on-warnings .',
    next: 'npm run format, then mend the rest by hand',
  },
  { name: 'types', command: 'tsc --noEmit', next: 'npx tsc --noEmit --watch' },
  // The page has a program of its own, so that no file of the server can lean on a browser's names.
  {
    name: 'types of the page',
    command: 'tsc --noEmit -p src/dashboard',
    next: 'npx tsc --noEmit --watch -p src/dashboard',
  },
  { name: 'unused', command: 'knip --no-progress', next: 'remove it, or name its entry point in knip.json' },
];
if (!onlyStatic) steps.push({ name: 'tests', command: 'node test/run.mjs', next: 'npm test -- --only FILE' });

const PATH = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
const failed = [];
for (const { name, command, next } of steps) {
  console.log(`\n== ${name}: ${command}`);
  const startedMs = performance.now();
  const [program, ...args] = command.split(' ');
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH },
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (status === 0) {
    if (name !== 'tests') console.log(`== ${name}: ok in ${seconds} s`);
    continue;
  }
  failed.push(name);
  console.log(`== ${name}: FAILED in ${seconds} s${error ? ` (${error.message})` : ''}; next: ${next}`);
  if (!onlyStatic) break;
}
if (onlyStatic) console.log(`\n== failed steps: ${failed.join(', ') || 'none'}`);
// The exit code is the number of failed steps, so that a caller can count them.
process.exitCode = failed.length;
