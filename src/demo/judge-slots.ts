/**
 * Slots, worked out from `reserved` and `released` alone: who held what, whether two held the same, what is left.
 *
 * Why once more by hand: the controller folds the same facts to the same end; a fault in that fold would
 * show nothing wrong to itself. Test: `test/demo.serial.test.ts`.
 */
import type { FactData } from '../events/facts.ts';
import type { FactRecord } from '../events/record.ts';

/** Overlaps at any time, and slots that are still held at the end of the records. */
export function slotFindings(records: readonly FactRecord[]): string[] {
  const findings: string[] = [];
  /** `gpu-0/3` → subject of the job that holds this memory slice. */
  const holders = new Map<string, string>();
  for (const record of records) {
    const { data, seq, type } = record;
    const job = record.subject.split('.').slice(0, 3).join('.');
    if (type === 'job.reserved') {
      for (const slice of slicesOf(data as FactData<'job.reserved'>)) {
        const holder = holders.get(slice);
        if (holder !== undefined)
          findings.push(`seq ${seq}: ${job} gets slice ${slice}, which ${holder} holds`);
        holders.set(slice, job);
      }
    }
    if (type === 'job.released') {
      for (const slice of slicesOf(data as FactData<'job.released'>)) {
        if (holders.get(slice) !== job)
          findings.push(`seq ${seq}: ${job} frees slice ${slice}, which it does not hold`);
        holders.delete(slice);
      }
    }
  }
  return [...findings, ...[...holders].map(([slice, job]) => `slice ${slice} is still held by ${job}`)];
}

/** Every memory slice of these slots, by GPU and number. */
function slicesOf({ slots }: Pick<FactData<'job.reserved'>, 'slots'>): string[] {
  return slots.flatMap(({ gpu, size, start }) =>
    Array.from({ length: size }, (_, i) => `${gpu}/${start + i}`),
  );
}
