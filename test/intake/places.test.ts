/** Places: bounds are met with the right answer, what is given back is there again, and giving back twice is once. */
import * as assert from 'uvu/assert';
import { Places } from '../../src/intake/places.ts';
import { suite } from '../suite.ts';

const t = suite('intake: places');
const limits = {
  requestsMax: 4,
  ownerRequestsMax: 2,
  probeRequestsMax: 1,
  bodiesMax: 2,
  tenantUploadsMax: 1,
  unsentBytesMax: 150,
  ownerUnsentBytesMax: 100,
};

function codeOf(act: () => unknown): string | null {
  try {
    act();
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

t('requests, probes and owners have bounds of their own', () => {
  const places = new Places(limits);
  const held = Array.from({ length: 4 }, () => places.enter(null));
  assert.ok(held.every(({ refused }) => refused === null));
  assert.is(places.enter(null).refused?.code, 'ERR_BUSY');
  const probe = places.enter('/livez');
  assert.is(probe.refused, null, 'although all else is full');
  assert.is(places.enter('/livez').refused?.code, 'ERR_BUSY');
  assert.is(places.enter('/metrics').refused, null, 'one probe is not kept out by another');
  for (let i = 0; i < 3; i += 1) probe.leave();
  assert.is(places.enter('/livez').refused, null);
  assert.is(places.enter('/livez').refused?.code, 'ERR_BUSY', 'left three times is left once');
  assert.equal(
    held.map((place, i) => codeOf(() => place.belongsTo(i < 3 ? 'acme' : 'globex'))),
    [null, null, 'ERR_RATE', null],
  );
  held[0]?.leave();
  assert.is(
    codeOf(() => held[2]?.belongsTo('acme')),
    null,
  );
  const strangers = new Places(limits);
  const codes = [1, 2, 3].map(() => codeOf(() => strangers.enter(null).belongsTo('')));
  assert.equal(
    codes,
    [null, null, 'ERR_BUSY'],
    'strangers are one owner, and nobody is to be told to slow down',
  );
});

t('uploads and unread bytes count for their owner, bytes also after the place was left', () => {
  const places = new Places(limits);
  const [first, second, other] = ['acme', 'acme', 'globex'].map((owner) => {
    const place = places.enter(null);
    place.belongsTo(owner);
    return place;
  });
  assert.ok(first && second && other);
  assert.equal([codeOf(() => first.uploads()), codeOf(() => second.uploads())], [null, 'ERR_RATE']);
  assert.is(
    codeOf(() => other.uploads()),
    null,
  );
  const release = first.holds(90);
  first.leave();
  assert.is(
    codeOf(() => second.uploads()),
    null,
  );
  assert.is(
    codeOf(() => second.holds(20)),
    'ERR_RATE',
  );
  assert.is(
    codeOf(() => other.holds(70)),
    'ERR_BUSY',
    'the sum of all is bounded too',
  );
  release();
  assert.is(
    codeOf(() => other.holds(70)),
    null,
  );
});

t('of too many bodies the one that has taken longest gives way', () => {
  const places = new Places(limits);
  const gone: string[] = [];
  const begin = (name: string) => places.enter(null).reads(() => gone.push(name));
  begin('a');
  const endB = begin('b');
  begin('c');
  assert.equal(gone, ['a']);
  endB();
  begin('d');
  assert.equal(gone, ['a']);
  begin('e');
  assert.equal(gone, ['a', 'c']);
});

t.run();
