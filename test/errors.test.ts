/** The table of error codes: complete rows, answers that HTTP clients understand, names that stay. */
import * as assert from 'uvu/assert';
import { BerthError, causeOf, type ErrorCode, errors, invariant } from '../src/errors.ts';
import { suite } from './suite.ts';

const codes = Object.keys(errors) as ErrorCode[];

/** What each status says here. Another one is a decision, made by adding it to this list. */
const statuses: Readonly<Record<number, string>> = {
  400: 'the request is wrong in itself',
  401: 'who are you',
  403: 'you may not',
  404: 'not here, or not yours',
  405: 'not this method',
  409: 'not in the present state',
  413: 'too much',
  415: 'not this content type',
  422: 'well-formed, and can not be done',
  429: 'too many, come back',
  500: 'a fault of ours',
  503: 'not now',
};

/** Rows whose status and `retryable` seem to contradict each other, and why they don't. */
const exceptions: Readonly<Record<string, string>> = {
  ERR_NOT_YET: '404 with retry: nothing is there by this name now, but what runs may bring it',
  ERR_TORN_TAIL: '503 without retry: only a person can take the decision to go on',
};

const t = suite('errors');

t('every code is ERR_ and capitals, and stands once', () => {
  assert.ok(codes.length > 40);
  for (const code of codes) assert.match(code, /^ERR_[A-Z]+(_[A-Z]+)*$/);
});

t('every row is complete: status, retryable, meaning, next step', () => {
  for (const code of codes) {
    const row: Readonly<Record<string, unknown>> = { ...errors[code] };
    assert.equal(Object.keys(row).sort(), ['http', 'meaning', 'next', 'retryable'], code);
    assert.type(row['retryable'], 'boolean', code);
    for (const member of ['meaning', 'next']) {
      const text = String(row[member]);
      assert.ok(text.length >= 8 && text.length <= 100, `${code}: ${member}`);
      assert.is(text, text.trim(), `${code}: ${member}`);
      assert.not.match(text, /[.\n]$/, `${code}: ${member} ends a sentence that is quoted within others`);
    }
  }
});

t('no two codes have the same meaning', () => {
  assert.is(new Set(codes.map((code) => errors[code].meaning)).size, codes.length);
});

t('every status is one that says what it should, and none is a success', () => {
  for (const code of codes) assert.ok(statuses[errors[code].http], `${code}: ${errors[code].http}`);
});

t('what HTTP calls temporary is retryable, and what the request got wrong is not', () => {
  for (const code of codes.filter((each) => !exceptions[each])) {
    const { http, retryable } = errors[code];
    if (http === 429 || http === 503) assert.ok(retryable, `${code}: ${http} tells clients to come back`);
    if ([400, 401, 403, 404, 405, 413, 415].includes(http))
      assert.not.ok(retryable, `${code}: repeating ${http} never helps`);
  }
  for (const code of Object.keys(exceptions)) assert.ok(code in errors, code);
});

t('the codes that scripts rely on are there, with the status that they expect', () => {
  const promised: Readonly<Record<string, number>> = {
    ERR_QUEUE_FULL: 429,
    ERR_RATE: 429,
    ERR_DRAINING: 503,
    ERR_READ_ONLY: 503,
    ERR_IDEMPOTENCY: 422,
    ERR_TOO_LARGE: 413,
    ERR_JOB_ENDED: 409,
    ERR_STALE_FENCE: 409,
    ERR_STALE_VISIT: 409,
    ERR_NOT_IN_STATE: 409,
    ERR_QUOTA: 409,
    ERR_NO_PLACE: 409,
  };
  for (const [code, http] of Object.entries(promised)) assert.is(errors[code as ErrorCode]?.http, http, code);
});

t('a cause says code, message and retryable; the message is the meaning unless one is given', () => {
  for (const code of codes) {
    const { meaning, retryable } = errors[code];
    assert.equal(causeOf(code), { code, message: meaning, retryable });
    assert.is(causeOf(code, 'in this case').message, 'in this case');
  }
});

t('a BerthError carries its code, its fields and what caused it', () => {
  const cause = new Error('ENOSPC');
  const error = new BerthError('ERR_LOG_FAILED', 'the disk is full', {
    cause,
    fields: [{ field: 'a', message: 'b' }],
  });
  assert.instance(error, Error);
  assert.equal([error.name, error.code, error.message], ['BerthError', 'ERR_LOG_FAILED', 'the disk is full']);
  assert.is(error.cause, cause);
  assert.equal(error.fields, [{ field: 'a', message: 'b' }]);
  const bare = new BerthError('ERR_RATE', 'slower');
  assert.equal(bare.fields, []);
  assert.not.ok('cause' in bare);
});

t('a broken invariant is no BerthError: nobody answers it, the part that finds it stops', () => {
  assert.not.throws(() => invariant(1, 'holds'));
  assert.throws(
    () => invariant(0, 'seqs are gapless'),
    (error: Error) =>
      error.message === 'broken invariant: seqs are gapless' && !(error instanceof BerthError),
  );
});

t.run();
