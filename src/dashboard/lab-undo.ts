/**
 * What the Lab has changed and not yet put back, kept where a reload finds it.
 *
 * Why beside the scenario's own tidying up: that runs in the page, and a page can be closed in the middle. Then a tenant's quota
 * stays lowered, a GPU drained, a job that never returns on its slot, and nobody remembers. So each change is written down before
 * it is made. What is still so, the log says. Test: `test/dashboard/lab-undo.test.ts`.
 */
import { isEnd } from '../../machines/job.ts';
import type { TenantTerms } from '../events/facts.ts';
import type { State } from '../jobs/state.ts';
import type { Keeping } from './keys.ts';
import type { LabPort, Scenario } from './lab-run.ts';
import type { Server } from './server.ts';

export type Change =
  | { readonly kind: 'job'; readonly tenant: string; readonly id: string }
  | { readonly kind: 'gpu'; readonly gpu: string }
  /** Terms as they were before. */
  | { readonly kind: 'terms'; readonly tenant: string; readonly terms: Partial<TenantTerms> };

const name = 'berth.lab';

/** Changes of one log; those of another are none of its business. */
export class UndoList {
  readonly #storage: () => Keeping;
  readonly #log: () => string;
  #changes: readonly Change[] | null = null;

  /**
   * @param storage  outlives a reload; may throw, then the list lives as long as the page
   * @param log  which log this is
   */
  constructor(storage: () => Keeping, log: () => string) {
    this.#storage = storage;
    this.#log = log;
  }

  get changes(): readonly Change[] {
    this.#changes ??= this.#kept();
    return this.#changes;
  }

  note(change: Change): void {
    this.keep([...this.changes, change]);
  }

  keep(changes: readonly Change[]): void {
    this.#changes = changes;
    try {
      this.#storage().setItem(name, JSON.stringify({ log: this.#log(), changes }));
    } catch {
      // It holds until the page is closed.
    }
  }

  #kept(): readonly Change[] {
    try {
      const { log, changes } = JSON.parse(this.#storage().getItem(name) ?? '{}') as {
        log?: string;
        changes?: readonly Change[];
      };
      return log === this.#log() && Array.isArray(changes) ? changes : [];
    } catch {
      return [];
    }
  }
}

/** The same port; each change is noted first. */
export function noting(port: LabPort, list: UndoList, termsNow: () => TenantTerms | undefined): LabPort {
  const { tenant } = port;
  const sent = async (id: Promise<string>): Promise<string> => {
    list.note({ kind: 'job', tenant, id: await id });
    return id;
  };
  return {
    ...port,
    submit: (job, key) => sent(port.submit(job, key)),
    sendSigned: (request) => sent(port.sendSigned(request)),
    drain(gpu) {
      list.note({ kind: 'gpu', gpu });
      return port.drain(gpu);
    },
    setTerms(terms) {
      const former = formerOf(terms, termsNow(), noted(list, tenant));
      if (Object.keys(former).length > 0) list.note({ kind: 'terms', tenant, terms: former });
      return port.setTerms(terms);
    },
  };
}

/** Names of terms whose former value is known already: the first one noted is the one to go back to. */
const noted = (list: UndoList, tenant: string): ReadonlySet<string> =>
  new Set(
    list.changes.flatMap((change) =>
      change.kind === 'terms' && change.tenant === tenant ? Object.keys(change.terms) : [],
    ),
  );

function formerOf(
  terms: Partial<TenantTerms>,
  now: TenantTerms | undefined,
  known: ReadonlySet<string>,
): Partial<TenantTerms> {
  if (!now) return {};
  const names = (Object.keys(terms) as (keyof TenantTerms)[]).filter((each) => !known.has(each));
  return Object.fromEntries(names.map((each) => [each, now[each]]));
}

/** Which of them the log still shows as they were left. */
export function stillOpen(
  changes: readonly Change[],
  { jobs, fleet, tenants }: Pick<State, 'jobs' | 'fleet' | 'tenants'>,
): readonly Change[] {
  return changes.filter((change) => {
    if (change.kind === 'job') {
      const job = jobs.get(change.id);
      return job !== undefined && !isEnd(job.state);
    }
    if (change.kind === 'gpu') {
      const gpu = fleet.get(change.gpu);
      return gpu !== undefined && gpu.machine.state !== 'serving';
    }
    const now = tenants.get(change.tenant)?.terms;
    const names = Object.keys(change.terms) as (keyof TenantTerms)[];
    return now !== undefined && names.some((each) => String(now[each]) !== String(change.terms[each]));
  });
}

/** Puts it back. Rejects with a `Problem`. */
export async function putBack(change: Change, server: Pick<Server, 'json'>): Promise<void> {
  if (change.kind === 'job')
    await server.json(`/v1/jobs/${change.id}/cancel`, { method: 'POST', as: change.tenant, body: {} });
  else if (change.kind === 'gpu')
    await server.json(`/v1/slots/${change.gpu}/restore`, {
      method: 'POST',
      as: 'admin',
      body: { reason: 'a failure of the Lab was broken off' },
    });
  else
    await server.json(`/v1/tenants/${change.tenant}`, {
      method: 'PATCH',
      as: 'admin',
      body: { terms: change.terms },
    });
}

/** What was left, in words. */
export function changeWords(change: Change): string {
  if (change.kind === 'job') return `job ${change.id} of ${change.tenant} has not ended`;
  if (change.kind === 'gpu') return `GPU ${change.gpu} is drained`;
  const terms = Object.entries(change.terms).map(([each, value]) => `${each} was ${value}`);
  return `terms of ${change.tenant} are changed: ${terms.join(', ')}`;
}

/** What playing these touches, to be read before saying yes. */
export function touchWords(scenarios: readonly Scenario[], tenant: string): string {
  const touched = new Set(
    scenarios.flatMap(({ steps }) =>
      steps.flatMap(({ touches }) => (touches === undefined ? [] : [touches])),
    ),
  );
  const all = ['real jobs are sent', ...touched].join('; ');
  return `This is no demo. As ${tenant}, on this controller: ${all}. It is put back at the end; leave the page open until then.`;
}
