/** A long history of good jobs, as facts: seven at a time on the seven slots of one GPU, appended to the log without a controller. */
import { type FactData, type FactType, factSchemaVersion } from '../../src/events/facts.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import type { Log } from '../../src/log/log.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const spec = jobSpecSchema.parse({ module: digest, slot: '1g.10gb', labels: { team: 'vision' } });
const result = { bytes: 12, sha256: 'b'.repeat(64) };
/** About what a signed request and a signed report take. */
const [request, report] = ['r'.repeat(900), 'e'.repeat(700)];
const slotsMax = 7;
/** Facts appended before the disk is waited for. */
const burst = 12_600;

type Step = (at: { fence: number; start: number; id: string }) => [FactType, string, FactData<FactType>];
const slots = (start: number) => [{ gpu: 'gpu-0', profile: '1g.10gb', size: 1, start }];

/** The nine facts of a good job, in order, with their authors. */
const steps: readonly Step[] = [
  ({ id }) => [
    'job.submitted',
    'intake',
    {
      deadlineMs: 30_000,
      idempotencyKey: `key-${id}`,
      jobDigest: digest,
      jti: null,
      kid: null,
      lossesMax: 3,
      request,
      spec,
      tenant: 'acme',
      via: 'http',
    },
  ],
  () => ['job.attested', 'attestor', { affirms: true, imports: ['wasi_snapshot_preview1.fd_write'], report }],
  () => ['job.queued', 'jobs', { after: 'attested', deadlineMs: 600_000 }],
  () => ['job.selected', 'scheduler', { policy: 'fifo' }],
  ({ start }) => [
    'job.reserved',
    'slots',
    { deadlineMs: 5_000, placement: 'first-fit', slots: slots(start) },
  ],
  ({ fence }) => [
    'job.started',
    'executor',
    { deadlineMs: 10_000, fence, isolation: 'process', runner: 'runner-1' },
  ],
  ({ fence }) => ['job.exited', 'executor', { exitCode: 0, fence, result }],
  ({ fence, start }) => ['job.released', 'slots', { fence, slots: slots(start) }],
  () => ['job.succeeded', 'jobs', { result }],
];

/** Appends at least `facts` facts of whole jobs, and waits until they are durable. */
export async function appendJobs(log: Log, facts: number): Promise<void> {
  let at = 1_700_000_000_000;
  const end = log.head + facts;
  while (log.head < end) {
    const stop = Math.min(end, log.head + burst);
    while (log.head < stop) {
      const jobs = Array.from({ length: slotsMax }, (_, start) => ({
        id: `j${log.head}x${start}`,
        start,
        fence: 0,
        seq: 0,
      }));
      for (const [version, step] of steps.entries()) {
        for (const job of jobs) {
          const [type, author, data] = step(job);
          at += 1;
          const { seq } = log.append({
            subject: `job.acme.${job.id}.${type.slice(4)}`,
            type,
            at,
            author,
            basis: log.head,
            cause: version === 0 ? null : job.seq,
            trace: null,
            schema: factSchemaVersion,
            data,
            expectedVersion: version,
          }).record;
          job.seq = seq;
          if (type === 'job.reserved') job.fence = seq;
        }
      }
    }
    await log.whenDurable(log.head);
  }
}
