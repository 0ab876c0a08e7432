/**
 * Every history there is, not a sample: a search over all facts from `new`, with numbers forgotten that decide nothing.
 *
 * Why that is enough: guards and verdicts read only the state, the report, the slot, the reason, how the guest went, and
 * two counts that are bounded (`attempts.max` 2, `lossesMax` 1 here). Seqs and times are put to zero, so the histories
 * fall together into a few hundred situations, and all of them are visited.
 */
import * as assert from 'uvu/assert';
import { conclude } from '../../machines/conclude.ts';
import { isEnd, type JobFact, type JobState } from '../../machines/job.ts';
import { jobFactTypes } from '../../src/events/facts.ts';
import { suite } from '../suite.ts';
import { endStates, holdingStates, states } from './job-table.ts';
import { fact, spec } from './samples.ts';
import { type FoldedJob, jobTable, unborn } from './walks.ts';

interface Situation {
  readonly job: FoldedJob;
  /** Was a cancel ever asked for while the job held a slot. */
  readonly cancelAsked: boolean;
  /** What can happen next. */
  readonly next: { readonly event: JobFact; readonly key: string }[];
}

const situationsMax = 100_000;

/** All facts, in all the kinds that guards and actions tell apart. */
const kinds: readonly JobFact[] = jobFactTypes.flatMap((type): JobFact[] => {
  const one = (changes: object = {}): JobFact => fact(type, 0, 0, { ...changes });
  switch (type) {
    case 'job.submitted':
      return [one({ lossesMax: 1, spec: { ...spec, attempts: { backoffMs: 0, max: 2 } } })];
    case 'job.attested':
      return [one({ affirms: true }), one({ affirms: false })];
    case 'job.exited':
      return [one({ exitCode: 0 }), one({ exitCode: 1 })];
    case 'job.overdue':
      return [one({ what: 'start' }), one({ what: 'run' })];
    default:
      return [one()];
  }
});

/** What decides anything later. Attempts and fences only grow and are compared by the host alone. */
function keyOf({ state, context }: FoldedJob, cancelAsked: boolean): string {
  const { affirmed, reason, gone, losses, failures, slots } = context;
  const went = gone?.how === 'exited' ? `exited ${gone.exitCode}` : (gone?.how ?? 'no');
  return [state, affirmed, reason, went, losses, failures, slots !== null, cancelAsked].join('|');
}

function explore(): Map<string, Situation> {
  const found = new Map<string, Situation>([
    [keyOf(unborn, false), { job: unborn, cancelAsked: false, next: [] }],
  ]);
  // A Map yields what is added while it is walked: it is its own queue.
  for (const { job, cancelAsked, next } of found.values()) {
    for (const event of kinds) {
      const step = jobTable.step(job, event);
      if (step === null) continue;
      const asked = cancelAsked || event.type === 'job.cancelRequested';
      const key = keyOf(step, asked);
      next.push({ event, key });
      if (!found.has(key)) found.set(key, { job: step, cancelAsked: asked, next: [] });
    }
    if (found.size > situationsMax)
      throw new Error(`more than ${situationsMax} situations: a count has no bound`);
  }
  return found;
}

const all = explore();
const list = [...all.values()];

/** The situations from which an end can be reached by facts that `allowed` lets happen. */
function leadingToAnEnd(allowed: (event: JobFact, job: FoldedJob) => boolean): Set<string> {
  const good = new Set([...all].filter(([, { job }]) => isEnd(job.state)).map(([key]) => key));
  for (let sizeBefore = -1; sizeBefore < good.size; ) {
    sizeBefore = good.size;
    for (const [key, { job, next }] of all) {
      if (next.some((step) => good.has(step.key) && allowed(step.event, job))) good.add(key);
    }
  }
  return good;
}

/** The ends that can follow from a situation. */
function endsAfter(start: Situation): Set<JobState> {
  const seen = new Set([start]);
  for (const { next } of seen) for (const { key } of next) seen.add(all.get(key)!);
  return new Set([...seen].map(({ job }) => job.state).filter(isEnd));
}

const t = suite('reachability');

t('every state is reached', () => {
  assert.ok(list.length > 100, `only ${list.length} situations`);
  assert.equal([...new Set(list.map(({ job }) => job.state))].sort(), [...states].sort());
});

t('every transition of the machine is taken somewhere', () => {
  const taken = new Set(
    list.flatMap(({ job, next }) => next.map(({ event }) => `${job.state} ${event.type}`)),
  );
  for (const { state, event } of jobTable.rows())
    assert.ok(taken.has(`${state} ${event}`), `${state} on ${event}`);
});

t('from every situation an end can be reached: no dead end', () => {
  assert.is(leadingToAnEnd(() => true).size, all.size);
});

/** What happens without the guest, the user or the scheduler doing anything: time passes, and the slot is freed. */
const withoutHelp = new Set(
  'expired overdue lost released succeeded failed timedOut cancelled queued retryScheduled'
    .split(' ')
    .map((name) => `job.${name}`),
);

t('an end is reached even if no guest answers, nobody schedules and nobody cancels', () => {
  const good = leadingToAnEnd(({ type }, { state }) => {
    if (type === 'job.cancelled') return state === 'releasing';
    return withoutHelp.has(type);
  });
  const stuck = [...all].filter(([key]) => !good.has(key)).map(([, { job }]) => job.state);
  assert.equal([...new Set(stuck)], ['new'], 'only a job that was never submitted may wait for ever');
});

t('a slot is held in starting, running, stopping, and releasing until released; nowhere else', () => {
  for (const { job } of list) {
    const held = job.context.slots !== null;
    if (held) assert.ok(holdingStates.includes(job.state), job.state);
    if (!held) assert.not.ok(['starting', 'running', 'stopping'].includes(job.state), job.state);
  }
  const releasing = list.filter(({ job }) => job.state === 'releasing');
  assert.ok(
    releasing.some(({ job }) => job.context.slots !== null) &&
      releasing.some(({ job }) => job.context.slots === null),
  );
});

t('after a cancel was asked for, the job ends as cancelled and in no other way', () => {
  const asked = list.filter(({ cancelAsked }) => cancelAsked);
  assert.ok(asked.length > 5);
  for (const situation of asked) {
    assert.equal([...endsAfter(situation)], ['cancelled'], keyOf(situation.job, true));
  }
});

t('success needs an affirming report and an exit code of 0', () => {
  const succeeded = list.filter(({ job }) => job.state === 'succeeded');
  assert.ok(succeeded.length > 0);
  for (const { job } of list) if (job.context.slots !== null) assert.ok(job.context.affirmed, job.state);
  for (const { job } of succeeded) {
    const { gone, reason } = job.context;
    assert.ok(gone?.how === 'exited' && gone.exitCode === 0 && reason === null);
  }
});

t('a free slot has exactly one verdict, the one that conclude names', () => {
  const verdicts = new Set(
    ['succeeded', 'failed', 'timedOut', 'cancelled', 'queued', 'retryScheduled'].map((name) => `job.${name}`),
  );
  const named = new Set<string>();
  for (const { job, next } of list.filter((each) => each.job.state === 'releasing')) {
    const possible = next.map(({ event }) => event.type as string).filter((type) => verdicts.has(type));
    const wanted: string[] = job.context.slots === null ? [conclude(job.context).fact] : [];
    assert.equal(possible, wanted, keyOf(job, false));
    for (const fact of wanted) named.add(fact);
  }
  assert.is(named.size, 6, 'some verdict never follows');
});

t('an end is entered by the fact of its own name, and by nothing else', () => {
  for (const { job, next } of list) {
    for (const { event, key } of next) {
      const { state } = all.get(key)!.job;
      if (isEnd(state)) assert.is(event.type, `job.${state}`, `from ${job.state}`);
      if (endStates.includes(event.type.slice(4))) assert.is(state, event.type.slice(4), `from ${job.state}`);
    }
  }
});

t('only a fact that says that the guest is gone leads to releasing', () => {
  for (const { job, next } of list.filter((each) => each.job.state !== 'releasing')) {
    for (const { event, key } of next) {
      if (all.get(key)!.job.state !== 'releasing') continue;
      assert.ok(
        ['job.exited', 'job.crashed', 'job.stopped', 'job.lost'].includes(event.type),
        `${job.state} on ${event.type}`,
      );
      assert.ok(all.get(key)!.job.context.gone);
    }
  }
});

t.run();
