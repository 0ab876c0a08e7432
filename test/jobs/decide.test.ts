/** Given a state, when a command comes, then one fact, nothing, or a refusal: for every command and every state. */
import * as assert from 'uvu/assert';
import { isEnd, type JobState } from '../../machines/job.ts';
import { type FactData, facts, type Slot } from '../../src/events/facts.ts';
import type { GoneReport, JobCommand } from '../../src/jobs/commands.ts';
import { suite } from '../suite.ts';
import { Desk, exitedWell } from './desk.ts';

const t = suite('decide');

type Kind = Exclude<JobCommand['kind'], 'SubmitJob'>;
const live: readonly JobState[] = [
  'attesting',
  'queued',
  'reserving',
  'starting',
  'running',
  'stopping',
  'releasing',
];
const kinds: readonly Kind[] = [
  'AttestJob',
  'RejectJob',
  'QueueJob',
  'SelectJob',
  'ReserveSlots',
  'ReportStarted',
  'ReportGone',
  'EvictJob',
  'ReleaseSlots',
  'ConcludeJob',
  'NoteDeadline',
  'CancelJob',
];
/** By command: the fact in each state that takes it. All else is refused as not in state. */
const table: Readonly<Record<Kind, Partial<Record<JobState, string>>>> = {
  AttestJob: { attesting: 'attested' },
  RejectJob: { attesting: 'rejected' },
  QueueJob: {},
  SelectJob: { queued: 'selected' },
  ReserveSlots: { reserving: 'reserved' },
  ReportStarted: { starting: 'started' },
  ReportGone: { running: 'exited', stopping: 'stopped' },
  EvictJob: { starting: 'evicted', running: 'evicted' },
  ReleaseSlots: { releasing: 'released' },
  ConcludeJob: {},
  NoteDeadline: {
    attesting: 'expired',
    queued: 'expired',
    reserving: 'expired',
    starting: 'overdue',
    running: 'overdue',
  },
  CancelJob: {
    attesting: 'cancelled',
    queued: 'cancelled',
    reserving: 'cancelled',
    starting: 'cancelRequested',
    running: 'cancelRequested',
    stopping: 'cancelRequested',
  },
};

t('every command in every live state becomes the fact of the table or is refused with its code', () => {
  for (const kind of kinds) {
    for (const state of live) {
      const desk = new Desk();
      desk.bring('a', state);
      const expected = table[kind][state];
      const command = desk.step(kind, 'a');
      if (expected) assert.is(desk.do(command).type, `job.${expected}`, `${kind} in ${state}`);
      else {
        const settled = kind === 'CancelJob' ? 'ERR_JOB_ENDED' : undefined;
        const early =
          kind.startsWith('Report') && desk.job('a').context.fence === 0 ? 'ERR_STALE_FENCE' : undefined;
        const unwatched = kind === 'NoteDeadline' && state === 'releasing' ? 'ERR_STALE_VISIT' : undefined;
        assert.is(
          desk.refuse(command),
          settled ?? early ?? unwatched ?? 'ERR_NOT_IN_STATE',
          `${kind} in ${state}`,
        );
      }
    }
  }
});

t('an ended job refuses every command as ended or stale, and an unknown one as not found', () => {
  const desk = new Desk();
  desk.bring('a', 'releasing');
  assert.is(desk.finish('a').type, 'job.succeeded');
  for (const kind of kinds) {
    const code = desk.refuse(desk.step(kind, 'a'));
    assert.is(code, kind === 'NoteDeadline' ? 'ERR_STALE_VISIT' : 'ERR_JOB_ENDED', kind);
    assert.is(desk.refuse({ ...desk.step(kind, 'a'), id: 'nobody' } as JobCommand), 'ERR_NOT_FOUND');
  }
});

t('a command that rests on an older visit is stale in every state', () => {
  const visits: Kind[] = [
    'AttestJob',
    'RejectJob',
    'QueueJob',
    'SelectJob',
    'ReserveSlots',
    'EvictJob',
    'ReleaseSlots',
    'ConcludeJob',
  ];
  for (const state of live) {
    const desk = new Desk();
    const { visit } = desk.bring('a', state).context;
    for (const kind of visits) {
      assert.is(
        desk.refuse({ ...desk.step(kind, 'a'), visit: visit - 1 } as JobCommand),
        'ERR_STALE_VISIT',
        `${kind} in ${state}`,
      );
    }
  }
});

t('a report about another attempt is stale in every state', () => {
  for (const state of live) {
    const desk = new Desk();
    const { fence } = desk.bring('a', state).context;
    for (const kind of ['ReportStarted', 'ReportGone'] as const) {
      assert.is(
        desk.refuse({ ...desk.step(kind, 'a'), fence: fence + 1 } as JobCommand),
        'ERR_STALE_FENCE',
        `${kind} in ${state}`,
      );
    }
  }
});

t('a gone guest is reported in every state by the fact that the state allows, and never lost', () => {
  const crashed: GoneReport = { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' };
  const lost: GoneReport = { how: 'lost', message: 'gone' };
  const killed: GoneReport = { how: 'killed' };
  const expected = {
    starting: { exited: null, crashed: 'crashed', killed: 'lost', lost: 'lost' },
    running: { exited: 'exited', crashed: 'crashed', killed: 'lost', lost: 'lost' },
    stopping: { exited: 'stopped', crashed: 'stopped', killed: 'stopped', lost: 'lost' },
  } as const;
  for (const [state, row] of Object.entries(expected)) {
    for (const report of [exitedWell, crashed, killed, lost]) {
      const desk = new Desk();
      const { fence } = desk.bring('a', state as JobState).context;
      const command = { kind: 'ReportGone', id: 'a', fence, report } as const;
      const type = row[report.how];
      if (type === null) {
        // The executor reports the start first, always.
        assert.is(desk.refuse(command), 'ERR_NOT_IN_STATE');
        continue;
      }
      const record = desk.do(command);
      assert.is(record.type, `job.${type}`, `${report.how} in ${state}`);
      if (type === 'stopped') assert.is((record.data as FactData<'job.stopped'>).how, report.how);
      assert.is(desk.refuse(command), 'ERR_NOT_IN_STATE', 'reported twice');
    }
  }
});

t(
  'a place that is gone, illegal or nowhere, and a quota that is used up, put the job back and say why',
  () => {
    const slot: Slot = { gpu: 'gpu-0', profile: '1g.10gb', size: 1, start: 0 };
    const tried: readonly (readonly [readonly Slot[] | null, string])[] = [
      [null, 'ERR_NO_PLACE'],
      [[slot], 'ERR_NO_PLACE'],
      [[{ ...slot, start: 7 }], 'ERR_NO_PLACE'],
      [[{ ...slot, gpu: 'gpu-9', start: 3 }], 'ERR_NO_PLACE'],
      [[{ ...slot, start: 3, size: 2 }], 'ERR_NO_PLACE'],
      [[{ ...slot, start: 3 }], 'ERR_QUOTA'],
    ];
    for (const [slots, code] of tried) {
      const desk = new Desk({ tenants: { acme: { slicesMax: 1 } } });
      desk.bring('held', 'starting');
      const { visit, waitSince } = desk.bring('a', 'reserving').context;
      const record = desk.do({ kind: 'ReserveSlots', id: 'a', visit, slots, placement: 'test' });
      assert.equal([record.type, record.data], ['job.unplaced', { code }]);
      assert.is(desk.job('a').context.waitSince, waitSince, 'its place in the queue is kept');
    }
    const desk = new Desk({ tenants: { acme: { jobsMax: 1 } } });
    desk.bring('held', 'starting');
    desk.bring('a', 'reserving');
    assert.equal(desk.do(desk.step('ReserveSlots', 'a')).data, { code: 'ERR_QUOTA' });
  },
);

t('durations come from the spec and the settings, and an unplaced job keeps its deadline', () => {
  const desk = new Desk();
  const { deadline, spec } = desk.bring('a', 'queued').context;
  assert.is(deadline?.ms, spec?.limits.queueMs);
  desk.do(desk.step('SelectJob', 'a'));
  const { visit } = desk.job('a').context;
  desk.do({ kind: 'ReserveSlots', id: 'a', visit, slots: null, placement: 'test' });
  assert.equal(desk.job('a').context.deadline, deadline);
  desk.do(desk.step('SelectJob', 'a'));
  desk.do(desk.step('ReserveSlots', 'a'));
  assert.is(desk.job('a').context.deadline?.ms, spec?.limits.startMs);
  desk.do(desk.step('ReportStarted', 'a'));
  assert.is(desk.job('a').context.deadline?.ms, spec?.limits.wallMs);
  desk.do(desk.step('CancelJob', 'a'));
  assert.is(desk.job('a').context.deadline?.ms, 200);
});

t(
  'each time-out ends as its own: attestation and queue expire, a late start queues again, a long run is timed out',
  () => {
    const endOf = (state: JobState): string => {
      const desk = new Desk();
      desk.bring('a', state);
      desk.do(desk.step('NoteDeadline', 'a'));
      if (isEnd(desk.job('a').state)) return `${desk.job('a').state} ${desk.job('a').context.cause?.code}`;
      desk.finish('a', { how: 'killed' });
      return `${desk.job('a').state} ${desk.job('a').context.cause?.code}`;
    };
    assert.is(endOf('attesting'), 'expired ERR_ATTEST_TIMEOUT');
    assert.is(endOf('queued'), 'expired ERR_QUEUE_TIMEOUT');
    assert.is(endOf('reserving'), 'expired ERR_QUEUE_TIMEOUT');
    assert.is(endOf('starting'), 'queued undefined');
    assert.is(endOf('running'), 'timedOut ERR_RUN_TIMEOUT');
  },
);

t('a deadline that another fact has set meanwhile is stale', () => {
  const desk = new Desk();
  const setBy = desk.bring('a', 'queued').context.deadline?.setBy ?? 0;
  desk.do(desk.step('SelectJob', 'a'));
  desk.do(desk.step('ReserveSlots', 'a'));
  assert.is(desk.refuse({ kind: 'NoteDeadline', id: 'a', setBy }), 'ERR_STALE_VISIT');
});

t('every kind of fact about a job can be reached by a command', () => {
  const jobFacts = Object.keys(facts).filter((type) => type.startsWith('job.'));
  const reached = new Set(
    Object.values(table).flatMap((row) => Object.values(row).map((name) => `job.${name}`)),
  );
  const elsewhere = [
    'submitted',
    'queued',
    'unplaced',
    'crashed',
    'lost',
    'retryScheduled',
    'succeeded',
    'failed',
    'timedOut',
  ];
  for (const type of elsewhere) reached.add(`job.${type}`);
  assert.equal([...reached].sort(), jobFacts.sort());
});

t.run();
