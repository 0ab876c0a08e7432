/**
 * `docker-compose.yml`: each command line in it, run here with the real programs, with folders and ports of this
 * machine instead of a container's. What only Docker can show (images, mounts) is not shown by this.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { until } from './nats-rig.ts';
import { NatsServer } from './nats-server.ts';
import { suite } from './suite.ts';

const t = suite('docker-compose.yml');

const root = fileURLToPath(new URL('..', import.meta.url));
const text = await readFile(join(root, 'docker-compose.yml'), 'utf8');

/**
 * What a service says under `key`. The file keeps its lists on one line, so they are JSON, and its nesting is
 * two spaces; that much of YAML is read here, and a test below proves that nothing is passed over.
 */
function lineOf(service: string, key: string): string {
  const block = new RegExp(`^ {2}${service}:\\n((?: {4}.*\\n|\\n)*)`, 'm').exec(text)?.[1] ?? '';
  const value = new RegExp(`^ +${key}: (.+)$`, 'm').exec(block)?.[1];
  if (value === undefined) throw new Error(`no ${key} under ${service}`);
  return value;
}

const listOf = (service: string, key: string): string[] => JSON.parse(lineOf(service, key)) as string[];

t('no command line in the file is left out by this test', () => {
  const lines = text.split('\n').filter((line) => /^\s+(command|entrypoint|test): /.test(line));
  assert.is(lines.length, 6, 'install, nats (two lines and a check), controller (one and a check)');
  assert.equal(
    [...text.matchAll(/^ {2}(\w+):$/gm)].map(([, name]) => name),
    ['install', 'nats', 'controller'],
  );
});

t('what it installs is what CI installs, and the images are named with a version', async () => {
  const ci = await readFile(join(root, '.ci', 'run'), 'utf8');
  assert.ok(ci.includes(`step install ${listOf('install', 'command').join(' ')}`));
  for (const service of ['install', 'nats', 'controller'])
    assert.match(lineOf(service, 'image'), /^[a-z]+:\d[\w.-]+$/);
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  assert.ok(
    `exec ${listOf('controller', 'command').join(' ')}`.startsWith(`${scripts.start} `),
    'and runs what npm start runs',
  );
  const version = spawnSync('nats-server', ['--version'], { encoding: 'utf8' }).stdout;
  if (version)
    assert.ok(version.includes('2.9.10') && lineOf('nats', 'image').startsWith('nats:2.9.10-'), version);
});

t('nothing is published beyond this machine', () => {
  for (const service of ['nats', 'controller']) {
    for (const port of listOf(service, 'ports')) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/);
  }
});

t.needing(
  'nats-server',
  'its commands bring up a server and a controller that are healthy, and a job goes in and comes out by NATS',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'berth-compose-'));
    const [program] = listOf('nats', 'entrypoint');
    assert.is(program, 'nats-server');
    const args = listOf('nats', 'command').map((arg) => arg.replace('/berth', root.replace(/\/$/, '')));
    const server = await NatsServer.start({ args });
    const controller = startController(dir, server);
    try {
      const listening = /listening on (\S+)/;
      await until('it listens', () => listening.test(controller.output()), 60_000);
      const url = listening.exec(controller.output())?.[1] ?? '';
      await healthy(server, url);
      const submit = [
        'bin/berth.js',
        'job',
        'submit',
        'wasm/hello.wasm',
        '--slot',
        '1g.10gb',
        '--wait',
        '--via',
        'nats',
      ];
      const bus = ['--nats', server.url('acme:acme-demo'), '--data', dir, '--server', url, '--', 'compose'];
      const heard: string[] = [];
      const auditor = await server.client('auditor:auditor-demo');
      auditor.subscribe('berth.v1.evt.job.>', { callback: (_, { subject }) => heard.push(subject) });
      await auditor.flush();
      const submitted = await run(process.execPath, [...submit, ...bus]);
      assert.is(submitted.code, 0, submitted.output);
      assert.match(submitted.output, /hello compose/);
      await until('its facts are on the bus', () => heard.some((subject) => subject.endsWith('.succeeded')));
      controller.process.kill('SIGTERM');
      const [code] = (await once(controller.process, 'exit')) as [number | null];
      assert.is(code, 0, controller.output());
    } finally {
      controller.process.kill('SIGKILL');
      await server.remove();
      await rm(dir, { recursive: true, force: true });
    }
  },
  { limitMs: 150_000 },
);

/** The controller as the file starts it, on a free port and a folder of this test. */
function startController(dir: string, server: NatsServer): { process: ChildProcess; output: () => string } {
  const [program = '', ...args] = listOf('controller', 'command').map((arg) =>
    arg === '0.0.0.0:7070' ? '127.0.0.1:0' : arg,
  );
  const bus = JSON.parse(lineOf('controller', 'BERTH_NATS')) as string;
  assert.is(program, 'node');
  const child = spawn(process.execPath, [...args, '--data', dir], {
    cwd: root,
    env: { ...process.env, BERTH_NATS: bus.replace('nats:4222', `127.0.0.1:${server.port}`) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  return { process: child, output: () => output };
}

/** Both health checks, as the file has them but for the ports. */
async function healthy(server: NatsServer, url: string): Promise<void> {
  const [, program, ...check] = listOf('controller', 'test');
  assert.is(program, 'node');
  const ready = check.map((arg) => arg.replace('http://127.0.0.1:7070', url));
  const { code, output } = await run(process.execPath, ready);
  assert.is(code, 0, output);
  const gone = await run(
    process.execPath,
    check.map((arg) => arg.replace('127.0.0.1:7070', '127.0.0.1:1')),
  );
  assert.is(gone.code, 1, 'and it is red when nothing answers');
  const natsUrl = listOf('nats', 'test').at(-1)!.replace(':8222', `:${server.monitorPort}`);
  const answer = await fetch(natsUrl);
  assert.is(answer.status, 200, await answer.text());
}

async function run(
  program: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, output };
}

t.run();
