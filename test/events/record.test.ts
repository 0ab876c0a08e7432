/** A record has one exact form, and no byte of it can change unseen. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/events/canonical.ts';
import { type FactRecord, genesis, openRecord, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('records');
const whole = fc.nat(2 ** 31);
const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
const sorted = (value: unknown): Record<string, unknown> =>
  JSON.parse(canonicalJson(value)) as Record<string, unknown>;

const anyRecord = fc
  .record({
    at: whole,
    author: word,
    basis: whole,
    cause: fc.option(whole),
    data: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map(sorted),
    epoch: whole,
    prev: fc.stringMatching(/^[0-9a-f]{64}$/),
    schema: whole,
    seq: whole,
    stream: fc.array(word, { minLength: 2, maxLength: 4 }).map((tokens) => tokens.join('.')),
    trace: fc.option(fc.string()),
    type: word,
    version: whole,
  })
  .map(({ stream, ...rest }) => ({
    ...rest,
    subject: `${stream}.${rest.type}`,
    id: `${stream}:${rest.version}`,
  }));

const example = {
  seq: 1,
  subject: 'job.acme.abc.started',
  type: 'job.started',
  id: 'job.acme.abc:1',
  version: 1,
  at: 1_700_000_000_000,
  author: 'executor',
  epoch: 1,
  basis: 0,
  cause: null,
  trace: null,
  schema: 1,
  data: { fence: 7, note: 'grüße' },
  prev: genesis,
};
const expected = { seq: 1, prev: genesis };

t('the record template is the canonical JSON of the record, with the hash put last', () =>
  fc.assert(
    fc.property(anyRecord, (record) => {
      const { hash, line } = sealRecord(record, nodeSha256);
      const canonical = canonicalJson(record);
      assert.is(hash, nodeSha256(canonical));
      assert.is(line, `${canonical.slice(0, -1)},"hash":"${hash}"}`);
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('a sealed record opens to what was sealed', () =>
  fc.assert(
    fc.property(anyRecord, (record) => {
      const { hash, line } = sealRecord(record, nodeSha256);
      assert.not.match(line, '\n');
      assert.equal(openRecord(line, record, nodeSha256), JSON.parse(JSON.stringify({ ...record, hash })));
    }),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('a flipped bit in any byte is noticed', () => {
  const bytes = new TextEncoder().encode(sealRecord(example, nodeSha256).line);
  assert.ok(bytes.length > 300);
  for (let at = 0; at < bytes.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const bad = bytes.slice();
      bad[at]! ^= 1 << bit;
      assert.type(
        openRecord(new TextDecoder().decode(bad), expected, nodeSha256),
        'string',
        `bit ${bit} of byte ${at}`,
      );
    }
  }
});

t('a byte that is left out or doubled is noticed', () => {
  const { line } = sealRecord(example, nodeSha256);
  for (let at = 0; at < line.length; at += 1) {
    assert.type(openRecord(line.slice(0, at) + line.slice(at + 1), expected, nodeSha256), 'string');
    assert.type(openRecord(line.slice(0, at) + line[at] + line.slice(at), expected, nodeSha256), 'string');
    assert.type(openRecord(line.slice(0, at), expected, nodeSha256), 'string');
  }
});

t('a sound record at the wrong place is refused, with the reason', () => {
  const { line } = sealRecord(example, nodeSha256);
  assert.is(openRecord(line, { seq: 2, prev: genesis }, nodeSha256), 'has seq 1, expected 2');
  assert.match(openRecord(line, { seq: 1, prev: '1'.repeat(64) }, nodeSha256) as string, 'does not chain');
  assert.is((openRecord(line, expected, nodeSha256) as FactRecord).seq, 1);
});

t('each hash depends on all records before it', () => {
  const second = (prev: string) =>
    sealRecord({ ...example, seq: 2, version: 2, id: 'job.acme.abc:2', prev }, nodeSha256).hash;
  const one = sealRecord(example, nodeSha256).hash;
  const other = sealRecord({ ...example, at: example.at + 1 }, nodeSha256).hash;
  assert.is.not(one, other);
  assert.is.not(second(one), second(other));
});

t.run();
