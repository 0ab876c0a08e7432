/** Equal values give equal bytes, different ones different bytes. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/events/canonical.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('canonical JSON');

/** The same value with the members of every object in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reordered(item)]),
  );
}

t('keys are sorted at every depth, without white space', () => {
  assert.is(
    canonicalJson({ b: 1, a: { d: [1, { z: 1, y: 2 }], c: 2 } }),
    '{"a":{"c":2,"d":[1,{"y":2,"z":1}]},"b":1}',
  );
});

t('the order in which members were made does not matter', () =>
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      assert.is(canonicalJson(reordered(value)), canonicalJson(value));
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('the text reads back as the value', () =>
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      assert.equal(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

/** The plainest way to the same text: sort, insert, and let the engine write. */
function slowly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(slowly);
  if (value === null || typeof value !== 'object') return value;
  const sorted: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
    sorted[key] = slowly(item);
  return sorted;
}

t('whatever the keys, numbers too, the text is that of sorted members in an object', () => {
  const key = fc.oneof(
    fc.string(),
    fc.nat(20).map(String),
    fc.constantFrom('4294967294', '4294967295', '01', '-1', '1e3', '', '9'),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 6 }),
    ),
  }));
  fc.assert(
    fc.property(value, (made) => {
      assert.is(canonicalJson(made), JSON.stringify(slowly(made)) ?? 'null');
    }),
    { seed: seed(), numRuns: runs(1_000) },
  );
});

t('a part whose text is known is not looked into', () => {
  const part = { b: 1, a: 2 };
  assert.is(
    canonicalJson({ x: [part] }, (each) => (each === part ? '"known"' : null)),
    '{"x":["known"]}',
  );
});

t('the text of a text is the text', () =>
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = canonicalJson(value);
      assert.is(canonicalJson(JSON.parse(text)), text);
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('maps and sets count as sorted objects and lists, members without a value are left out', () => {
  assert.is(
    canonicalJson(
      new Map([
        ['b', 1],
        ['a', 2],
      ]),
    ),
    '{"a":2,"b":1}',
  );
  assert.is(canonicalJson(new Set(['b', 'a'])), '["a","b"]');
  assert.is(canonicalJson({ a: undefined, b: null }), '{"b":null}');
  assert.is(canonicalJson({ inner: new Map([['k', new Set(['y', 'x'])]]) }), '{"inner":{"k":["x","y"]}}');
});

t('a key named __proto__ is a key like others', () => {
  assert.is(canonicalJson(JSON.parse('{"__proto__":{"a":1},"b":2}')), '{"__proto__":{"a":1},"b":2}');
});

t('what is nested without end is refused, not followed', () => {
  const loop: Record<string, unknown> = {};
  loop['self'] = loop;
  assert.throws(() => canonicalJson(loop), /nested deeper/);
});

t.run();
