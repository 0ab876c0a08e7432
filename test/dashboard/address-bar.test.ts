/** The address in the browser's bar: each place can be gone back to, and a drag does not flood the browser. */
import * as assert from 'uvu/assert';
import { home } from '../../src/dashboard/address.ts';
import { AddressBar } from '../../src/dashboard/address-bar.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard/address-bar');

function bar() {
  const entries = ['#/fleet'];
  const timers: (() => void)[] = [];
  let writes = 0;
  const made = new AddressBar({
    hash: () => entries.at(-1)!,
    write: (how, hash) => {
      writes += 1;
      if (how === 'pushState') entries.push(hash);
      else entries[entries.length - 1] = hash;
    },
    after: (_, run) => void timers.push(run),
  });
  return { arrived: () => made.arrived(), entries, navigate: made.navigate, timers, writes: () => writes };
}

t('a thousand moves of the slider are one write, of the last of them', () => {
  const { entries, navigate, timers, writes } = bar();
  for (let at = 1; at <= 1_000; at += 1) navigate({ ...home, at });
  assert.is(timers.length, 1);
  timers.pop()!();
  assert.equal(entries, ['#/at/1000/fleet']);
  navigate({ ...home, at: 7 });
  timers.pop()!();
  assert.equal(entries, ['#/at/7/fleet']);
  assert.is(writes(), 2);
});

t('another view is a new place, written at once, and the one before keeps its seq', () => {
  const { entries, navigate, timers } = bar();
  navigate({ ...home, at: 5 });
  navigate({ view: 'job', job: 'x1', at: 5 });
  assert.equal(entries, ['#/at/5/fleet', '#/at/5/job/x1']);
  for (const late of timers) late();
  assert.equal(entries, ['#/at/5/fleet', '#/at/5/job/x1']);
});

t('whoever goes back is not brought forward again', () => {
  const { arrived, entries, navigate, timers } = bar();
  navigate({ ...home, at: 5 });
  entries.push('#/jobs');
  arrived();
  for (const late of timers) late();
  assert.equal(entries, ['#/fleet', '#/jobs']);
});

t.run();
