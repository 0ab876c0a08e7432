/**
 * What an inspector of state machines is shown, as a projection of the log.
 *
 * Why of the log and not of live objects: jobs here are no live actors, and facts have one order and one time. Whoever
 * attaches twice sees the same story twice, and nothing is shown that a crash could still take back.
 *
 * Why parts of a job are left out: an inspector draws states; arguments and environment of a guest are the tenant's, and
 * may be 64 KiB for each of nine steps. Test: `test/observe/inspection.test.ts`.
 */
import { controllerMachine } from '../../machines/controller.ts';
import { isEnd, jobMachine } from '../../machines/job.ts';
import { slotMachine } from '../../machines/slot.ts';
import { type Change, type Job, type State, slotMove } from '../jobs/state.ts';
import type { Gpu } from '../slots/fleet.ts';

/** Jobs that whoever attaches is shown at once, the newest of those that have not ended. */
const jobsAtOnceMax = 500;
/** Characters of one text of a fact that are shown. */
const textCharsMax = 64;

/** A machine as both inspectors want it: its id and its config as plain data. */
export interface Definition {
  readonly id: string;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface Snapshot {
  readonly value: string;
  readonly context: unknown;
  readonly isDone: boolean;
}

/** One thing that an inspector is told. `session` names the actor. */
export type Seen =
  | {
      readonly kind: 'actor';
      readonly session: string;
      readonly parent: string | null;
      /** Null for an actor that is no machine: one of the controller's own. */
      readonly definition: Definition | null;
      readonly snapshot: Snapshot | null;
      readonly atMs: number;
    }
  | {
      readonly kind: 'event';
      readonly session: string;
      /** Who caused it. */
      readonly source: string;
      readonly event: Readonly<Record<string, unknown>> & { readonly type: string };
      readonly seq: number;
      readonly atMs: number;
    }
  | {
      readonly kind: 'snapshot';
      readonly session: string;
      readonly snapshot: Snapshot;
      readonly event: { readonly type: string };
      readonly atMs: number;
    };

/** What the projection reads, at the durable point. */
export interface Shown {
  readonly state: State;
  /** State of the controller's machine. */
  readonly gate: string;
}

const root = 'controller';
const gpuSession = (id: string): string => `slot.${id}`;
const jobSession = (id: string): string => `job.${id}`;

/** Authors of facts; `jobs` writes what follows from the machine alone. */
const authors = ['intake', 'jobs', 'attestor', 'scheduler', 'slots', 'executor', 'timekeeper'] as const;

const plain = (machine: { readonly id: string; readonly config: unknown }): Definition => {
  const { context: _, ...config } = machine.config as Record<string, unknown>;
  return { id: machine.id, config };
};
const definitions = {
  controller: plain(controllerMachine),
  job: plain(jobMachine),
  slot: plain(slotMachine),
};

/** All actors as they stand: what whoever attaches needs to understand the rest. Jobs that are too many: `introducing`. */
export function seenAtFirst({ state, gate }: Shown, atMs: number): Seen[] {
  const alive = [...state.jobs.values()].filter((job) => !isEnd(job.state)).slice(-jobsAtOnceMax);
  return [
    actor(root, null, definitions.controller, { value: gate, context: {}, isDone: false }, atMs),
    ...authors.map((name) => actor(name, root, null, null, atMs)),
    ...[...state.fleet.values()].map((gpu) =>
      actor(gpuSession(gpu.id), root, definitions.slot, gpuSnapshot(gpu), atMs),
    ),
    ...alive.map((job) => actor(jobSession(job.context.id), root, definitions.job, jobSnapshot(job), atMs)),
  ];
}

/** What one fact showed. */
export function seenIn({ record, before, after }: Change, { state, gate }: Shown): Seen[] {
  const { type, seq, at: atMs, data, author, subject } = record;
  const event = { ...shortened(data), type };
  const told = (session: string, snapshot: Snapshot): Seen[] => [
    { kind: 'event', session, source: author, event, seq, atMs },
    { kind: 'snapshot', session, snapshot, event: { type }, atMs },
  ];
  const gpuTold = (id: string): Seen[] => {
    const gpu = state.fleet.get(id);
    return gpu ? told(gpuSession(id), gpuSnapshot(gpu)) : [];
  };
  if (after) {
    const session = jobSession(after.context.id);
    const snapshot = jobSnapshot(after);
    const move = slotMove(before, after);
    const gpus = new Set([...(move?.taken ?? []), ...(move?.freed ?? [])].map(({ gpu }) => gpu));
    return [
      ...(before ? [] : [actor(session, root, definitions.job, snapshot, atMs)]),
      // What a tenant sent stays out of sight: see above.
      ...told(session, snapshot).map((each) =>
        type === 'job.submitted' && each.kind === 'event' ? { ...each, event: { type } } : each,
      ),
      ...[...gpus].flatMap(gpuTold),
    ];
  }
  const [kind, id = ''] = subject.split('.');
  if (kind === 'controller') return told(root, { value: gate, context: {}, isDone: gate === 'stopped' });
  if (kind !== 'slot') return [];
  const gpu = state.fleet.get(id);
  if (type === 'slot.added' && gpu)
    return [actor(gpuSession(id), root, definitions.slot, gpuSnapshot(gpu), atMs)];
  return gpuTold(id);
}

/**
 * The same, with each job introduced before the first thing that is told of it. `known` are the sessions that were;
 * those that end are dropped from it.
 */
export function introducing(seen: readonly Seen[], known: Set<string>): Seen[] {
  return seen.flatMap((each, i): readonly Seen[] => {
    const { session } = each;
    if (each.kind === 'actor') known.add(session);
    const isKnown = known.has(session);
    if (each.kind === 'snapshot' && each.snapshot.isDone) known.delete(session);
    if (isKnown) return [each];
    const next = seen.slice(i).find((other) => other.kind === 'snapshot' && other.session === session);
    if (next?.kind !== 'snapshot') return [];
    if (!next.snapshot.isDone) known.add(session);
    return [actor(session, root, definitions.job, next.snapshot, each.atMs), each];
  });
}

/** A fact's data without long texts, such as a signed report: an inspector shows what happened, the log holds all of it. */
function shortened(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const members = Object.entries(data).map(([name, value]) => [
    name,
    typeof value === 'string' && value.length > textCharsMax ? `${value.slice(0, textCharsMax)}…` : value,
  ]);
  return Object.fromEntries(members);
}

function actor(
  session: string,
  parent: string | null,
  definition: Definition | null,
  snapshot: Snapshot | null,
  atMs: number,
): Seen {
  return { kind: 'actor', session, parent, definition, snapshot, atMs };
}

function jobSnapshot({ state, context }: Job): Snapshot {
  const { spec, ...rest } = context;
  const { module = null, slot = null, gpus = null } = spec ?? {};
  return { value: state, context: { ...rest, spec: { module, slot, gpus } }, isDone: isEnd(state) };
}

const gpuSnapshot = ({ machine, board, holdings }: Gpu): Snapshot => ({
  value: machine.state,
  context: { board, holdings, ...machine.context },
  isDone: false,
});
