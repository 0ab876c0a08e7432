/**
 * Plays the history of a golden log with a real server and writes its export:
 * `node --import tsx test/golden/play.ts FILE [FLAGS OF berth serve …]`.
 *
 * Why one short play with everything in it: a golden log is kept for ever and read by every later version, so it
 * must hold each fact that its version can write, and no more bytes than that takes. It runs in the tree of the
 * version whose log is wanted; nothing here is part of a test run.
 */
import { spawnSync } from 'node:child_process';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newKeyPair } from '../../src/attestation/keys.ts';
import type { JobView } from '../../src/views/job-view.ts';
import { Caller, eventually, pause, ServerProcess, sampleGuest } from '../server-process.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const twoGpus = ['--fleet', '2xH100-80GB'];
const oneGpu = ['--fleet', '1xH100-80GB'];
/** For versions that can write what needs a flag. */
const ownFlags = process.argv.slice(3);
const flagsOf = (more: readonly string[], policy = 'fifo') => [
  ...['--runners', '2', '--losses-max', '1', '--shutdown', 'requeue', '--log-level', 'error'],
  ...['--policy', policy, '--queued-max', '9', ...more, ...ownFlags],
];

interface Play {
  readonly server: ServerProcess;
  readonly acme: Caller;
  readonly globex: Caller;
  readonly admin: Caller;
}

/** Jobs of every fate, from two tenants that compete. */
async function fates({ acme, globex }: Play): Promise<void> {
  const put = (name: string): Promise<string> => acme.put(sampleGuest(name));
  const [noop, trap, loop, flaky] = await Promise.all(['noop', 'trap', 'loop', 'flaky'].map(put));
  const smuggle = await put('smuggle');
  await globex.put(sampleGuest('noop'));
  const twice = { attempts: { max: 2, backoffMs: 20 } };
  const told = { capabilities: ['stdio', 'env:BERTH_ATTEMPT'] };
  const untold = { capabilities: ['stdio', 'env:NOTHING'] };
  const jobs = await Promise.all([
    acme.submit({ module: loop, limits: { wallMs: 300 } }),
    acme.submit({ module: trap, ...twice }),
    acme.submit({ module: flaky, ...told, ...twice }),
    globex.submit({ module: noop, slot: '4g.40gb' }),
    globex.submit({ module: noop, slot: '3g.40gb' }),
    acme.submit({ module: flaky, ...untold }),
    globex.submit({ module: noop, gpus: 2 }),
    acme.submit({ module: smuggle }),
  ]);
  for (const [index, { id }] of jobs.entries()) await ([3, 4, 6].includes(index) ? globex : acme).until(id);
  // A runner that gets a millisecond is late, sooner or later.
  for (let tries = 0; tries < 20; tries += 1) {
    const { id } = await acme.submit({ module: loop, limits: { startMs: 1, wallMs: 50 } });
    if ((await acme.until(id)).cause?.code === 'ERR_RUNNER_LOST') return;
  }
  throw new Error('no start was ever late');
}

/** Cancels of a waiting and a running job, a wait that is over, refusals at the door, a runner that is killed. */
async function interventions({ acme, admin, server }: Play): Promise<void> {
  const loop = await acme.put(sampleGuest('loop'));
  const running = await acme.submit({ module: loop, slot: '7g.80gb', limits: { wallMs: 60_000 } });
  await acme.until(running.id, 'running');
  await admin.ask('POST', '/v1/slots/gpu-1/drain', json({ reason: 'a fan is loud' }));
  const late = await acme.submit({ module: loop, limits: { queueMs: 100 } });
  const waiting = await acme.submit({ module: loop });
  await acme.until(late.id, 'expired');
  await acme.ask('POST', `/v1/jobs/${waiting.id}/cancel`);
  await acme.ask('POST', `/v1/jobs/${running.id}/cancel`);
  await acme.until(running.id, 'cancelled');
  await admin.ask('POST', '/v1/slots/gpu-1/restore');
  const request = await acme.signed({ module: loop, limits: { wallMs: 20 } }, 'one-key');
  await acme.until(((await acme.send(request)).json as JobView).id);
  await acme.send(request);
  await acme.send(await acme.signed({ module: loop, args: ['another'] }, 'one-key'));
  const { id } = await acme.submit({ module: loop, limits: { wallMs: 2_000 } });
  await acme.until(id, 'running');
  const runner = (await acme.view(id)).attempts.at(-1)?.runner ?? '';
  if (!/^runner-\d+$/.test(runner)) throw new Error(`no runner: ${runner}`);
  process.kill(Number(runner.slice('runner-'.length)), 'SIGKILL');
  await acme.until(id, 'timedOut');
  // What was refused at the door is told once a second.
  await eventually('a refusal is a fact', async () => /intake\.acme/.test(await segmentText(server.data)));
}

const json = (body: unknown) => ({
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

async function tenants({ admin }: Play): Promise<void> {
  const [first, second] = [await newKeyPair(), await newKeyPair()];
  const steps = [
    ['POST', '/v1/tenants', { name: 'initech', key: first.publicJwk, terms: { slicesMax: 1 } }],
    ['POST', '/v1/tenants/initech/keys', { key: second.publicJwk }],
    ['DELETE', `/v1/tenants/initech/keys/${first.kid}`, { reason: 'a laptop is gone' }],
    ['PATCH', '/v1/tenants/acme', { terms: { weight: 3, slicesMax: 10 } }],
  ] as const;
  for (const [method, path, body] of steps) {
    const { status, bytes } = await admin.ask(method, path, json(body));
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${bytes}`);
  }
}

async function segmentOf(data: string): Promise<string> {
  const names = (await readdir(join(data, 'log'))).filter((name) => name.endsWith('.seg'));
  return join(data, 'log', names.at(-1) ?? '');
}

const segmentText = async (data: string): Promise<string> => readFile(await segmentOf(data), 'utf8');

/**
 * The machine stops between `selected` and `reserved` of a job that wants both GPUs, and comes back with one.
 * A prefix of the last flush is what a power cut leaves.
 */
async function unplaced({ acme, server }: Play): Promise<void> {
  const noop = await acme.put(sampleGuest('noop'));
  const { id } = await acme.submit({ module: noop, gpus: 2 });
  await acme.until(id);
  await server.end('SIGKILL');
  const text = await segmentText(server.data);
  const at = text.indexOf('\n', text.lastIndexOf('"job.selected"')) + 1;
  await truncate(await segmentOf(server.data), Buffer.byteLength(text.slice(0, at)));
  await server.start({ flags: flagsOf([...oneGpu, '--accept-torn-tail']) });
  await eventually('it is unplaced', async () => /job\.unplaced/.test(await segmentText(server.data)));
  await server.end('SIGKILL');
  await server.start({ flags: flagsOf([...twoGpus, '--accept-torn-tail'], 'round-robin') });
  await acme.until(id, 'succeeded');
}

/** A flipped bit in the last flush, its ids readable: told, and accepted by a later start. */
async function tornTail({ acme, server }: Play): Promise<void> {
  const { id } = await acme.submit({ module: await acme.put(sampleGuest('noop')) });
  await acme.until(id);
  // A checkpoint may be under way: its segment must hold a record before one can be spoilt.
  await pause(500);
  await server.end('SIGKILL');
  const segment = await segmentOf(server.data);
  const bytes = await readFile(segment);
  const at = bytes.lastIndexOf('"hash":"') + 20;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(segment, bytes);
  await server.start({ flags: flagsOf(twoGpus, 'round-robin') });
  await server.end('SIGKILL');
  await server.start({ flags: flagsOf([...twoGpus, '--accept-torn-tail'], 'round-robin') });
  await acme.until(id);
}

/** Lives that end with work under way: killed, and told to stop. */
async function ends({ acme, server }: Play): Promise<void> {
  const loop = await acme.put(sampleGuest('loop'));
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const { id } = await acme.submit({ module: loop, limits: { wallMs: 1_500 } });
    await acme.until(id, 'running');
    await server.end(signal);
    await server.start({ flags: flagsOf(twoGpus, 'round-robin') });
    await acme.until(id, 'timedOut');
  }
}

async function play(file: string): Promise<void> {
  const server = await ServerProcess.begin({ flags: flagsOf(twoGpus) });
  const callers = ['acme', 'globex', 'admin'].map((name) => new Caller(server, name));
  const [acme, globex, admin] = callers as [Caller, Caller, Caller];
  const all = { server, acme, globex, admin };
  try {
    await tenants(all);
    await fates(all);
    await interventions(all);
    await unplaced(all);
    await tornTail(all);
    await ends(all);
    await pause(1_500);
    await server.end();
    const berth = [join(root, 'bin', 'berth.js'), '--data', server.data];
    const made = spawnSync(process.execPath, [...berth, 'log', 'export', file, '--offline'], {
      stdio: 'inherit',
    });
    if (made.status !== 0) throw new Error(`export: ${made.status}`);
  } finally {
    for (const caller of callers) caller.close();
    await server.remove();
    await rm(server.data, { recursive: true, force: true });
  }
}

await play(process.argv[2] ?? 'golden.jsonl');
