/** What the Lab remembers: one scenario at a time, each verdict kept, and a stop between two. */
import * as assert from 'uvu/assert';
import { LabDesk } from '../../src/dashboard/lab-desk.ts';
import type { LabPort, Scenario } from '../../src/dashboard/lab-run.ts';
import type { LabSight } from '../../src/dashboard/lab-sight.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: what the Lab remembers');

/** A port to nowhere: scenarios without jobs need no more. */
const nowhere = {
  tenant: 'acme',
  sight: () => ({}) as LabSight,
  newKey: () => 'key',
  records: () => [],
  pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
  nowMs: () => performance.now(),
} as Partial<LabPort> as LabPort;

const scenario = (name: string, act: () => Promise<void> = () => Promise.resolve()): Scenario => ({
  name,
  title: name,
  about: '',
  needs: [],
  takes: [],
  steps: [{ says: 'act', act }],
});

t('scenarios are played one after the other, and each verdict is kept', async () => {
  const desk = new LabDesk('form');
  const seen: string[] = [];
  let under = 0;
  const acts = (name: string, fails = false) =>
    scenario(name, async () => {
      under += 1;
      assert.is(under, 1);
      await nowhere.pause(1);
      seen.push(name);
      under -= 1;
      if (fails) throw new Error('no');
    });
  let told = 0;
  desk.onChange(() => {
    told += 1;
  });
  const playing = desk.play([acts('a'), acts('b', true)], nowhere);
  await desk.play([acts('c')], nowhere);
  assert.ok(desk.isRunning);
  await playing;
  assert.equal(seen, ['a', 'b']);
  assert.not(desk.isRunning);
  assert.equal(desk.score, { played: 2, good: 1 });
  assert.is(desk.of('c'), null);
  const bad = desk.of('b');
  assert.is(bad && 'verdict' in bad && bad.verdict.instead, 'no');
  assert.ok(told >= 6);
});

t('after a stop the present one ends, and no other begins', async () => {
  const desk = new LabDesk('form');
  const first = scenario('first', async () => desk.stop());
  await desk.play([first, scenario('second')], nowhere);
  assert.equal(desk.score, { played: 1, good: 1 });
  assert.is(desk.of('second'), null);
  assert.not(desk.isRunning);
});

t('a scenario that can not even begin is told, and ends the play of nobody', async () => {
  const desk = new LabDesk('form');
  const blind = {
    ...nowhere,
    sight: () => {
      throw new Error('no GPU serves');
    },
  };
  await desk.play([scenario('blind')], blind);
  const progress = desk.of('blind');
  assert.is(progress && 'verdict' in progress && progress.verdict.instead, 'no GPU serves');
  assert.not(desk.isRunning);
});

t.run();
