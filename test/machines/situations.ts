/** From the columns of `job-table.ts` to contexts: what a job remembers in each situation, and what it must answer. */
import { type JobContext, type JobFact, newJob } from '../../machines/job.ts';
import { type ConcludeLine, concludeLines, lossesMax } from './conclude-lines.ts';
import { applied, type Cell, cellsOf, type Expected } from './grid.ts';
import * as data from './job-table.ts';
import { factNamed, samples, spec } from './samples.ts';

/** Every member off its default, so that one that is lost or set by mistake is seen. */
const submitted: JobContext = {
  ...newJob('j1', 'acme'),
  spec,
  lossesMax,
  visit: 20,
  deadline: { setBy: 18, atMs: 5_000, ms: 600 },
  times: { submittedAtMs: 1_000, queuedAtMs: null, startedAtMs: null, endedAtMs: null },
};
const queued: JobContext = {
  ...submitted,
  affirmed: true,
  waitSince: 15,
  failures: 1,
  losses: 1,
  attempt: 2,
  fence: 9,
  times: { ...submitted.times, queuedAtMs: 2_000, startedAtMs: 1_500 },
};
const holding: JobContext = { ...queued, attempt: 3, fence: 17, slots: samples['job.reserved'].slots };
const crashed = { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' } as const;

/** The context of a conclude line; its slot held, or free. */
export function concluding(line: ConcludeLine, slotHeld: boolean): JobContext {
  const { reason, gone, losses, failures } = line;
  return {
    ...holding,
    deadline: null,
    reason,
    gone,
    losses,
    failures,
    slots: slotHeld ? holding.slots : null,
  };
}

/** The contexts that a column stands for: one, or one for each line with this verdict. */
function contextsOf(
  grid: string,
  column: string,
): readonly (readonly [situation: string, context: JobContext])[] {
  const [state = '', situation = ''] = column.split(':');
  if (grid === 'slotHeld' || grid === 'slotNone') {
    const lines = concludeLines.filter(({ verdict }) => verdict === column);
    return lines.map((line) => [`${grid}, ${line.line}`, concluding(line, grid === 'slotHeld')] as const);
  }
  if (state === 'new') return [['', newJob('j1', 'acme')]];
  if (state === 'attesting') return [[situation, { ...submitted, affirmed: situation === 'affirmed' }]];
  if (state === 'queued' || state === 'reserving') return [['', queued]];
  if (state === 'backoff') return [['after a crash', { ...queued, gone: crashed }]];
  if (state === 'starting' || state === 'running') return [['', holding]];
  if (state === 'stopping')
    return [[situation, { ...holding, reason: situation as NonNullable<JobContext['reason']> }]];
  return [['', { ...holding, slots: null, deadline: null, times: { ...holding.times, endedAtMs: 6_000 } }]];
}

/** The state that a column speaks of. */
const stateOf = (grid: string, column: string): string =>
  grid === 'slotHeld' || grid === 'slotNone' ? 'releasing' : column.split(':')[0]!;

function expectedOf(
  grid: string,
  { column, row, value }: Cell,
): (Expected<JobContext, JobFact> & { value: string })[] {
  const state = stateOf(grid, column);
  const event = factNamed(row, 77, 9_000);
  const next = value === '-' || value === 'ended' ? null : value;
  const effect = data.effects[`${state} ${row}`];
  if (next !== null && !effect) throw new Error(`no effect is written for ${state} ${row}`);
  return contextsOf(grid, column).map(([situation, context]) => ({
    state,
    situation,
    context,
    event,
    name: row,
    next,
    after: next === null ? context : applied(context, effect!, event),
    value,
  }));
}

/** Every state × fact × outcome of the guards, with the only right answer. */
export const expectedSteps = Object.entries({
  withoutSlot: data.withoutSlot,
  withGuest: data.withGuest,
  slotHeld: data.slotHeld,
  slotNone: data.slotNone,
  ended: data.ended,
}).flatMap(([grid, text]) => cellsOf(text).flatMap((cell) => expectedOf(grid, cell)));
