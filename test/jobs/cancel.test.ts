/** A cancel in every state, as the contract has it. */
import * as assert from 'uvu/assert';
import type { GoneReport } from '../../src/jobs/commands.ts';
import { suite } from '../suite.ts';
import { Desk, exitedWell } from './desk.ts';

const t = suite('cancel');

t(
  'a cancel is answered at once without a slot, asks for a stop with one, and repeats itself harmlessly',
  () => {
    for (const state of ['starting', 'running', 'stopping'] as const) {
      const desk = new Desk();
      desk.bring('a', state);
      assert.is(desk.do(desk.step('CancelJob', 'a')).type, 'job.cancelRequested');
      assert.equal(desk.handle(desk.step('CancelJob', 'a')), { same: 'a' });
      const { fence } = desk.job('a').context;
      desk.do({ kind: 'ReportGone', id: 'a', fence, report: { how: 'killed' } });
      assert.equal(desk.handle(desk.step('CancelJob', 'a')), { same: 'a' });
      assert.is(desk.finish('a').type, 'job.cancelled');
      assert.is(desk.refuse(desk.step('CancelJob', 'a')), 'ERR_JOB_ENDED');
    }
  },
);

t(
  'a cancel while releasing is taken when the job would run again, and refused when its verdict is settled',
  () => {
    const trap: GoneReport = { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'x' };
    for (const { attempts, report, again } of [
      { attempts: 2, report: trap, again: true },
      { attempts: 1, report: trap, again: false },
      { attempts: 1, report: { how: 'lost', message: 'x' } as const, again: true },
      { attempts: 1, report: exitedWell, again: false },
    ]) {
      const desk = new Desk();
      const { fence } = desk.bring('a', 'running', { attempts }).context;
      desk.do({ kind: 'ReportGone', id: 'a', fence, report });
      if (!again) assert.is(desk.refuse(desk.step('CancelJob', 'a')), 'ERR_JOB_ENDED');
      else {
        assert.is(desk.do(desk.step('CancelJob', 'a')).type, 'job.cancelRequested');
        assert.is(desk.finish('a').type, 'job.cancelled');
      }
    }
  },
);

t(
  'a job in back-off is cancelled at once, and queues again by the jobs’ own hand when its wait is over',
  () => {
    for (const cancel of [true, false]) {
      const desk = new Desk();
      desk.bring('a', 'running', { attempts: 2 });
      assert.is(
        desk.finish('a', { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'x' }).type,
        'job.retryScheduled',
      );
      const record = desk.do(desk.step(cancel ? 'CancelJob' : 'NoteDeadline', 'a'));
      assert.is(record.type, cancel ? 'job.cancelled' : 'job.queued');
      if (!cancel) assert.is(record.author, 'jobs', 'the timekeeper only says that a wait is over');
    }
  },
);

t("another tenant's job answers a cancel exactly as an unknown one", () => {
  const desk = new Desk();
  desk.bring('a', 'queued');
  const foreign = desk.handle({ kind: 'CancelJob', id: 'a', tenant: 'globex', by: 'globex' });
  const unknown = desk.handle({ kind: 'CancelJob', id: 'zzz', tenant: 'globex', by: 'globex' });
  assert.equal(foreign, unknown);
  assert.is(desk.job('a').state, 'queued');
});

t.run();
