import * as assert from 'uvu/assert';
import { RateLimit } from '../../src/intake/rate.ts';
import { suite } from '../suite.ts';

const t = suite('intake: rate');

/** How many of `count` requests at one moment are admitted. */
const admitted = (limit: RateLimit, tenant: string, nowMs: number, count: number): number =>
  Array.from({ length: count }, () => limit.admits(tenant, nowMs)).filter(Boolean).length;

t('twice the rate is admitted at once, and then no more', () => {
  assert.is(admitted(new RateLimit(10), 'acme', 0, 100), 20);
});

t('tokens come back with time, up to the burst', () => {
  const limit = new RateLimit(10);
  admitted(limit, 'acme', 0, 100);
  assert.is(admitted(limit, 'acme', 500, 100), 5);
  assert.is(admitted(limit, 'acme', 3_600_000, 100), 20);
});

t("one tenant's haste is not another's", () => {
  const limit = new RateLimit(10);
  admitted(limit, 'acme', 0, 100);
  assert.is(admitted(limit, 'globex', 0, 1), 1);
});

t.run();
