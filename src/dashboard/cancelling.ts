/**
 * Cancelling many jobs: first what will happen, then doing it, then what could not be done.
 *
 * Why a plan before the act: "cancel" is one word for two things. Who waits ends at once; who runs is killed and loses its work.
 * Test: `test/dashboard/cancelling.test.ts`.
 */
import type { Job } from '../jobs/state.ts';
import { groupOf } from './census.ts';

export interface CancelPlan {
  /** Jobs that are asked for: those of `waits` and `runs`. */
  readonly ids: readonly string[];
  readonly tenants: number;
  /** End at once. */
  readonly waits: number;
  /** Are stopped; what they have done is lost. */
  readonly runs: number;
  /** Have been told to stop before. */
  readonly stopping: number;
  readonly ended: number;
}

export function cancelPlan(jobs: Iterable<Job>): CancelPlan {
  const ids: string[] = [];
  const tenants = new Set<string>();
  const counts = { waits: 0, runs: 0, stopping: 0, ended: 0 };
  for (const { state, context } of jobs) {
    const group = groupOf(state);
    const kind =
      group === 'waiting'
        ? 'waits'
        : group !== 'running'
          ? 'ended'
          : context.reason === 'cancel'
            ? 'stopping'
            : 'runs';
    counts[kind] += 1;
    if (kind === 'ended' || kind === 'stopping') continue;
    ids.push(context.id);
    tenants.add(context.tenant);
  }
  return { ids, tenants: tenants.size, ...counts };
}

/** The plan in a sentence, to be read before saying yes. */
export function planWords({ ids, tenants, waits, runs, stopping, ended }: CancelPlan): string {
  const left = [
    ...(ended > 0 ? [`${jobs(ended)} ended already`] : []),
    ...(stopping > 0 ? [`${jobs(stopping)} being stopped already`] : []),
  ];
  const rest = left.length > 0 ? ` Left out: ${left.join(', ')}.` : '';
  if (ids.length === 0) return `Nothing to cancel.${rest}`;
  const parts = [
    ...(waits > 0 ? [`${waits} wait${waits === 1 ? 's and ends' : ' and end'} at once`] : []),
    ...(runs > 0 ? [`${runs} run${runs === 1 ? 's and is' : ' and are'} stopped, without a result`] : []),
  ];
  return `Cancel ${jobs(ids.length)} of ${tenants} tenant${tenants === 1 ? '' : 's'}: ${parts.join('; ')}.${rest}`;
}

const jobs = (n: number): string => `${n} job${n === 1 ? '' : 's'}`;

export interface Refused {
  readonly id: string;
  readonly code: string;
  readonly message: string;
}

/** Requests under way at once: enough to be quick, few enough to leave the browser's six connections usable. */
const lanesMax = 4;

/** Asks for each job's end. Resolves with those that were refused; `onDone` hears of each one that was answered. */
export async function cancelAll(
  ids: readonly string[],
  cancel: (id: string) => Promise<unknown>,
  onDone: (done: number) => void,
): Promise<readonly Refused[]> {
  const refused: Refused[] = [];
  let at = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    for (let id = ids[at++]; id !== undefined; id = ids[at++]) {
      await cancel(id).catch((error: Error & { readonly code?: string }) => {
        refused.push({ id, code: error.code ?? error.name, message: error.message });
      });
      done += 1;
      onDone(done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanesMax, ids.length) }, lane));
  return refused;
}
