/** Which jobs a list shows: search, filters, order. Test: `test/dashboard/job-filter.test.ts`. */
import type { Job } from '../jobs/state.ts';
import { type Group, groupOf, groups } from './census.ts';

export interface Wanted {
  /** Words that must all be found: in id, tenant, name, labels or the reason's code. */
  readonly text: string;
  /** Empty: all of them. */
  readonly groups: readonly Group[];
  readonly tenant: string | null;
  readonly code: string | null;
  readonly newestFirst: boolean;
}

export const everything: Wanted = { text: '', groups: [], tenant: null, code: null, newestFirst: true };

export interface Found {
  readonly jobs: readonly Job[];
  /** Of all jobs, whatever is wanted: what there is to choose from. */
  readonly total: number;
  readonly groups: Readonly<Record<Group, number>>;
  readonly tenants: ReadonlyMap<string, number>;
  readonly codes: ReadonlyMap<string, number>;
}

/**
 * One pass over all jobs. O(jobs × words).
 * @param jobs  in the order of their submission
 * @param codeOf  code of why the job waits or how it ended; null when there is nothing to say
 */
export function findJobs(
  jobs: Iterable<Job>,
  codeOf: (job: Job) => string | null,
  { text, groups: wantedGroups, tenant, code: wantedCode, newestFirst }: Wanted,
): Found {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Job[] = [];
  const counts = Object.fromEntries(groups.map((group) => [group, 0])) as Record<Group, number>;
  const tenants = new Map<string, number>();
  const codes = new Map<string, number>();
  let total = 0;
  for (const job of jobs) {
    const group = groupOf(job.state);
    const code = codeOf(job);
    total += 1;
    counts[group] += 1;
    raise(tenants, job.context.tenant);
    if (code !== null) raise(codes, code);
    if (wantedGroups.length > 0 && !wantedGroups.includes(group)) continue;
    if (tenant !== null && tenant !== job.context.tenant) continue;
    if (wantedCode !== null && wantedCode !== code) continue;
    if (words.every((word) => mentions(job, code, word))) found.push(job);
  }
  return { jobs: newestFirst ? found.reverse() : found, total, groups: counts, tenants, codes };
}

const raise = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

/** @param word  in lower case */
function mentions({ state, context }: Job, code: string | null, word: string): boolean {
  const { id, tenant, spec } = context;
  if (id.includes(word) || tenant.includes(word) || state.toLowerCase().includes(word)) return true;
  if (code?.toLowerCase().includes(word)) return true;
  if (spec?.name?.toLowerCase().includes(word)) return true;
  return Object.entries(spec?.labels ?? {}).some(([name, value]) =>
    `${name}=${value}`.toLowerCase().includes(word),
  );
}
