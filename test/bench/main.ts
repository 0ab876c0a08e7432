/**
 * Benchmarks, as ratios against bare references in the same run: what a job costs here, and what the same
 * machine does with nothing around it. Never part of a test; no figure is asserted.
 *
 *   npm run bench -- [--jobs N] [--in-flight N] [--json]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { foldCosts } from './fold.ts';
import { jobsOverHttp } from './jobs.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2000' },
    'in-flight': { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'berth-bench-'));
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** 512 records of 441 bytes a group, write and fdatasync: what this disk gives. Records a second. */
async function bareAppends(groups: number): Promise<number> {
  const file = await open(join(scratch, 'bare'), 'w');
  const group = Buffer.alloc(512 * 441, 'x');
  const began = performance.now();
  for (let i = 0; i < groups; i += 1) {
    await file.write(group, 0, group.length, i * group.length);
    await file.datasync();
  }
  await file.close();
  return (groups * 512 * 1000) / (performance.now() - began);
}

/** The same number of facts through the log: hash chain, versions, group commit. Facts a second. */
async function logAppends(groups: number): Promise<number> {
  const dir = join(scratch, 'log');
  const { log } = await openFileLog({ dir, disk: nodeDisk, sha256: nodeSha256, onRecords: () => undefined });
  const data = { padding: 'x'.repeat(80) };
  const began = performance.now();
  for (let i = 0; i < groups; i += 1) {
    for (let k = 0; k < 512; k += 1) {
      const draft = {
        type: 'job.bench',
        at: 1,
        author: 'bench',
        basis: 0,
        cause: null,
        trace: null,
        schema: 1,
        data,
      };
      log.append({ ...draft, subject: `job.acme.j${i}x${k}.bench`, expectedVersion: 0 });
    }
    await log.whenDurable(log.head);
  }
  const rate = (groups * 512 * 1000) / (performance.now() - began);
  await log.close();
  return rate;
}

/** A line to a reused child and back, one at a time: what a dispatch costs with no controller. Round trips a second. */
async function bareChild(trips: number): Promise<number> {
  const child = spawn(
    process.execPath,
    ['-e', 'process.stdin.on("data", (line) => process.stdout.write(line))'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.write('ready\n');
  await lines.next();
  const began = performance.now();
  for (let i = 0; i < trips; i += 1) {
    child.stdin.write('job\n');
    await lines.next();
  }
  const rate = (trips * 1000) / (performance.now() - began);
  child.kill('SIGKILL');
  return rate;
}

say('bare append, 512 records a sync …');
const bare = await bareAppends(200);
say('log append, 512 facts a sync …');
const own = await logAppends(200);
say('folding: compiled table and XState …');
const fold = foldCosts(5_000);
say('bare reused child …');
const child = await bareChild(2_000);
say(`${values.jobs} no-op jobs over HTTP …`);
const wasm = await readFile(new URL('../../wasm/noop.wasm', import.meta.url));
const jobs = await jobsOverHttp({
  jobs: Number(values.jobs),
  inFlight: Number(values['in-flight']),
  wasm,
  scratch,
});
rmSync(scratch, { recursive: true });

const result = {
  node: process.version,
  cores: cpus().length,
  appends: { bareRecordsPerSecond: bare, factsPerSecond: own, ratio: own / bare },
  fold: { ...fold, ratio: fold.xstateUs / fold.tableUs },
  child: { bareRoundTripsPerSecond: child, jobsToRoundTripsRatio: jobs.jobsPerSecond / child },
  jobs,
};
await mkdir(new URL('./results/', import.meta.url), { recursive: true });
await writeFile(new URL('./results/latest.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  const fixed = (value: number, digits = 0): string => value.toFixed(digits);
  process.stdout.write(
    [
      `append    ${fixed(own)} facts/s durable, ${fixed(own / bare, 2)} of a bare write + fdatasync (${fixed(bare)}/s)`,
      `fold      ${fixed(fold.tableUs, 2)} µs a fact by the table, ${fixed(fold.xstateUs, 1)} by XState's transition(): ${fixed(fold.xstateUs / fold.tableUs)} times`,
      `jobs      ${fixed(jobs.jobsPerSecond)} jobs/s end to end over HTTP, signed; ${fixed(jobs.jobsPerSecond / child, 2)} of a bare child's round trips (${fixed(child)}/s)`,
      `accepted  p50 ${fixed(jobs.acceptedMs.p50, 1)} ms, p99 ${fixed(jobs.acceptedMs.p99, 1)} ms (request to 202, ${values['in-flight']} in flight)`,
      `alone     p50 ${fixed(jobs.aloneMs.p50, 1)} ms, p99 ${fixed(jobs.aloneMs.p99, 1)} ms (submitted to ended, one job at a time)`,
      '',
    ].join('\n'),
  );
}
