/**
 * `berth job list`: jobs, newest first, filtered by the server and read in pages.
 * Test: `test/cli/job.test.ts`.
 */
import type { Command } from 'commander';
import type { JobView } from '../views/job-view.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { exits } from './exit.ts';
import { type Column, durationText, instantText } from './output.ts';
import { several, wholeNumber } from './spec.ts';
import { examples, type Run, verb } from './tree.ts';

/** Jobs asked for at a time, and shown by `berth job list` unless told otherwise. */
const listedDefault = 50;
const pageJobsMax = 1_000;

/** Adds `berth job list`. */
export function addJobList(job: Command, run: Run): void {
  const list = verb(job, 'list', 'jobs, newest first', run, listJobs)
    .option('--state <state>', 'only in this state')
    .option('--label <name[=value]>', 'only with this label, repeatable', several)
    .option('--of <tenant>', "only this tenant's; for the operator")
    .option('--limit <n>', `at most so many; 0 for all (default ${listedDefault})`, wholeNumber);
  examples(list, ['berth job list --state running', 'berth job list --label run=7 -o jsonl']);
}

const jobColumns: readonly Column<JobView>[] = [
  { name: 'id', value: ({ id }) => id },
  { name: 'tenant', value: ({ tenant }) => tenant },
  { name: 'state', value: ({ state }) => state },
  { name: 'slot', value: ({ spec }) => `${spec.gpus}×${spec.slot}` },
  { name: 'attempt', value: ({ attempt }) => String(attempt), right: true },
  { name: 'submitted', value: ({ times }) => instantText(times.submittedAtMs) },
  { name: 'took', value: took, right: true },
  { name: 'cause', value: ({ cause }) => cause?.code ?? '' },
  { name: 'name', value: ({ spec }) => spec.name ?? '', wide: true },
  {
    name: 'labels',
    value: ({ spec }) =>
      Object.entries(spec.labels)
        .map((pair) => pair.join('='))
        .join(','),
    wide: true,
  },
];

function took({ times }: JobView): string {
  const { submittedAtMs, endedAtMs } = times;
  return submittedAtMs === null || endedAtMs === null ? '' : durationText(endedAtMs - submittedAtMs);
}

interface ListFlags {
  readonly state?: string;
  readonly label?: readonly string[];
  readonly of?: string;
  readonly limit?: number;
}

async function listJobs(context: Context, _: readonly string[], flags: ListFlags): Promise<number> {
  const { out } = context;
  const client = await context.client();
  const limit = flags.limit === 0 ? Number.MAX_SAFE_INTEGER : (flags.limit ?? listedDefault);
  const rows: JobView[] = [];
  let shown = 0;
  for await (const page of jobPages(client, flags, limit)) {
    shown += page.length;
    // Lines need no widths and no closing bracket: they leave as they come.
    if (out.format === 'jsonl') await out.rows(page, jobColumns, '');
    else rows.push(...page);
  }
  if (out.format !== 'jsonl')
    await out.rows(rows, jobColumns, 'no such jobs; submit one: berth job submit MODULE');
  if (shown === limit && !out.machine) out.note(`the newest ${limit}; more: berth job list --limit 0`);
  return exits.done;
}

async function* jobPages(
  client: Client,
  { state, label, of }: ListFlags,
  limit: number,
): AsyncGenerator<readonly JobView[]> {
  let cursor: string | number | null = null;
  for (let rest = limit; rest > 0; ) {
    const query = new URLSearchParams({ limit: String(Math.min(rest, pageJobsMax)), order: 'newest' });
    if (state) query.set('state', state);
    for (const each of label ?? []) query.append('label', each);
    if (of) query.set('tenant', of);
    if (cursor !== null) query.set('cursor', String(cursor));
    const page: { jobs: JobView[]; next: string | number | null } = await client.json(
      'GET',
      `/v1/jobs?${query}`,
    );
    yield page.jobs;
    rest -= page.jobs.length;
    cursor = page.next;
    if (cursor === null) return;
  }
}
