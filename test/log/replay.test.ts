/** A log replays as it was made; what was changed in it, or decided by other rules, is named at its very seq. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { isDecision } from '../../src/jobs/inputs.ts';
import { fold, jobIdOf, jobTable, newState, type State } from '../../src/jobs/state.ts';
import { type Divergence, Replayer } from '../../src/log/replay.ts';
import { policies } from '../../src/scheduler/policies.ts';
import { boards } from '../../src/slots/boards.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { World } from '../properties/world.ts';
import { runs, seed, suite } from '../suite.ts';
import { anyScript, anyWorld, fleets, forged, played, replayed } from './replay-scripts.ts';

const options = { seed: seed(), endOnFailure: true } as const;
const t = suite('log/replay');

t(
  'a log replays without divergence whatever happened, crashes and restarts included',
  async () => {
    const saw = { decisions: 0, inputs: 0, lives: 0 };
    await fc.assert(
      fc.asyncProperty(anyScript, anyWorld, async (script, world) => {
        const records = await played(script, world);
        const { divergence, decisions, inputs } = replayed(records);
        assert.is(divergence, null, JSON.stringify(divergence, null, 1));
        assert.is(decisions + inputs, records.length);
        saw.decisions += decisions;
        saw.inputs += inputs;
        saw.lives += records.filter(({ type }) => type === 'controller.recovered').length;
      }),
      { ...options, numRuns: runs(100) },
    );
    assert.ok(saw.decisions > 2_000 && saw.lives > 200, `the checker saw only ${JSON.stringify(saw)}`);
  },
  { limitMs: 120_000 },
);

/** Changes of one record that hashes made right again would hide; null where a record has nothing of the kind. */
const forgeries: Readonly<Record<string, (record: FactRecord, before: State) => FactRecord | null>> = {
  'another job selected': (record, { jobs }) => {
    if (record.type !== 'job.selected') return null;
    const other = [...jobs.values()].find(
      ({ state, context }) => state === 'queued' && context.id !== jobIdOf(record.subject),
    );
    if (!other) return null;
    const { id, tenant, visit } = other.context;
    return { ...record, subject: `job.${tenant}.${id}.selected`, cause: visit };
  },
  'another start': (record) =>
    withData(record, 'job.reserved', ({ slots }) => ({
      slots: (slots as { start: number }[]).map((slot) => ({ ...slot, start: slot.start + 1 })),
    })),
  'another placement': (record) => withData(record, 'job.reserved', () => ({ placement: 'best-fit/1' })),
  'a verdict swapped': (record) => {
    const { subject, type } = record;
    const cause = { code: 'ERR_EXIT_CODE', message: 'exit code 1', retryable: false };
    if (type !== 'job.succeeded') return null;
    return {
      ...record,
      type: 'job.failed',
      subject: subject.replace('succeeded', 'failed'),
      data: { cause },
    };
  },
  'a deadline of a decision': (record) =>
    withData(record, 'job.queued', ({ deadlineMs }) => ({ deadlineMs: (deadlineMs as number) + 1 })),
  'a deadline of an input': (record) =>
    withData(record, 'job.overdue', ({ deadlineMs }) => ({ deadlineMs: (deadlineMs as number) + 1 })),
  'more losses allowed': (record) => withData(record, 'job.submitted', () => ({ lossesMax: 77 })),
  'an older basis': (record) => (record.type === 'job.selected' ? { ...record, basis: 1 } : null),
  'another author': (record) => (record.type === 'job.released' ? { ...record, author: 'scheduler' } : null),
  'a start without a slot': (record) =>
    record.type === 'job.selected'
      ? {
          ...record,
          type: 'job.started',
          subject: record.subject.replace('selected', 'started'),
          data: { deadlineMs: 300, fence: 1, isolation: 'L0', runner: 'r' },
        }
      : null,
  'a broken schema': (record) => withData(record, 'job.lost', () => ({ message: 7 })),
};

function withData(
  record: FactRecord,
  type: string,
  change: (data: FactRecord['data']) => object,
): FactRecord | null {
  return record.type === type ? { ...record, data: { ...record.data, ...change(record.data) } } : null;
}

t(
  'a record that was changed, every hash made right again, is named at its very seq',
  async () => {
    const seen = new Map(Object.keys(forgeries).map((name) => [name, 0]));
    await fc.assert(
      fc.asyncProperty(anyScript, anyWorld, fc.nat(), async (script, world, pick) => {
        const records = await played(script, world);
        for (const [name, forge] of Object.entries(forgeries)) {
          const state = newState();
          const possible: FactRecord[] = [];
          for (const record of records) {
            const other = forge(record, state);
            if (other) possible.push(other);
            fold(state, record);
          }
          const wrong = possible[pick % Math.max(1, possible.length)];
          if (!wrong) continue;
          const { divergence } = replayed(forged(records, wrong.seq, () => wrong));
          assert.ok(divergence, `${name} at seq ${wrong.seq} was not noticed`);
          assert.is(divergence.seq, wrong.seq, `${name}: ${divergence.reason}`);
          assert.equal(divergence.found.data, wrong.data);
          assert.is(divergence.life.epoch, wrong.epoch);
          seen.set(name, (seen.get(name) ?? 0) + 1);
        }
      }),
      { ...options, numRuns: runs(40) },
    );
    for (const [name, count] of seen) assert.ok(count >= 3, `${name}: only ${count} were tried`);
  },
  { limitMs: 120_000 },
);

/** The first divergence among logs that were made while `change` was in force; it is undone before they are replayed. */
async function firstUnder(change: () => () => void, shouldSee: number): Promise<readonly Divergence[]> {
  const found: Divergence[] = [];
  const { fleet, slots } = fleets[1];
  await fc.assert(
    fc.asyncProperty(anyScript, async (script) => {
      const undo = change();
      const records = await played(script, {
        options: { fleet, policy: 'fifo', queuedMax: 20 },
        slots,
      }).finally(undo);
      const { divergence } = replayed(records);
      if (divergence) found.push(divergence);
    }),
    { ...options, numRuns: runs(40) },
  );
  assert.ok(found.length >= shouldSee, `only ${found.length} logs told of the other rule`);
  return found;
}

/** Puts `value` in the place of a member for a while. */
function swapped<T extends object, K extends keyof T>(owner: T, name: K, value: T[K]): () => void {
  const own = owner[name];
  owner[name] = value;
  return () => {
    owner[name] = own;
  };
}

t('the first job that another policy took out of turn is named, and the one whose turn it was', async () => {
  const table = policies as Record<string, (typeof policies)[string]>;
  const lastFirst = {
    name: 'fifo/1',
    before: (a: { waitSince: number }, b: { waitSince: number }) => a.waitSince > b.waitSince,
  };
  for (const { expected, found, kind, life, differs } of await firstUnder(
    () => swapped(table, 'fifo', lastFirst),
    10,
  )) {
    assert.equal(
      [kind, expected?.type, found.type, life.policy],
      ['decision', 'job.selected', 'job.selected', 'fifo'],
    );
    assert.ok(differs.includes('subject'));
    // The cause of a selection is the fact that queued the job: who came first has the lower one.
    assert.ok((expected?.cause ?? 0) < (found.cause ?? 0));
  }
});

t('the first slot that another placement gave is named, and where it should have been', async () => {
  type Open = { starts: readonly number[] };
  const profiles = (boards['H100-80GB']?.profiles ?? []) as unknown as Open[];
  const lastFit = () => {
    const undo = profiles.map((profile) => swapped(profile, 'starts', [...profile.starts].reverse()));
    return () => {
      for (const back of undo) back();
    };
  };
  for (const { differs, found, life } of await firstUnder(lastFit, 10)) {
    assert.equal([found.type, differs, life.placement], ['job.reserved', ['data.slots'], 'first-fit/1']);
  }
});

t('the first verdict of another job machine is named, with the version that gave it', async () => {
  const { step } = jobTable;
  const countsTwice: typeof step = (from, event) => {
    const next = step(from, event);
    if (!next || next.context.failures === from.context.failures) return next;
    return { ...next, context: { ...next.context, failures: next.context.failures + 1 } };
  };
  for (const { expected, found, life } of await firstUnder(() => swapped(jobTable, 'step', countsTwice), 3)) {
    assert.ok(['job.failed', 'job.retryScheduled'].includes(found.type), found.type);
    assert.is(expected?.type, 'job.retryScheduled');
    assert.is(life.machines?.['job'], 'job/1');
  }
});

t(
  'after a divergence the replay goes on from what was recorded, and tells only of what is wrong',
  async () => {
    const { fleet, slots } = fleets[0];
    const [script] = fc.sample(anyScript, { seed: 11, numRuns: 1 });
    const records = await played(script ?? [], { options: { fleet, policy: 'fifo' }, slots });
    const wrong = records.filter(({ type }) => type === 'job.queued').slice(0, 2);
    assert.is(wrong.length, 2);
    const twice = wrong.reduce<readonly FactRecord[]>(
      (log, { seq }) => forged(log, seq, (record) => ({ ...record, author: 'slots' })),
      records,
    );
    const replayer = new Replayer();
    const found = twice.flatMap((record) => replayer.feed(record).divergence ?? []);
    assert.equal(
      found.map(({ seq }) => seq),
      wrong.map(({ seq }) => seq),
    );
  },
);

t('a tenant with a job on its way to a small slice of a name is not counted with the large one', async () => {
  // `1g.10gb` is two slices of one board and one of the other; the first has room for one of the two jobs.
  const world = new World({ fleet: fleets[2].fleet, policy: 'fifo', runners: 2, queuedMax: 30 });
  await world.begin();
  const rest = async (): Promise<void> => {
    for (let i = 0; i < 4; i += 1) {
      await world.settle();
      world.log.flush();
    }
    await world.settle();
  };
  for (const [name, slicesMax] of [
    ['acme', 3],
    ['globex', 20],
  ] as const) {
    const terms = { ...defaultTerms, unsigned: true, slicesMax, jobsMax: 9, queuedMax: 20 };
    world.send({ kind: 'Note', type: 'tenant.changed', stream: `tenant.${name}`, data: { terms } });
  }
  for (const [tenant, slot] of [
    ['globex', '4g.20gb'],
    ['globex', '2g.10gb'],
    ['globex', '1g.10gb'],
    ['acme', '1g.10gb'],
    ['acme', '2g.20gb'],
  ] as const) {
    world.submit(tenant, { slot });
    await rest();
  }
  const { configured } = world.controller!.state.controller;
  const data = { ...configured!, runners: 9 };
  world.send({ kind: 'Note', type: 'controller.configured', stream: 'controller', data });
  await rest();
  world.submit('globex', { slot: '2g.20gb' });
  await rest();
  const selected = world.disk.records.filter(({ type }) => type === 'job.selected');
  assert.equal(
    selected.map(({ subject }) => jobIdOf(subject)),
    ['job0', 'job1', 'job2', 'job3', 'job4', 'job5'],
  );
  assert.is(replayed(world.disk.records).divergence, null);
});

t(
  'ten thousand facts between two decisions are forgotten on the way, and an older basis is not believed',
  async () => {
    const world = new World({ policy: 'fifo' });
    await world.begin();
    const runOne = async (): Promise<void> => {
      world.submit('acme', { slot: '1g.6gb' });
      await world.runToTheEnd();
    };
    await runOne();
    const data = { code: 'ERR_QUEUE_FULL', count: 1, fromMs: 0, toMs: 1 } as const;
    for (let i = 0; i < 10_000; i += 1) {
      world.send({ kind: 'Note', type: 'intake.refused', stream: 'intake.acme', data });
      if (i % 1_000 === 0) await world.settle();
    }
    await runOne();
    const { records } = world.disk;
    assert.ok(records.length > 10_000);
    assert.is(replayed(records).divergence, null);
    const { seq } = records.findLast(({ type }) => type === 'job.selected') as FactRecord;
    const { divergence } = replayed(forged(records, seq, (record) => ({ ...record, basis: seq - 5_000 })));
    assert.equal([divergence?.seq, divergence?.kind], [seq, 'decision']);
    assert.match(divergence?.reason ?? '', /can't have read up to/);
  },
);

t('what is a decision depends on the state it was made in', () => {
  assert.equal(
    [isDecision('job.queued', 'attesting'), isDecision('job.queued', 'backoff')],
    [true, false],
    'a wait that is over comes from outside',
  );
  assert.equal(
    [isDecision('job.cancelled', 'releasing'), isDecision('job.cancelled', 'queued')],
    [true, false],
    'so does a cancel of a job that waits',
  );
});

t.run();
