/**
 * Jobs in the order in which they were submitted, all and by tenant, read in pages.
 *
 * Why the seq of the first fact as cursor: it means the same place for ever, after a restart too, and when
 * old jobs have been forgotten. A page costs what it shows, not what came before it.
 * Test: `test/views/job-list.test.ts`.
 */
import type { Job } from '../jobs/state.ts';
import { type JobView, jobView } from './job-view.ts';
import { charsOf, pageCharsMax } from './page.ts';
import type { Views } from './views.ts';

/** Jobs looked at for one page: a filter that matches nothing must not make one request walk a million jobs. */
const scannedMax = 20_000;

export interface JobQuery {
  /** Null: of all tenants. */
  readonly tenant: string | null;
  readonly state: string | null;
  /** `key=value`, or `key` alone for any value. All must hold. */
  readonly labels: readonly string[];
  readonly newestFirst: boolean;
  /** Seq at which the last page ended; null begins. */
  readonly cursor: number | null;
  readonly limit: number;
}

interface Entry {
  readonly id: string;
  /** Seq of the job's first fact. */
  readonly seq: number;
}

/** Ascending by seq; forgotten jobs may linger. */
interface Lists {
  all: Entry[];
  byTenant: Map<string, Entry[]>;
  forgotten: number;
}

/** Kept beside each life's views and fed by them, so that it is built once and goes with them. */
const known = new WeakMap<Views, Lists>();

/** One page of job views, at most `limit` and about `pageCharsMax`, and the cursor of the next; null at the end. */
export function jobPage(
  views: Views,
  query: JobQuery,
): { readonly jobs: JobView[]; readonly next: number | null } {
  const lists = listsOf(views);
  const entries = query.tenant === null ? lists.all : (lists.byTenant.get(query.tenant) ?? []);
  const step = query.newestFirst ? -1 : 1;
  const jobs: JobView[] = [];
  let chars = 0;
  let at = startOf(entries, query);
  for (let scanned = 0; scanned < scannedMax && entries[at]; scanned += 1) {
    const { id, seq } = entries[at] as Entry;
    if (jobs.length === query.limit || chars >= pageCharsMax) return { jobs, next: seq };
    const found = views.job(id);
    if (found && isWanted(found.job, query)) {
      const view = jobView(found.job, found.trail);
      chars += charsOf(view);
      jobs.push(view);
    }
    at += step;
  }
  return { jobs, next: entries[at]?.seq ?? null };
}

/** Index of the first entry to look at; outside of the list when there is none. */
function startOf(entries: readonly Entry[], { cursor, newestFirst }: JobQuery): number {
  if (cursor === null) return newestFirst ? entries.length - 1 : 0;
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry).seq < cursor) low = middle + 1;
    else high = middle;
  }
  // The job of the cursor may have been forgotten: then the next one in the direction of reading.
  return newestFirst && entries[low]?.seq !== cursor ? low - 1 : low;
}

function isWanted({ state, context }: Job, query: JobQuery): boolean {
  if (query.state !== null && query.state !== state) return false;
  return query.labels.every((label) => {
    const cut = label.indexOf('=');
    const value = context.spec?.labels[cut < 0 ? label : label.slice(0, cut)];
    return cut < 0 ? value !== undefined : value === label.slice(cut + 1);
  });
}

function listsOf(views: Views): Lists {
  const found = known.get(views);
  if (found) return found;
  const lists: Lists = { all: [], byTenant: new Map(), forgotten: 0 };
  const fill = (): void => {
    Object.assign(lists, { all: [], byTenant: new Map(), forgotten: 0 });
    // A Map keeps the order of insertion, and a job is inserted by its first fact.
    for (const job of views.state.jobs.values()) add(lists, views, job);
  };
  fill();
  views.onChange(({ before, after, forgotten }) => {
    if (after && !before) add(lists, views, after);
    lists.forgotten += forgotten?.length ?? 0;
    // Filled anew when half of it is gone, so that forgetting costs a constant each.
    if (lists.forgotten * 2 > lists.all.length) fill();
  });
  known.set(views, lists);
  return lists;
}

function add(lists: Lists, views: Views, { context }: Job): void {
  const entry = { id: context.id, seq: views.job(context.id)?.trail.submittedSeq ?? 0 };
  lists.all.push(entry);
  const own = lists.byTenant.get(context.tenant);
  if (own) own.push(entry);
  else lists.byTenant.set(context.tenant, [entry]);
}
