/** Who waits and why, at any seq: the page's answers are those of the server, and the line is in order. */
import * as assert from 'uvu/assert';
import { Player } from '../../src/dashboard/player.ts';
import { aheadOf, lastLeft, outsideQueue } from '../../src/dashboard/waiting-line.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { explain } from '../../src/scheduler/explain.ts';
import { queueView } from '../../src/views/queue-view.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';
import { simulatedRecords } from './logs.ts';

const t = suite('dashboard/explain');
const logs: (readonly FactRecord[])[] = [];
t.before(async () => {
  logs.push(await simulatedRecords(1, 80), await crowdedRecords());
});

/** Eight jobs, one runner, and every way to leave the line. */
async function crowdedRecords(): Promise<readonly FactRecord[]> {
  const world = await World.start({ gpus: 1, runners: 1 });
  await world.tenant('acme');
  const ids: string[] = [];
  for (let job = 0; job < 8; job += 1)
    ids.push(
      await world.submit({
        plan: job === 0 ? 'loop' : 'exit:0:50',
        limits: { queueMs: job === 7 ? 100 : 60_000 },
      }),
    );
  await world.cancel(ids[5] as string);
  await world.pass(1_000);
  // This one runs.
  await world.cancel(ids[0] as string);
  await world.pass(5_000);
  const facts = await world.facts();
  await world.end();
  return facts;
}

const operator = { tenant: '', admin: true };

/** Calls `look` after every fact. */
function walk(look: (player: Player, seq: number) => void): void {
  for (const records of logs) {
    const player = new Player(nodeSha256);
    player.append(records);
    for (const { seq } of records) {
      player.seek(seq);
      look(player, seq);
    }
  }
}

t('the folded queue and the reasons are those that a living controller gives', async () => {
  const world = await World.start({ gpus: 1, runners: 2 });
  await world.tenant('acme', { jobsMax: 3 });
  await world.tenant('bolt');
  for (let job = 0; job < 6; job += 1)
    await world.submit({
      plan: 'loop',
      tenant: job % 2 ? 'bolt' : 'acme',
      slot: job < 3 ? '3g.40gb' : '7g.80gb',
    });
  await world.settle();
  const player = new Player(nodeSha256);
  player.append(await world.facts());
  player.seek(player.headSeq);
  const { views } = player.moment;
  const live = queueView(world.life.views, operator);
  assert.ok(live.totals.queued > 2 && live.classes.length > 1, 'nothing waits');
  assert.equal(queueView(views, operator), live);
  for (const { id } of live.jobs) {
    const [here, there] = [views, world.life.views].map((each) => {
      const job = each.state.jobs.get(id);
      assert.ok(job);
      return explain(each.scheduler.sight, job);
    });
    assert.equal(here, there);
    assert.ok((here?.reasons.length ?? 0) > 0);
  }
  await world.end();
});

t('at every seq as many jobs stand before one as its position says, in the order of arrival', () => {
  let looked = 0;
  walk(({ moment }) => {
    const { sight } = moment.views.scheduler;
    for (const { id, position } of queueView(moment.views, operator).jobs) {
      const job = moment.state.jobs.get(id);
      assert.ok(job);
      const { jobs, total } = aheadOf(sight.queue, job.context.waitSince, 3);
      assert.is(total, position - 1);
      assert.is(jobs.length, Math.min(3, total));
      const order = jobs.map(({ waitSince }) => waitSince);
      assert.equal(
        order,
        order.toSorted((a, b) => a - b),
      );
      // Nobody who is left out came before those who are shown.
      assert.equal(jobs, aheadOf(sight.queue, job.context.waitSince, 1_000).jobs.slice(0, 3));
      if (total > 3) looked += 1;
    }
  });
  assert.ok(looked > 3, 'no long line was seen');
});

t('who waits is in a class of the queue or counted outside of it', () => {
  const seen = new Set<string>();
  walk(({ moment }) => {
    const { attesting, reserving, backoff } = outsideQueue(moment.state);
    const { queued, waiting } = queueView(moment.views, operator).totals;
    assert.is(queued + attesting + reserving + backoff, waiting);
    for (const [what, n] of Object.entries({ attesting, reserving, backoff })) if (n > 0) seen.add(what);
  });
  assert.equal([...seen].toSorted(), ['attesting', 'backoff', 'reserving']);
});

t('the last to leave the line stood in it just before, and not after', () => {
  const reasons = new Set<string>();
  const waits = ['attesting', 'queued', 'reserving', 'backoff'];
  for (const records of logs) assert.is(lastLeft(records, 1), null);
  walk((player, seq) => {
    const left = lastLeft(player.records, seq);
    assert.ok((left?.seq ?? 0) <= seq);
    if (left?.seq !== seq) return;
    assert.is.not(player.moment.state.jobs.get(left.id)?.state, 'queued');
    player.seek(seq - 1);
    const before = player.moment.state.jobs.get(left.id);
    assert.is(before?.context.tenant, left.tenant);
    assert.ok(waits.includes(before?.state ?? ''), `${left.why}: ${before?.state}`);
    reasons.add(left.why);
  });
  assert.ok(reasons.size > 2, [...reasons].join());
});

t.run();
