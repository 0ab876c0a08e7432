/** What a tenant's page asks its server about the present, for the facts that would tell it are not its own. */
import { isEnd } from '../../machines/job.ts';
import type { Job } from '../jobs/state.ts';
import type { Explanation } from '../scheduler/explain.ts';
import type { QueueView } from '../views/queue-view.ts';
import type { GpuView } from '../views/slots-view.ts';
import { type Asked, useAskedNow } from './asked.tsx';
import type { ShownReason } from './explain-reasons.tsx';
import type { Model } from './model.ts';

/** Why one job waits, as a reader of JSON gets it. */
export type ToldWait = Omit<Explanation, 'reasons'> & { readonly reasons: readonly ShownReason[] };

/** The server behind this page, where only it knows and it can say: at the present. */
const whoKnows = (model: Model) => (!model.seesAll && model.isFollowing ? model.server : null);

/** Null where all is folded here, or where nobody can be asked: the page looks at the past, or has no server. */
export function useQueueNow(model: Model): Asked<QueueView> | null {
  const server = whoKnows(model);
  return useAskedNow(server ? 'queue' : null, (signal) => server!.json<QueueView>('/v1/queue', { signal }));
}

export function useFleetNow(model: Model): Asked<{ readonly gpus: readonly GpuView[] }> | null {
  const server = whoKnows(model);
  return useAskedNow(server ? 'fleet' : null, (signal) =>
    server!.json<{ gpus: readonly GpuView[] }>('/v1/slots', { signal }),
  );
}

export function useWaitNow(model: Model, { state, context: { id } }: Job): Asked<ToldWait> | null {
  const server = isEnd(state) ? null : whoKnows(model);
  return useAskedNow(server ? `${id} ${state}` : null, (signal) =>
    server!.json<ToldWait>(`/v1/jobs/${id}/explain`, { signal }),
  );
}

/** The answer, where there is one. */
export const answerOf = <T,>(asked: Asked<T> | null): T | null =>
  asked?.kind === 'told' ? asked.answer : null;
