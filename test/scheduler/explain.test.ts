/**
 * Reasons for waiting: each that is given is true, each that holds is given, and lifting one lifts just that one.
 * The truth is recounted here from the jobs, not asked of the code that explains.
 */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Command } from '../../src/jobs/commands.ts';
import type { Job } from '../../src/jobs/state.ts';
import { explain, type ReasonCode } from '../../src/scheduler/explain.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { profileOf } from '../../src/slots/boards.ts';
import { fitsWithMoves, place } from '../../src/slots/placement.ts';
import { Desk } from '../jobs/desk.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('explain');

class Watched {
  readonly scheduler = new Scheduler();
  readonly desk: Desk;
  constructor(desk: Desk) {
    this.desk = desk;
  }
  codes(id: string): ReasonCode[] {
    for (const change of this.desk.news()) this.scheduler.fold(change);
    return explain(this.scheduler.sight, this.desk.job(id)).reasons.map(({ code }) => code);
  }
  next(): string | null {
    for (const change of this.desk.news()) this.scheduler.fold(change);
    const command = this.scheduler.decide();
    return command?.kind === 'SelectJob' ? command.id : null;
  }
}

/** A desk after random steps; selections are the scheduler's own, so nothing comes back unplaced. */
const step = fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 7 }), fc.nat({ max: 3 }));
const worlds = fc.record({
  steps: fc.array(step, { maxLength: 40, size: 'max' }),
  policy: fc.constantFrom('fifo', 'round-robin'),
  runners: fc.integer({ min: 0, max: 6 }),
  slicesMax: fc.integer({ min: 1, max: 10 }),
  jobsMax: fc.integer({ min: 1, max: 4 }),
});
type WorldOf = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function played({ steps, policy, runners, slicesMax, jobsMax }: WorldOf): Watched {
  const tenants = { acme: { slicesMax, jobsMax }, globex: { weight: 2 } };
  const watched = new Watched(new Desk({ fleet: '1xH100-80GB,1xA30-24GB', policy, runners, tenants }));
  const { desk } = watched;
  const slots = ['1g.10gb', '2g.20gb', '3g.40gb', '7g.80gb', '1g.6gb', '4g.24gb'];
  let jobs = 0;
  for (const [kind, n, m] of steps) {
    const chosen = [...desk.state.jobs.values()].filter(({ context }) => context.slots !== null);
    if (kind < 5)
      desk.bring(`job${jobs++}`, 'queued', {
        tenant: m % 2 ? 'acme' : 'globex',
        slot: slots[n % slots.length] ?? '',
        gpus: m === 3 ? 2 : 1,
      });
    else if (kind < 8) {
      const id = watched.next();
      if (id) desk.do(watched.scheduler.decide() as Command);
      if (id && kind < 7) desk.do(desk.step('ReserveSlots', id));
    } else if (kind === 8 && chosen.length > 0) desk.finish(chosen[n % chosen.length]?.context.id ?? '');
    else if (n === 0)
      desk.handle({
        kind: 'Note',
        type: m % 2 ? 'slot.drained' : 'slot.restored',
        stream: `slot.gpu-${m >> 1}`,
        data: { reason: 'x' },
      });
  }
  watched.next();
  return watched;
}

const queuedOf = (desk: Desk): Job[] =>
  [...desk.state.jobs.values()].filter(({ state }) => state === 'queued');

/** What must be listed for this job, recounted from the state. Order reasons are another test's. */
function holds({ desk, scheduler }: Watched, { context }: Job): Set<ReasonCode> {
  const jobs = [...desk.state.jobs.values()];
  const shape = { profile: context.spec?.slot ?? '', gpus: context.spec?.gpus ?? 1 };
  const selected = jobs.filter(({ state }) => state === 'reserving');
  const { promised } = scheduler.sight;
  const codes = new Set<ReasonCode>();
  const able = [...desk.state.fleet.values()].filter(
    ({ machine, board }) => machine.state === 'serving' && profileOf(board, shape.profile),
  );
  const slots = place(desk.state.fleet, shape, promised);
  if (able.length < shape.gpus) codes.add('NeverFits');
  else if (!slots) codes.add(fitsWithMoves(desk.state.fleet, shape, promised) ? 'Fragmented' : 'NoFreeSlice');
  const sizeOf = (profile: string): number =>
    profileOf('H100-80GB', profile)?.memorySlices ?? profileOf('A30-24GB', profile)?.memorySlices ?? 0;
  const own = jobs.filter(({ context: other }) => other.tenant === context.tenant);
  const holding = [
    ...own.filter(({ context: other }) => other.slots !== null),
    ...own.filter((job) => selected.includes(job)),
  ];
  const used = holding.reduce(
    (sum, { context: other }) => sum + sizeOf(other.spec?.slot ?? '') * (other.spec?.gpus ?? 1),
    0,
  );
  const terms = desk.state.tenants.get(context.tenant)?.terms;
  if (holding.length + 1 > (terms?.jobsMax ?? 0)) codes.add('TenantLimit');
  if (used + sizeOf(shape.profile) * shape.gpus > (terms?.slicesMax ?? 0)) codes.add('QuotaExceeded');
  const busy = jobs.filter(({ state }) =>
    ['reserving', 'starting', 'running', 'stopping'].includes(state),
  ).length;
  if (busy >= (desk.state.controller.configured?.runners ?? 0)) codes.add('NoExecutor');
  if (desk.state.controller.draining) codes.add('Draining');
  return codes;
}

const options = { seed: seed(), numRuns: runs(150) };
const isOrder = (code: ReasonCode): boolean => code === 'AheadInQueue' || code === 'FairShareDeficit';

t('every reason that holds is listed, and no other', () => {
  const seen = new Map<ReasonCode, number>();
  void fc.assert(
    fc.property(worlds, (world) => {
      const watched = played(world);
      for (const job of queuedOf(watched.desk)) {
        const codes = watched.codes(job.context.id);
        assert.equal(new Set(codes).size, codes.length, 'a reason is given twice');
        const listed = codes.filter((code) => !isOrder(code) && code !== 'NotEvaluated');
        assert.equal(listed.sort(), [...holds(watched, job)].sort());
        for (const code of codes) seen.set(code, (seen.get(code) ?? 0) + 1);
      }
    }),
    options,
  );
  for (const code of [
    'NeverFits',
    'QuotaExceeded',
    'TenantLimit',
    'AheadInQueue',
    'FairShareDeficit',
    'NoFreeSlice',
    'Fragmented',
    'NoExecutor',
  ] as const) {
    assert.ok((seen.get(code) ?? 0) > 0, `${code} was never seen: ${JSON.stringify([...seen])}`);
  }
});

t('a job without a reason is the one that is selected next, and a selected job had none', () => {
  let selected = 0;
  void fc.assert(
    fc.property(worlds, (world) => {
      const watched = played(world);
      const next = watched.next();
      for (const { context } of queuedOf(watched.desk)) {
        assert.is(
          JSON.stringify(watched.codes(context.id)) === '["NotEvaluated"]',
          context.id === next,
          context.id,
        );
      }
      if (next) selected += 1;
    }),
    options,
  );
  assert.ok(selected > 20, `only ${selected} selected`);
});

t('lifting one reason lifts that reason and no other but those it stands for', () => {
  const lifts: Partial<Record<ReasonCode, (desk: Desk, job: Job) => void>> = {
    QuotaExceeded: (desk, { context }) =>
      desk.terms(context.tenant, { ...desk.state.tenants.get(context.tenant)?.terms, slicesMax: 10_000 }),
    TenantLimit: (desk, { context }) =>
      desk.terms(context.tenant, { ...desk.state.tenants.get(context.tenant)?.terms, jobsMax: 10_000 }),
    NoExecutor: (desk) => desk.configure({ runners: 10_000 }),
    NoFreeSlice: (desk) => addGpus(desk),
    Fragmented: (desk) => addGpus(desk),
    NeverFits: (desk) => addGpus(desk),
  };
  let lifted = 0;
  void fc.assert(
    fc.property(worlds, fc.nat(), (world, n) => {
      const { desk } = played(world);
      const jobs = queuedOf(desk);
      const job = jobs[n % jobs.length];
      if (!job) return;
      const codes = played(world).codes(job.context.id);
      for (const code of codes) {
        const lift = lifts[code];
        if (!lift) continue;
        const watched = played(world);
        lift(watched.desk, job);
        const after = watched
          .codes(job.context.id)
          .filter((other) => !isOrder(other) && other !== 'NotEvaluated');
        assert.equal(
          after.sort(),
          codes.filter((other) => other !== code && !isOrder(other) && other !== 'NotEvaluated').sort(),
          code,
        );
        lifted += 1;
      }
    }),
    options,
  );
  assert.ok(lifted > 100, `only ${lifted} lifted`);
});

/** Two empty GPUs of each board: room for any shape there is. */
/** More than all selected jobs could take: they are served first from whatever room there is. */
function addGpus(desk: Desk): void {
  for (const board of ['H100-80GB', 'A30-24GB']) {
    for (let i = 1; i <= 24; i += 1) {
      const stream = `slot.new-${board.slice(0, 1).toLowerCase()}${i}${board.length}`;
      desk.do({ kind: 'Note', type: 'slot.added', stream, data: { board, enforcement: 'simulated' } });
    }
  }
}

t('who came earlier is ahead; who was served less is ahead by share, and is of another tenant', () => {
  const watched = new Watched(new Desk({ policy: 'round-robin', tenants: { acme: {}, globex: {} } }));
  const { desk } = watched;
  desk.bring('a', 'queued', { slot: '1g.10gb' });
  desk.bring('b', 'queued', { slot: '2g.20gb' });
  desk.bring('c', 'queued', { slot: '1g.10gb', tenant: 'globex' });
  assert.equal(watched.codes('b'), ['AheadInQueue'], 'its own tenant’s other job is no deficit of share');
  assert.equal(watched.codes('c'), ['AheadInQueue'], 'equal shares: the order of arrival');
  desk.do(watched.scheduler.decide() as Command);
  assert.equal(watched.codes('b'), ['FairShareDeficit']);
  assert.equal(watched.codes('c'), ['NotEvaluated']);
});

t('a job in any other state has its own reason or none', () => {
  const watched = new Watched(new Desk());
  const { desk } = watched;
  desk.bring('attesting', 'attesting');
  desk.bring('reserving', 'reserving');
  desk.bring('running', 'running');
  desk.bring('again', 'running', { attempts: 2 });
  desk.finish('again', { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'x' });
  assert.equal(
    ['attesting', 'reserving', 'running', 'again'].map((id) => watched.codes(id)),
    [['NotEvaluated'], ['NotEvaluated'], [], ['NotBefore']],
  );
});

t(
  'positions count arrivals over all classes, and a log that can not be written is said beside the rest',
  () => {
    const watched = new Watched(new Desk({ tenants: { acme: {}, globex: {} } }));
    for (const [i, id] of ['a', 'b', 'c'].entries())
      watched.desk.bring(id, 'queued', { tenant: i % 2 ? 'globex' : 'acme' });
    watched.next();
    const { sight } = watched.scheduler;
    assert.equal(
      ['a', 'b', 'c'].map((id) => explain(sight, watched.desk.job(id)).position),
      [1, 2, 3],
    );
    const codes = explain(sight, watched.desk.job('c'), false).reasons.map(({ code }) => code);
    assert.equal(codes, ['AheadInQueue', 'LogUnavailable']);
  },
);

t.run();
