/** No-op jobs through a real server process: signed, over HTTP, on disk, in the sandbox. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type KeyPair, loadKey } from '../../src/attestation/keys.ts';

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

export interface JobsResult {
  readonly jobs: number;
  readonly succeeded: number;
  readonly jobsPerSecond: number;
  readonly acceptedMs: Percentiles;
  readonly aloneMs: Percentiles;
}

interface Options {
  readonly jobs: number;
  readonly inFlight: number;
  readonly wasm: Uint8Array;
  readonly scratch: string;
  /** Begins something that goes on beside the jobs, and returns what ends it. */
  readonly beside?: (url: string) => Promise<() => Promise<void>>;
}

const berth = fileURLToPath(new URL('../../bin/berth.js', import.meta.url));
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const aloneJobs = 200;

/** Submits all, waits until the last has ended, then some one at a time. */
export async function jobsOverHttp({ jobs, inFlight, wasm, scratch, beside }: Options): Promise<JobsResult> {
  const data = join(scratch, 'data');
  const server = spawn(
    process.execPath,
    [berth, 'serve', '--demo', '--data', data, '--listen', '127.0.0.1:0'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  let endBeside = async (): Promise<void> => undefined;
  try {
    const url = await listening(server.stdout);
    if (beside) endBeside = await beside(url);
    const key = await loadKey(join(data, 'tenants', 'acme.jwk'));
    const send = sender(url, key);
    const digest = createHash('sha256').update(wasm).digest('hex');
    await send('PUT', `/v1/blobs/${digest}`, wasm);
    const bodies = await signed(key, digest, jobs + aloneJobs);
    const accepted: number[] = [];
    const began = performance.now();
    let next = 0;
    const client = async (): Promise<void> => {
      while (next < jobs) {
        const body = bodies[next++] as string;
        const from = performance.now();
        // A full queue is an answer, not a fault: come back when it says so.
        while ((await send('POST', '/v1/jobs', body)).status === 429)
          await new Promise((resume) => setTimeout(resume, 100));
        accepted.push(performance.now() - from);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, client));
    const succeeded = await allEnded(send, jobs);
    const jobsPerSecond = (jobs * 1000) / (performance.now() - began);
    const alone: number[] = [];
    for (const body of bodies.slice(jobs)) alone.push(await oneAlone(send, body));
    return { jobs, succeeded, jobsPerSecond, acceptedMs: percentiles(accepted), aloneMs: percentiles(alone) };
  } finally {
    await endBeside();
    server.kill('SIGTERM');
    agent.destroy();
  }
}

type Send = (
  method: string,
  path: string,
  body?: string | Uint8Array,
) => Promise<{ status: number; text: string }>;

async function allEnded(send: Send, jobs: number): Promise<number> {
  for (;;) {
    const { text } = await send('GET', '/metrics');
    const ended = [...text.matchAll(/^berth_jobs_ended_total\{(.*)\} (\d+)$/gm)];
    const total = ended.reduce((sum, [, , count]) => sum + Number(count), 0);
    if (total >= jobs) {
      return ended
        .filter(([, labels]) => labels?.includes('succeeded'))
        .reduce((sum, [, , count]) => sum + Number(count), 0);
    }
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

/** From request to end, by the times in the job's own facts plus the way to the 202. */
async function oneAlone(send: Send, body: string): Promise<number> {
  const { text } = await send('POST', '/v1/jobs', body);
  const { id } = JSON.parse(text) as { id: string };
  for (;;) {
    const { times } = JSON.parse((await send('GET', `/v1/jobs/${id}`)).text) as {
      times: { submittedAtMs: number; endedAtMs: number | null };
    };
    if (times.endedAtMs !== null) return times.endedAtMs - times.submittedAtMs;
  }
}

function sender(url: string, key: KeyPair): Send {
  let token = { text: '', untilMs: 0 };
  const bearer = async (): Promise<string> => {
    const now = Date.now();
    if (token.untilMs < now) {
      const iat = Math.floor(now / 1000);
      token = {
        text: await key.sign({ iss: 'acme', aud: 'berth', iat, exp: iat + 300 }, 'JWT'),
        untilMs: now + 200_000,
      };
    }
    return `Bearer ${token.text}`;
  };
  return async (method, path, body) => {
    const headers = {
      authorization: await bearer(),
      ...(method === 'POST' ? { 'content-type': 'application/jose' } : {}),
    };
    return new Promise((resolve, reject) => {
      const call = request(`${url}${path}`, { method, agent, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      call.on('error', reject);
      call.end(body);
    });
  };
}

/** Requests are signed before the clock starts: signing is the client's cost. */
async function signed(key: KeyPair, digest: string, count: number): Promise<string[]> {
  const iat = Math.floor(Date.now() / 1000);
  const job = { module: `sha256:${digest}`, slot: '1g.10gb' };
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      key.sign(
        { iss: 'acme', aud: 'berth', jti: `bench-${iat}-${i}`, iat, exp: iat + 300, job },
        'berth-job+jws',
      ),
    ),
  );
}

async function listening(stdout: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stdout })) {
    const url = /^listening on (http:\/\/\S+)$/.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error('the server ended before it listened');
}

function percentiles(samples: readonly number[]): Percentiles {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
