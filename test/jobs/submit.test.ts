/** Given a state, when a job is submitted: the queue bound, the keys and tokens that stand for a job, and who is let in. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { Desk, submission } from './desk.ts';

const t = suite('submit');

t('the queue bound counts attesting, queued, reserving and backoff, of all and of the tenant', () => {
  const desk = new Desk({ queuedMax: 4, tenants: { acme: { queuedMax: 3 }, globex: {} } });
  desk.bring('a', 'attesting');
  desk.bring('b', 'queued');
  desk.bring('c', 'reserving');
  assert.match(JSON.stringify(desk.handle(submission('d'))), /ERR_QUEUE_FULL.*3 of your jobs/);
  desk.bring('d', 'queued', { tenant: 'globex' });
  assert.match(
    JSON.stringify(desk.handle(submission('e', { tenant: 'globex' }))),
    /ERR_QUEUE_FULL.*4 jobs wait already/,
  );
  desk.do(desk.step('ReserveSlots', 'c'));
  desk.do(submission('e'));
  assert.is(desk.refuse(submission('f')), 'ERR_QUEUE_FULL');
});

t('a job that comes back is never refused for a full queue', () => {
  const desk = new Desk({ queuedMax: 1 });
  desk.bring('a', 'running', { attempts: 2 });
  desk.bring('b', 'queued');
  assert.is(desk.finish('a', { how: 'lost', message: 'x' }).type, 'job.queued');
  assert.is(desk.state.waiting.total, 2);
});

t(
  'the same key or the same token means the same job, another job under it is refused, another tenant is free',
  () => {
    const desk = new Desk({ tenants: { acme: {}, globex: {} } });
    desk.do(submission('a', { key: 'k', jti: 'token-1' }));
    assert.equal(desk.handle(submission('b', { key: 'k' })), { same: 'a' });
    assert.equal(desk.handle(submission('b', { jti: 'token-1' })), { same: 'a' });
    assert.is(desk.refuse(submission('b', { key: 'k', slot: '7g.80gb' })), 'ERR_IDEMPOTENCY');
    assert.is(desk.refuse(submission('b', { jti: 'token-1', slot: '7g.80gb' })), 'ERR_IDEMPOTENCY');
    desk.do(submission('c', { key: 'k', jti: 'token-1', tenant: 'globex' }));
    desk.do(desk.step('CancelJob', 'a'));
    assert.equal(desk.handle(submission('b', { key: 'k' })), { same: 'a' }, 'an end does not free the key');
  },
);

t('a repeated request has its answer even when the queue is full or the controller drains', () => {
  const desk = new Desk({ queuedMax: 1 });
  desk.do(submission('a', { key: 'k' }));
  assert.equal(desk.handle(submission('b', { key: 'k' })), { same: 'a' });
  desk.do({
    kind: 'Note',
    type: 'controller.draining',
    stream: 'controller',
    data: { deadlineMs: 1, mode: 'finish' },
  });
  assert.equal(desk.handle(submission('b', { key: 'k' })), { same: 'a' });
  assert.is(desk.refuse(submission('b')), 'ERR_DRAINING');
});

t('a refused job consumes neither its key nor its token', () => {
  const desk = new Desk({ queuedMax: 1 });
  desk.do(submission('a'));
  assert.is(desk.refuse(submission('b', { key: 'k', jti: 'token-1' })), 'ERR_QUEUE_FULL');
  desk.do(desk.step('CancelJob', 'a'));
  assert.is(desk.do(submission('b', { key: 'k', jti: 'token-1', slot: '7g.80gb' })).type, 'job.submitted');
});

t('an unknown tenant and a taken id are refused', () => {
  const desk = new Desk();
  assert.is(desk.refuse(submission('a', { tenant: 'nobody' })), 'ERR_UNAUTHENTICATED');
  desk.do(submission('a'));
  assert.is(desk.refuse(submission('a')), 'ERR_EXISTS');
});

t.run();
