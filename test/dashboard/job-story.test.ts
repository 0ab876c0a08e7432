/** The sentence about a job says what its facts say, whatever became of it. */
import * as assert from 'uvu/assert';
import { type CourseStep, factsOf, indexOf, stepsOf } from '../../src/dashboard/job-course.ts';
import { cancelText, storyOf } from '../../src/dashboard/job-story.ts';
import type { PlayedRecord } from '../../src/dashboard/player.ts';
import { byteCount, duration } from '../../src/dashboard/quantities.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import { suite } from '../suite.ts';
import { goldenRecords, simulatedRecords } from './logs.ts';

const t = suite('dashboard: the story of a job');

const specOf = (max: number) =>
  jobSpecSchema.parse({
    module: `sha256:${'0'.repeat(64)}`,
    slot: '1g.10gb',
    limits: { wallMs: 2_000 },
    attempts: { max },
  });
const slots = [{ gpu: 'gpu-0', profile: '1g.10gb', size: 1, start: 0 }];
const cause = (code: string, message: string) => ({ code, message, retryable: false });

/** Facts as `[ms, type, data]`, as steps of a job. */
function stepsFrom(
  facts: readonly (readonly [number, string, object])[],
  attemptsMax = 1,
): readonly CourseStep[] {
  const submitted = { spec: specOf(attemptsMax), tenant: 'acme', lossesMax: 3, deadlineMs: 1_000 };
  const all: (readonly [number, string, object])[] = [[0, 'submitted', submitted], ...facts];
  const records = all.map(
    ([at, fact, data], i) =>
      ({
        seq: i + 1,
        at,
        type: `job.${fact}`,
        subject: `job.acme.j.${fact}`,
        data,
        trace: null,
      }) as PlayedRecord,
  );
  const steps = stepsOf(factsOf(records, 'j'), 'j', null);
  assert.is(steps.length, records.length, 'every fact is legal');
  return steps;
}

const attested = [1, 'attested', { affirms: true, imports: [], report: '' }] as const;
const queued = (at: number, after = 'attested') => [at, 'queued', { after, deadlineMs: 60_000 }] as const;
const placed = (at: number) =>
  [
    [at, 'selected', { policy: 'fifo' }],
    [at, 'reserved', { deadlineMs: 5_000, placement: 'first-fit', slots }],
    [at + 2, 'started', { deadlineMs: 2_000, fence: 5, isolation: 'L1', runner: 'r' }],
  ] as const;
const released = (at: number) => [at, 'released', { fence: 5, slots }] as const;
const upToRunning = [attested, queued(2), ...placed(10)] as const;

t('a job that ran out of time tells where it ran, how long, and what became of its slot', () => {
  const steps = stepsFrom([
    ...upToRunning,
    [2_012, 'overdue', { what: 'run', setBy: 6, deadlineMs: 1_000 }],
    [2_015, 'stopped', { fence: 5, how: 'killed' }],
    released(2_016),
    [2_017, 'timedOut', { cause: cause('ERR_RUN_TIMEOUT', 'ran longer than limits.wallMs') }],
  ]);
  assert.is(
    storyOf(steps, 2_017),
    'Ran 2.0 s on gpu-0 as 1g.10gb, then the deadline of 2.0 s passed; the guest was killed and the slot freed.',
  );
});

t('a job that succeeded at the second try tells of the first', () => {
  const steps = stepsFrom(
    [
      ...upToRunning,
      [30, 'exited', { exitCode: 1, fence: 5, result: { bytes: 0, sha256: 'a' } }],
      released(31),
      [32, 'retryScheduled', { deadlineMs: 100, failures: 1 }],
      queued(140, 'backoff'),
      ...placed(141),
      [324, 'exited', { exitCode: 0, fence: 11, result: { bytes: 11, sha256: 'a' } }],
      released(325),
      [326, 'succeeded', { result: { bytes: 11, sha256: 'a' } }],
    ],
    2,
  );
  assert.is(
    storyOf(steps, 326),
    'One attempt came to nothing before (exit code 1). Ran 181 ms on gpu-0 as 1g.10gb, then exited with code 0; ' +
      'its result (11 bytes) is stored and the slot is free again.',
  );
  assert.is(
    storyOf(steps.slice(0, 9), 40),
    'One attempt came to nothing before (exit code 1). It pauses before the next attempt, which is queued in 92 ms.',
  );
});

t('a crash and a rejection are told in the words of their codes', () => {
  const crashed = stepsFrom([
    ...upToRunning,
    [20, 'crashed', { code: 'ERR_GUEST_TRAP', fence: 5, message: 'unreachable' }],
    released(21),
    [22, 'failed', { cause: cause('ERR_GUEST_TRAP', 'unreachable') }],
  ]);
  assert.is(
    storyOf(crashed, 22),
    'Ran 8 ms on gpu-0 as 1g.10gb, then the guest trapped; the slot was freed.',
  );
  const rejected = stepsFrom([
    [1, 'rejected', { cause: cause('ERR_CAPABILITY_UNDECLARED', 'imports env.socket'), report: null }],
  ]);
  assert.is(
    storyOf(rejected, 1),
    'Attestation refused it: the module imports what the job does not declare. It never came into the queue, and nothing ran.',
  );
});

t('a cancel is told with who asked, and whether a guest was running', () => {
  const waiting = stepsFrom([
    attested,
    queued(2),
    [502, 'cancelled', { by: 'admin', cause: cause('ERR_CANCELLED', 'cancelled on request') }],
  ]);
  assert.is(storyOf(waiting, 502), 'admin cancelled it after 500 ms of waiting; no guest was running.');
  const running = stepsFrom([
    ...upToRunning,
    [112, 'cancelRequested', { by: 'acme', deadlineMs: 1_000 }],
    [115, 'stopped', { fence: 5, how: 'killed' }],
    released(116),
    [117, 'cancelled', { by: 'acme', cause: cause('ERR_CANCELLED', 'cancelled on request') }],
  ]);
  assert.is(
    storyOf(running, 117),
    'Ran 103 ms on gpu-0 as 1g.10gb, then acme cancelled it; the guest was killed and the slot freed.',
  );
});

t('under way it tells since when, and what its deadline is', () => {
  const steps = stepsFrom(upToRunning);
  assert.is(storyOf(steps, 512), 'It has run 500 ms on gpu-0 as 1g.10gb; it is killed in 1.5 s.');
  assert.is(storyOf(steps.slice(0, 3), 1_002), 'It has waited 1.0 s in the queue; it is given up in 59.0 s.');
  assert.is(storyOf(steps.slice(0, 3), 90_000).includes('its time is over'), true);
  assert.is(storyOf([], 5), '');
});

t('every moment of every job of real logs has a story without a hole', async () => {
  let told = 0;
  for (const records of [goldenRecords(2), await simulatedRecords(3, 80)]) {
    for (const id of indexOf(records).jobs.keys()) {
      const steps = stepsOf(factsOf(records, id), id, null);
      for (const [i, { record }] of steps.entries()) {
        const story = storyOf(steps.slice(0, i + 1), record.at);
        assert.match(story, /^[A-Za-z0-9].*[.]$/s, `${id} at ${record.seq}: ${story}`);
        assert.not.match(story, /undefined|null|NaN|\[object/, story);
        told += 1;
      }
    }
  }
  assert.ok(told > 300, `${told} stories`);
});

t('a cancel is announced in every state that can still be cancelled, and in no end', () => {
  const at = (state: string) => cancelText({ state, slots: null, reason: null });
  for (const state of [
    'attesting',
    'queued',
    'reserving',
    'starting',
    'running',
    'stopping',
    'releasing',
    'backoff',
  ])
    assert.type(at(state), 'string');
  for (const state of ['succeeded', 'failed', 'timedOut', 'expired', 'cancelled', 'rejected'])
    assert.is(at(state), null);
});

t('quantities read as a person says them', () => {
  const spans = [999, 1_500, 125_000, 7_260_000, 266_400_000];
  assert.equal(spans.map(duration), ['999 ms', '1.5 s', '2 min 5 s', '2 h 1 min', '3 d 2 h']);
  assert.equal([1, 11, 1_536, 67_108_864].map(byteCount), ['1 byte', '11 bytes', '1.5 KiB', '64.0 MiB']);
});

t.run();
