/** A page that begins at a checkpoint says nothing of a job that only the facts before it could tell. */
import * as assert from 'uvu/assert';
import { freezeFolds } from '../../src/checkpointing.ts';
import { isOfFormerLife, leftQueue } from '../../src/dashboard/before-begin.ts';
import { Player } from '../../src/dashboard/player.ts';
import type { Job } from '../../src/jobs/state.ts';
import type { Folds } from '../../src/log/checkpoint.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords } from './logs.ts';

const t = suite('dashboard: before the beginning');
const golden = goldenRecords(2);
const head = golden.length;
const whole = playedTo(new Player(nodeSha256), head);

function playedTo(player: Player, seq: number): Player {
  player.append(golden);
  player.seek(seq);
  return player;
}

/** A page that begins after `seq`, as at a checkpoint. */
function begunAt(seq: number): Player {
  const { state, cast, gate, views } = playedTo(new Player(nodeSha256), seq).moment;
  const frozen = JSON.stringify(freezeFolds({ state, actors: cast.all, gate, views }));
  const player = new Player(nodeSha256, { seq, folds: JSON.parse(frozen) as Folds });
  player.append(golden.slice(seq));
  player.seek(head);
  return player;
}

/** Jobs that are known at the end and have run. */
const ran = (player: Player): Job[] =>
  [...player.moment.state.jobs.values()].filter(({ context }) => context.attempt > 0);

t(
  'with all facts here, each job that ran was chosen by one of them, and what was never chosen is not said to be',
  () => {
    const selected = new Set(
      golden.filter(({ type }) => type === 'job.selected').map(({ subject }) => subject.split('.')[2]),
    );
    const queued = new Set(
      golden.filter(({ type }) => type === 'job.queued').map(({ subject }) => subject.split('.')[2]),
    );
    const counts = { here: 0, before: 0, never: 0, unchosen: 0 };
    for (const job of whole.moment.state.jobs.values()) {
      const { how } = leftQueue(whole.records, job, head);
      const { id } = job.context;
      counts[how] += 1;
      assert.is(how, selected.has(id) ? 'here' : queued.has(id) ? 'unchosen' : 'never');
    }
    assert.is(counts.before, 0);
    assert.ok(counts.here > 3 && counts.never > 0 && counts.unchosen > 0, JSON.stringify(counts));
  },
);

t('where the choice lies before the beginning, nobody says that the job never stood in the queue', () => {
  const page = begunAt(head - 5);
  assert.ok(ran(page).length > 3);
  let before = 0;
  for (const job of ran(page)) {
    const { how } = leftQueue(page.records, job, head);
    assert.is.not(how, 'never');
    if (how === 'before') before += 1;
  }
  assert.ok(before > 3);
});

t('a job of this life whose reservation is not here is not of a former one; one of a former life is', () => {
  const lives = new Set(golden.map(({ epoch }) => epoch));
  assert.ok(lives.size > 1);
  const last = golden.at(-1)!.epoch;
  let former = 0;
  for (const { context } of ran(whole)) {
    const is = isOfFormerLife(whole, context.fence);
    assert.is(is, golden[context.fence - 1]!.epoch !== last);
    if (is) former += 1;
  }
  assert.ok(former > 0);
  const page = begunAt(head - 5);
  for (const { context } of ran(page))
    if (context.fence <= page.beginSeq) assert.is(isOfFormerLife(page, context.fence), false, context.id);
});

t.run();
