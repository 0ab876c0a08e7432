/**
 * What an attached inspector costs: jobs a second with one attached and with none, in pairs by turns; the median
 * of the pairs' ratios. No figure is asserted.
 *
 *   npm run bench:inspect -- [--pairs N] [--jobs N] [--path /inspect|/inspect/v4] [--json]
 *
 * Why the inspector is a process of its own: what it does with the messages is its own affair, and would be counted against
 * the controller if both shared an event loop.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { jobsOverHttp } from './jobs.ts';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '2000' },
    path: { type: 'string', default: '/inspect' },
    /** Set in the process that watches: what it attaches to. */
    watch: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});

/** Attaches, reads all and keeps nothing; says when it is attached, and at its end how many messages came. */
function watch(url: string): void {
  let messages = 0;
  const socket = new WebSocket(url);
  socket.on('open', () => process.stdout.write('attached\n'));
  socket.on('message', () => {
    messages += 1;
  });
  socket.on('close', () => process.stdout.write(`${messages}\n`));
  process.on('SIGTERM', () => socket.close());
}

let messages = 0;

async function attach(url: string): Promise<() => Promise<void>> {
  const self = fileURLToPath(import.meta.url);
  const target = `${url.replace(/^http/, 'ws')}${values.path}`;
  const child = spawn(process.execPath, ['--import', 'tsx', self, '--watch', target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((resolve) => lines.once('line', () => resolve()));
  return async () => {
    const told = new Promise<string>((resolve) => lines.once('line', resolve));
    child.kill('SIGTERM');
    messages += Number(await told);
  };
}

async function jobsPerSecond(watched: boolean): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  const wasm = readFileSync(new URL('../../wasm/noop.wasm', import.meta.url));
  try {
    const options = { jobs: Number(values.jobs), inFlight: 64, wasm, scratch };
    const result = await jobsOverHttp(watched ? { ...options, beside: attach } : options);
    return result.jobsPerSecond;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const pairs: { readonly without: number; readonly attached: number }[] = [];
  for (let i = 0; i < Number(values.pairs); i += 1) {
    // The first of a pair is another one each time: what warms up or tires meets both.
    const first = await jobsPerSecond(i % 2 === 1);
    const second = await jobsPerSecond(i % 2 === 0);
    pairs.push(i % 2 === 1 ? { attached: first, without: second } : { without: first, attached: second });
    process.stderr.write(`pair ${i + 1}: ${JSON.stringify(pairs.at(-1))}\n`);
  }
  const ratios = pairs.map(({ attached, without }) => attached / without).sort((a, b) => a - b);
  const ratio = ratios[Math.floor(ratios.length / 2)]!;
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ node: process.version, cores: cpus().length, ratio, pairs, messages })}\n`,
    );
    return;
  }
  process.stdout.write(
    `with ${values.path} attached ${(100 * ratio).toFixed(1)} % of the jobs a second without, median of ${pairs.length} pairs (${ratios.map((each) => each.toFixed(3)).join(' ')}); ${messages} messages\n`,
  );
}

if (values.watch) watch(values.watch);
else await main();
