/**
 * The processes of a tour: controllers and the judge, each started as a user would start it, none in-process.
 *
 * Why the tour keeps a list: on Ctrl-C, and when a step fails, nothing of it may stay behind, neither a
 * process nor a folder. Test: `test/demo.serial.test.ts`.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import type { Case, Verdict } from './judge.ts';
import { StepFailed } from './scenario.ts';

/** A controller that is not ready by then never will be, ms. */
const readyMsMax = 60_000;
/** From SIGTERM to the end of a controller, ms; it gives running jobs at most 20 s. */
const stopMsMax = 40_000;
/** Of what a controller wrote to stderr so much is kept for the report of a failure, characters. */
const wordsMax = 8_000;

export type Child = ChildProcessByStdio<Writable, Readable, Readable>;
/** What children see of the environment. */
export type Environment = Readonly<Record<string, string>>;

/** Everything that a tour started or made, so that it can be taken away again at any moment. */
export class Leftovers {
  readonly #children = new Map<Child, Promise<number | null>>();
  readonly #folders: string[] = [];
  #cleared = false;

  /** Throws once cleared: whoever was in the middle of something starts nothing more. */
  spawn(args: readonly string[], cwd: string, env: Environment): Child {
    if (this.#cleared) throw new StepFailed('the tour is over');
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => undefined);
    const gone = new Promise<number | null>((resolve) => {
      child.on('error', () => resolve(null));
      child.on('exit', (code) => resolve(code));
    });
    this.#children.set(child, gone);
    void gone.then(() => this.#children.delete(child));
    return child;
  }

  /** Resolves with the exit code; null when a signal ended it. */
  gone(child: Child): Promise<number | null> {
    return this.#children.get(child) ?? Promise.resolve(child.exitCode);
  }

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'berth-demo-'));
    this.#folders.push(path);
    return path;
  }

  get folders(): readonly string[] {
    return this.#folders;
  }

  /** Kills what still runs, waits until it is gone, and removes the folders unless they are to be kept. */
  async clear(keep: boolean): Promise<void> {
    this.#cleared = true;
    for (const child of this.#children.keys()) child.kill('SIGKILL');
    await Promise.all(this.#children.values());
    if (keep) return;
    // Runners die with their controller, but a moment later; one may still write its record.
    for (const path of this.#folders) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One controller process on its data directory; it can be stopped, killed and started again. */
export class DemoServer {
  readonly data: string;
  url = '';
  readonly #folder: string;
  readonly #leftovers: Leftovers;
  readonly #flags: readonly string[];
  readonly #env: Environment;
  readonly #clock: Clock;
  #child: Child | null = null;
  #words = '';

  static async make(
    leftovers: Leftovers,
    parts: { readonly flags: readonly string[]; readonly env: Environment; readonly clock: Clock },
  ): Promise<DemoServer> {
    const server = new DemoServer(leftovers, await leftovers.folder(), parts);
    await mkdir(server.data, { mode: 0o700 });
    await server.start();
    return server;
  }

  private constructor(
    leftovers: Leftovers,
    folder: string,
    { flags, env, clock }: { flags: readonly string[]; env: Environment; clock: Clock },
  ) {
    this.#leftovers = leftovers;
    this.#folder = folder;
    this.data = join(folder, 'data');
    this.#flags = flags;
    this.#env = env;
    this.#clock = clock;
  }

  /** The end of what it wrote to stderr. */
  get words(): string {
    return this.#words;
  }

  /** Starts `berth serve`, on a free port, and waits for the line that says where it listens. */
  async start(): Promise<void> {
    const berth = fileURLToPath(new URL('../../bin/berth.js', import.meta.url));
    const args = [berth, 'serve', '--demo', '--data', this.data, '--listen', '127.0.0.1:0', ...this.#flags];
    // In a folder of its own, so that no berth.json of the user's is read.
    const child = this.#leftovers.spawn(args, this.#folder, this.#env);
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#words = (this.#words + chunk.toString()).slice(-wordsMax);
    });
    const listening = new Promise<string>((resolve) => {
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        const url = /^listening on (http:\S+)$/.exec(line)?.[1];
        if (url) resolve(url);
      });
    });
    const ended = this.#leftovers.gone(child).then((code) => {
      throw new StepFailed(`the controller ended with ${code} before it listened: ${this.#words.trim()}`);
    });
    ended.catch(() => undefined);
    this.url = await within(
      this.#clock,
      readyMsMax,
      'the controller listens',
      Promise.race([listening, ended]),
    );
  }

  /** Sends a signal and waits for the end. Resolves with the exit code; null when the signal killed it. */
  async halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (!child) return null;
    this.#child = null;
    const gone = this.#leftovers.gone(child);
    child.kill(signal);
    return within(this.#clock, stopMsMax, `the controller ends after ${signal}`, gone);
  }
}

/** The judge's process: one question at a time, answers in order. */
export class JudgeProcess {
  readonly #child: Child;
  readonly #answers: AsyncIterator<string>;
  #words = '';

  constructor(leftovers: Leftovers, cwd: string, env: Environment) {
    const program = fileURLToPath(new URL('judge-main.ts', import.meta.url));
    this.#child = leftovers.spawn(['--import', import.meta.resolve('tsx'), program], cwd, env);
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#words = (this.#words + chunk.toString()).slice(-wordsMax);
    });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async judge(asked: Case): Promise<Verdict> {
    this.#child.stdin.write(`${JSON.stringify(asked)}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new StepFailed(`the judge is gone: ${this.#words.trim()}`);
    return JSON.parse(answer.value) as Verdict;
  }

  end(): void {
    this.#child.stdin.end();
  }
}

/** The promise's value, or StepFailed after `ms`. */
export async function within<T>(clock: Clock, ms: number, what: string, promise: Promise<T>): Promise<T> {
  let off = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    off = clock.after(ms, () => reject(new StepFailed(`waited ${ms} ms in vain until ${what}`)));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    off();
  }
}
