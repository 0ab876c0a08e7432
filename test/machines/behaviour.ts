/**
 * What each versioned rule does, as plain data: its table, and what comes of fixed walks. A digest of it stands in
 * `versions.test.ts`.
 *
 * Why own walks and samples: these never change with the tests around them. A digest that moved without a change
 * of behaviour would teach people to write the new one down without looking.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import { conclude } from '../../machines/conclude.ts';
import { controllerMachine } from '../../machines/controller.ts';
import { type JobContext, type JobState, jobMachine, newJob } from '../../machines/job.ts';
import { runMachine } from '../../machines/run.ts';
import { slotMachine } from '../../machines/slot.ts';
import type { Slot } from '../../src/events/facts.ts';
import type { FactRecord } from '../../src/events/record.ts';
import type { Change, Job } from '../../src/jobs/state.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { type Fleet, foldSlotFact, foldSlotMove } from '../../src/slots/fleet.ts';
import { place, type Shape } from '../../src/slots/placement.ts';

/** Whole numbers 0 … max − 1, always the same ones (mulberry32). */
function numbers(start: number): (max: number) => number {
  let state = start;
  return (max) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) % max;
  };
}

const walks = 24;
const stepsMax = 120;
/** Taken rarely: with even odds most walks would end before they held a slot. */
const rare = /rejected|expired|cancelled|cancelRequested|evicted|unplaced/;

const slots: readonly Slot[] = [{ gpu: 'gpu-0', profile: '1g.10gb', size: 1, start: 2 }];
const cause = { code: 'ERR_CANCELLED', message: 'told', retryable: false };

/** Data of a job fact, varied in all that a rule may read. */
function dataOf(type: string, n: (max: number) => number): object {
  const deadlineMs = 100 * n(5);
  const message = `message ${n(3)}`;
  const spec = { attempts: { backoffMs: 10, max: 1 + n(3) }, slot: '1g.10gb', gpus: 1 };
  const known: Readonly<Record<string, object>> = {
    'job.submitted': { deadlineMs, lossesMax: n(2), spec, tenant: 'acme' },
    'job.attested': { affirms: n(4) > 0, imports: [], report: 'r' },
    'job.rejected': { cause, report: null },
    'job.queued': { after: 'attested', deadlineMs },
    'job.selected': { policy: 'p' },
    'job.unplaced': { code: 'ERR_NO_PLACE' },
    'job.reserved': { deadlineMs, placement: 'p', slots },
    'job.started': { deadlineMs, fence: 1, isolation: 'L0', runner: 'r' },
    'job.exited': { exitCode: n(3), fence: 1, result: { bytes: 3, sha256: 'a' } },
    'job.crashed': { code: 'ERR_GUEST_TRAP', fence: 1, message },
    'job.stopped': { fence: 1, how: 'killed' },
    'job.lost': { fence: 1, message },
    'job.overdue': { deadlineMs, setBy: 1, what: n(2) === 0 ? 'start' : 'run' },
    'job.cancelRequested': { by: 'acme', deadlineMs },
    'job.evicted': { deadlineMs, reason: 'drain' },
    'job.released': { fence: 1, slots },
    'job.retryScheduled': { deadlineMs, failures: 1 },
    'job.succeeded': { result: { bytes: 3, sha256: 'a' } },
    'job.expired': { cause, setBy: 1 },
    'job.cancelled': { by: 'acme', cause },
  };
  return known[type] ?? { cause };
}

type AnyTable = ReturnType<typeof compileTable<string, unknown, { type: string }>>;

/** Table and walks of one machine. `seen` adds what else follows from a state. */
function machineBehaviour(
  machine: Parameters<typeof compileTable>[0],
  first: unknown,
  seen: (at: Folded<string, unknown>) => unknown = () => null,
): unknown {
  const table = compileTable(machine) as AnyTable;
  const events = [...new Set(table.states.flatMap((state) => table.eventsOf(state)))].sort();
  const steps: unknown[] = [];
  for (let walk = 0; walk < walks; walk += 1) {
    const n = numbers(walk + 1);
    let at: Folded<string, unknown> = { state: table.initial, context: first };
    for (let step = 1; step <= stepsMax; step += 1) {
      const possible = events.map((type) => ({
        type,
        seq: walk * 1_000 + step,
        at: 1_000 * step,
        data: dataOf(type, n),
      }));
      const legal = possible.filter((event) => table.step(at, event) !== null);
      const usual = legal.filter(({ type }) => !rare.test(type) || n(16) === 0);
      // Mostly what the state takes, so that walks come far; now and then anything, to be refused.
      const from = n(6) === 0 || legal.length === 0 ? possible : usual.length > 0 ? usual : legal;
      const event = from[n(from.length)] as (typeof possible)[number];
      const next = table.step(at, event);
      at = next ?? at;
      // An end takes nothing; the walk begins anew.
      if (legal.length === 0) at = { state: table.initial, context: first };
      steps.push([event.type, next ? [next.state, next.context, seen(next)] : null]);
    }
  }
  return { rows: table.rows(), steps };
}

const verdictOf = ({ state, context }: Folded<string, unknown>): unknown =>
  state === 'releasing' ? conclude(context as JobContext) : null;

const record = (seq: number, subject: string, data: object): FactRecord => {
  const [kind = '', fact = ''] = [subject.split('.')[0], subject.split('.').at(-1)];
  return { seq, subject, type: `${kind}.${fact}`, data } as unknown as FactRecord;
};

/** A class of jobs with the words of a fleet of two boards, on which one name means two sizes. */
const shapes: readonly Shape[] = [
  { profile: '1g.10gb', gpus: 1 },
  { profile: '2g.20gb', gpus: 1 },
  { profile: '3g.20gb', gpus: 1 },
  { profile: '1g.10gb', gpus: 2 },
];
const terms = { capabilities: [], jobsMax: 5, queuedMax: 99, slicesMax: 9, unsigned: true };

/** Whom the scheduler takes under `policy` over a fixed history of arrivals, ends and drains, and where they go. */
function schedulerBehaviour(policy: string): unknown {
  const scheduler = new Scheduler();
  const n = numbers(7);
  const jobs = new Map<string, Job>();
  const taken: unknown[] = [];
  let seq = 0;
  const other = (subject: string, data: object): void => {
    seq += 1;
    scheduler.fold({ record: record(seq, subject, data), before: null, after: null });
  };
  const move = (
    id: string,
    state: JobState,
    held: readonly Slot[] | null,
    over: Partial<JobContext> = {},
  ): void => {
    seq += 1;
    const before = jobs.get(id) ?? null;
    const context = {
      ...(before?.context ?? newJob(id, '')),
      ...over,
      visit: seq,
      slots: held,
    } as JobContext;
    const after: Job = { state, context };
    jobs.set(id, after);
    scheduler.fold({ record: record(seq, `job.t.${id}.moved`, {}), before, after } satisfies Change);
  };
  other('slot.gpu-0.added', { board: 'A100-40GB', enforcement: 'simulated' });
  other('slot.gpu-1.added', { board: 'A100-80GB', enforcement: 'simulated' });
  for (const [tenant, weight] of Object.entries({ a: 1, b: 2, c: 5 }))
    other(`tenant.${tenant}.added`, { terms: { ...terms, weight } });
  other('controller.configured', { policy, runners: 6 });
  for (let step = 0; step < 1_500; step += 1) {
    const holding = [...jobs.values()].filter(({ context }) => context.slots !== null);
    const what = n(10);
    if (what < 5) {
      const spec = {
        ...shapeOf(shapes[n(shapes.length)] as Shape),
      } as unknown as JobContext['spec'];
      move(`j${step}`, 'queued', null, { tenant: 'abc'[n(3)] ?? 'a', spec, waitSince: seq + 1 });
    } else if (what < 9 && holding.length > 0) {
      move((holding[n(holding.length)] as Job).context.id, 'releasing', null);
    } else if (what === 9 && step % 7 === 0) {
      const { state } = scheduler.sight.fleet.get('gpu-1')?.machine ?? { state: 'serving' };
      other(`slot.gpu-1.${state === 'serving' ? 'drained' : 'restored'}`, { reason: 'r' });
    }
    for (let turn = 0; turn < 8; turn += 1) {
      const command = scheduler.decide();
      if (command?.kind !== 'SelectJob') break;
      const { spec } = (jobs.get(command.id) as Job).context;
      move(command.id, 'reserving', null);
      const where = place(scheduler.sight.fleet, { profile: spec?.slot ?? '', gpus: spec?.gpus ?? 1 });
      move(command.id, where ? 'starting' : 'queued', where);
      taken.push([command.id, command.policy, where]);
    }
  }
  return taken;
}

const shapeOf = ({ profile, gpus }: Shape) => ({ slot: profile, gpus });

/** Where first fit puts slots on one board of each kind, and that it finds none. */
function placementBehaviour(): unknown {
  const fleet: Fleet = new Map();
  const boards = ['A30-24GB', 'A100-40GB', 'A100-80GB', 'H100-80GB'];
  for (const [i, board] of boards.entries())
    foldSlotFact(fleet, record(i + 1, `slot.gpu-${i}.added`, { board, enforcement: 'simulated' }));
  const profiles = [
    '1g.5gb',
    '1g.6gb',
    '1g.10gb',
    '1g.10gb+me',
    '2g.10gb',
    '2g.20gb',
    '3g.40gb',
    '4g.24gb',
    '7g.80gb',
  ];
  const n = numbers(3);
  const held: { job: string; slots: readonly Slot[] }[] = [];
  const placed: unknown[] = [];
  for (let step = 0; step < 1_500; step += 1) {
    const job = `j${step}`;
    if (n(5) < 3) {
      const promised = n(3) === 0 ? (place(fleet, { profile: '1g.10gb', gpus: 1 }) ?? []) : [];
      const found = place(fleet, { profile: profiles[n(profiles.length)] ?? '', gpus: 1 + n(2) }, promised);
      placed.push(found);
      if (!found) continue;
      foldSlotMove(fleet, { job, tenant: 't', taken: found, freed: [], fence: step });
      held.push({ job, slots: found });
    } else if (held.length > 0) {
      const [gone] = held.splice(n(held.length), 1) as [(typeof held)[number]];
      foldSlotMove(fleet, { job: gone.job, tenant: 't', taken: [], freed: gone.slots, fence: step });
    }
  }
  return placed;
}

/** By the name that a version carries before its number. */
export const behaviours: Readonly<Record<string, () => unknown>> = {
  controller: () => machineBehaviour(controllerMachine, {}),
  job: () => machineBehaviour(jobMachine, newJob('j', 'acme'), verdictOf),
  run: () => machineBehaviour(runMachine, runMachine.config.context),
  slot: () => machineBehaviour(slotMachine, { held: 0 }),
  fifo: () => schedulerBehaviour('fifo'),
  'round-robin': () => schedulerBehaviour('round-robin'),
  'first-fit': placementBehaviour,
};
