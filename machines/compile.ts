/**
 * Compiles an XState machine into a plain table and folds with that.
 *
 * Why: XState's own transition clones a snapshot and walks a tree; the table looks up one row, many times
 * faster (`npm run bench` prints both), and gives the same answer. XState stays the source, the oracle and the picture;
 * the property test `test/machines/oracle.test.ts` holds table ≡ `transition()` ≡ live actor.
 * What the table can't do (nesting, parallel, `after`, `invoke`, entry and exit actions, parameters)
 * it refuses when it is compiled, so a machine can't quietly grow past it.
 */
import type { AnyStateMachine } from 'xstate';

interface Row<C, E> {
  readonly target: string | null;
  readonly guardName: string | null;
  readonly guard: ((step: { context: C; event: E }) => boolean) | null;
  readonly assign: ((step: { context: C; event: E }) => Partial<C>) | null;
}

/** A state and what is remembered with it. */
export interface Folded<S, C> {
  readonly state: S;
  readonly context: C;
}

export interface Table<S extends string, C, E extends { readonly type: string }> {
  readonly initial: S;
  readonly states: readonly S[];
  /** The next state and context, or null when nothing leads there: the fact is refused. */
  step(from: Folded<S, C>, event: E): Folded<S, C> | null;
  /** Events that a state has a row for, whatever their guards. */
  eventsOf(state: S): readonly string[];
  /** All rows, for drawing: state, event, guard name, target (null: stays). */
  rows(): { state: S; event: string; guard: string | null; target: S | null }[];
}

// `schemas` is where `setup` keeps its types.
const rootKeys = new Set(['id', 'context', 'initial', 'states', 'schemas', 'types', 'description', 'meta']);
const stateKeys = new Set(['on', 'type', 'id', 'key', 'order', 'description', 'meta']);
const rowKeys = new Set(['target', 'guard', 'actions', 'description', 'meta']);

/** Compiles `machine`. Throws, naming state and event, on anything that a flat table can't express. */
export function compileTable<S extends string, C, E extends { readonly type: string }>(
  machine: AnyStateMachine,
): Table<S, C, E> {
  const { config } = machine;
  const unknown = Object.keys(config).filter((key) => !rootKeys.has(key));
  if (unknown.length > 0) throw new Error(`machine ${machine.id}: the root can't have ${unknown.join(', ')}`);
  if (typeof config.initial !== 'string')
    throw new Error(`machine ${machine.id}: initial must be the name of a state`);
  const table = new Map<string, Map<string, Row<C, E>[]>>();
  for (const [state, node] of Object.entries(config.states ?? {})) {
    const unknown = Object.keys(node ?? {}).filter((key) => !stateKeys.has(key));
    if (unknown.length > 0)
      throw new Error(`machine ${machine.id}, state ${state}: can't compile ${unknown.join(', ')}`);
    if (node?.type && node.type !== 'atomic' && node.type !== 'final') {
      throw new Error(`machine ${machine.id}, state ${state}: can't compile type ${node.type}`);
    }
    if (node?.type === 'final' && node.on)
      throw new Error(`machine ${machine.id}: the end state ${state} has an on`);
    const rows = new Map<string, Row<C, E>[]>();
    for (const [event, raw] of Object.entries(node?.on ?? {})) {
      if (event.includes('*')) throw new Error(`machine ${machine.id}, state ${state}: wildcard`);
      const list = Array.isArray(raw) ? raw : [raw];
      rows.set(
        event,
        list.map((row) => compileRow<C, E>(machine, `${state} on ${event}`, row)),
      );
    }
    table.set(state, rows);
  }
  return tableOf(table, config.initial);
}

function compileRow<C, E>(machine: AnyStateMachine, where: string, raw: unknown): Row<C, E> {
  const row = (typeof raw === 'string' ? { target: raw } : raw) as Record<string, unknown>;
  const unknown = Object.keys(row).filter((key) => !rowKeys.has(key));
  if (unknown.length > 0)
    throw new Error(`machine ${machine.id}, ${where}: can't compile ${unknown.join(', ')}`);
  const named = <T>(kind: 'guards' | 'actions', name: unknown): T | null => {
    if (name === undefined) return null;
    const found = typeof name === 'string' ? machine.implementations[kind][name] : undefined;
    if (!found)
      throw new Error(`machine ${machine.id}, ${where}: ${kind} must be one name, found ${String(name)}`);
    return found as T;
  };
  const action = named<{ assignment?: unknown }>('actions', row['actions']);
  if (action && typeof action.assignment !== 'function') {
    throw new Error(`machine ${machine.id}, ${where}: the action is not an assign of a function`);
  }
  const guard = named<Row<C, E>['guard'] & object>('guards', row['guard']);
  // What `and`, `or`, `not` and `stateIn` return looks like a guard but answers only inside XState.
  if (guard && 'check' in guard)
    throw new Error(`machine ${machine.id}, ${where}: the guard is not a plain function`);
  const target = row['target'] ?? null;
  // XState also takes `#id`, `.child` and lists.
  if (
    target !== null &&
    !(typeof target === 'string' && Object.hasOwn(machine.config.states ?? {}, target))
  ) {
    throw new Error(
      `machine ${machine.id}, ${where}: the target must be the name of a state, found ${String(target)}`,
    );
  }
  return {
    target: target as string | null,
    guardName: (row['guard'] as string | undefined) ?? null,
    guard,
    assign: (action?.assignment as Row<C, E>['assign'] | undefined) ?? null,
  };
}

/** `{ ...context, ...changes }`, in a third of the time: engines copy one object in one go, but not one over another. */
function assigned<C>(context: C, changes: Partial<C>): C {
  const next = { ...context };
  for (const name in changes) next[name] = changes[name] as C[typeof name];
  return next;
}

function tableOf<S extends string, C, E extends { readonly type: string }>(
  table: Map<string, Map<string, Row<C, E>[]>>,
  initial: string,
): Table<S, C, E> {
  return {
    initial: initial as S,
    states: [...table.keys()] as S[],
    step(from, event) {
      const step = { context: from.context, event };
      for (const row of table.get(from.state)?.get(event.type) ?? []) {
        if (row.guard && !row.guard(step)) continue;
        const state = (row.target ?? from.state) as S;
        return { context: row.assign ? assigned(from.context, row.assign(step)) : from.context, state };
      }
      return null;
    },
    eventsOf: (state) => [...(table.get(state)?.keys() ?? [])],
    rows: () =>
      [...table].flatMap(([state, events]) =>
        [...events].flatMap(([event, rows]) =>
          rows.map((row) => ({
            state: state as S,
            event,
            guard: row.guardName,
            target: row.target as S | null,
          })),
        ),
      ),
  };
}
