/** One valid sample of each fact's data, members in canonical order, and facts made of them. */

import type { JobFact } from '../../machines/job.ts';
import { machineVersions } from '../../machines/versions.ts';
import type { FactData, FactType, JobFactType } from '../../src/events/facts.ts';
import { type JobSpec, jobSpecSchema } from '../../src/events/spec.ts';
import { attemptsMax, backoffMs, lossesMax } from './conclude-lines.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const slots = [{ gpu: 'gpu-0', profile: '1g.10gb', size: 1, start: 3 }];
const result = { bytes: 12, sha256: 'a'.repeat(64) };
const cause = { code: 'ERR_INTERNAL' as const, message: 'a sample', retryable: true };
const terms = {
  capabilities: ['stdio'],
  jobsMax: 4,
  queuedMax: 100,
  slicesMax: 16,
  unsigned: false,
  weight: 1,
};
const key = { crv: 'Ed25519' as const, kid: 'k'.repeat(43), kty: 'OKP' as const, x: 'x'.repeat(43) };

/** A complete spec with the attempts that the expected verdicts rest on. */
export const spec: JobSpec = jobSpecSchema.parse({
  attempts: { backoffMs, max: attemptsMax },
  module: digest,
  slot: '1g.10gb',
});

export const samples: { readonly [T in FactType]: FactData<T> } = {
  'job.submitted': {
    deadlineMs: 30_000,
    idempotencyKey: null,
    jobDigest: digest,
    jti: null,
    kid: null,
    lossesMax,
    request: null,
    spec,
    tenant: 'acme',
    via: 'http',
  },
  'job.attested': { affirms: true, imports: ['wasi_snapshot_preview1.fd_write'], report: 'e30.e30.c2ln' },
  'job.rejected': { cause, report: null },
  'job.queued': { after: 'attested', deadlineMs: 600_000 },
  'job.selected': { policy: 'fifo' },
  'job.unplaced': { code: 'ERR_NO_PLACE' },
  'job.reserved': { deadlineMs: 5_000, placement: 'first-fit', slots },
  'job.started': { deadlineMs: 10_000, fence: 7, isolation: 'process', runner: 'runner-1' },
  'job.exited': { exitCode: 0, fence: 7, result },
  'job.crashed': { code: 'ERR_GUEST_TRAP', fence: 7, message: 'unreachable' },
  'job.stopped': { fence: 7, how: 'killed' },
  'job.lost': { fence: 7, message: 'runner 2 was killed' },
  'job.overdue': { deadlineMs: 2_000, setBy: 7, what: 'run' },
  'job.cancelRequested': { by: 'acme', deadlineMs: 2_000 },
  'job.evicted': { deadlineMs: 2_000, reason: 'drain' },
  'job.released': { fence: 7, slots },
  'job.retryScheduled': { deadlineMs: 1_000, failures: 1 },
  'job.succeeded': { result },
  'job.failed': { cause },
  'job.timedOut': { cause },
  'job.expired': { cause, setBy: 7 },
  'job.cancelled': { by: 'acme', cause },
  'tenant.added': { terms },
  'tenant.changed': { terms },
  'tenant.keyAdded': { key },
  'tenant.keyRevoked': { kid: key.kid, reason: 'rotated' },
  'slot.added': { board: 'H100-80GB', enforcement: 'simulated' },
  'slot.drained': { reason: 'maintenance' },
  'slot.restored': { reason: 'maintenance is over' },
  'controller.recovered': {
    bytes: 17,
    epoch: 2,
    folds: 'folds/1',
    fromSeq: 40,
    lostIds: 1,
    ofSeq: 41,
    stateHash: 'b'.repeat(64),
  },
  'controller.configured': {
    attestMs: 30_000,
    lossesMax,
    machines: machineVersions,
    placement: 'first-fit',
    policy: 'fifo',
    queuedMax: 1_000,
    retainedMax: 10_000,
    runners: 2,
    stopMs: 2_000,
    version: '0.1.0',
  },
  'controller.checkpointed': {
    folds: 'folds/1',
    ofSeq: 41,
    sha256: 'c'.repeat(64),
    stateHash: 'b'.repeat(64),
  },
  'controller.draining': { deadlineMs: 10_000, mode: 'finish' },
  'controller.tailAccepted': { fromSeq: 40 },
  'controller.stopped': { running: 0 },
  'intake.refused': { code: 'ERR_QUEUE_FULL', count: 3, fromMs: 1_000, toMs: 2_000 },
};

/** A job fact with sample data, some members replaced. */
export function fact(
  type: JobFactType,
  seq: number,
  at: number,
  changes: Readonly<Record<string, unknown>> = {},
): JobFact {
  return { type, seq, at, data: { ...samples[type], ...changes } } as JobFact;
}

/** The facts that the grids of `job-table.ts` name: `exited{3}` is `job.exited` with exit code 3. */
export function factNamed(name: string, seq: number, at: number): JobFact {
  const [bare = '', kind] = name.replace('}', '').split('{');
  if (bare === 'exited') return fact('job.exited', seq, at, { exitCode: Number(kind) });
  if (bare === 'overdue') return fact('job.overdue', seq, at, { what: kind });
  return fact(`job.${bare}` as JobFactType, seq, at);
}
