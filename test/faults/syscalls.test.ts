/** Death and failure at chosen system calls: a random handful; every call has its turn in the long runs. */
import * as assert from 'uvu/assert';
import { seed, suite } from '../suite.ts';
import { randomFrom } from './load.ts';
import {
  diskCalls,
  everyCall,
  everyError,
  type Fault,
  makeWreck,
  recoverWith,
  surveyOf,
  tryAll,
  workWith,
} from './syscalls.ts';

const t = suite('faults/system calls');
const slow = { limitMs: 240_000 };
const random = randomFrom(seed());
let surveyed: ReturnType<typeof surveyOf> | null = null;
/** One survey serves both laws. */
const surveyOnce = (): ReturnType<typeof surveyOf> => {
  surveyed ??= surveyOf();
  return surveyed;
};

/** So many of them, drawn by the seed. */
const some = (faults: readonly Fault[], count: number): Fault[] =>
  Array.from({ length: count }, () => faults[Math.floor(random() * faults.length)]!);

t.needing(
  'strace',
  'killed before any system call on the disk, at work or in its recovery, it keeps what clients were told',
  async () => {
    const survey = await surveyOnce();
    for (const call of diskCalls)
      assert.ok(survey.moments[call].length > 0, `no ${call} was seen: ${JSON.stringify(survey)}`);
    await tryAll(some(everyCall(survey, diskCalls), 4), (fault) => workWith(fault, survey));
    const wreck = await makeWreck(random);
    try {
      const recovery = await surveyOf(wreck);
      await tryAll(some(everyCall(recovery, diskCalls), 3), (fault) => recoverWith(wreck, fault, recovery));
    } finally {
      await wreck.remove();
    }
  },
  slow,
);

t.needing(
  'strace',
  'when a system call on the disk fails, jobs are refused with 503 or the process ends, and nothing told is lost',
  async () => {
    const survey = await surveyOnce();
    await tryAll(some(everyError(survey), 4), (fault) => workWith(fault, survey));
  },
  slow,
);

t.run();
