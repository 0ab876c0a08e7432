/** The parts that make a simulation repeatable: random streams, the kernel's order, and the options of a seed. */
import * as assert from 'uvu/assert';
import { Kernel } from '../../src/simulate/kernel.ts';
import { faultKinds, optionsOf } from '../../src/simulate/options.ts';
import { Random } from '../../src/simulate/random.ts';
import { suite } from '../suite.ts';

const t = suite('simulate: parts');
const draws = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());
const choice = (seed: number) => ({ seed, jobs: 10, without: [], crashAt: [] });

t('a stream is the same for the same seed and name, whatever its parent drew', () => {
  const [one, other] = [new Random(7), new Random(7)];
  draws(other, 100);
  assert.equal(draws(one.fork('disk'), 20), draws(other.fork('disk'), 20));
  assert.not.equal(draws(one.fork('disk'), 20), draws(one.fork('desk'), 20));
  assert.not.equal(draws(new Random(7), 20), draws(new Random(8), 20));
});

t('draws lie in their range and fill it', () => {
  const random = new Random('range');
  const buckets = new Set(Array.from({ length: 2_000 }, () => random.below(16)));
  assert.equal(
    [...buckets].sort((a, b) => a - b),
    Array.from({ length: 16 }, (_, i) => i),
  );
  const mean = draws(random, 10_000).reduce((sum, value) => sum + value, 0) / 10_000;
  assert.ok(Math.abs(mean - 0.5) < 0.02, `mean ${mean}`);
  assert.not(Array.from({ length: 100 }, () => random.chance(0)).includes(true));
});

t('events come in the order of their times, and of their asking at one time', async () => {
  const kernel = new Kernel();
  const seen: string[] = [];
  for (const [ms, name] of [
    [5, 'c'],
    [1, 'a'],
    [5, 'd'],
    [3, 'b'],
  ] as const)
    kernel.after(ms, () => void seen.push(`${name} at ${kernel.nowMs}`));
  assert.is(await kernel.run(() => false), 'idle');
  assert.equal(seen, ['a at 1', 'b at 3', 'c at 5', 'd at 5']);
});

t('all that an event resolves has run before the next event', async () => {
  const kernel = new Kernel();
  const seen: string[] = [];
  kernel.after(0, () => {
    void (async () => {
      for (let i = 0; i < 50; i += 1) await null;
      seen.push('the end of a long chain');
    })();
  });
  kernel.after(0, () => void seen.push('the next event'));
  await kernel.run(() => false);
  assert.equal(seen, ['the end of a long chain', 'the next event']);
});

t('nothing that a dead process asked for happens, and it can ask for nothing more', async () => {
  const kernel = new Kernel();
  const process = { alive: true };
  const clock = kernel.clockOf(process);
  let fired = 0;
  const count = (): void => {
    fired += 1;
  };
  clock.after(1, count);
  clock.after(3, count);
  clock.after(2, () => {
    process.alive = false;
    clock.after(0, count);
  });
  clock.after(1, count)();
  await kernel.run(() => false);
  assert.is(fired, 1);
});

t('a jump moves the wall clock and no timer', async () => {
  const kernel = new Kernel();
  const clock = kernel.clockOf({ alive: true });
  const before = clock.wallMs();
  let firedAtMs = 0;
  clock.after(100, () => {
    firedAtMs = clock.monotonicMs();
  });
  kernel.jump(-5_000);
  await kernel.run(() => false);
  assert.is(firedAtMs, 100);
  assert.is(clock.wallMs() - before, -4_900);
  assert.ok(Number.isInteger(clock.wallMs()));
});

t('time never passes the bound that a run is given', async () => {
  const kernel = new Kernel();
  let fired = false;
  kernel.after(50, () => {
    fired = true;
  });
  assert.is(await kernel.run(() => false, 49), 'late');
  assert.equal([fired, kernel.nowMs <= 49], [false, true]);
  assert.is(await kernel.run(() => fired, 50), 'done');
});

t('a seed draws some kinds of fault, and over many seeds each kind with each other', () => {
  const pairs = new Set<string>();
  for (let seed = 0; seed < 300; seed += 1) {
    const on = faultKinds.filter((kind) => optionsOf(choice(seed)).faults[kind] > 0);
    assert.ok(on.length > 2 && on.length < faultKinds.length, `seed ${seed}: ${on.length} kinds`);
    for (const a of on) for (const b of on) pairs.add(`${a} ${b}`);
  }
  assert.is(pairs.size, faultKinds.length ** 2);
});

t('leaving a kind out changes no other rate', () => {
  const seed = Array.from({ length: 100 }, (_, i) => i).find((i) => optionsOf(choice(i)).faults.cancels > 0);
  assert.ok(seed !== undefined);
  const { faults } = optionsOf(choice(seed));
  const less = optionsOf({ ...choice(seed), without: ['cancels'] }).faults;
  assert.equal(less, { ...faults, cancels: 0 });
});

t.run();
