/** No room, or no file descriptor left, at every single system call of a piece of work that needs one. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { everyError, surveyOf, tryAll, workWith } from './syscalls.ts';

const t = suite('faults/no room, long');

t.needing(
  'strace',
  'whichever system call on the disk fails, jobs are refused with 503 or the process ends, and nothing told is lost',
  async () => {
    const survey = await surveyOf();
    const faults = everyError(survey).filter(({ error }) => error !== 'EIO');
    assert.ok(faults.length > 50, `only ${faults.length} calls were seen`);
    const outcomes = await tryAll(faults, (fault) => workWith(fault, survey));
    assert.ok(outcomes.some(({ refused }) => refused.some((name) => name.startsWith('503'))));
    assert.ok(outcomes.some(({ died }) => died.includes('code 1')));
  },
  { limitMs: 3_500_000 },
);

t.run();
