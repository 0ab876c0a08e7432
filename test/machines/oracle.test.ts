/**
 * The compiled table, XState's pure transitions and a live actor tell the same story of every history.
 *
 * Why three: the host folds with the table because it is an order of magnitude faster; the charts, the inspector and the
 * reader know XState. If they ever differ, the picture is a lie, and this test says for which facts.
 */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { createActor, type SnapshotFrom, transition } from 'xstate';
import { isEnd, type JobFact, type JobState, jobMachine } from '../../machines/job.ts';
import { suite } from '../suite.ts';
import { holds } from './holds.ts';
import { states } from './job-table.ts';
import { anyHistory, jobTable, unborn } from './walks.ts';

type Snapshot = SnapshotFrom<typeof jobMachine>;

const input = { id: 'j1', tenant: 'acme' };
const newActor = () => createActor(jobMachine, { input });
/** XState's own scope, shared by all steps: the machine starts nothing, so it is never used. */
const scope = (newActor() as unknown as { _actorScope: Parameters<typeof jobMachine.transition>[2] })
  ._actorScope;

const t = suite('the oracle');

const agree = 'table, pure transitions and live actor agree on every state, context and refusal';
t(agree, agreeAlways, { limitMs: 200_000 });

function agreeAlways(): void {
  const seen = { states: new Set<JobState>(), refused: 0, afterEnd: 0 };
  holds(anyHistory, 1_000, (history) => agreeOn(history, seen));
  assert.equal([...seen.states].sort(), [...states].sort(), 'some state was never visited');
  assert.ok(seen.refused > 500, `only ${seen.refused} refused facts`);
  assert.ok(seen.afterEnd > 500, `only ${seen.afterEnd} facts after an end`);
}

function agreeOn(
  history: readonly JobFact[],
  seen: { states: Set<JobState>; refused: number; afterEnd: number },
): void {
  const actor = newActor().start();
  let pure: Snapshot = actor.getSnapshot();
  let shared: Snapshot = pure;
  let folded = unborn;
  seen.states.add(folded.state);
  for (const event of history) {
    const next = jobTable.step(folded, event);
    const [pureNext, effects] = transition(jobMachine, pure, event);
    const sharedNext = jobMachine.transition(shared, event, scope) as Snapshot;
    actor.send(event);
    assert.equal(effects, [], 'the machine asked for an effect');
    if (next === null) {
      // XState says no by giving the same snapshot back.
      assert.is(pureNext, pure);
      assert.is(sharedNext, shared);
      seen.refused += 1;
      if (isEnd(folded.state)) seen.afterEnd += 1;
    } else {
      assert.is.not(pureNext, pure);
      assert.is.not(sharedNext, shared);
    }
    folded = next ?? folded;
    pure = pureNext;
    shared = sharedNext;
    seen.states.add(folded.state);
    const wanted = { state: folded.state, context: folded.context };
    for (const snapshot of [pure, shared, actor.getSnapshot()]) {
      assert.equal({ state: snapshot.value, context: snapshot.context }, wanted, `after ${event.type}`);
      assert.is(snapshot.status, isEnd(folded.state) ? 'done' : 'active');
    }
  }
  actor.stop();
}

t('a job that went through JSON goes on as if nothing had happened', () => {
  holds(fc.tuple(anyHistory, fc.nat(59)), 300, ([history, cut]) => {
    let folded = unborn;
    for (const event of history.slice(0, cut)) folded = jobTable.step(folded, event) ?? folded;
    let restored = JSON.parse(JSON.stringify(folded)) as typeof folded;
    for (const event of history.slice(cut)) {
      folded = jobTable.step(folded, event) ?? folded;
      restored = jobTable.step(restored, event) ?? restored;
    }
    assert.equal(restored, folded);
  });
});

t('a step never changes what it was given', () => {
  holds(anyHistory, 300, (history) => {
    let folded = unborn;
    for (const event of history) {
      const before = JSON.stringify([folded, event]);
      const next = jobTable.step(folded, event);
      assert.is(JSON.stringify([folded, event]), before);
      folded = next ?? folded;
    }
  });
});

t.run();
