/** The host: the one writer. It appends what was decided, refuses what the table refuses, and counts what it refused. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { Desk, submission } from './desk.ts';

const t = suite('host');

t('an accepted command is one fact, folded at once, by its author, with basis, cause, trace and time', () => {
  const desk = new Desk();
  const { head } = desk.log;
  const trace = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  const outcome = desk.host.handle({ ...submission('a'), trace }, 'intake', 3);
  assert.equal(outcome, { seq: head + 1, id: 'a' });
  const { record, before, after } = desk.feed.at(head + 1) ?? assert.unreachable('no change') ?? never();
  assert.equal(
    [record.author, record.basis, record.cause, record.trace, record.at],
    ['intake', 3, null, trace, desk.clock.wallMs()],
  );
  assert.is(before, null);
  assert.is(after, desk.state.jobs.get('a'));
  const attested = desk.do(desk.step('AttestJob', 'a'));
  assert.is(attested.cause, record.seq, 'what follows names the fact that led to it');
});

t(
  'a refused or repeated command leaves log, state and feed as they were, and only refusals are counted',
  () => {
    const desk = new Desk();
    desk.do(submission('a', { key: 'k' }));
    const before = [desk.log.head, desk.log.headHash, desk.feed.length, JSON.stringify([...desk.state.jobs])];
    assert.equal(desk.handle(submission('b', { key: 'k' })), { same: 'a' });
    assert.is(desk.refuse(desk.step('SelectJob', 'a')), 'ERR_NOT_IN_STATE');
    assert.is(desk.refuse(desk.step('SelectJob', 'a')), 'ERR_NOT_IN_STATE');
    assert.is(desk.refuse(submission('c', { tenant: 'nobody' })), 'ERR_UNAUTHENTICATED');
    assert.equal(
      [desk.log.head, desk.log.headHash, desk.feed.length, JSON.stringify([...desk.state.jobs])],
      before,
    );
    assert.equal(
      [...desk.host.refusals],
      [
        ['ERR_NOT_IN_STATE', 2],
        ['ERR_UNAUTHENTICATED', 1],
      ],
    );
  },
);

t(
  'a fact that breaks its schema is refused with member and bound, nothing is written, and the life goes on',
  () => {
    const desk = new Desk();
    desk.do(submission('a'));
    const { head } = desk.log;
    const { visit } = desk.job('a').context;
    const report = { affirms: true, imports: [], report: 'x'.repeat(70_000) };
    const outcome = desk.handle({ kind: 'AttestJob', id: 'a', visit, report });
    assert.match(JSON.stringify(outcome), /ERR_INTERNAL.*job\.attested: report: /);
    assert.is(desk.log.head, head);
    assert.not(desk.job('a').context.affirmed);
  },
);

t('a log that can not be written throws, and the state does not run ahead of it', async () => {
  const desk = new Desk();
  await desk.log.close();
  assert.throws(
    () => desk.handle(submission('a')),
    (error: { code?: string }) => error.code === 'ERR_LOG_FAILED',
  );
  assert.not(desk.state.jobs.has('a'));
  assert.is(desk.state.waiting.total, 0);
});

function never(): never {
  throw new Error('unreachable');
}

t.run();
