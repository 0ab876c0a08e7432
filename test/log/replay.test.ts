import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { isEnd, type JobState } from '../../machines/job.ts';
import type { FactData } from '../../src/events/facts.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { isDecision } from '../../src/jobs/inputs.ts';
import { fold, jobIdOf, jobTable, newState } from '../../src/jobs/state.ts';
import { Replayer } from '../../src/log/replay.ts';
import { policies } from '../../src/scheduler/policies.ts';
import { boards } from '../../src/slots/boards.ts';
import { runs, seed, suite } from '../suite.ts';
import { anyScript, anyWorld, fleets, forged, played, replayed } from './replay-scripts.ts';

const options = { seed: seed(), endOnFailure: true } as const;
const t = suite('log/replay');

t(
  'a log replays without divergence, whatever happened, crashes and restarts included',
  async () => {
    const saw = { decisions: 0, inputs: 0, lives: 0, unplaced: 0 };
    await fc.assert(
      fc.asyncProperty(anyScript, anyWorld, async (script, world) => {
        const records = await played(script, world);
        const { divergence, decisions, inputs } = replayed(records);
        assert.is(divergence, null, JSON.stringify({ divergence, records }, null, 1).slice(0, 3_000));
        saw.decisions += decisions;
        saw.inputs += inputs;
        saw.lives += records.filter(({ type }) => type === 'controller.recovered').length;
        saw.unplaced += records.filter(({ type }) => type === 'job.unplaced').length;
      }),
      { ...options, numRuns: runs(300) },
    );
    console.log(JSON.stringify(saw));
    assert.ok(saw.decisions > 5_000 && saw.lives > 400, `the checker saw only ${JSON.stringify(saw)}`);
  },
  { limitMs: 120_000 },
);

t.run();
