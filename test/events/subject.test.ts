/** Subjects are dotted names, and a pattern matches exactly what it says. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { streamOf, subjectMatcher, tenantOf, tokenPattern } from '../../src/events/subject.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('subjects');
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
const subject = fc.array(token, { minLength: 1, maxLength: 6 });

t('the stream of a subject is all but its last token', () => {
  assert.is(streamOf('job.acme.abc.started'), 'job.acme.abc');
  assert.is(streamOf('controller.main.recovered'), 'controller.main');
});

t('only jobs, tenants and the door have a tenant', () => {
  assert.is(tenantOf('job.acme.abc.started'), 'acme');
  assert.is(tenantOf('tenant.acme.registered'), 'acme');
  assert.is(tenantOf('intake.acme.refused'), 'acme');
  assert.is(tenantOf('slot.gpu0.drained'), null);
  assert.is(tenantOf('controller.main.started'), null);
  assert.is(tenantOf('jobs.acme.abc'), null);
});

t('a star stands for one token, an arrow for one or more at the end', () => {
  const cases: [string, string, boolean][] = [
    ['job.acme.>', 'job.acme.abc.started', true],
    ['job.acme.>', 'job.acme', false],
    ['job.acme.>', 'job.acme2.abc', false],
    ['job.*.abc.*', 'job.acme.abc.started', true],
    ['job.*.abc.*', 'job.acme.abd.started', false],
    ['job.*', 'job.acme.abc', false],
    ['*', 'job', true],
    ['>', 'job.acme.abc.started', true],
    ['job.acme.abc.started', 'job.acme.abc.started', true],
    ['job.acme.abc.started', 'job.acme.abc.stopped', false],
  ];
  for (const [pattern, name, expected] of cases) {
    assert.is(subjectMatcher(pattern)!(name), expected, `${pattern} and ${name}`);
  }
});

t('a malformed pattern compiles to nothing', () => {
  for (const pattern of [
    '',
    '.',
    'job.',
    '.job',
    'job..a',
    'job.>.a',
    'job.a*',
    'job.a>',
    'job.a b',
    'é',
    'a'.repeat(65),
  ]) {
    assert.is(subjectMatcher(pattern), null, pattern);
  }
  assert.is(subjectMatcher(Array(200).fill('a').join('.')), null);
});

t('a subject matches itself, itself with stars, and itself cut short by an arrow', () =>
  fc.assert(
    fc.property(subject, fc.nat(), (tokens, n) => {
      const at = n % tokens.length;
      const name = tokens.join('.');
      assert.ok(subjectMatcher(name)!(name));
      assert.ok(subjectMatcher(tokens.toSpliced(at, 1, '*').join('.'))!(name));
      assert.ok(subjectMatcher([...tokens.slice(0, at), '>'].join('.'))!(name));
      assert.not.ok(subjectMatcher([...tokens, '>'].join('.'))!(name));
      assert.not.ok(subjectMatcher(`${name}.*`)!(name));
    }),
    { seed: seed(), numRuns: runs(300) },
  ),
);

t('no token can hold a wildcard, a dot or a quote', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (tokenPattern.test(text)) assert.not.match(text, /[.*>"\\\s/]/);
    }),
    { seed: seed(), numRuns: runs(1_000) },
  ),
);

t.run();
