/**
 * The judge as a process of its own: a case a line on stdin, a verdict a line on stdout.
 *
 * Why a process: it shares no memory with the tour and none with the controller. What it knows it read from
 * the disk or got by HTTP; the one file it opens besides the log is the operator's key, to be let in.
 * Test: `test/demo.serial.test.ts`.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '../cli/client.ts';
import { factsFrom } from '../cli/pages.ts';
import { replay } from '../cli/refold.ts';
import { adminIdentity, TokenSource } from '../cli/sign.ts';
import { systemClock } from '../clock.ts';
import type { FactRecord } from '../events/record.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { nodeDisk } from '../log/node-disk.ts';
import { readLogFolder } from '../log/scan.ts';
import type { JobView } from '../views/job-view.ts';
import type { GpuView } from '../views/slots-view.ts';
import { type Case, judge, type OnDisk, type Shown, type Sources, type Verdict } from './judge.ts';

const clients = new Map<string, Client>();

/** A client that speaks for the operator of this data directory. */
async function clientOf(url: string, data: string): Promise<Client> {
  const known = clients.get(url);
  if (known) return known;
  const identity = await adminIdentity({ tenant: undefined, key: undefined, data });
  const client = new Client(url, new TokenSource(identity));
  clients.set(url, client);
  return client;
}

async function onDisk(data: string): Promise<OnDisk> {
  const records: FactRecord[] = [];
  let damage: string | null = null;
  const batches = readLogFolder(join(data, 'log'), nodeDisk, nodeSha256);
  try {
    for (let step = await batches.next(); ; step = await batches.next()) {
      if (!step.done) {
        records.push(...step.value);
        continue;
      }
      if (step.value) damage = `after seq ${step.value.seq - 1}: ${step.value.reason}`;
      break;
    }
  } catch (error) {
    damage = (error as Error).message;
  }
  return { records, damage, diverged: await divergences(records) };
}

/** Every restart wrote down the hash of the state that it came back to: here the facts are folded and the decisions made again. */
async function divergences(records: readonly FactRecord[]): Promise<string[]> {
  const once = async function* (): AsyncGenerator<readonly FactRecord[]> {
    yield records;
  };
  try {
    const { diverged, divergences } = await replay(once());
    return [
      ...diverged.map(
        ({ seq, recorded, computed }) =>
          `seq ${seq}: recovered to state ${recorded.slice(0, 12)}, the log leads to ${computed.slice(0, 12)}`,
      ),
      ...divergences.map(({ seq, subject, reason }) => `seq ${seq}: ${subject} does not follow: ${reason}`),
    ];
  } catch (error) {
    return [`the log can't be folded: ${(error as Error).message}`];
  }
}

async function shown(url: string, data: string, id: string): Promise<Shown> {
  const client = await clientOf(url, data);
  const view = await client.json<JobView>('GET', `/v1/jobs/${id}`);
  const facts: number[] = [];
  for await (const page of factsFrom(client, '/v1/log', { subject: `job.${view.tenant}.${id}.>` })) {
    facts.push(...page.map(({ seq }) => seq));
  }
  const { cause, result, seq, state, version } = view;
  const bytes = result === null ? null : await digestOf(client, id);
  return { state, cause: cause?.code ?? null, seq, version, facts, result: bytes };
}

async function digestOf(client: Client, id: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of client.bytes(`/v1/jobs/${id}/result`)) hash.update(chunk);
  return hash.digest('hex');
}

async function slicesHeld(url: string, data: string): Promise<number> {
  const client = await clientOf(url, data);
  const { gpus } = await client.json<{ gpus: GpuView[] }>('GET', '/v1/slots');
  return gpus.reduce((sum, gpu) => sum + gpu.slicesHeld, 0);
}

const sources: Sources = { clock: systemClock, onDisk, shown, slicesHeld };

for await (const line of createInterface({ input: process.stdin })) {
  const verdict = await judge(JSON.parse(line) as Case, sources).catch(
    (error: Error): Verdict => ({
      findings: [`the judge could not look: ${error.message}`],
      walks: {},
      headSeq: 0,
    }),
  );
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
}
