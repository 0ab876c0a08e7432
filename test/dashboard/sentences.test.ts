/** The first words that a newcomer reads are true. */
import * as assert from 'uvu/assert';
import { controllerMachine } from '../../machines/controller.ts';
import {
  fleetSentence,
  fragmentationWords,
  gateSentence,
  mainReason,
} from '../../src/dashboard/sentences.ts';
import { waitWords } from '../../src/dashboard/waits.ts';
import { pendingByReason } from '../../src/observe/gauges.ts';
import { World } from '../observe/world.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: sentences');

t('what runs, what waits, and why', () => {
  assert.is(fleetSentence(0, 0, new Map()), 'Nothing runs and nothing waits.');
  assert.is(fleetSentence(1, 0, new Map()), '1 job runs, and none waits.');
  assert.is(
    fleetSentence(7, 1_000, new Map([['NoExecutor', 1_000]])),
    '7 jobs run, and 1,000 wait, because all runners are busy.',
  );
  assert.is(
    fleetSentence(
      0,
      3,
      new Map([
        ['NotBefore', 1],
        ['QuotaExceeded', 2],
      ]),
    ),
    'No job runs, and 3 wait, most of them because their tenant holds all the slices it may.',
  );
});

t('the main reason is the one of most jobs; none of nobody', () => {
  assert.is(mainReason(new Map([['NoExecutor', 0]])), null);
  assert.equal(
    mainReason(
      new Map([
        ['NoExecutor', 1],
        ['Fragmented', 2],
      ]),
    ),
    { code: 'Fragmented', jobs: 2 },
  );
});

t('there are words for every reason that can be counted', async () => {
  const world = await World.start();
  const codes = [...pendingByReason(world.life.views, new Map()).keys()];
  assert.ok(codes.length > 5);
  assert.equal(codes.sort(), Object.keys(waitWords).sort());
  await world.end();
});

t('every state of the door but an open one says why no job is taken', () => {
  const states = Object.keys(controllerMachine.config.states ?? {});
  assert.ok(states.length > 4);
  for (const state of states) {
    const sentence = gateSentence({ state, closed: null }, 10);
    if (state === 'accepting') assert.is(sentence, null);
    else assert.match(sentence ?? '', /no new jobs|new ones|takes no jobs/, state);
  }
  assert.is(new Set(states.map((state) => gateSentence({ state, closed: null }, 10))).size, states.length);
  assert.match(
    gateSentence({ state: 'accepting', closed: { reason: 'facts were lost' } }, 10) ?? '',
    /facts were lost/,
  );
});

t('fragmentation in per cent, and none in words', () => {
  assert.match(fragmentationWords(0), /not fragmented/);
  assert.match(fragmentationWords(0.754), /^75 %/);
});

t.run();
