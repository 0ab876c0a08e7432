/** Runs the real command line in processes of its own, against a real server. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const guest = (name: string): string => join(root, 'wasm', `${name}.wasm`);

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly text: string;
  readonly stderr: string;
}

/** No setting of the one who runs the tests may show through. */
function environment(extra: Record<string, string>): Record<string, string> {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('BERTH_') && name !== 'NO_COLOR',
  );
  return { ...(Object.fromEntries(own) as Record<string, string>), ...extra };
}

/** Starts `berth ARGS`. */
export function start(
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcessByStdio<Writable, Readable, Readable> {
  const child = spawn(process.execPath, [join(root, 'bin', 'berth.js'), ...args], {
    cwd: root,
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A child that ends without reading its input is no fault of the test.
  child.stdin.on('error', () => undefined);
  return child;
}

/** Runs `berth ARGS` to its end. */
export async function run(
  args: readonly string[],
  options: { env?: Record<string, string>; input?: Uint8Array | string } = {},
): Promise<Ran> {
  const child = start(args, options.env);
  child.stdin.end(options.input ?? '');
  return ended(child);
}

/** What a started command wrote, and how it ended. */
export async function ended(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<Ran> {
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
  return { code: await code, stdout, text: stdout.toString(), stderr: stderr.toString() };
}

/** Resolves with the first line that matches. */
export function lineOf(stream: Readable, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    const look = (chunk: Buffer): void => {
      text += chunk.toString();
      const match = pattern.exec(text);
      if (!match) return;
      stream.off('data', look);
      stream.resume();
      resolve(match);
    };
    stream.on('data', look);
    stream.on('close', () => reject(new Error(`no line ${pattern} in: ${text}`)));
  });
}

/** A server in a process of its own, on a data directory of its own. */
export class Berth {
  readonly data: string;
  url = '';
  #child: ReturnType<typeof start> | null = null;
  #stderr = '';

  /** Starts `berth serve --demo` on a fresh directory. */
  static async begin(flags: readonly string[] = []): Promise<Berth> {
    const berth = new Berth(await mkdtemp(join(tmpdir(), 'berth-cli-')));
    await berth.serve(flags);
    return berth;
  }

  constructor(data: string) {
    this.data = data;
  }

  async serve(flags: readonly string[] = [], listen = '127.0.0.1:0'): Promise<void> {
    const child = start([
      'serve',
      '--data',
      this.data,
      '--listen',
      listen,
      '--demo',
      '--runners',
      '1',
      ...flags,
    ]);
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    const match = await lineOf(child.stdout, /^listening on (http:\S+)$/m).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#stderr}`);
    });
    this.url = match[1] ?? '';
  }

  /** Ends the server with `signal` and waits until it is gone. */
  async halt(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null) return child?.exitCode ?? null;
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    child.kill(signal);
    return closed;
  }

  async remove(): Promise<void> {
    await this.halt('SIGKILL');
    await rm(this.data, { recursive: true, force: true });
  }

  get env(): Record<string, string> {
    return { BERTH_SERVER: this.url, BERTH_DATA: this.data };
  }

  run(args: readonly string[], input?: Uint8Array | string): Promise<Ran> {
    return run(args, { env: this.env, ...(input === undefined ? {} : { input }) });
  }

  start(args: readonly string[]): ReturnType<typeof start> {
    return start(args, this.env);
  }

  /** Submits, and gives the id. */
  async submit(args: readonly string[]): Promise<string> {
    const { text, stderr, code } = await this.run(['job', 'submit', ...args]);
    if (code !== 0) throw new Error(`submit ended with ${code}: ${stderr}`);
    return text.trim();
  }
}
