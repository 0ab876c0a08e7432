/** On a quiet controller time passes all the same, by the controller's clock and for every view alike. */
import * as assert from 'uvu/assert';
import { type Address, home } from '../../src/dashboard/address.ts';
import { nowOf } from '../../src/dashboard/census.ts';
import { Model } from '../../src/dashboard/model.ts';
import { Player } from '../../src/dashboard/player.ts';
import { Present } from '../../src/dashboard/present.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords } from './logs.ts';

const t = suite('dashboard: the present');
const golden = goldenRecords(2);
const newestMs = golden.at(-1)!.at;

function page(address: Address = home) {
  let elapsedMs = 500;
  const model = new Model({
    player: new Player(nodeSha256),
    address,
    server: null,
    navigate: () => undefined,
    soon: (draw) => draw(),
    elapsedMs: () => elapsedMs,
  });
  model.append(golden);
  let draws = 0;
  model.onChange(() => {
    draws += 1;
  });
  const pass = (ms: number): void => {
    elapsedMs += ms;
  };
  return { drawn: () => draws, model, pass };
}

t('the latest that was heard of the clock counts, and time goes on from there', () => {
  let elapsedMs = 0;
  const present = new Present(() => elapsedMs);
  assert.is(present.nowMs, null);
  present.hear(1_000);
  elapsedMs = 300;
  assert.is(present.nowMs, 1_300);
  // To the second, and thus behind.
  present.hear(1_200);
  assert.is(present.nowMs, 1_300);
  present.hear(9_000);
  elapsedMs = 400;
  assert.is(present.nowMs, 9_100);
  present.forget();
  assert.is(present.nowMs, null);
});

t('a live log in which nothing happens grows older, and is drawn anew', () => {
  const { drawn, model, pass } = page();
  model.tell({ kind: 'live' });
  assert.is(nowOf(model), newestMs);
  pass(60_000);
  assert.is(nowOf(model), newestMs + 60_000);
  const before = drawn();
  model.tick();
  assert.is(drawn(), before + 1);
  model.tell({ kind: 'reconnecting', reason: 'x' });
  assert.is(nowOf(model), newestMs + 60_000, 'a break sets no clock back');
});

t('a page that opens on a controller that has long been quiet knows for how long', () => {
  const { model, pass } = page();
  model.hear(newestMs + 3_600_000);
  model.tell({ kind: 'live' });
  pass(1_000);
  assert.is(nowOf(model), newestMs + 3_601_000);
});

t('what is past has no present: a place in the log, a file, and a log that was let go', () => {
  const past = page({ ...home, at: 12 });
  past.model.tell({ kind: 'live' });
  past.pass(60_000);
  assert.is(nowOf(past.model), golden[11]!.at);
  const { drawn, model, pass } = page();
  model.tell({ kind: 'file', name: 'x' });
  pass(60_000);
  const before = drawn();
  model.tick();
  assert.is(nowOf(model), newestMs);
  assert.is(drawn(), before);
  model.replace(new Player(nodeSha256));
  model.tell({ kind: 'live' });
  assert.is(nowOf(model), null);
});

t.run();
