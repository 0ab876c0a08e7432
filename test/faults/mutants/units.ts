/**
 * Which tests count as ordinary unit tests, and their run inside a copy of the tree.
 *
 * Why a bug must pass them: a bug that they catch says nothing about the simulator. What counts as ordinary is a test
 * of one part by given facts, commands and answers; left out is whatever was built to find the same bugs by itself.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { type Ended, ended } from './child.ts';

/** Folders whose tests count. Not here: `properties`, `simulate` and `faults`, which are judged, and `cli`, `demo`, `browser`. */
const folders = [
  'attestation',
  'blobs',
  'events',
  'executor',
  'intake',
  'jobs',
  'log',
  'machines',
  'observe',
  'scheduler',
  'slots',
  'tenants',
  'views',
];
const single = ['controller.test.ts', 'lives.test.ts'];

/** What does not count, and why. */
const leftOut: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /\.long\.test/, why: 'only in the long run' },
  { pattern: /^log\/(?:failing-disk|io-errors|torn|damage)/, why: 'crashes and damage: the very question' },
  {
    pattern: /^log\/(?:checkpoint|retire|verify|scrub|heads|untrusted|import)/,
    why: 'crashes and damage: the very question',
  },
  {
    pattern: /^(?:log\/lock|executor\/(?:processes|containment|pool|hostile-runner))/,
    why: 'starts processes',
  },
  { pattern: /^log\/replay/, why: 'random histories with crashes: a simulator of its own' },
  { pattern: /nats/, why: 'starts a NATS server' },
  { pattern: /^intake\/(?:http|sse|limits|openapi|crowd|jobs|routes)\./, why: 'starts an HTTP server' },
];

/** Of their random cases: the same for each bug, so that what they catch is the bug and not a rare case. */
const unitSeed = '1';
/** How long all of them may take, ms: twenty times what they take alone. */
const unitsMsMax = 600_000;

/** The files that count, below `test/`. */
export function unitTests(copy: string): string[] {
  const all = folders.flatMap((folder) =>
    readdirSync(join(copy, 'test', folder))
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => `${folder}/${file}`),
  );
  return [...all, ...single].filter((file) => !leftOut.some(({ pattern }) => pattern.test(file)));
}

/** The list of what is left out, for the table's legend. */
export const leftOutText = (): string =>
  leftOut.map(({ pattern, why }) => `\`${pattern.source}\` (${why})`).join(', ');

/**
 * Those that load one of the changed files, by whatever way: what the others see is the same with and without the bug.
 */
export function unitTestsOf(copy: string, changed: readonly string[]): string[] {
  const imports = new Map<string, readonly string[]>();
  const importsOf = (file: string): readonly string[] => {
    const known = imports.get(file);
    if (known) return known;
    const text = file.endsWith('.ts') ? readFileSync(join(copy, file), 'utf8') : '';
    const found = [...text.matchAll(importPattern)].map(([, path]) => normalize(join(dirname(file), path!)));
    const there = found.filter((path) => existsSync(join(copy, path)));
    imports.set(file, there);
    return there;
  };
  const reaches = (file: string): boolean => {
    const seen = new Set([file]);
    for (const each of seen) for (const next of importsOf(each)) seen.add(next);
    return changed.some((path) => seen.has(path));
  };
  return unitTests(copy).filter((file) => reaches(`test/${file}`));
}

const importPattern = /(?:from|import\()\s*'(\.[^']+)'/g;

/** Runs those that can see the change, in one process. Returns the law that failed first, or null when all held. */
export async function unitsCatch(copy: string, changed: readonly string[]): Promise<string | null> {
  const files = unitTestsOf(copy, changed);
  // Only suites that are left out load the changed file.
  if (files.length === 0) return null;
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/faults/mutants/drive-units.ts', ...files], {
    cwd: copy,
    env: { ...process.env, BERTH_SEED: unitSeed },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const { code, output }: Ended = await ended(child, unitsMsMax);
  const failed = output.split('\n').find((line) => line.startsWith('failed '));
  if (failed !== undefined) return failed.slice('failed '.length).trim();
  if (code !== 0) return `the unit tests ended with ${code}`;
  // A run that saw no test proves nothing.
  const [, passed] = /^(\d+) passed, 0 failed/m.exec(output) ?? [];
  return Number(passed) > 0 ? null : 'no unit test ran';
}
