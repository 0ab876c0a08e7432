/** The state: one fold. Its sums equal a recount at every step, and folding the log anew gives it byte for byte. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/events/canonical.ts';
import type { GoneReport, JobCommand } from '../../src/jobs/commands.ts';
import { Feed } from '../../src/jobs/host.ts';
import {
  type Change,
  fold,
  isWaiting,
  jobIdOf,
  newState,
  type State,
  slotMove,
} from '../../src/jobs/state.ts';
import { runs, seed, suite } from '../suite.ts';
import { Desk, exitedWell, submission } from './desk.ts';

const t = suite('state');

const kinds: readonly JobCommand['kind'][] = [
  'AttestJob',
  'QueueJob',
  'SelectJob',
  'ReserveSlots',
  'ReportStarted',
  'ReportGone',
  'ReleaseSlots',
  'ConcludeJob',
  'EvictJob',
  'CancelJob',
  'NoteDeadline',
];
const reports: readonly GoneReport[] = [
  exitedWell,
  { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'x' },
  { how: 'lost', message: 'x' },
  { how: 'killed' },
];

/** A desk on which random commands were tried; most of the good way, some not. */
export function played(
  script: readonly (readonly [number, number, number])[],
  afterEach: (desk: Desk) => void,
): Desk {
  const desk = new Desk({ tenants: { acme: { slicesMax: 5 }, globex: {} }, fleet: '1xH100-80GB,1xA30-24GB' });
  const slots = ['1g.10gb', '3g.40gb', '1g.6gb'];
  for (const [n, kind, how] of script) {
    const id = `job${n}`;
    if (!desk.state.jobs.has(id)) {
      desk.handle(
        submission(id, {
          tenant: n % 2 ? 'acme' : 'globex',
          slot: slots[n % 3] ?? '',
          attempts: 2,
          key: `k${n}`,
        }),
      );
    } else {
      const name = kinds[kind % kinds.length] as JobCommand['kind'];
      const command = desk.step(name, id);
      desk.handle(
        command.kind === 'ReportGone' ? { ...command, report: reports[how % 4] as GoneReport } : command,
      );
      // Three steps of the good way for each random one, or no job would get far.
      for (const next of kinds.slice(0, 5 + (how % 4))) desk.handle(desk.step(next, id));
    }
    afterEach(desk);
  }
  return desk;
}
const scripts = fc.array(fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 10 }), fc.nat({ max: 3 })), {
  maxLength: 60,
  size: 'max',
});

function assertRecount(state: State): void {
  const jobs = [...state.jobs.values()];
  assert.is(state.waiting.total, jobs.filter((job) => isWaiting(job)).length);
  for (const tenant of state.tenants.keys()) {
    const own = jobs.filter(({ context }) => context.tenant === tenant);
    assert.is(state.waiting.byTenant.get(tenant) ?? 0, own.filter((job) => isWaiting(job)).length);
    const held = own.flatMap(({ context }) => (context.slots ? [context.slots] : []));
    const slices = held.flat().reduce((sum, { size }) => sum + size, 0);
    assert.equal(state.usage.get(tenant) ?? { jobs: 0, slices: 0 }, { jobs: held.length, slices });
  }
  const holdings = [...state.fleet.values()].flatMap(({ holdings: all }) =>
    all.map(({ job, slot }) => `${job} ${slot.gpu} ${slot.start}`),
  );
  const held = jobs.flatMap(({ context }) =>
    (context.slots ?? []).map((slot) => `${context.id} ${slot.gpu} ${slot.start}`),
  );
  assert.equal(holdings.sort(), held.sort());
}

t('queue counts, usage and holdings equal a recount over the jobs after every step', () => {
  let holding = 0;
  void fc.assert(
    fc.property(scripts, (script) => {
      played(script, (desk) => {
        assertRecount(desk.state);
        holding += desk.state.usage.size;
      });
    }),
    { seed: seed(), numRuns: runs(60) },
  );
  assert.ok(holding > 100, 'hardly any slot was held');
});

t('folding the facts anew gives the live state, byte for byte', () => {
  void fc.assert(
    fc.property(scripts, (script) => {
      const desk = played(script, () => undefined);
      const again = newState();
      for (const { record } of desk.news()) fold(again, record);
      assert.is(canonicalJson(again), canonicalJson(desk.state));
    }),
    { seed: seed(), numRuns: runs(40) },
  );
});

t('a fact that the table refuses stops the fold, and names seq, fact, job and state', () => {
  const desk = new Desk();
  desk.bring('a', 'queued');
  const records = desk.news().map(({ record }) => record);
  const state = newState();
  for (const record of records) fold(state, record);
  const attested = records.find(({ type }) => type === 'job.attested');
  assert.throws(() => fold(state, { ...attested!, seq: 99 }), /seq 99: job\.attested of a in state queued/);
});

t('a move of slots is told by the states before and after alone', () => {
  const desk = new Desk();
  desk.bring('a', 'reserving');
  const before = desk.job('a');
  desk.do(desk.step('ReserveSlots', 'a'));
  const holds = desk.job('a');
  assert.equal(slotMove(before, before), null);
  const taken = slotMove(before, holds);
  assert.equal([taken?.taken, taken?.freed, taken?.fence], [holds.context.slots, [], holds.context.fence]);
  assert.equal(
    slotMove(holds, { ...holds, context: { ...holds.context, slots: null } })?.freed,
    holds.context.slots,
  );
});

t('controller facts: a new life ends the draining, a torn tail stays until it is accepted', () => {
  const desk = new Desk();
  const note = (type: string, data: object) =>
    desk.do({ kind: 'Note', type, stream: 'controller', data } as never);
  const recovered = { epoch: 2, ofSeq: 1, stateHash: 'b'.repeat(64) };
  note('controller.draining', { deadlineMs: 0, mode: 'finish' });
  assert.ok(desk.state.controller.draining);
  note('controller.recovered', { ...recovered, bytes: 10, fromSeq: 5, lostIds: 1 });
  assert.equal([desk.state.controller.draining, desk.state.controller.tornFrom], [false, 5]);
  note('controller.recovered', { ...recovered, epoch: 3 });
  assert.is(desk.state.controller.tornFrom, 5, 'a restart does not accept it');
  note('controller.tailAccepted', { fromSeq: 5 });
  assert.is(desk.state.controller.tornFrom, null);
  note('controller.recovered', { ...recovered, epoch: 4, bytes: 10, fromSeq: 9, lostIds: 0 });
  assert.is(desk.state.controller.tornFrom, null, 'nothing readable was lost');
});

t('a subject names its job', () => {
  assert.is(jobIdOf('job.acme.abc.started'), 'abc');
});

t('the feed keeps what someone has still to read, and forgets the rest in large pieces', () => {
  const feed = new Feed(10);
  const change = (seq: number) => ({ record: { seq }, before: null, after: null }) as unknown as Change;
  for (let seq = 11; seq <= 4_010; seq += 1) feed.push(change(seq));
  assert.equal([feed.head, feed.length], [4_010, 4_000]);
  feed.trim(500);
  assert.is(feed.length, 4_000, 'little is not worth a copy');
  feed.trim(3_000);
  assert.is(feed.at(3_000), undefined);
  assert.is(feed.at(3_001)?.record.seq, 3_001);
  assert.equal([feed.head, feed.length], [4_010, 1_010]);
  feed.push(change(4_011));
  assert.is(feed.at(4_011)?.record.seq, 4_011);
  assert.is(feed.at(4_012), undefined);
});

t.run();
