/** The banner says what must be known before a controller is trusted. */
import * as assert from 'uvu/assert';
import type { About } from '../../src/dashboard/server.ts';
import { connection, standing } from '../../src/dashboard/standing.ts';
import { newState } from '../../src/jobs/state.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: standing of a controller');

const about: About = {
  version: '0.1.0',
  durability: 'file: fdatasync returned',
  demo: false,
  policy: null,
  enforcement: [],
  isolation: 'L1',
  demoTenants: [],
  log: null,
  headSeq: 0,
};

t('a log on disk is durable, one in memory is loudly not', () => {
  const [first] = standing(newState(), {
    ...about,
    durability: openMemoryLog({ sha256: nodeSha256 }).log.durability,
  });
  assert.equal([first?.text, first?.isWarning], ['NOT durable: memory', true]);
  const durable = standing(newState(), about).find(({ text }) => text.includes('durable'));
  assert.equal([durable?.text, durable?.isWarning], ['durable: fdatasync', false]);
});

t('slots without hardware, demo keys and missing runners are warnings, and stand first', async () => {
  const world = await World.start();
  const badges = standing(world.life.views.state, { ...about, demo: true, isolation: 'none' });
  assert.equal(
    badges.map(({ text, isWarning }) => `${isWarning ? '!' : ''}${text}`),
    ['!slots simulated', '!demo keys', '!no runners', 'durable: fdatasync', 'v0.0.0'],
  );
  assert.ok(badges.every(({ title }) => title.length > 20));
  await world.end();
});

t('without a server the log itself tells what it can', async () => {
  const world = await World.start();
  assert.equal(
    standing(world.life.views.state, null).map(({ text }) => text),
    ['slots simulated', 'v0.0.0'],
  );
  assert.equal(standing(newState(), null), []);
  await world.end();
});

t('where the facts come from has one badge in every case', () => {
  const text = (...[source]: Parameters<typeof connection>) => connection(source).text;
  assert.is(text({ kind: 'loading', loaded: 0, total: null }), 'loading');
  assert.is(text({ kind: 'loading', loaded: 50, total: 200 }), 'loading 25 %');
  assert.is(text({ kind: 'live' }), 'connected');
  assert.is(text({ kind: 'file', name: 'night.html' }), 'recorded: night.html');
  assert.ok(connection({ kind: 'reconnecting', reason: 'gone' }).isWarning);
  assert.ok(connection({ kind: 'failed', reason: 'no key', next: 'give one' }).title.endsWith('give one'));
});

t.run();
