/** A second crash: death before every single system call of a recovery, and of the stop that follows it. */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { randomFrom } from './load.ts';
import { diskCalls, everyCall, makeWreck, recoverWith, surveyOf, tryAll } from './syscalls.ts';

const t = suite('faults/recoveries, long');

t.needing(
  'strace',
  'killed before each system call of its recovery from a kill, it keeps what clients were told',
  async () => {
    const wreck = await makeWreck(randomFrom(seed()));
    try {
      const survey = await surveyOf(wreck);
      const faults = everyCall(survey, diskCalls);
      assert.ok(faults.length > 40, `only ${faults.length} calls were seen`);
      await tryAll(faults, (fault) => recoverWith(wreck, fault, survey));
    } finally {
      await wreck.remove();
    }
  },
  { limitMs: 3_500_000 },
);

t.run();
