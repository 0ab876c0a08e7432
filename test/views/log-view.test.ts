/** Pages of facts: complete, in order, no further than durable, and no foreign word. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { subjectMatcher } from '../../src/events/subject.ts';
import {
  factPage,
  factView,
  jobSource,
  logSource,
  maySee,
  type Readable,
  type Reader,
  type Source,
} from '../../src/views/log-view.ts';
import { charsOf, pageCharsMax } from '../../src/views/page.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('log view');
const seeded = { seed: seed(), numRuns: runs(100) };

const subjects = [
  'job.acme.j1.started',
  'job.globex.j2.started',
  'tenant.acme.changed',
  'tenant.globex.added',
  'intake.acme.refused',
  'intake.unknown.refused',
  'slot.gpu0.drained',
  'controller.recovered',
];

const sumOf = (facts: readonly unknown[]): number =>
  facts.reduce((sum: number, fact) => sum + charsOf(fact), 0);

/** A log with facts of these subjects; only shape and order matter here. */
function logOf(
  names: readonly string[],
  durable: number,
): Readable & { readonly records: readonly FactRecord[] } {
  const versions = new Map<string, number>();
  const records = names.map((subject, i): FactRecord => {
    const stream = subject.slice(0, subject.lastIndexOf('.'));
    const version = (versions.get(stream) ?? 0) + 1;
    versions.set(stream, version);
    const fixed = {
      at: 0,
      author: 'x',
      basis: 0,
      cause: null,
      data: {},
      epoch: 1,
      trace: null,
      schema: 1,
      prev: 'p',
      hash: 'h',
    };
    return { ...fixed, seq: i + 1, subject, type: 'x.y', id: `${stream}:${version}`, version };
  });
  const streamOf = ({ subject }: FactRecord): string => subject.slice(0, subject.lastIndexOf('.'));
  return {
    records,
    views: { seq: durable },
    log: {
      read: async (from, limit) => records.slice(from - 1, from - 1 + limit),
      readStream: async (stream, from = 1, limit = 10_000) =>
        records.filter((each) => streamOf(each) === stream && each.version >= from).slice(0, limit),
    },
  };
}

const acme: Reader = { tenant: 'acme', admin: false };
const admin: Reader = { tenant: 'admin', admin: true };

t('a tenant sees its own subjects, slots and controller, and nothing else', () => {
  const seen = subjects.filter((subject) => maySee(acme, subject));
  assert.equal(seen, [
    'job.acme.j1.started',
    'tenant.acme.changed',
    'intake.acme.refused',
    'slot.gpu0.drained',
    'controller.recovered',
  ]);
  assert.equal(
    subjects.filter((subject) => maySee(admin, subject)),
    subjects,
  );
  for (const odd of [
    'job.acmex.j.started',
    'job.ACME.j.started',
    'job',
    'other.acme.x',
    '',
    'slots.gpu0.x',
  ]) {
    assert.not.ok(maySee(acme, odd), odd);
  }
});

t('pages of any size join to all that matches and is durable, each once, in order', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...subjects), { maxLength: 900 }),
      fc.integer({ min: 0, max: 900 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom('>', 'job.>', '*.acme.>', 'job.*.*.started', 'slot.gpu0.*', 'nothing.>'),
      fc.constantFrom(acme, admin),
      async (names, durable, limit, pattern, reader) => {
        const readable = logOf(names, Math.min(durable, names.length));
        const source = logSource(readable, reader, pattern);
        assert.ok(source);
        const seen: number[] = [];
        let from = 1;
        for (let pages = 0; pages < 1_000; pages += 1) {
          const page = await factPage(source, from, limit, () => readable.views.seq);
          assert.ok(page.facts.length <= limit);
          assert.ok(page.next >= from);
          seen.push(...page.facts.map(({ seq }) => seq));
          if (page.next > page.upTo) break;
          from = page.next;
        }
        const matches = subjectMatcher(pattern);
        const wanted = readable.records.filter(
          ({ seq, subject }) => seq <= readable.views.seq && matches?.(subject) && maySee(reader, subject),
        );
        assert.equal(
          seen,
          wanted.map(({ seq }) => seq),
        );
      },
    ),
    seeded,
  ),
);

t("a job's own stream gives its facts from any seq on, however long it is", async () => {
  const names = Array.from({ length: 1_400 }, (_, i) =>
    i % 2 === 0 ? 'job.acme.j1.started' : 'job.globex.j2.started',
  );
  const readable = logOf(names, 1_301);
  for (const from of [1, 2, 601, 1_300, 1_301, 1_302]) {
    const page = await factPage(
      jobSource(readable, acme, 'job.acme.j1'),
      from,
      1_000,
      () => readable.views.seq,
    );
    const wanted = readable.records.filter(
      ({ seq, subject }) => seq >= from && seq <= 1_301 && subject.includes('.acme.'),
    );
    assert.equal(
      page.facts.map(({ seq }) => seq),
      wanted.map(({ seq }) => seq),
      String(from),
    );
  }
});

t('hashes over foreign facts are for the admin alone', async () => {
  const readable = logOf(subjects, subjects.length);
  const pageFor = async (reader: Reader) => {
    const source = logSource(readable, reader, '>');
    assert.ok(source);
    return (await factPage(source, 1, 100, () => readable.views.seq)).facts;
  };
  assert.ok((await pageFor(admin)).every(({ hash, prev }) => hash === 'h' && prev === 'p'));
  assert.ok((await pageFor(acme)).every((fact) => !('hash' in fact) && !('prev' in fact)));
});

t(
  "the state hash of a recovery is over everybody's state: for the admin alone, and nothing else is withheld",
  async () => {
    const recovered = { bytes: 7, epoch: 2, fromSeq: 3, lostIds: 0, ofSeq: 2, stateHash: 'f'.repeat(64) };
    const [first] = logOf(['controller.recovered'], 1).records;
    assert.ok(first);
    const record = { ...first, type: 'controller.recovered', data: recovered };
    assert.equal(factView(record, admin), record);
    const { stateHash: _, ...rest } = recovered;
    const { hash: _hash, prev: _prev, ...others } = record;
    assert.equal(factView(record, acme), { ...others, data: rest });
    const other = { ...first, type: 'slot.drained', data: { reason: 'x', stateHash: 'not a state hash' } };
    assert.equal(factView(other, acme).data, other.data);
  },
);

t('a log that is closed under its reader says come back', async () => {
  const broken: Readable = {
    views: { seq: 5 },
    log: {
      read: () => Promise.reject(new Error('file closed')),
      readStream: () => Promise.reject(new Error('file closed')),
    },
  };
  for (const source of [logSource(broken, admin, '>'), jobSource(broken, admin, 'job.acme.j1')]) {
    const code = await factPage(source as NonNullable<typeof source>, 1, 10, () => 5).then(
      () => null,
      (error: { code: string }) => error.code,
    );
    assert.is(code, 'ERR_READ_ONLY');
  }
});

t(
  'a page of facts ends at its weight, with one fact at least, and a batch of a stream well before',
  async () => {
    const readable = logOf(
      Array.from({ length: 300 }, () => 'job.acme.j1.submitted'),
      300,
    );
    const heavy = (seq: number): number => (seq === 100 ? pageCharsMax * 2 : seq % 3 === 0 ? 260_000 : 10);
    for (const record of readable.records)
      (record as { data: unknown }).data = { request: 'x'.repeat(heavy(record.seq)) };
    // Each request makes its own: a source remembers how far it has come.
    const makers = [
      () => logSource(readable, acme, '>') as Source,
      () => jobSource(readable, acme, 'job.acme.j1'),
    ];
    for (const make of makers) {
      const batch = await make()(1);
      assert.ok(batch.chars <= pageCharsMax * 0.4 && batch.chars === sumOf(batch.facts), String(batch.chars));
      const seen: number[] = [];
      for (let from = 1; from <= 300; ) {
        const page = await factPage(make(), from, 1_000, () => 300);
        assert.ok(page.facts.length >= 1 && page.next > from);
        const most = page.facts.some(({ seq }) => seq === 100) ? 3.4 : 1.4;
        assert.ok(sumOf(page.facts) <= pageCharsMax * most, `${sumOf(page.facts)} characters from ${from}`);
        seen.push(...page.facts.map(({ seq }) => seq));
        from = page.next;
      }
      assert.equal(
        seen,
        readable.records.map(({ seq }) => seq),
      );
    }
  },
);

t('a malformed pattern is no source, and one page reads a bounded part of the log', async () => {
  for (const pattern of ['', '.', 'a..b', '>.a', 'a b', 'job.>.x', 'x'.repeat(300)])
    assert.is(logSource(logOf([], 0), admin, pattern), null, pattern);
  const readable = logOf(
    Array.from({ length: 40_000 }, () => 'slot.gpu0.drained'),
    40_000,
  );
  const source = logSource(readable, admin, 'job.>');
  assert.ok(source);
  const page = await factPage(source, 1, 10, () => readable.views.seq);
  assert.equal(page.facts, []);
  assert.ok(page.next > 10_000 && page.next < 20_000, String(page.next));
});

t.run();
