/**
 * The two languages of state-machine inspectors: `@statelyai/inspect` (XState 5) and `@xstate/inspect` 0.8 (XState 4).
 *
 * Why written here and not by their libraries: those convert live XState actors and draw session ids and times from
 * global counters; these messages follow from the log, so each is the same whoever asks and whenever. That the genuine
 * receivers understand them is proven in `test/observe/inspector.test.ts` and `test/inspect-v4/receiver.test.ts`.
 */
import type { Definition, Seen, Snapshot } from './inspection.ts';

/** One message for each thing that is seen, as text; none where the language has no word for it. */
export type Dialect = (seen: Seen) => readonly string[];

/** Version of `@statelyai/inspect` whose messages these are. */
const statelyVersion = '0.7.2';
const root = 'controller';

/** `@xstate.actor`, `@xstate.event`, `@xstate.snapshot`. */
export const statelyDialect: Dialect = (seen) => {
  const { session: sessionId, atMs } = seen;
  const base = { _version: statelyVersion, createdAt: String(atMs), rootId: root, sessionId };
  switch (seen.kind) {
    case 'actor': {
      const { definition, parent, snapshot } = seen;
      const text = JSON.stringify({
        ...base,
        type: '@xstate.actor',
        id: null,
        name: sessionId,
        ...(parent === null ? {} : { parentId: parent }),
        snapshot: snapshot ? v5Snapshot(snapshot) : { status: 'active' },
      });
      return [definition ? `${text.slice(0, -1)},"definition":${v5Definition(definition)}}` : text];
    }
    case 'event': {
      const { event, seq, source } = seen;
      return [JSON.stringify({ ...base, type: '@xstate.event', id: String(seq), sourceId: source, event })];
    }
    case 'snapshot':
      return [
        JSON.stringify({
          ...base,
          type: '@xstate.snapshot',
          id: null,
          event: seen.event,
          snapshot: v5Snapshot(seen.snapshot),
        }),
      ];
  }
};

/** Made once for each machine: a chart is some kilobytes of text, and every job brings its own. */
function textOnce(make: (definition: Definition) => unknown): (definition: Definition) => string {
  const texts = new Map<Definition, string>();
  return (definition) => {
    const known = texts.get(definition) ?? JSON.stringify(JSON.stringify(make(definition)));
    texts.set(definition, known);
    return known;
  };
}

const v5Definition = textOnce(({ config }) => config);
const v4Definition = textOnce(v4Config);

const v5Snapshot = ({ value, context, isDone }: Snapshot) => ({
  status: isDone ? 'done' : 'active',
  value,
  context,
});

/** `service.register`, `service.event`, `service.state`, `service.stop`; values inside are JSON text once more. */
export const v4Dialect: Dialect = (seen) => {
  const { session: sessionId } = seen;
  switch (seen.kind) {
    case 'actor': {
      // This inspector knows machines alone.
      if (!seen.definition || !seen.snapshot) return [];
      const state = JSON.stringify(v4State(seen.snapshot, sessionId, { type: 'xstate.init' }));
      const parent = seen.parent === null ? {} : { parent: seen.parent };
      const text = JSON.stringify({ type: 'service.register', state, sessionId, id: sessionId, ...parent });
      return [`${text.slice(0, -1)},"machine":${v4Definition(seen.definition)}}`];
    }
    case 'event':
      return [
        JSON.stringify({
          type: 'service.event',
          event: JSON.stringify(scxml(seen.event, seen.source)),
          sessionId,
        }),
      ];
    case 'snapshot': {
      const state = JSON.stringify(v4State(seen.snapshot, sessionId, seen.event));
      const told = [JSON.stringify({ type: 'service.state', state, sessionId })];
      return seen.snapshot.isDone ? [...told, JSON.stringify({ type: 'service.stop', sessionId })] : told;
    }
  }
};

const scxml = (event: { readonly type: string }, origin: string) => ({
  name: event.type,
  data: event,
  $$type: 'scxml',
  type: 'external',
  origin,
});

const v4State = (
  { value, context, isDone }: Snapshot,
  sessionId: string,
  event: { readonly type: string },
) => ({
  value,
  context,
  event,
  _event: scxml(event, ''),
  _sessionid: sessionId,
  done: isDone,
  actions: [],
  children: {},
});

/** XState 4 calls a guard `cond`, and knows no target-less shorthand that it could not read as its own. */
function v4Config({ id, config }: Definition): unknown {
  const renamed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(renamed);
    if (value === null || typeof value !== 'object') return value;
    const members = Object.entries(value).map(([key, item]) => [
      key === 'guard' ? 'cond' : key,
      renamed(item),
    ]);
    return Object.fromEntries(members);
  };
  return { ...(renamed(config) as object), id };
}
