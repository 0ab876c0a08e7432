/** Logs to play: golden ones, simulated ones, and one as long as wanted. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type FactRecord, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { optionsOf } from '../../src/simulate/options.ts';
import { simulate } from '../../src/simulate/simulation.ts';
import { appendJobs } from '../bench/history.ts';

/** The golden log of a schema: every type of fact, several lives, jobs of every fate. */
export function goldenRecords(schema: 1 | 2): FactRecord[] {
  const file = fileURLToPath(new URL(`../golden/v${schema}/lives.jsonl`, import.meta.url));
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as FactRecord);
}

/** The history of a simulated controller, crashes, drains and forgotten jobs in it. */
export async function simulatedRecords(seed: number, jobs: number): Promise<readonly FactRecord[]> {
  const { history, violation } = await simulate(optionsOf({ seed, jobs, without: [], crashAt: [] }));
  if (violation) throw new Error(violation.message);
  return history;
}

/** At least so many facts: the golden log, and behind it good jobs on the same GPUs. */
export async function longRecords(facts: number): Promise<readonly FactRecord[]> {
  const { log } = openMemoryLog({ sha256: nodeSha256 });
  for (const { subject, type, at, author, basis, cause, trace, schema, data, version } of goldenRecords(2))
    log.append({
      ...{ subject, type, at, author, basis, cause, trace, schema, data },
      expectedVersion: version - 1,
    });
  await appendJobs(log, facts - log.head);
  const records = await log.read(1, log.head);
  await log.close();
  return records;
}

/** Lines as `berth log export` writes them. */
export const linesOf = (records: readonly FactRecord[]): string =>
  records.map((record) => `${sealRecord(record, nodeSha256).line}\n`).join('');
