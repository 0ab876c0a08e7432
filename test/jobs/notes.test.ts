/** Facts of tenants and GPUs happen once and within their bounds; and no text from outside is too long for a fact. */
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { Desk } from './desk.ts';

const t = suite('notes and texts');

t('the losses of a job are bounded, however long what is said about the last', () => {
  const desk = new Desk();
  desk.bring('a', 'starting');
  const message = 'x'.repeat(3_000);
  assert.is(desk.finish('a', { how: 'lost', message }).type, 'job.queued');
  desk.do(desk.step('SelectJob', 'a'));
  desk.do(desk.step('ReserveSlots', 'a'));
  assert.is(desk.finish('a', { how: 'lost', message }).type, 'job.failed');
  assert.is(desk.job('a').context.cause?.code, 'ERR_RUNNER_LOST');
});

t(
  'whatever a guest, a runner or a module is called, the fact about it is cut to what a fact may hold',
  () => {
    const long = 'é\u0000"'.repeat(20_000);
    const desk = new Desk();
    desk.bring('a', 'starting');
    const { fence } = desk.job('a').context;
    desk.do({ kind: 'ReportStarted', id: 'a', fence, runner: long, isolation: long });
    desk.do({
      kind: 'ReportGone',
      id: 'a',
      fence,
      report: { how: 'crashed', code: 'ERR_GUEST_TRAP', message: long },
    });
    assert.is(desk.finish('a').type, 'job.failed');
    const { visit } = desk.bring('b', 'attesting').context;
    const cause = { code: 'ERR_MODULE_INVALID', message: long, retryable: false } as const;
    assert.is(desk.do({ kind: 'RejectJob', id: 'b', visit, cause, report: null }).type, 'job.rejected');
  },
);

t('notes: a tenant is added once, changed only when known, a key registered once and revoked once', () => {
  const desk = new Desk({ tenants: {} });
  const key = { crv: 'Ed25519', kid: 'k'.repeat(43), kty: 'OKP', x: 'x'.repeat(43) } as const;
  const add = { kind: 'Note', type: 'tenant.keyAdded', stream: 'tenant.acme', data: { key } } as const;
  const revoke = {
    kind: 'Note',
    type: 'tenant.keyRevoked',
    stream: 'tenant.acme',
    data: { kid: key.kid, reason: 'r' },
  } as const;
  assert.is(desk.refuse(add), 'ERR_NOT_FOUND');
  desk.terms('acme', {}, 'tenant.added');
  assert.is(
    desk.refuse({
      kind: 'Note',
      type: 'tenant.added',
      stream: 'tenant.acme',
      data: { terms: desk.state.tenants.get('acme')!.terms },
    }),
    'ERR_EXISTS',
  );
  assert.is(desk.refuse(revoke), 'ERR_NOT_FOUND');
  desk.do(add);
  assert.equal(desk.handle(add), { same: 'acme' });
  desk.do(revoke);
  assert.equal(desk.handle(revoke), { same: 'acme' });
  assert.equal(desk.handle(add), { same: 'acme' }, 'a revoked key does not come back');
});

t('notes: keys are bounded, and a GPU takes only what its machine allows', () => {
  const desk = new Desk();
  const keyOf = (i: number) =>
    ({ crv: 'Ed25519', kid: `${i}`.padStart(43, 'k'), kty: 'OKP', x: 'x'.repeat(43) }) as const;
  for (let i = 0; i < 64; i += 1)
    desk.do({ kind: 'Note', type: 'tenant.keyAdded', stream: 'tenant.acme', data: { key: keyOf(i) } });
  assert.is(
    desk.refuse({ kind: 'Note', type: 'tenant.keyAdded', stream: 'tenant.acme', data: { key: keyOf(64) } }),
    'ERR_BAD_REQUEST',
  );
  const slot = (type: 'slot.drained' | 'slot.restored', id: string) =>
    ({ kind: 'Note', type, stream: `slot.${id}`, data: { reason: 'r' } }) as const;
  assert.is(desk.refuse(slot('slot.drained', 'gpu-7')), 'ERR_NOT_FOUND');
  assert.is(desk.refuse(slot('slot.restored', 'gpu-0')), 'ERR_EXISTS');
  desk.do(slot('slot.drained', 'gpu-0'));
  assert.is(desk.refuse(slot('slot.drained', 'gpu-0')), 'ERR_EXISTS');
});

t.run();
