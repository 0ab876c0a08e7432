/** Laws of what a job remembers, over random histories: visits, deadlines, the wait, fences, counts. */
import * as assert from 'uvu/assert';
import type { JobContext, JobFact } from '../../machines/job.ts';
import { suite } from '../suite.ts';
import { holds } from './holds.ts';
import { anyHistory, type FoldedJob, jobTable, unborn } from './walks.ts';

interface Step {
  readonly from: FoldedJob;
  readonly event: JobFact;
  readonly to: FoldedJob;
  /** The steps so far, this one included. */
  readonly past: readonly JobFact[];
}

/** Checks `law` after every accepted fact of many histories; the law returns whether it had anything to check. */
function always(law: (step: Step) => boolean): void {
  let checked = 0;
  const check = (history: readonly JobFact[]): void => {
    let from = unborn;
    const past: JobFact[] = [];
    for (const event of history) {
      const to = jobTable.step(from, event);
      if (to === null) continue;
      past.push(event);
      if (law({ from, event, to, past })) checked += 1;
      from = to;
    }
  };
  holds(anyHistory, 300, check);
  assert.ok(checked > 100, `only ${checked} steps to check`);
}

const t = suite('visits, deadlines, counts');

t('a fact that stays in the state changes neither visit nor deadline', () => {
  always(({ from, to }) => {
    if (from.state !== to.state) return false;
    assert.is(to.context.visit, from.context.visit);
    assert.is(to.context.deadline, from.context.deadline);
    return true;
  });
});

t('a fact that enters a state is that visit', () => {
  always(({ from, event, to }) => {
    if (from.state === to.state) return false;
    assert.is(to.context.visit, event.seq);
    return true;
  });
});

t('being selected and not placed keeps the deadline and the place in the queue', () => {
  always(({ from, event, to }) => {
    if (event.type !== 'job.selected' && event.type !== 'job.unplaced') return false;
    assert.ok(from.context.deadline);
    assert.is(to.context.deadline, from.context.deadline);
    assert.is(to.context.waitSince, from.context.waitSince);
    return true;
  });
});

t('each queued starts a wait and a deadline of its own', () => {
  always(({ event, to }) => {
    if (event.type !== 'job.queued') return false;
    assert.is(to.context.waitSince, event.seq);
    assert.equal(to.context.deadline, { setBy: event.seq, atMs: event.at, ms: event.data.deadlineMs });
    return true;
  });
});

t('a deadline runs in every state that waits, none while releasing or ended', () => {
  const watched = ['attesting', 'queued', 'reserving', 'starting', 'running', 'stopping', 'backoff'];
  always(({ to: { state, context } }) => {
    assert.is(context.deadline !== null, watched.includes(state), state);
    return true;
  });
});

t('the fence is the seq of the last reserved, and only rises', () => {
  always(({ from, event, to, past }) => {
    const last = past.filter(({ type }) => type === 'job.reserved').at(-1);
    assert.is(to.context.fence, last?.seq ?? 0);
    assert.ok(to.context.fence >= from.context.fence);
    if (event.type !== 'job.reserved') return false;
    assert.is(to.context.fence, event.seq);
    return true;
  });
});

t(
  'attempts count reserved; failures count crashes and exit codes; losses count lost runners and late starts',
  () => {
    always(({ to, past }) => {
      assert.is(to.context.attempt, past.filter(({ type }) => type === 'job.reserved').length);
      assert.is(to.context.failures, past.filter(isFailure).length);
      assert.is(to.context.losses, lossesIn(past));
      return to.context.losses > 0 || to.context.failures > 0;
    });
  },
);

const isFailure = (event: JobFact): boolean =>
  event.type === 'job.crashed' || (event.type === 'job.exited' && event.data.exitCode !== 0);

/** A late start counts once, however its guest goes afterwards; any other loss while stopping costs nothing. */
function lossesIn(past: readonly JobFact[]): number {
  let losses = 0;
  let stopping = false;
  for (const event of past) {
    if (event.type === 'job.reserved') stopping = false;
    if (event.type === 'job.overdue' && event.data.what === 'start') losses += 1;
    if (event.type === 'job.lost' && !stopping) losses += 1;
    if (event.type === 'job.overdue' || event.type === 'job.evicted' || event.type === 'job.cancelRequested')
      stopping = true;
  }
  return losses;
}

t('a new attempt remembers nothing of how the last one went', () => {
  always(({ event, to }) => {
    if (event.type !== 'job.reserved') return false;
    assert.equal([to.context.reason, to.context.gone], [null, null]);
    return true;
  });
});

t('every end but success has a cause, and only ends have a time of ending', () => {
  always(({ to: { state, context } }) => {
    const ended = jobTable.eventsOf(state).length === 0;
    assert.is(context.times.endedAtMs !== null, ended);
    assert.is(context.cause !== null, ended && state !== 'succeeded');
    return ended;
  });
});

t('what identifies a job is never changed', () => {
  const identity = ({ id, tenant, spec, lossesMax }: JobContext) => ({ id, tenant, spec, lossesMax });
  always(({ from, to }) => {
    if (from.state === 'new') return false;
    assert.equal(identity(to.context), identity(from.context));
    return true;
  });
});

t.run();
