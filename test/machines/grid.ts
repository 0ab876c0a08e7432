/**
 * Reads the hand-written grids, and compares a machine with rows of them.
 *
 * Why the comparison is a function and not a list of assertions: `job-table.test.ts` also runs it against machines that
 * it broke on purpose, one by one, and asserts that each is told apart.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Table } from '../../machines/compile.ts';

/** One cell: in this situation this fact leads there. */
export interface Cell {
  readonly column: string;
  readonly row: string;
  readonly value: string;
}

/** The cells of a grid: columns named in its first line, rows by their first word. Throws when a row is incomplete. */
export function cellsOf(grid: string): Cell[] {
  const [head = [], ...rows] = grid
    .trim()
    .split('\n')
    .map((text) => text.trim().split(/\s+/));
  return rows.flatMap((row) => {
    if (row.length !== head.length)
      throw new Error(`the row ${row[0]} has ${row.length} cells of ${head.length}`);
    return row.slice(1).map((value, i) => ({ column: head[i + 1]!, row: row[0]!, value }));
  });
}

/** A question to a machine, and the only right answer. */
export interface Expected<C, E> {
  readonly state: string;
  /** The outcome of the guards, in words. */
  readonly situation: string;
  readonly context: C;
  readonly event: E;
  /** Name of the fact, with its kind. */
  readonly name: string;
  /** The next state, or null: refused. */
  readonly next: string | null;
  /** What is remembered afterwards. */
  readonly after: C;
}

/** Where `table` differs from what is expected, in sentences; at most `differencesMax` of them. */
export function differences<C, E extends { readonly type: string }>(
  table: Table<string, C, E>,
  states: readonly string[],
  expected: readonly Expected<C, E>[],
  differencesMax = 20,
): string[] {
  const found: string[] = [];
  if (!isDeepStrictEqual(table.states, states)) found.push(`the states are ${table.states.join(' ')}`);
  const known = new Set(expected.map(({ event }) => event.type));
  for (const { state, event } of table.rows()) {
    if (!known.has(event)) found.push(`${state} has a transition on ${event}, which is no fact`);
  }
  for (const each of expected) {
    if (found.length >= differencesMax) break;
    const step = table.step({ state: each.state, context: each.context }, each.event);
    const where = `${each.state} (${each.situation}) on ${each.name}`;
    if ((step?.state ?? null) !== each.next)
      found.push(`${where}: ${step?.state ?? 'refused'} instead of ${each.next ?? 'refused'}`);
    else if (step && !isDeepStrictEqual(step.context, each.after))
      found.push(`${where}: ${changed(step.context, each.after)}`);
  }
  return found;
}

const changed = <C>(found: C, wanted: C): string =>
  `remembers ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`;

/**
 * What an effect of `job-table.ts` makes of a context: `seq`, `at`, `data.x` from the event, `+1` counts, `starts` is a
 * deadline, anything else is the value. A dot in the key names a member within a member.
 */
export function applied<C extends object>(
  context: C,
  effect: Readonly<Record<string, unknown>>,
  event: { seq: number; at: number; data: object },
): C {
  const after = structuredClone(context) as Record<string, unknown>;
  for (const [path, word] of Object.entries(effect)) {
    const [outer = '', inner] = path.split('.');
    const place = inner === undefined ? after : (after[outer] as Record<string, unknown>);
    const member = inner ?? outer;
    if (!(member in place)) throw new Error(`an effect names ${path}, which the context lacks`);
    place[member] = word === '+1' ? Number(place[member]) + 1 : meant(word, event);
  }
  return after as C;
}

function meant(word: unknown, event: { seq: number; at: number; data: object }): unknown {
  const data = event.data as Readonly<Record<string, unknown>>;
  if (word === 'seq') return event.seq;
  if (word === 'at') return event.at;
  if (word === 'starts') return { setBy: event.seq, atMs: event.at, ms: data['deadlineMs'] };
  if (typeof word === 'string' && word.startsWith('data.')) return data[word.slice('data.'.length)];
  if (word === null || typeof word !== 'object') return word;
  return Object.fromEntries(
    Object.entries(word).map(([key, inner]) => [
      key,
      inner === null || typeof inner !== 'object' ? meant(inner, event) : inner,
    ]),
  );
}
