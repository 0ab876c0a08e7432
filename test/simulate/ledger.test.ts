/** The judge is judged: a sound history passes, and each law, broken on purpose, is named. */
import * as assert from 'uvu/assert';
import { notInFleet } from '../../src/configure.ts';
import { type FactRecord, genesis, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { Ledger } from '../../src/simulate/ledger.ts';
import { faultKinds, optionsOf } from '../../src/simulate/options.ts';
import { simulate } from '../../src/simulate/simulation.ts';
import { Violation } from '../../src/simulate/violation.ts';
import { suite } from '../suite.ts';

const t = suite('simulate: ledger');

type Loose = { -readonly [K in keyof FactRecord]: FactRecord[K] } & { data: Record<string, unknown> };
type Edit = (facts: Loose[]) => Loose[];

/** Facts of a run in which jobs succeed, are cancelled while they run, time out and meet drained GPUs. */
async function soundHistory(): Promise<FactRecord[]> {
  const quiet = optionsOf({ seed: 1, jobs: 40, without: faultKinds, crashAt: [] });
  const faults = { ...quiet.faults, cancels: 0.4, guestHangs: 0.3, drainEveryMs: 100 };
  const roomy = { fleet: '2xH100-80GB', runners: 5, queuedMax: 64, retainedMax: 100_000, checkpointFacts: 0 };
  const { history, violation } = await simulate({ ...quiet, ...roomy, faults });
  assert.is(violation, null);
  return [...history];
}

/** Numbers, chains and seals an edited history anew, so that only the edit itself is wrong. */
function resealed(facts: readonly Loose[]): FactRecord[] {
  let prev = genesis;
  const versions = new Map<string, number>();
  return facts.map((fact, i) => {
    const stream = fact.subject.slice(0, fact.subject.lastIndexOf('.'));
    const version = (versions.get(stream) ?? 0) + 1;
    versions.set(stream, version);
    const record = { ...fact, seq: i + 1, version, id: `${stream}:${version}`, prev };
    prev = sealRecord(record, nodeSha256).hash;
    return { ...record, hash: prev };
  });
}

const copyOf = (facts: readonly FactRecord[]): Loose[] => facts.map((fact) => structuredClone(fact) as Loose);

/** The law that a history breaks; null when it breaks none. */
function brokenBy(facts: readonly FactRecord[]): string | null {
  const ledger = new Ledger();
  try {
    for (const fact of facts) ledger.take(fact, null);
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.invariant;
    throw error;
  }
}

const at = (facts: Loose[], type: string): number => {
  const found = facts.findIndex((fact) => fact.type === type);
  assert.ok(found >= 0, `no ${type}`);
  return found;
};
/** A fact of the same job, after the one at `from`. */
const after = (facts: Loose[], from: number, type: string): number => {
  const stream = facts[from]?.subject.split('.').slice(0, 3).join('.');
  const found = facts.findIndex(
    (fact, i) => i > from && fact.type === type && fact.subject.startsWith(`${stream}.`),
  );
  assert.ok(found >= 0, `no ${type} behind ${from}`);
  return found;
};
const fact = (facts: Loose[], i: number): Loose => facts[i] as Loose;

/** Each with the law that it breaks. Numbers that other facts rest on are left alone: what breaks first is meant. */
const edits: Readonly<Record<string, readonly [law: string, edit: Edit]>> = {
  'a fact after the end': [
    'I2',
    (facts) => {
      const end = at(facts, 'job.succeeded');
      return [...facts.slice(0, end + 1), structuredClone(fact(facts, end))];
    },
  ],
  'a report with an old fence': [
    'I3',
    (facts) => {
      fact(facts, at(facts, 'job.started')).data['fence'] = 1;
      return facts;
    },
  ],
  'a slot that another job holds': [
    'I5',
    (facts) => {
      const first = at(facts, 'job.reserved');
      const second = facts.findIndex((each, i) => i > first && each.type === 'job.reserved');
      const upTo = facts.slice(0, second + 1).filter(({ type }) => type !== 'job.released');
      // Whoever gave its slot back goes on holding it here: what follows for it is left out.
      const stream = fact(facts, first).subject.split('.').slice(0, 3).join('.');
      const kept = upTo.filter((each, i) => i <= first || !each.subject.startsWith(`${stream}.`));
      const last = kept.at(-1) as Loose;
      last.data = structuredClone(fact(facts, first).data);
      return kept;
    },
  ],
  'a slot on a drained GPU': [
    'I6',
    (facts) => {
      const reserved = at(facts, 'job.reserved');
      const drain = structuredClone(fact(facts, at(facts, 'slot.drained')));
      const [slot] = fact(facts, reserved).data['slots'] as { gpu: string }[];
      drain.subject = `slot.${slot?.gpu}.drained`;
      return [...facts.slice(0, reserved), drain, ...facts.slice(reserved)];
    },
  ],
  'a start that restores what a person drained': [
    'I6',
    (facts) => {
      const restored = fact(facts, at(facts, 'slot.restored'));
      restored.data['reason'] = notInFleet;
      return facts;
    },
  ],
  'a loss behind a stop with nobody running': [
    'I19',
    (facts) => {
      const started = at(facts, 'job.started');
      const { fence } = fact(facts, started).data;
      const stop = structuredClone(fact(facts, at(facts, 'controller.recovered')));
      Object.assign(stop, {
        subject: 'controller.stopped',
        type: 'controller.stopped',
        data: { running: 0 },
      });
      const lost = structuredClone(fact(facts, started));
      Object.assign(lost, { type: 'job.lost', data: { fence, message: 'gone' } });
      lost.subject = lost.subject.replace('started', 'lost');
      return [...facts.slice(0, started + 1), stop, lost];
    },
  ],
  'a job beyond the queue bound': [
    'I7',
    (facts) => {
      for (const each of facts) if (each.type === 'controller.configured') each.data['queuedMax'] = 0;
      return facts;
    },
  ],
  'a slot beyond the quota': [
    'I8',
    (facts) => {
      for (const each of facts)
        if (each.subject.startsWith('tenant.')) (each.data['terms'] as { jobsMax: number }).jobsMax = 0;
      return facts;
    },
  ],
  'an unknown member': [
    'broken',
    (facts) => {
      fact(facts, at(facts, 'job.submitted')).data['more'] = 1;
      return facts;
    },
  ],
  'a step that the table does not have': [
    'I12',
    (facts) => facts.filter((_, i) => i !== at(facts, 'job.selected')),
  ],
  'a slot without an affirming report': [
    'I13',
    (facts) => {
      fact(facts, at(facts, 'job.attested')).data['affirms'] = false;
      return facts;
    },
  ],
  'a success after a cancel': [
    'I14',
    (facts) => {
      const cancel = at(facts, 'job.cancelRequested');
      const end = after(facts, cancel, 'job.cancelled');
      const success = structuredClone(fact(facts, at(facts, 'job.succeeded')));
      success.subject = fact(facts, end).subject.replace('cancelled', 'succeeded');
      return [...facts.slice(0, end), success];
    },
  ],
  'a second job for a key': [
    'I15',
    (facts) => {
      const first = facts.find(
        ({ data, type }) => type === 'job.submitted' && data['idempotencyKey'] !== null,
      );
      const again = structuredClone(first as Loose);
      again.subject = again.subject.replace(/job[a-z0-9]+\.submitted/, 'jobtwin.submitted');
      const place = facts.indexOf(first as Loose) + 1;
      return [...facts.slice(0, place), again];
    },
  ],
  'a deadline that another fact set': [
    'I17',
    (facts) => {
      fact(facts, at(facts, 'job.overdue')).data['setBy'] = 1;
      return facts;
    },
  ],
};

let history: FactRecord[] = [];
t.before(async () => {
  history = await soundHistory();
});

t('a sound history passes', () => {
  assert.ok(history.length > 200);
  assert.is(brokenBy(resealed(copyOf(history))), null);
});

for (const [name, [law, edit]] of Object.entries(edits)) {
  t(`${name} breaks ${law === 'broken' ? 'the schema' : law}`, () => {
    const edited = resealed(edit(copyOf(history)));
    if (law !== 'broken') assert.is(brokenBy(edited), law);
    else assert.throws(() => brokenBy(edited), /job\.submitted/);
  });
}

t('a record that is changed, dropped or swapped breaks the chain', () => {
  const [a, b] = [history[20] as FactRecord, history[21] as FactRecord];
  const changed = { ...a, at: a.at + 1 };
  assert.is(brokenBy([...history.slice(0, 20), changed, ...history.slice(21)]), 'I11');
  assert.is(brokenBy([...history.slice(0, 20), ...history.slice(21)]), 'I11');
  assert.is(brokenBy([...history.slice(0, 20), b, a, ...history.slice(22)]), 'I11');
});

t('a timer that acts before its time is named', () => {
  const facts = resealed(copyOf(history));
  const due = facts.find(({ type }) => type === 'job.overdue') as FactRecord;
  const { setBy } = due.data as { setBy: number };
  const { deadlineMs } = (facts[setBy - 1] as FactRecord).data as { deadlineMs: number };
  const judge = (dueAtMs: number): string | null => {
    const ledger = new Ledger();
    try {
      for (const record of facts.slice(0, due.seq)) {
        const atMs = record.seq === due.seq ? dueAtMs : 0;
        ledger.take(record, { atMs, wallOffsetMs: 0, wallOffsetMsMax: 0 });
      }
      return null;
    } catch (error) {
      return (error as Violation).invariant;
    }
  };
  assert.is(judge(deadlineMs - 5), 'I17');
});

t.run();
