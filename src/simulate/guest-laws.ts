/**
 * The laws of guests: each is started once, for a durable `reserved` of a job that holds these very slots; killed for a
 * durable reason; and gone when its slot is given back (I3, I5, I6, I18).
 *
 * Why held against the durable facts: a guest is the one effect that nobody can take back. Whatever it rests on must
 * survive the crash that comes in the next instant.
 */
import type { FactRecord } from '../events/record.ts';
import type { RunRequest } from '../executor/backend.ts';
import type { SeenJob } from './ledger.ts';
import { law } from './violation.ts';

const runs = new Set(['starting', 'running']);

/** What is durable at this moment. */
export interface Past {
  readonly records: readonly FactRecord[];
  readonly jobs: ReadonlyMap<string, SeenJob>;
}

const reservedOf = (fence: number, { records }: Past): FactRecord | undefined => records[fence - 1];
const jobOf = (record: FactRecord | undefined, { jobs }: Past): SeenJob | undefined =>
  jobs.get(record?.subject.split('.')[2] ?? '');

export class GuestLaws {
  readonly #fences = new Set<number>();

  /** A guest is started once, for a durable `reserved` of a job that holds these very slots. */
  starting({ fence, tenant }: RunRequest, past: Past): void {
    law(!this.#fences.has(fence), 'I3', `the guest of ${fence} is started twice`);
    this.#fences.add(fence);
    const reserved = reservedOf(fence, past);
    law(reserved?.type === 'job.reserved', 'I18', `a guest is started for ${fence}, which is not durable`);
    const job = jobOf(reserved, past);
    const isOwn = job?.fence === fence && job.tenant === tenant;
    law(isOwn, 'I3', `a guest is started for the old fence ${fence}`);
    law(job.slots.length > 0, 'I5', `a guest is started for ${fence} without a slot`);
  }

  /** A guest is killed for a durable reason. */
  killing(fence: number, past: Past): void {
    const job = jobOf(reservedOf(fence, past), past);
    const isOver = job && (job.fence !== fence || !runs.has(job.state));
    law(isOver, 'I18', `the guest of ${fence} is killed for no durable reason`);
  }

  /** When the last slot of a drained GPU is free, none of its guests breathes. */
  allHoldSlots(guests: ReadonlySet<number>, past: Past): void {
    for (const fence of guests) {
      const job = jobOf(reservedOf(fence, past), past);
      law(
        job && job.fence === fence && job.slots.length > 0,
        'I6',
        `the guest of ${fence} lives without a slot`,
      );
    }
  }
}
