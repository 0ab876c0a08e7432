/**
 * Jobs in the order in which they were submitted, all and by tenant, read in pages.
 *
 * Why positions as cursors: jobs are only ever added at the end, so a position means the same job for ever,
 * after a restart too, and a page costs what it shows, not what came before it. Each tenant counts its own:
 * a position in a list of all would tell how many jobs others have.
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
  /** Where the last page ended; null begins. */
  readonly cursor: number | null;
  readonly limit: number;
}

interface Lists {
  readonly all: string[];
  readonly byTenant: Map<string, string[]>;
}

/** Kept beside each life's views and fed by them, so that it is built once and goes with them. */
const known = new WeakMap<Views, Lists>();

/** One page of job views, at most `limit` and about `pageCharsMax`, and the cursor of the next; null at the end. */
export function jobPage(
  views: Views,
  query: JobQuery,
): { readonly jobs: JobView[]; readonly next: number | null } {
  const lists = listsOf(views);
  const ids = query.tenant === null ? lists.all : (lists.byTenant.get(query.tenant) ?? []);
  const step = query.newestFirst ? -1 : 1;
  const start = query.cursor ?? (query.newestFirst ? ids.length - 1 : 0);
  const jobs: JobView[] = [];
  let chars = 0;
  let at = Math.min(start, ids.length);
  for (let scanned = 0; scanned < scannedMax && at >= 0 && at < ids.length; scanned += 1) {
    if (jobs.length === query.limit || chars >= pageCharsMax) return { jobs, next: at };
    const found = views.job(ids[at] as string);
    if (found && isWanted(found.job, query)) {
      const view = jobView(found.job, found.trail);
      chars += charsOf(view);
      jobs.push(view);
    }
    at += step;
  }
  return { jobs, next: at >= 0 && at < ids.length ? at : null };
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
  const lists: Lists = { all: [], byTenant: new Map() };
  const add = ({ context }: Job): void => {
    lists.all.push(context.id);
    const own = lists.byTenant.get(context.tenant);
    if (own) own.push(context.id);
    else lists.byTenant.set(context.tenant, [context.id]);
  };
  // A Map keeps the order of insertion, and a job is inserted by its first fact.
  for (const job of views.state.jobs.values()) add(job);
  views.onChange(({ before, after }) => {
    if (after && !before) add(after);
  });
  known.set(views, lists);
  return lists;
}
