/** Death before every single call of a piece of work that writes bytes or makes sure of them. Names: `names.long.test.ts`. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { everyCall, surveyOf, tryAll, workWith } from './syscalls.ts';

const t = suite('faults/system calls, bytes, long');
const calls = ['pwrite64', 'ftruncate', 'fdatasync', 'fsync'] as const;

t.needing(
  'strace',
  'killed before each system call on the disk, from the first start to the stop, it keeps what clients were told',
  async () => {
    const survey = await surveyOf();
    const faults = everyCall(survey, calls);
    assert.ok(faults.length > 50, `only ${faults.length} calls were seen`);
    const outcomes = await tryAll(faults, (fault) => workWith(fault, survey));
    assert.ok(outcomes.some(({ lost }) => lost > 0));
  },
  { limitMs: 3_500_000 },
);

t.run();
