/** Links into the page: what is written can be read, and what can't be read leads home. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { type Address, addressOf, hashOf, home, viewNames } from '../../src/dashboard/address.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('dashboard: addresses');

const addresses: fc.Arbitrary<Address> = fc
  .record({
    view: fc.constantFrom(...viewNames),
    job: fc.option(fc.stringMatching(/^[a-z0-9]{1,64}$/)),
    at: fc.option(fc.nat()),
  })
  .map(({ view, job, at }) => ({ view, at, job: view === 'job' || view === 'explain' ? job : null }));

t('every address survives being written and read', () =>
  fc.assert(
    fc.property(addresses, (address) => assert.equal(addressOf(hashOf(address)), address)),
    { seed: seed(), numRuns: runs(500) },
  ),
);

t('a link that is not understood leads as far as it can be', () => {
  assert.equal(addressOf(''), home);
  assert.equal(addressOf('#/nowhere'), home);
  assert.equal(addressOf('#/at/12/nowhere'), { ...home, at: 12 });
  assert.equal(addressOf('#/at/x/jobs'), { ...home, view: 'jobs' });
  assert.equal(addressOf('#/job/<script>'), { ...home, view: 'job' });
});

t.run();
