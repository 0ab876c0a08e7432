/**
 * The programs that some tests talk to, and how they come onto this machine.
 *
 * Why install them at all: a test against an imitation proves little about the real server, and a test that is
 * skipped in silence proves nothing. On Debian as root they are installed; elsewhere one command is printed and the
 * tests that need them are skipped by name; with CI=true a missing one is a failure.
 *
 * `node test/servers.mjs` makes sure of all that any test names; `test/run.mjs` calls `ensure` for its files.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A test says `needing('<binary>', …)`; a name that is not here is refused. */
export const servers = [
  { binary: 'nats-server', debianPackage: 'nats-server', why: 'jobs sent and facts published by NATS' },
  {
    binary: 'strace',
    debianPackage: 'strace',
    why: 'which system calls a guest makes, and when the log is synced',
  },
  { binary: 'chromium', debianPackage: 'chromium', why: 'the dashboard and the core in a real browser' },
  { binary: 'bwrap', debianPackage: 'bubblewrap', why: 'guests behind namespaces' },
  {
    binary: 'newest-node',
    npmPackage: 'node',
    why: 'the same seed must give the same log on another version of the engine',
  },
  { binary: 'promtool', debianPackage: 'prometheus', why: 'the format of /metrics' },
];

const aptMsMax = 300_000;

const testFolder = fileURLToPath(new URL('.', import.meta.url));
/** Programs that come from npm lie apart: a `node` among the project's own packages would run its scripts. */
const npmFolder = join(testFolder, '..', 'node_modules', '.newest-node');

/** Debian keeps servers in /usr/sbin, which is not on every user's path. */
export const searchPath = [process.env.PATH, '/usr/sbin', '/sbin', join(npmFolder, 'bin')]
  .filter(Boolean)
  .join(delimiter);

export const inCi = Boolean(process.env.CI) && process.env.CI !== 'false';

/** Every test file, relative to `test/`, sorted; the walk of one job comes first. */
export function testFiles() {
  const files = [];
  const folders = [''];
  while (folders.length > 0) {
    const folder = folders.shift();
    for (const entry of readdirSync(join(testFolder, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== 'node_modules') folders.push(path);
      else if (entry.name.endsWith('.test.ts')) files.push(path);
    }
  }
  return files.sort(
    (a, b) => Number(b === 'flow.test.ts') - Number(a === 'flow.test.ts') || (a < b ? -1 : 1),
  );
}

/** Which programs these test files name, read from their text so that no list can fall behind. */
export function namedBy(files) {
  const names = new Set();
  for (const file of files) {
    const text = readFileSync(join(testFolder, file), 'utf8');
    for (const [, name] of text.matchAll(/\bneed(?:s|ing)\(\s*['"]([^'"]+)['"]/g)) names.add(name);
  }
  return [...names].sort();
}

/** Installs what is missing of `names` where it can; says what is here and what is not. */
export function ensure(names) {
  const wanted = servers.filter(({ binary }) => names.includes(binary));
  for (const { binary, npmPackage } of wanted)
    if (npmPackage && !isHere(binary)) installNode(npmPackage, binary);
  const missing = wanted.filter(({ binary }) => !isHere(binary));
  const packages = missing.flatMap(({ debianPackage }) => debianPackage ?? []);
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (packages.length > 0 && existsSync('/etc/debian_version') && process.getuid?.() === 0)
    install(packages, command);
  const still = missing.filter(({ binary }) => !isHere(binary));
  for (const { binary, why } of still) console.log(`missing  ${binary}: ${why}`);
  if (still.some(({ debianPackage }) => debianPackage)) console.log(`install with:  sudo ${command}`);
  return {
    here: servers.map(({ binary }) => binary).filter(isHere),
    gone: servers.map(({ binary }) => binary).filter((binary) => !isHere(binary)),
    missing: wanted.map(({ binary }) => binary).filter((binary) => !isHere(binary)),
  };
}

/** The newest Node, under a name of its own; node_modules goes with every `npm ci`, and this with it. */
function installNode(npmPackage, binary) {
  console.log(`installing ${npmPackage} from npm as ${binary}`);
  mkdirSync(join(npmFolder, 'bin'), { recursive: true });
  const args = [
    'install',
    '--prefix',
    npmFolder,
    '--no-save',
    '--no-audit',
    '--no-fund',
    `${npmPackage}@latest`,
  ];
  const done = spawnSync('npm', args, {
    timeout: aptMsMax,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (done.status !== 0) console.log(`npm install ${npmPackage} failed: ${done.error ?? done.stderr}`);
  else {
    rmSync(join(npmFolder, 'bin', binary), { force: true });
    symlinkSync('../node_modules/node/bin/node', join(npmFolder, 'bin', binary));
  }
}

function install(packages, command) {
  console.log(`installing ${packages.join(', ')} by apt-get`);
  const [program, ...args] = command.split(' ');
  apt(program, ['update']);
  apt(program, args);
}

function apt(program, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const done = spawnSync(program, ['-qq', ...args], {
    env,
    timeout: aptMsMax,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (done.status !== 0) console.log(`${program} ${args[0]} failed: ${done.error ?? done.stderr}`);
}

function isHere(binary) {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, binary), constants.X_OK);
      return statSync(join(folder, binary)).isFile();
    } catch {
      return false;
    }
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { here, missing } = ensure(namedBy(testFiles()));
  console.log(
    `here: ${here.join(', ') || 'none'}; named by a test and missing: ${missing.join(', ') || 'none'}`,
  );
  if (missing.length > 0 && inCi) process.exitCode = 1;
}
