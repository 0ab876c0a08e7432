/** Decisions of former lives are made again in the background: none differs, or the first that does is told. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../src/events/record.ts';
import { type Divergence, fromTheBeginning } from '../src/log/replay.ts';
import { startReplayCheck } from '../src/replay-check.ts';
import { anyScript, anyWorld, forged, played } from './log/replay-scripts.ts';
import { SimulatedClock } from './properties/simulated.ts';
import { runs, seed, suite } from './suite.ts';

const t = suite('replay check');

function checking(records: readonly FactRecord[], upToSeq = records.length) {
  const clock = new SimulatedClock();
  const found: Divergence[] = [];
  let reads = 0;
  const check = startReplayCheck({
    log: {
      read: async (from, limit) => {
        reads += 1;
        return records.slice(from - 1, from - 1 + limit);
      },
    },
    from: fromTheBeginning(),
    upToSeq,
    clock,
    onDivergence: (divergence) => void found.push(divergence),
  });
  let over = false;
  const done = check.done.finally(() => {
    over = true;
  });
  const through = async (): Promise<number> => {
    while (!over) {
      clock.advance(50);
      await new Promise(setImmediate);
    }
    return done;
  };
  return { check, clock, found, through, reads: () => reads };
}

t(
  'what was decided by these rules is found again, all of it; a changed selection is told once, with its seq',
  () =>
    fc.assert(
      fc.asyncProperty(anyScript, anyWorld, async (script, world) => {
        const records = await played(script, world);
        const sound = checking(records);
        const decisions = await sound.through();
        assert.equal(sound.found, []);
        const selected = records.filter(({ type }) => type === 'job.selected');
        assert.ok(decisions >= selected.length);
        const victim = selected.at(-1);
        if (!victim) return;
        const changed = forged(records, victim.seq, (record) => ({
          ...record,
          data: { policy: 'another/9' },
        }));
        const other = checking(changed);
        await other.through();
        assert.equal(
          other.found.map(({ seq }) => seq),
          [victim.seq],
        );
      }),
      { seed: seed(), numRuns: runs(15) },
    ),
  { limitMs: 60_000 },
);

t('nothing behind what former lives wrote is judged, and a stop ends it at once', async () => {
  const [records] = await Promise.all([
    fc
      .sample(anyScript, { seed: 5, numRuns: 1 })
      .map((script) =>
        played(script, { options: { fleet: '1xA30-24GB', policy: 'fifo' }, slots: ['1g.6gb'] }),
      )[0] as Promise<readonly FactRecord[]>,
  ]);
  const none = checking(records, 0);
  assert.is(await none.through(), 0);
  assert.is(none.reads(), 0);
  const stopped = checking(records);
  stopped.check.stop();
  assert.is(await stopped.check.done, 0);
  assert.is(stopped.reads(), 0);
});

t.run();
