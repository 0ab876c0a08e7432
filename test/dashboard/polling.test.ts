/** What is shown as the present is asked for anew, one question at a time, and no longer than somebody looks. */
import * as assert from 'uvu/assert';
import { type Asked, poll } from '../../src/dashboard/polling.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: polling');
const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));

t('the next question waits for the answer and for the pause, however often the page is drawn', async () => {
  const ends = new AbortController();
  const told: Asked<number>[] = [];
  const answers: ((n: number) => void)[] = [];
  const pauses: (() => void)[] = [];
  const over = poll<number>(
    {
      ask: () => new Promise((resume) => answers.push(resume)),
      tell: (asked) => told.push(asked),
      pause: () => new Promise((resume) => pauses.push(resume)),
      isShown: () => true,
    },
    ends.signal,
  );
  for (let i = 0; i < 5; i += 1) await turn();
  assert.is(answers.length, 1);
  answers[0]!(7);
  await turn();
  assert.equal(told, [{ kind: 'told', answer: 7 }]);
  assert.is(answers.length, 1, 'not before the pause is over');
  pauses[0]!();
  await turn();
  assert.is(answers.length, 2);
  ends.abort();
  answers[1]!(8);
  await turn();
  pauses[1]!();
  await over;
  assert.is(told.length, 1, 'nobody is told what came too late');
  assert.is(answers.length, 2);
});

t('a refusal is told with its next step and asked again; a page that nobody sees asks nothing', async () => {
  const ends = new AbortController();
  const told: Asked<string>[] = [];
  let asked = 0;
  let pauses = 0;
  let isShown = true;
  await poll<string>(
    {
      ask: async (signal) => {
        assert.is(signal, ends.signal);
        asked += 1;
        if (asked === 1) throw Object.assign(new Error('gone'), { next: 'wait' });
        return 'here';
      },
      tell: (state) => told.push(state),
      pause: async () => {
        pauses += 1;
        isShown = pauses === 1;
        if (pauses === 5) ends.abort();
      },
      isShown: () => isShown,
    },
    ends.signal,
  );
  assert.equal(told, [
    { kind: 'failed', reason: 'gone', next: 'wait' },
    { kind: 'told', answer: 'here' },
  ]);
  assert.is(asked, 2);
});

t.run();
