/** What inspectors are shown: a projection of the log that equals the folds, bounded, the same for whoever asks. */
import * as assert from 'uvu/assert';
import { type Dialect, statelyDialect, v4Dialect } from '../../src/observe/dialects.ts';
import type { Seen } from '../../src/observe/inspection.ts';
import { Inspector, type Peer } from '../../src/observe/inspector.ts';
import { suite } from '../suite.ts';
import { World } from './world.ts';

const t = suite('observe/inspection');

/** A dialect of the test's own: what was seen, unchanged. */
const plainly: Dialect = (seen) => [JSON.stringify(seen)];

interface Watching {
  readonly world: World;
  readonly inspector: Inspector;
  readonly seen: Seen[];
  readonly peer: Peer & { unreadBytes: number; cuts: number };
  readonly detach: () => void;
}

async function watching(): Promise<Watching> {
  const world = await World.start();
  await world.tenant('acme');
  const inspector = new Inspector({ clock: world.clock, life: () => world.life });
  const seen: Seen[] = [];
  const peer = {
    unreadBytes: 0,
    cuts: 0,
    send: (texts: readonly string[]) => void seen.push(...texts.map((text) => JSON.parse(text) as Seen)),
    cut: () => {
      peer.cuts += 1;
    },
  };
  const detach = inspector.attach(peer, plainly);
  await world.pass(200);
  return { world, inspector, seen, peer, detach };
}

const valuesOf = (seen: readonly Seen[], session: string): string[] =>
  seen.flatMap((each) => (each.session === session && each.kind === 'snapshot' ? [each.snapshot.value] : []));

t('whoever attaches is shown the controller, its actors and its GPUs as they stand', async () => {
  const { seen } = await watching();
  const actors = seen.filter(({ kind }) => kind === 'actor').map(({ session }) => session);
  assert.equal(actors.slice(0, 2), ['controller', 'intake']);
  assert.ok(actors.includes('slot.gpu0') && actors.includes('slot.gpu1') && actors.includes('scheduler'));
  const controller = seen.find(({ session }) => session === 'controller');
  assert.is(controller?.kind === 'actor' && controller.snapshot?.value, 'accepting');
});

t('a job steps through its states in the order of its facts, each with who caused it', async () => {
  const { world, seen } = await watching();
  const id = await world.submit({ plan: 'exit:0:20' });
  await world.pass(1_000);
  const session = `job.${id}`;
  const steps = seen.filter((each) => each.session === session);
  assert.is(steps[0]?.kind, 'actor');
  const events = steps.flatMap((each) => (each.kind === 'event' ? [[each.event.type, each.source]] : []));
  assert.equal(events, [
    ['job.submitted', 'test'],
    ['job.attested', 'attestor'],
    ['job.queued', 'jobs'],
    ['job.selected', 'scheduler'],
    ['job.reserved', 'slots'],
    ['job.started', 'executor'],
    ['job.exited', 'executor'],
    ['job.released', 'slots'],
    ['job.succeeded', 'jobs'],
  ]);
  assert.equal(valuesOf(seen, session).at(-1), 'succeeded');
  const held = seen.flatMap((each) =>
    each.session === 'slot.gpu0' && each.kind === 'snapshot'
      ? [(each.snapshot.context as { held: number }).held]
      : [],
  );
  assert.equal(held, [1, 0]);
});

t('what a tenant sent is not shown', async () => {
  const { world, seen } = await watching();
  await world.submit({ plan: 'exit:0:20' });
  await world.pass(1_000);
  assert.not.ok(JSON.stringify(seen).includes('exit:0:20'));
});

t('one who attaches later is shown the jobs that have not ended, and no others', async () => {
  const { world, inspector } = await watching();
  const ended = await world.submit({ plan: 'exit:0:20' });
  const runs = await world.submit({ plan: 'loop' });
  await world.pass(1_000);
  const late: Seen[] = [];
  const send = (texts: readonly string[]) => void late.push(...texts.map((text) => JSON.parse(text) as Seen));
  inspector.attach({ unreadBytes: 0, send, cut: () => undefined }, plainly);
  await world.pass(200);
  const jobs = late.filter(({ session }) => session.startsWith('job.')).map(({ session }) => session);
  assert.equal(jobs, [`job.${runs}`]);
  assert.not.ok(jobs.includes(`job.${ended}`));
});

t(
  'one who does not read costs a bound, then is shown afresh with the number of facts it missed',
  async () => {
    const { world, seen, peer } = await watching();
    peer.unreadBytes = 1e9;
    const before = seen.length;
    for (let i = 0; i < 50; i += 1) await world.submit({ plan: 'exit:0:20' });
    await world.pass(20_000);
    assert.is(seen.length, before, 'nothing is sent to one who does not read');
    peer.unreadBytes = 0;
    await world.pass(200);
    const skipped = seen.find((each) => each.kind === 'event' && each.event.type === 'inspector.skipped');
    assert.is(skipped?.kind === 'event' && skipped.event['facts'], 450);
  },
);

t('one who reads nothing for a minute is let go', async () => {
  const { world, peer } = await watching();
  peer.unreadBytes = 1e9;
  await world.pass(59_000);
  assert.is(peer.cuts, 0);
  await world.pass(3_000);
  assert.ok(peer.cuts > 0);
});

t(
  'a job that was there before, but one of too many, is introduced with the first thing told of it',
  async () => {
    const { world, inspector } = await watching();
    const first = await world.submit({ plan: 'loop' });
    for (let i = 0; i < 505; i += 1) await world.submit({ plan: 'loop' });
    await world.pass(1_000);
    const late: Seen[] = [];
    const send = (texts: readonly string[]) =>
      void late.push(...texts.map((text) => JSON.parse(text) as Seen));
    inspector.attach({ unreadBytes: 0, send, cut: () => undefined }, plainly);
    await world.pass(200);
    assert.not.ok(late.some(({ session }) => session === `job.${first}`));
    await world.ask({ kind: 'CancelJob', id: first, tenant: null, by: 'admin' });
    await world.pass(5_000);
    const told = late.filter(({ session }) => session === `job.${first}`);
    assert.is(told[0]?.kind, 'actor');
    assert.is(told.filter(({ kind }) => kind === 'actor').length, 1);
    assert.equal(valuesOf(told, `job.${first}`).at(-1), 'cancelled');
  },
);

t('nothing is armed and nobody listens when the last one has gone', async () => {
  const { world, inspector, seen, detach } = await watching();
  const armed = world.clock.armed;
  detach();
  assert.is(inspector.count, 0);
  assert.is(world.clock.armed, armed - 1);
  const before = seen.length;
  await world.submit({ plan: 'exit:0:20' });
  await world.pass(1_000);
  assert.is(seen.length, before);
});

t('both languages have a word for each machine, and the same values', async () => {
  const { world, seen } = await watching();
  const id = await world.submit({ plan: 'crash:20', attempts: 2 });
  await world.pass(20_000);
  const session = `job.${id}`;
  const said = (dialect: Dialect) =>
    seen.flatMap((each) => dialect(each)).map((text) => JSON.parse(text) as Record<string, unknown>);
  const v5 = said(statelyDialect)
    .filter(({ type, sessionId }) => type === '@xstate.snapshot' && sessionId === session)
    .map(({ snapshot }) => (snapshot as { value: string }).value);
  const v4 = said(v4Dialect)
    .filter(({ type, sessionId }) => type === 'service.state' && sessionId === session)
    .map(({ state }) => (JSON.parse(state as string) as { value: string }).value);
  assert.equal(v5, valuesOf(seen, session));
  assert.equal(v4, v5);
  assert.is(v5.at(-1), 'failed');
});

t.run();
