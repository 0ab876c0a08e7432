/**
 * The real nats-server for tests: on a free loopback port, with a store of its own, to be stopped, killed and
 * started again on the same port with the same store.
 *
 * Why the real one: what a server does with a stale sequence, a forged reply subject or a `kill -9` is the
 * very thing to be found out; an imitation would do what we believe.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect, type NatsConnection } from 'nats';

export interface NatsServerOptions {
  /** Arguments of the server; port, address and store are added. Default: JetStream on, no configuration. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const readyMsMax = 10_000;

export class NatsServer {
  readonly port: number;
  readonly #dir: string;
  readonly #options: NatsServerOptions;
  readonly #connections: NatsConnection[] = [];
  #process: ChildProcess | null = null;
  /** Where it answers `/healthz`, when its configuration has a monitor. */
  monitorPort = 0;
  /** What the server said so far. */
  output = '';

  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(await freePort(), await mkdtemp(join(tmpdir(), 'berth-nats-')), options);
    await server.start();
    return server;
  }

  private constructor(port: number, dir: string, options: NatsServerOptions) {
    this.port = port;
    this.#dir = dir;
    this.#options = options;
  }

  /** `nats://user:password@host:port`. */
  url(login = ''): string {
    return `nats://${login === '' ? '' : `${login}@`}127.0.0.1:${this.port}`;
  }

  /** A client of its own, not by way of the code under test; closed by `remove`. */
  async client(login = ''): Promise<NatsConnection> {
    const [user, pass] = login.split(':');
    const options = {
      servers: `127.0.0.1:${this.port}`,
      reconnect: true,
      reconnectTimeWait: 50,
      maxReconnectAttempts: -1,
    };
    const connection = await connect({ ...options, ...(user ? { user } : {}), ...(pass ? { pass } : {}) });
    this.#connections.push(connection);
    return connection;
  }

  /** Starts it (again), on the same port with the same store; resolves when it takes connections. */
  async start(args: readonly string[] = this.#options.args ?? ['-js']): Promise<void> {
    this.monitorPort = await freePort();
    const monitor = args.includes('-c') ? ['-m', String(this.monitorPort)] : [];
    // A configuration names its store itself, relative to where the server is started.
    const store = args.includes('-c') ? [] : ['-sd', this.#dir];
    const all = [...args, '-a', '127.0.0.1', '-p', String(this.port), ...store, ...monitor];
    const process = spawn('nats-server', all, {
      cwd: this.#dir,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...globalThis.process.env, ...this.#options.env },
    });
    this.#process = process;
    const orphan = (): void => void process.kill('SIGKILL');
    globalThis.process.once('exit', orphan);
    process.once('exit', () => globalThis.process.off('exit', orphan));
    await new Promise<void>((ready, fail) => {
      const timer = setTimeout(() => fail(new Error(`nats-server is not ready: ${this.output}`)), readyMsMax);
      process.once('error', fail);
      process.once('exit', () => fail(new Error(`nats-server ended: ${this.output}`)));
      createInterface({ input: process.stderr }).on('line', (line) => {
        this.output += `${line}\n`;
        if (!line.includes('Server is ready')) return;
        clearTimeout(timer);
        ready();
      });
    });
  }

  /** SIGKILL: the machine's view of a crash. Resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM: a clean end. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Ends the server and removes its store. */
  async remove(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const process = this.#process;
    this.#process = null;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    const gone = once(process, 'exit');
    process.kill(signal);
    await gone;
  }
}

/** A port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
