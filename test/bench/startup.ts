/**
 * How long a start takes: of a log of a million facts with a checkpoint, beside reading, verifying and parsing the
 * checkpoint and its tail with nobody to fold them, and beside a bare `JSON.parse` of the same bytes; and without a
 * checkpoint. Peak memory of each. No figure is asserted.
 *
 *   npm run bench:startup -- [--facts N] [--tail N] [--runs N] [--json]
 *
 * Why each measurement is a process of its own: its peak memory is then its own, and no run profits from code that
 * a former one has warmed up.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { foldsVersion } from '../../src/checkpointing.ts';
import { systemClock } from '../../src/clock.ts';
import { Controller } from '../../src/controller.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { openLog } from '../../src/log/open.ts';
import { fleetOfPreset } from '../../src/slots/fleet-setting.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { SimulatedBackend } from '../properties/simulated.ts';
import { appendJobs } from './history.ts';

const options = {
  facts: { type: 'string', default: '1000000' },
  tail: { type: 'string', default: '50000' },
  runs: { type: 'string', default: '3' },
  phase: { type: 'string', default: '' },
  dir: { type: 'string', default: '' },
  json: { type: 'boolean', default: false },
} as const;
const { values } = parseArgs({ options });
const noBlobs = {
  read: async () => new Uint8Array(),
  verify: async () => true,
  putBytes: async () => ({ sha256: '0'.repeat(64), bytes: 0 }),
};

/** Time on the wall, and of this process on all cores: the first is what one waits, the second what a busy machine does not spoil. */
function stopwatch(): () => { ms: number; cpuMs: number } {
  const began = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { ms: performance.now() - began, cpuMs: (user + system) / 1000 };
  };
}

interface Begun {
  readonly controller: Controller;
  readonly ms: number;
  readonly cpuMs: number;
  readonly facts: number;
}

/** A life of the production controller on this folder, from its newest checkpoint when there is one. */
async function begin(dir: string, takesCheckpoints: boolean): Promise<Begun> {
  const checkpoints = new CheckpointFiles({ dir, disk: nodeDisk, sha256: nodeSha256, retiring: null });
  const taken = stopwatch();
  let facts = 0;
  const controller = await Controller.begin({
    clock: systemClock,
    sha256: nodeSha256,
    blobs: noBlobs,
    sign: async () => 'report',
    settings: {
      fleet: fleetOfPreset('1xH100-80GB'),
      policy: 'fifo',
      attestMs: 10_000,
      stopMs: 2_000,
      lossesMax: 3,
      queuedMax: 10_000,
      retainedMax: 10_000,
      checkpointFacts: 50_000,
      killWaitMs: 2_000,
      version: 'bench',
    },
    defer: setImmediate,
    ...(takesCheckpoints ? { checkpoints } : {}),
    openLog: (onRecords, onCheckpoint) =>
      openLog({
        dir,
        disk: nodeDisk,
        sha256: nodeSha256,
        checkpoints,
        version: foldsVersion,
        onCheckpoint,
        onRecords: (batch) => {
          facts += batch.length;
          onRecords(batch);
        },
      }),
    killFormerGuests: async () => 0,
    startBackend: async () => new SimulatedBackend(7),
    acceptTornTail: false,
    onFault: (error) => {
      throw error;
    },
  });
  return { controller, facts, ...taken() };
}

/** Facts behind those that are there, written by the log alone. */
async function grow(dir: string, facts: number): Promise<Figures> {
  const checkpoints = new CheckpointFiles({ dir, disk: nodeDisk, sha256: nodeSha256, retiring: null });
  const nothing = (): void => undefined;
  const parts = { dir, disk: nodeDisk, sha256: nodeSha256, checkpoints, version: foldsVersion };
  const { log } = await openLog({ ...parts, onCheckpoint: nothing, onRecords: nothing });
  const taken = stopwatch();
  await appendJobs(log, facts);
  await log.close();
  return taken();
}

/** What has to be read at the least: the newest checkpoint and the records behind it, as JSON. */
async function bare(dir: string): Promise<Figures> {
  const taken = stopwatch();
  const names = readdirSync(dir).sort();
  const newest = names.filter((name) => name.endsWith('.json')).at(-1)!;
  const seq = Number(newest.slice('checkpoint-'.length, -'.json'.length));
  const text = await readFile(join(dir, newest), 'utf8');
  const checkpoint = JSON.parse(text) as { base: { seq: number } };
  if (checkpoint.base.seq !== seq) throw new Error(newest);
  let facts = 0;
  let tailBytes = 0;
  for (const name of names.filter((each) => each.endsWith('.seg') && Number(each.slice(0, 20)) > seq)) {
    const lines = await readFile(join(dir, name), 'utf8');
    tailBytes += lines.length;
    for (let from = 0; from < lines.length; ) {
      const end = lines.indexOf('\n', from);
      if (lines[from] !== '#' && (JSON.parse(lines.slice(from, end)) as { seq: number }).seq > seq)
        facts += 1;
      from = end + 1;
    }
  }
  return { ...taken(), checkpointBytes: text.length, tailBytes, facts };
}

const phases: Record<string, (dir: string) => Promise<object>> = {
  async first(dir) {
    const { controller } = await begin(dir, false);
    const data = { terms: { ...defaultTerms, unsigned: true } };
    await controller.ask({ kind: 'Note', type: 'tenant.added', stream: 'tenant.acme', data }, 'bench');
    await controller.drain('requeue', 0);
    return {};
  },
  grow: (dir) => grow(dir, Number(values.facts)),
  tail: (dir) => grow(dir, Number(values.tail)),
  /** All facts are folded; the clean stop leaves a checkpoint. */
  async full(dir) {
    const { controller, ...figures } = await begin(dir, true);
    const peakMiB = process.resourceUsage().maxRSS / 1024;
    await controller.drain('requeue', 0);
    return { ...figures, peakMiB };
  },
  async start(dir) {
    const { controller, ...figures } = await begin(dir, false);
    const { fromSeq } = controller;
    const peakMiB = process.resourceUsage().maxRSS / 1024;
    await controller.end();
    return { ...figures, fromSeq, peakMiB };
  },
  /** Reads, verifies and parses what a start reads, and folds none of it. */
  async read(dir) {
    const checkpoints = new CheckpointFiles({ dir, disk: nodeDisk, sha256: nodeSha256, retiring: null });
    const nothing = (): void => undefined;
    const taken = stopwatch();
    const parts = { dir, disk: nodeDisk, sha256: nodeSha256, checkpoints, version: foldsVersion };
    const { log } = await openLog({ ...parts, onCheckpoint: nothing, onRecords: nothing });
    const figures = taken();
    await log.close();
    return { ...figures, peakMiB: process.resourceUsage().maxRSS / 1024 };
  },
  bare: async (dir) => ({ ...(await bare(dir)), peakMiB: process.resourceUsage().maxRSS / 1024 }),
};

type Figures = Record<string, number>;

/** One phase in a process of its own. */
function run(phase: string, dir: string): Figures {
  process.stderr.write(`${phase} …\n`);
  const self = fileURLToPath(import.meta.url);
  const passed = ['--facts', values.facts, '--tail', values.tail];
  const args = ['--import', 'tsx', self, '--phase', phase, '--dir', dir, ...passed];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${phase} ended with ${status}`);
  return JSON.parse(stdout) as Figures;
}

/** The run in the middle. */
function median(of: readonly Figures[], by: 'ms' | 'cpuMs' = 'ms'): Figures {
  return [...of].sort((a, b) => a[by]! - b[by]!)[Math.floor(of.length / 2)]!;
}

function main(): void {
  const dir = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  try {
    run('first', dir);
    const written = run('grow', dir);
    const full = run('full', dir);
    run('tail', dir);
    const [bares, reads, starts]: [Figures[], Figures[], Figures[]] = [[], [], []];
    // In turns, so that what else the machine does meets both.
    for (let i = 0; i < Number(values.runs); i += 1) {
      bares.push(run('bare', dir));
      reads.push(run('read', dir));
      starts.push(run('start', dir));
    }
    const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    const { ms: bareMs } = median(bares);
    const { ms: startMs } = median(starts);
    const cpuMs = (of: readonly Figures[]): number => median(of, 'cpuMs')['cpuMs']!;
    const spread = (of: readonly Figures[]): number[] => of.map(({ ms }) => Math.round(ms!));
    print({
      node: process.version,
      cores: cpus().length,
      bytes,
      writtenFactsPerSecond: (Number(values.facts) * 1000) / written['ms']!,
      full: { ...full, factsPerSecond: (full['facts']! * 1000) / full['ms']! },
      bare: { ...median(bares), allMs: spread(bares) },
      start: { ...median(starts), allMs: spread(starts) },
      read: { ...median(reads), allMs: spread(reads) },
      ratio: startMs! / median(reads)['ms']!,
      cpuRatio: cpuMs(starts) / cpuMs(reads),
      bareRatio: startMs! / bareMs!,
      bareCpuRatio: cpuMs(starts) / cpuMs(bares),
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

type Result = Record<'bare' | 'full' | 'read' | 'start', Record<string, number | number[]>> &
  Record<string, unknown>;

function print(result: Result): void {
  if (values.json) return void process.stdout.write(`${JSON.stringify(result)}\n`);
  const { bare: least, full, read, start } = result;
  const n = (value: unknown, digits = 0): string => (value as number).toFixed(digits);
  const mib = (value: unknown): string => `${n((value as number) / 2 ** 20, 1)} MiB`;
  process.stdout.write(
    [
      `log        ${values.facts} facts and a tail of ${values.tail}, ${mib(result['bytes'])}; written at ${n(result['writtenFactsPerSecond'])} facts/s`,
      `without    ${n(full['ms'])} ms for ${n(full['facts'])} facts: ${n(full['factsPerSecond'])} facts/s, ${n((full['facts'] as number) / (full['cpuMs'] as number))} a CPU millisecond, peak ${n(full['peakMiB'])} MiB`,
      `checkpoint ${n(start['ms'])} ms from seq ${n(start['fromSeq'])} with ${n(start['facts'])} facts behind it, peak ${n(start['peakMiB'])} MiB`,
      `bare       ${n(least['ms'])} ms to read and parse ${mib(least['checkpointBytes'])} of checkpoint and ${mib(least['tailBytes'])} of tail, peak ${n(least['peakMiB'])} MiB`,
      `read       ${n(read['ms'])} ms to read, verify and parse the same, peak ${n(read['peakMiB'])} MiB`,
      `ratio      start ${n(result['ratio'], 2)} of read (CPU time ${n(result['cpuRatio'], 2)}), ${n(result['bareRatio'], 2)} of bare (CPU time ${n(result['bareCpuRatio'], 2)}); ms: ${String(start['allMs'])} beside ${String(read['allMs'])} and ${String(least['allMs'])}`,
      '',
    ].join('\n'),
  );
}

if (values.phase === '') main();
else process.stdout.write(JSON.stringify(await phases[values.phase]!(values.dir)));
