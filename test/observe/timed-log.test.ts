import * as assert from 'uvu/assert';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Draft, Log } from '../../src/log/log.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { timedLog } from '../../src/observe/timed-log.ts';
import { suite } from '../suite.ts';
import { VirtualClock } from './world.ts';

const t = suite('observe/timed-log');

const draft = (version: number): Draft => ({
  subject: 'controller.stopped',
  type: 'controller.stopped',
  at: 1,
  author: 'controller',
  basis: 0,
  cause: null,
  trace: null,
  schema: 1,
  data: { running: 0 },
  expectedVersion: version,
});

t('each fact is timed once, from its own append to the moment when it is durable', async () => {
  const clock = new VirtualClock();
  const held = heldBack(openMemoryLog({ sha256: nodeSha256 }).log);
  const seconds: number[] = [];
  const log = timedLog(held.log, clock, (value) => seconds.push(value));
  log.append(draft(0));
  clock.move(30);
  log.append(draft(1));
  clock.move(20);
  assert.equal(seconds, []);
  held.reach(1);
  assert.equal(seconds, [0.05]);
  held.reach(1);
  clock.move(50);
  held.reach(2);
  assert.equal(seconds, [0.05, 0.07]);
});

t('facts that were there before, and repeats, are not timed', async () => {
  const clock = new VirtualClock();
  const { log: inner } = openMemoryLog({ sha256: nodeSha256 });
  inner.append(draft(0));
  await inner.whenDurable(1);
  const seconds: number[] = [];
  const log = timedLog(inner, clock, (value) => seconds.push(value));
  assert.is(log.append(draft(0)).duplicate, true);
  log.append(draft(1));
  await log.whenDurable(2);
  assert.equal(seconds, [0]);
});

t('it is the same log in everything else', async () => {
  const { log: inner } = openMemoryLog({ sha256: nodeSha256 });
  const log = timedLog(inner, new VirtualClock(), () => undefined);
  log.append(draft(0));
  await log.whenDurable(1);
  assert.equal(
    [log.head, log.durable, log.headHash, log.epoch, log.failure, log.durability],
    [inner.head, inner.durable, inner.headHash, inner.epoch, inner.failure, inner.durability],
  );
  assert.equal(await log.read(1, 10), await inner.read(1, 10));
  assert.equal(await log.readStream('controller'), await inner.readStream('controller'));
  assert.is(log.versionOf('controller'), 1);
  await log.close();
  assert.throws(() => log.append(draft(1)), /closed/);
});

/** The memory log, but durable only as far as the test says: a disk that takes its time. */
function heldBack(inner: Log): { log: Log; reach(seq: number): void } {
  const listeners: (() => void)[] = [];
  let durable = 0;
  const log = new Proxy(inner, {
    get(target, name) {
      if (name === 'durable') return durable;
      if (name === 'onChange') return (listener: () => void) => listeners.push(listener);
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const reach = (seq: number): void => {
    durable = seq;
    for (const listener of listeners) listener();
  };
  return { log, reach };
}

t.run();
