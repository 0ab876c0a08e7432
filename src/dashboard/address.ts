/**
 * Addresses of the page: what is shown, and as of which seq. All of it stands behind the `#`, so a link can be sent to a colleague,
 * works from a file, and is never seen by a server.
 *
 *   #/jobs   #/job/x1y2   #/at/1234/job/x1y2
 *
 * Test: `test/dashboard/address.test.ts`.
 */

export const viewNames = ['fleet', 'jobs', 'job', 'explain', 'tenants', 'audit', 'lab'] as const;
export type ViewName = (typeof viewNames)[number];

export interface Address {
  readonly view: ViewName;
  /** The job that the view is about, for `job` and `explain`. */
  readonly job: string | null;
  /** Seq that is looked at; null: the newest, following the log. */
  readonly at: number | null;
}

export const home: Address = { view: 'fleet', job: null, at: null };

/** What a hash stands for; what is not understood is left out, so an old link still leads somewhere. */
export function addressOf(hash: string): Address {
  const parts = hash.replace(/^#?\/?/, '').split('/');
  const at = parts[0] === 'at' && /^\d{1,15}$/.test(parts[1] ?? '') ? Number(parts[1]) : null;
  const [name = '', job = ''] = parts[0] === 'at' ? parts.slice(2) : parts;
  const view = viewNames.find((known) => known === name) ?? home.view;
  const isAboutJob = view === 'job' || view === 'explain';
  return { view, job: isAboutJob && /^[a-z0-9]{1,64}$/.test(job) ? job : null, at };
}

export function hashOf({ view, job, at }: Address): string {
  return `#/${at === null ? '' : `at/${at}/`}${view}${job === null ? '' : `/${job}`}`;
}
