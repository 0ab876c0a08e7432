/** Death before every single system call on the disk that a piece of work makes. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { diskCalls, everyCall, surveyOf, tryAll, workWith } from './syscalls.ts';

const t = suite('faults/system calls, long');

t.needing(
  'strace',
  'killed before each system call on the disk, from the first start to the stop, it keeps what clients were told',
  async () => {
    const survey = await surveyOf();
    const faults = everyCall(survey, diskCalls);
    assert.ok(faults.length > 100, `only ${faults.length} calls were seen`);
    const outcomes = await tryAll(faults, (fault) => workWith(fault, survey));
    assert.ok(outcomes.some(({ lost }) => lost > 0));
  },
  { limitMs: 590_000 },
);

t.run();
