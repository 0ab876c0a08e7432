/** The words: schemas are declared in canonical order, refuse what they don't know, and hold their bounds. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { z } from 'zod';
import { canonicalJson } from '../../src/events/canonical.ts';
import { checkedData, type FactType, facts, isFactType, jobFactTypes } from '../../src/events/facts.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import { holds } from '../machines/holds.ts';
import { samples } from '../machines/samples.ts';
import { suite } from '../suite.ts';

const types = Object.keys(facts) as FactType[];
const digest = `sha256:${'0'.repeat(64)}`;
const least = { module: digest, slot: '1g.10gb' };

/** What zod keeps of a schema, as far as the walk below reads it. */
interface Def {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
}

/** Every object within a schema, with its path. Not nested deeper than `depthMax`. */
function objectsIn(schema: z.ZodType, path: string, depth = 0): { path: string; keys: string[] }[] {
  const depthMax = 20;
  if (depth > depthMax) throw new Error(`${path}: nested deeper than ${depthMax}`);
  const def = (schema as unknown as { _zod: { def: Def } })._zod.def;
  const members = Object.entries(def.shape ?? {});
  const own = def.type === 'object' ? [{ path, keys: members.map(([key]) => key) }] : [];
  const inner = [def.innerType, def.in, def.element, def.valueType].filter((each) => each !== undefined);
  return [
    ...own,
    ...members.flatMap(([key, member]) => objectsIn(member, `${path}.${key}`, depth + 1)),
    ...inner.flatMap((each) => objectsIn(each, path, depth + 1)),
  ];
}

/** The same value with the members of every object in reverse. */
function reversed(value: unknown, depth = 0): unknown {
  if (depth > 20) throw new Error('nested too deep');
  if (Array.isArray(value)) return value.map((item) => reversed(item, depth + 1));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).reverse();
  return Object.fromEntries(entries.map(([key, item]) => [key, reversed(item, depth + 1)]));
}

const digests = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
const capabilities = fc.constantFrom(
  'stdio',
  'args',
  'clock:virtual',
  'clock:real',
  'random:seeded',
  'env:HOME',
  'env:A_1',
);
/** Valid specs: each member present or left to its default, maps in any order, numbers at their bounds too. */
const anySpec = fc.record(
  {
    module: digests,
    slot: fc.constantFrom('1g.10gb', '7g.80gb', '1g.10gb+me', '3g.40gb'),
    args: fc.array(fc.string({ maxLength: 8 }), { maxLength: 4 }),
    attempts: fc.record(
      { max: fc.integer({ min: 1, max: 20 }), backoffMs: fc.integer({ min: 0, max: 3_600_000 }) },
      { requiredKeys: [] },
    ),
    backend: fc.constant('wasm'),
    capabilities: fc.array(capabilities, { maxLength: 8 }),
    env: fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), fc.string(), { maxKeys: 6 }),
    gpus: fc.integer({ min: 1, max: 8 }),
    input: digests,
    labels: fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,8}$/), fc.string(), { maxKeys: 6 }),
    limits: fc.record(
      {
        wallMs: fc.integer({ min: 1, max: 86_400_000 }),
        memoryMiB: fc.integer({ min: 1, max: 1_024 }),
        outputBytes: fc.integer({ min: 0, max: 64 * 1024 * 1024 }),
        queueMs: fc.integer({ min: 1, max: 7 * 86_400_000 }),
        startMs: fc.integer({ min: 1, max: 600_000 }),
      },
      { requiredKeys: [] },
    ),
    model: digests,
    name: fc.stringMatching(/^[\p{L} 0-9.-]{0,20}$/u),
    priority: fc.integer({ min: -100, max: 100 }),
  },
  { requiredKeys: ['module', 'slot'] },
);

const t = suite('facts');

t('the members of every schema are declared in sorted order, at every depth', () => {
  let objects = 0;
  for (const type of types) {
    for (const { path, keys } of objectsIn(facts[type], type)) {
      assert.equal(keys, [...keys].sort(), path);
      objects += 1;
    }
  }
  const nested = objectsIn(facts['job.submitted'], 'submitted').map(({ path }) => path);
  for (const path of ['submitted.spec', 'submitted.spec.attempts', 'submitted.spec.limits'])
    assert.ok(nested.includes(path), path);
  assert.ok(objects > types.length + 10, `only ${objects} objects were seen`);
});

t('data of every fact comes out in canonical form, whatever the order it went in', () => {
  for (const type of types) {
    const sample: unknown = samples[type];
    const text = JSON.stringify(checkedData(type, reversed(sample)));
    assert.is(text, canonicalJson(sample), type);
    assert.is(text, JSON.stringify(sample), `the sample of ${type}`);
  }
});

t('a member that no schema knows is refused, and the error names fact and member', () => {
  for (const type of types) {
    const wrong = { ...samples[type], surprise: 1 };
    assert.throws(
      () => checkedData(type, wrong),
      (error: Error) => error.message.startsWith(`${type}: `) && /surprise/.test(error.message),
    );
  }
});

t('a missing member is refused, and the error names it', () => {
  const optional = new Set([
    ...['bytes', 'folds', 'fromSeq', 'lostIds'].map((member) => `controller.recovered ${member}`),
    'controller.checkpointed folds',
    ...['machines', 'retainedMax'].map((member) => `controller.configured ${member}`),
  ]);
  for (const type of types) {
    for (const member of Object.keys(samples[type])) {
      const { [member]: _, ...rest } = samples[type] as Record<string, unknown>;
      if (optional.has(`${type} ${member}`)) assert.equal(checkedData(type, rest), rest);
      else
        assert.throws(
          () => checkedData(type, rest),
          (error: Error) => error.message.startsWith(`${type}: ${member}`),
        );
    }
  }
});

t('a fault within a member is named by its path', () => {
  const { spec } = samples['job.submitted'];
  const deep = { ...samples['job.submitted'], spec: { ...spec, limits: { ...spec.limits, wallMs: 0 } } };
  assert.throws(() => checkedData('job.submitted', deep), /^job\.submitted: spec\.limits\.wallMs: /);
  const slot = { gpu: 'GPU 0', profile: '1g.10gb', size: 1, start: 0 };
  const wrong = { ...samples['job.reserved'], slots: [slot] };
  assert.throws(() => checkedData('job.reserved', wrong), /^job\.reserved: slots\.0\.gpu: /);
});

t('no data at all is refused, and does not crash the check', () => {
  for (const type of types)
    for (const data of [undefined, null, 'x', 7, []]) assert.throws(() => checkedData(type, data), type);
});

t('a job has 22 facts, and only known names are facts', () => {
  assert.is(jobFactTypes.length, 22);
  assert.ok(types.every((type) => isFactType(type) && /^[a-z]+\.[a-z][A-Za-z]+$/.test(type)));
  for (const name of ['job.exploded', 'toString', '__proto__', 'constructor', ''])
    assert.not.ok(isFactType(name), name);
});

t('a spec that names only module and slot gets these defaults', () => {
  assert.equal(jobSpecSchema.parse(least), {
    args: [],
    attempts: { backoffMs: 1_000, max: 1 },
    backend: 'wasm',
    capabilities: ['args', 'clock:virtual', 'random:seeded', 'stdio'],
    env: {},
    gpus: 1,
    labels: {},
    limits: { memoryMiB: 64, outputBytes: 1_048_576, queueMs: 600_000, startMs: 5_000, wallMs: 10_000 },
    module: digest,
    priority: 0,
    slot: '1g.10gb',
  });
});

t('defaults fill in what an incomplete member leaves out', () => {
  const spec = jobSpecSchema.parse({ ...least, limits: { wallMs: 7 }, attempts: { max: 4 } });
  assert.equal(
    [spec.limits.wallMs, spec.limits.startMs, spec.attempts],
    [7, 5_000, { backoffMs: 1_000, max: 4 }],
  );
});

/** Path, the least and the greatest value that is allowed. */
const bounds: readonly [path: string, min: number, max: number][] = [
  ['attempts.backoffMs', 0, 3_600_000],
  ['attempts.max', 1, 20],
  ['gpus', 1, 8],
  ['limits.memoryMiB', 1, 1_024],
  ['limits.outputBytes', 0, 67_108_864],
  ['limits.queueMs', 1, 604_800_000],
  ['limits.startMs', 1, 600_000],
  ['limits.wallMs', 1, 86_400_000],
  ['priority', -100, 100],
];

t('every number of a spec has both bounds, and is whole', () => {
  for (const [path, min, max] of bounds) {
    const [outer = '', inner] = path.split('.');
    const issueOf = (value: unknown) => {
      const parsed = jobSpecSchema.safeParse({
        ...least,
        [outer]: inner === undefined ? value : { [inner]: value },
      });
      return parsed.success ? null : parsed.error.issues[0]?.path.join('.');
    };
    for (const value of [min, max]) assert.is(issueOf(value), null, `${path} = ${value}`);
    for (const value of [
      min - 1,
      max + 1,
      min + 0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      String(min),
      null,
    ]) {
      assert.is(issueOf(value), path, `${path} = ${value}`);
    }
  }
});

const long = (chars: number) => 'x'.repeat(chars);
const entries = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`K${i}`, '']));
/** A member, the most that is allowed, and what is refused. */
const shapes: readonly [member: string, allowed: unknown, refused: readonly unknown[]][] = [
  ['module', digest, ['', digest.slice(7), digest.toUpperCase(), `${digest}0`, `${digest}\n`]],
  ['slot', '7g.141gb', ['1g', '0g.10gb', '1g.10GB', '1g.10gb+gfx', ' 1g.10gb', '1g.10gb\n']],
  ['args', Array(64).fill(long(4_096)), [Array(65).fill(''), [long(4_097)], [7]]],
  ['env', entries(64), [entries(65), { lower: '' }, { '1A': '' }, { A: long(4_097) }, { A: 1 }]],
  [
    'labels',
    { ...entries(15), 'a.b_c-d': long(128) },
    [entries(17), { '-a': '' }, { A: long(129) }, { [long(64)]: '' }],
  ],
  ['capabilities', ['env:HOME', 'random:crypto'], [['gpu'], ['env:'], ['env:lower'], ['stdio\n'], ['clock']]],
  ['name', long(128), [long(129), 'a\u0000', 'a\u001b[31m', 'a\nb', 'a\u0085b']],
  ['backend', 'wasm', ['docker', null]],
];

t('every text, list and map of a spec has its form and its bound', () => {
  for (const [member, allowed, refused] of shapes) {
    const isTaken = (value: unknown) => jobSpecSchema.safeParse({ ...least, [member]: value }).success;
    assert.ok(isTaken(allowed), `${member}: ${JSON.stringify(allowed).slice(0, 60)}`);
    for (const value of refused)
      assert.not.ok(isTaken(value), `${member}: ${JSON.stringify(value).slice(0, 60)}`);
  }
  assert.not.ok(jobSpecSchema.safeParse({ ...least, image: 'x' }).success, 'an unknown member');
});

t('capabilities are a set: repeats and order make no difference', () => {
  const given = ['stdio', 'args', 'stdio', 'args'];
  assert.equal(jobSpecSchema.parse({ ...least, capabilities: given }).capabilities, ['args', 'stdio']);
});

t('a parsed spec is in canonical form, and parsing it again changes nothing', () => {
  let complete = 0;
  holds(anySpec, 1_000, (given) => {
    const spec = jobSpecSchema.parse(given);
    const text = JSON.stringify(spec);
    assert.is(text, canonicalJson(spec));
    assert.is(JSON.stringify(jobSpecSchema.parse(reversed(given))), text, 'order of members');
    assert.is(JSON.stringify(jobSpecSchema.parse(spec)), text, 'parsed twice');
    if (Object.keys(given).length > 10) complete += 1;
  });
  assert.ok(complete > 20, `only ${complete} specs with most members`);
});

t.run();
