/**
 * The laws every history must keep, checked from the records alone: nothing here asks the code under test.
 * Numbers as in ARCHITECTURE.md: I2 one end · I4 fences rise · I5 no overlap · I7 queue bound · I8 quota ·
 * I11 chain · I12 schema · I13 attested first · I14 no success after a cancel · I15 one job a key · I17 no early timer.
 */
import * as assert from 'uvu/assert';
import {
  checkedData,
  type FactData,
  factSchemaVersion,
  isFactType,
  type Slot,
  type TenantTerms,
} from '../../src/events/facts.ts';
import { type FactRecord, genesis, sealRecord } from '../../src/events/record.ts';
import { jobIdOf } from '../../src/jobs/state.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';

const ends = new Set([
  'job.succeeded',
  'job.failed',
  'job.timedOut',
  'job.expired',
  'job.cancelled',
  'job.rejected',
]);
const waits = new Set(['job.submitted', 'job.queued', 'job.retryScheduled']);

interface Seen {
  tenant: string;
  ended: string | null;
  waiting: boolean;
  affirmed: boolean;
  cancelRequested: boolean;
  fence: number;
  slots: readonly Slot[];
  watched: { seq: number; at: number; ms: number; epoch: number } | null;
}

export class Ledger {
  readonly jobs = new Map<string, Seen>();
  readonly #taken = new Map<string, string>();
  readonly #terms = new Map<string, TenantTerms>();
  readonly #keys = new Map<string, string>();
  #queuedMax = 0;
  #prev = genesis;
  #seq = 0;

  check(records: readonly FactRecord[]): this {
    for (const record of records) this.#record(record);
    return this;
  }

  get slotsHeld(): number {
    return this.#taken.size;
  }

  #record(record: FactRecord): void {
    assert.is(record.seq, ++this.#seq, 'I11: seq is gapless');
    assert.is(record.prev, this.#prev, `I11: seq ${record.seq} chains`);
    assert.is(sealRecord(record, nodeSha256).hash, record.hash, `I11: seq ${record.seq} hashes`);
    this.#prev = record.hash;
    assert.ok(isFactType(record.type), `I12: ${record.type}`);
    assert.is(
      JSON.stringify(checkedData(record.type, record.data)),
      JSON.stringify(record.data),
      `I12: ${record.type}`,
    );
    assert.is(record.schema, factSchemaVersion);
    if (record.type === 'controller.configured')
      this.#queuedMax = (record.data as FactData<'controller.configured'>).queuedMax;
    if (record.type === 'tenant.added' || record.type === 'tenant.changed') {
      this.#terms.set(record.subject.split('.')[1] ?? '', (record.data as FactData<'tenant.added'>).terms);
    }
    if (record.type.startsWith('job.')) this.#job(record);
  }

  #job(record: FactRecord): void {
    const id = jobIdOf(record.subject);
    if (record.type === 'job.submitted') this.#submitted(id, record);
    const job = this.jobs.get(id);
    assert.ok(job, `${record.type} of unknown ${id}`);
    assert.is(job.ended, null, `I2: ${record.type} after ${job.ended}`);
    this.#watchdog(job, record);
    this.#slots(job, id, record);
    const { type } = record;
    if (type === 'job.attested') job.affirmed = (record.data as FactData<'job.attested'>).affirms;
    if (type === 'job.started') assert.ok(job.affirmed, 'I13: runs without an affirming report');
    if (type === 'job.cancelRequested') job.cancelRequested = true;
    if (type === 'job.succeeded') assert.not(job.cancelRequested, 'I14: success after a cancel');
    if (type === 'job.selected') job.waiting = true;
    if (waits.has(type) || type === 'job.unplaced') job.waiting = true;
    if (type === 'job.reserved') job.waiting = false;
    if (ends.has(type)) {
      job.ended = type;
      job.waiting = false;
      assert.is(job.slots.length, 0, 'I5: ended with a slot');
    }
  }

  #submitted(id: string, record: FactRecord): void {
    const data = record.data as FactData<'job.submitted'>;
    const waiting = [...this.jobs.values()].filter((job) => job.waiting);
    assert.ok(
      waiting.length < this.#queuedMax,
      `I7: ${waiting.length} wait, the bound is ${this.#queuedMax}`,
    );
    const own = waiting.filter(({ tenant }) => tenant === data.tenant).length;
    assert.ok(own < (this.#terms.get(data.tenant)?.queuedMax ?? 0), `I7: ${own} of ${data.tenant} wait`);
    if (data.idempotencyKey !== null) {
      const key = `${data.tenant} ${data.idempotencyKey}`;
      assert.not(this.#keys.has(key), `I15: a second job for key ${key}`);
      this.#keys.set(key, id);
    }
    this.jobs.set(id, {
      tenant: data.tenant,
      ended: null,
      waiting: true,
      affirmed: false,
      cancelRequested: false,
      fence: 0,
      slots: [],
      watched: null,
    });
  }

  #watchdog(job: Seen, record: FactRecord): void {
    if (record.type === 'job.expired' || record.type === 'job.overdue') {
      const { setBy } = record.data as FactData<'job.expired'>;
      assert.is(setBy, job.watched?.seq, 'I17: fired for another deadline');
      // The simulated clock never jumps, so whatever the number of restarts the whole wait must have passed.
      assert.ok(
        record.at - (job.watched?.at ?? 0) >= (job.watched?.ms ?? 0),
        `I17: ${record.type} before its time`,
      );
    }
    const { deadlineMs } = record.data as { deadlineMs?: number };
    const stays = record.type === 'job.cancelRequested' && job.watched === null;
    if (deadlineMs !== undefined && !stays) {
      job.watched = { seq: record.seq, at: record.at, ms: deadlineMs, epoch: record.epoch };
    }
    if (['job.exited', 'job.crashed', 'job.stopped', 'job.lost'].includes(record.type)) job.watched = null;
  }

  #slots(job: Seen, id: string, record: FactRecord): void {
    if (record.type === 'job.reserved') {
      assert.ok(record.seq > job.fence, 'I4: fences rise');
      assert.is(job.slots.length, 0, 'I5: reserved twice');
      job.fence = record.seq;
      job.slots = (record.data as FactData<'job.reserved'>).slots;
      for (const slice of slicesOf(job.slots)) {
        assert.not(this.#taken.has(slice), `I5: ${slice} is held by ${this.#taken.get(slice)}`);
        this.#taken.set(slice, id);
      }
      const own = [...this.jobs.values()].filter(
        (other) => other.tenant === job.tenant && other.slots.length > 0,
      );
      const terms = this.#terms.get(job.tenant);
      assert.ok(own.length <= (terms?.jobsMax ?? 0), `I8: ${own.length} jobs of ${job.tenant}`);
      const slices = own.flatMap(({ slots }) => slicesOf(slots)).length;
      assert.ok(slices <= (terms?.slicesMax ?? 0), `I8: ${slices} slices of ${job.tenant}`);
    }
    const { fence } = record.data as { fence?: number };
    if (fence !== undefined) assert.is(fence, job.fence, `I3: ${record.type} with a stale fence`);
    if (record.type === 'job.released') {
      for (const slice of slicesOf(job.slots)) this.#taken.delete(slice);
      job.slots = [];
    }
  }
}

const slicesOf = (slots: readonly Slot[]): string[] =>
  slots.flatMap(({ gpu, start, size }) => Array.from({ length: size }, (_, i) => `${gpu}/${start + i}`));
