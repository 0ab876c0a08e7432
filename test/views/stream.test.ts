/** The bridge to followers: many signs become one pulse, nothing is left behind, and time is the clock's. */
import * as assert from 'uvu/assert';
import type { Clock } from '../../src/clock.ts';
import { type Followed, type Pulse, Streams } from '../../src/views/stream.ts';
import { suite } from '../suite.ts';

const t = suite('stream');

/** A clock that stands still until it is moved. */
function handClock() {
  let nowMs = 0;
  const timers = new Set<{ atMs: number; fn: () => void }>();
  const clock: Clock = {
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(ms, fn) {
      const timer = { atMs: nowMs + ms, fn };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  const move = async (ms: number): Promise<void> => {
    const endMs = nowMs + ms;
    for (;;) {
      const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      nowMs = next.atMs;
      timers.delete(next);
      next.fn();
      await settled();
    }
    nowMs = endMs;
    await settled();
  };
  return { clock, move, timers };
}

const settled = (): Promise<void> => new Promise((resume) => setImmediate(resume));

/** Views that say they moved when told to, and count who listens. */
function handViews() {
  const listeners = new Set<() => void>();
  const state = { isPresent: true };
  const followed: Followed = {
    views: {
      seq: 0,
      onChange: (listener) => {
        const own = listener as unknown as () => void;
        listeners.add(own);
        return () => listeners.delete(own);
      },
    },
    isPresent: () => state.isPresent,
  };
  const change = (): void => {
    for (const listener of listeners) listener();
  };
  return { followed, change, listeners, state };
}

/** Reads pulses as they come into a list. */
function read(pulses: AsyncGenerator<Pulse>): { seen: Pulse[]; done: Promise<void> } {
  const seen: Pulse[] = [];
  const done = (async () => {
    for await (const pulse of pulses) seen.push(pulse);
  })();
  return { seen, done };
}

t('a thousand changes within the pause are one pulse, and the last is never lost', async () => {
  const { clock, move } = handClock();
  const views = handViews();
  const streams = new Streams({ clock, streamsMax: 8, heartbeatMs: 15_000 });
  const end = new AbortController();
  const { seen, done } = read(streams.pulses(views.followed, 20, end.signal));
  await settled();
  assert.equal(seen, ['moved'], 'the first comes at once: what is there already has to be read');
  for (let i = 0; i < 1_000; i += 1) views.change();
  await move(19);
  assert.is(seen.length, 1);
  await move(1);
  assert.is(seen.length, 2);
  views.change();
  await move(20);
  assert.is(seen.length, 3);
  await move(1_000);
  assert.is(seen.length, 3, 'no change, no pulse');
  end.abort();
  await done;
});

t('a reader that is busy when the change comes hears of it when it comes back', async () => {
  const { clock, move } = handClock();
  const views = handViews();
  const streams = new Streams({ clock, streamsMax: 8, heartbeatMs: 15_000 });
  const end = new AbortController();
  const pulses = streams.pulses(views.followed, 20, end.signal);
  assert.is((await pulses.next()).value, 'moved');
  for (let i = 0; i < 50; i += 1) {
    views.change();
    await move(20);
  }
  assert.is((await pulses.next()).value, 'moved', 'fifty changes while it did not ask are one');
  const waiting = pulses.next();
  end.abort();
  assert.is((await waiting).done, true);
});

t('followers of one pace share one listener, and none is left when they are gone', async () => {
  const { clock, move, timers } = handClock();
  const views = handViews();
  const streams = new Streams({ clock, streamsMax: 8, heartbeatMs: 15_000 });
  const end = new AbortController();
  const all = [0, 1, 2].map(() => read(streams.pulses(views.followed, 20, end.signal)));
  await settled();
  assert.equal([views.listeners.size, streams.open], [1, 3]);
  views.change();
  await move(20);
  assert.ok(all.every(({ seen }) => seen.length === 2));
  end.abort();
  await Promise.all(all.map(({ done }) => done));
  assert.equal([views.listeners.size, streams.open, timers.size], [0, 0, 0]);
});

t('a silent stream beats at the pace of the clock', async () => {
  const { clock, move } = handClock();
  const views = handViews();
  const streams = new Streams({ clock, streamsMax: 8, heartbeatMs: 15_000 });
  const end = new AbortController();
  const { seen, done } = read(streams.pulses(views.followed, 20, end.signal));
  await settled();
  await move(14_999);
  assert.equal(seen, ['moved']);
  await move(30_001);
  assert.equal(seen, ['moved', 'beat', 'beat', 'beat']);
  end.abort();
  await done;
});

t('a stream ends within a second of its life', async () => {
  const { clock, move } = handClock();
  const views = handViews();
  const streams = new Streams({ clock, streamsMax: 8, heartbeatMs: 15_000 });
  const { seen, done } = read(streams.pulses(views.followed, 20, new AbortController().signal));
  await settled();
  views.state.isPresent = false;
  await move(1_000);
  await done;
  assert.equal([seen, streams.open, views.listeners.size], [['moved'], 0, 0]);
});

t('streams beyond the bound are refused', async () => {
  const { clock } = handClock();
  const views = handViews();
  const streams = new Streams({ clock, streamsMax: 1, heartbeatMs: 15_000 });
  const end = new AbortController();
  const first = streams.pulses(views.followed, 20, end.signal);
  await first.next();
  assert.throws(
    () => streams.assertRoom(),
    (error: { code: string }) => error.code === 'ERR_STREAMS',
  );
  await first.return(undefined);
  assert.not.throws(() => streams.assertRoom());
});

t.run();
