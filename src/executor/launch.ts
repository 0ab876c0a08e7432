/**
 * How a runner process is started on this machine, and which of its walls this machine can put up.
 *
 * Why a probe: what holds a process (limits by the kernel, death with its parent) is not everywhere;
 * a controller must say at start what is missing and what follows, not find out during an attack.
 * Test: `test/executor/pool.test.ts`, `test/executor/containment.test.ts`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { dataBytes, hasProc } from '../process-stat.ts';

/** Programs that put up a wall each; all from util-linux and coreutils. */
export type Tool = 'setpriv' | 'nice' | 'prlimit';

/** Entries that one of a guest's tables may have, and MiB of machine code in a runner. */
const tableEntriesMax = 262_144;
const codeMiBMax = 64;
/**
 * JavaScript heap, MiB. Far more than the runner's 5: V8 counts guest memory as external to the heap and, above
 * half of this, collects at every single `memory.grow` (128 MiB by pages: 5.3 s with 64, 0.6 s with 1,024). What
 * a guest can put on this heap is its tables, and those have their own limit.
 */
const heapMiBMax = (memoryMiBMax: number): number => 2 * memoryMiBMax + 512;
/**
 * Kernel limit beyond idle size and guest memory, MiB: V8's heap and code caps, the module twice (ours and
 * the engine's copy), input, model, output, and what compiling takes (up to 424 MiB measured for hostile code).
 */
const slackMiB = 768;

export interface LaunchPlan {
  readonly bundle: string;
  readonly tools: ReadonlyMap<Tool, string>;
  readonly memoryMiBMax: number;
  readonly leaseMs: number;
  readonly notes: readonly string[];
}

/**
 * Bundles the runner into `dir` and looks for the tools.
 *
 * @param without tools to do without although they are there (tests, odd containers)
 */
export function planLaunch(parts: {
  readonly dir: string;
  readonly memoryMiBMax: number;
  readonly leaseMs: number;
  readonly without: readonly Tool[];
}): LaunchPlan {
  const tools = new Map<Tool, string>();
  for (const tool of ['setpriv', 'nice', 'prlimit'] as const) {
    const path = parts.without.includes(tool) ? null : findProgram(tool);
    if (path !== null) tools.set(tool, path);
  }
  const notes: string[] = [];
  if (!tools.has('setpriv')) {
    notes.push(
      'setpriv is missing: after a kill -9 of the controller its runners end by their own lease thread, not by the kernel',
    );
  }
  if (!tools.has('prlimit') || !hasProc()) {
    notes.push(
      'prlimit or /proc is missing: guest memory is capped by the engine alone, and a runner may write a core dump',
    );
  }
  if (!tools.has('nice'))
    notes.push('nice is missing: guests compete with the controller for the CPU on equal terms');
  if (!hasProc())
    notes.push(
      'no /proc: runners that a dead controller left behind are not looked for; they end by their lease thread',
    );
  return {
    bundle: bundleRunner(parts.dir),
    tools,
    memoryMiBMax: parts.memoryMiBMax,
    leaseMs: parts.leaseMs,
    notes,
  };
}

/** One file without imports of its own: a new process needs no TypeScript loader and reads one file. */
function bundleRunner(dir: string): string {
  mkdirSync(dir, { recursive: true });
  const built = buildSync({
    entryPoints: [fileURLToPath(new URL('./runner.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    write: false,
    logLevel: 'silent',
  });
  const bundle = resolve(join(dir, 'runner.mjs'));
  writeFileSync(`${bundle}.new`, built.outputFiles[0]?.contents ?? '');
  renameSync(`${bundle}.new`, bundle);
  return bundle;
}

/** Where these programs live; the controller's PATH has no say in what stands between it and a guest. */
const programFolders = [
  '/usr/bin',
  '/bin',
  '/usr/sbin',
  '/sbin',
  '/usr/local/bin',
  '/run/current-system/sw/bin',
];

function findProgram(name: string): string | null {
  for (const folder of programFolders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // look in the next folder
    }
  }
  return null;
}

/**
 * Starts one runner. setpriv and nice replace themselves by what they start, so the id stays the same.
 *
 * Trap: the kernel watches the *thread* that forked; Node forks on its main thread, which lives as long as
 * the controller. In a worker thread a pool would lose its runners when that thread ends.
 * Throws when this controller has no file descriptors left.
 * `detached` gives the runner a session of its own, so that Ctrl-C ends the controller and not the guests.
 */
export function spawnRunner(plan: LaunchPlan): ChildProcess {
  const chain: string[] = [];
  const setpriv = plan.tools.get('setpriv');
  if (setpriv !== undefined) chain.push(setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--');
  const nice = plan.tools.get('nice');
  if (nice !== undefined) chain.push(nice, '-n', '10');
  chain.push(
    process.execPath,
    `--wasm-max-mem-pages=${plan.memoryMiBMax * 16}`,
    `--wasm-max-table-size=${tableEntriesMax}`,
    `--wasm-max-committed-code-mb=${codeMiBMax}`,
    `--max-old-space-size=${heapMiBMax(plan.memoryMiBMax)}`,
    '--expose-gc',
    '--disallow-code-generation-from-strings',
    plan.bundle,
    String(plan.leaseMs),
  );
  const [program, ...args] = chain as [string, ...string[]];
  const child = spawn(program, args, {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  // Out of file descriptors, Node makes no pipes and says so later, by an event.
  if (child.stdio === undefined) {
    child.once('error', () => {});
    throw new Error('no file descriptors left for the pipes of a runner');
  }
  return child;
}

/**
 * Puts the kernel's limits on an idle runner: memory, no core dump, no file of any size.
 *
 * Why RLIMIT_DATA and why now: each WebAssembly memory reserves 10 GiB of addresses, so a limit on addresses
 * is useless; private writable memory is what a bomb fills. What an idle Node has of it differs by version
 * (49 MB in Node 20, 574 MB in Node 24), so it is read from the live process, before it has seen a guest.
 *
 * @returns whether the limits are in force
 */
export async function limitRunner(plan: LaunchPlan, pid: number): Promise<boolean> {
  const prlimit = plan.tools.get('prlimit');
  const idleBytes = dataBytes(pid);
  if (prlimit === undefined || idleBytes === null) return false;
  const bytes = idleBytes + (plan.memoryMiBMax + slackMiB) * 2 ** 20;
  const args = ['--pid', String(pid), `--data=${bytes}:${bytes}`, '--core=0:0', '--fsize=0:0'];
  return await new Promise((done) => {
    execFile(prlimit, args, { env: {}, cwd: '/' }, (error) => done(error === null));
  });
}
