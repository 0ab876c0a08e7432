/** The machines beside the job's own end where the production folds of the same log end. */
import * as assert from 'uvu/assert';
import { indexOf } from '../../src/dashboard/job-course.ts';
import { controllerPath, gpuPath } from '../../src/dashboard/machine-paths.ts';
import { Player } from '../../src/dashboard/player.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords, simulatedRecords } from './logs.ts';

const t = suite('dashboard: paths of machines');

t('the path of each GPU ends in the state that the fleet holds', async () => {
  for (const records of [goldenRecords(2), await simulatedRecords(7, 60)]) {
    const player = new Player(nodeSha256);
    player.append(records);
    player.seek(player.headSeq);
    const { fleet } = player.moment.state;
    assert.ok(fleet.size > 0);
    for (const [id, { machine }] of fleet) {
      const path = gpuPath(indexOf(records), id, { fromSeq: 1, toSeq: player.headSeq }, null);
      assert.is(path.at(-1)?.to, machine.state);
      assert.is(path[0]?.from, 'absent');
      for (const [i, edge] of path.entries()) if (i > 0) assert.is(edge.from, path[i - 1]!.to);
    }
  }
});

t('a part of a path holds the edges of its facts alone, and what the GPU did before counts', () => {
  const records = goldenRecords(2);
  const index = indexOf(records);
  const [gpu] = index.gpus.keys();
  const whole = gpuPath(index, gpu!, { fromSeq: 1, toSeq: Number.MAX_SAFE_INTEGER }, null);
  const { seq } = whole[Math.floor(whole.length / 2)]!;
  assert.equal(
    gpuPath(index, gpu!, { fromSeq: seq, toSeq: seq }, null),
    whole.filter((edge) => edge.seq === seq),
  );
  assert.equal(gpuPath(index, 'no-such-gpu', { fromSeq: 1, toSeq: 9 }, null), []);
});

t('the controller ends in the state of the gate, at every seq', async () => {
  let compared = 0;
  for (const records of [goldenRecords(2), await simulatedRecords(11, 60)]) {
    const player = new Player(nodeSha256);
    player.append(records);
    for (let seq = 1; seq <= player.headSeq; seq += 1) {
      player.seek(seq);
      const { state } = player.moment.gate;
      const last = controllerPath(indexOf(records), seq, state).at(-1);
      if (last === undefined) assert.is(state, 'recovering');
      else assert.is(last.to, state);
      compared += 1;
    }
  }
  assert.ok(compared > 100);
});

t('a full queue is an edge of its own', () => {
  const path = controllerPath(indexOf(goldenRecords(2)), 5, 'full');
  assert.is(path.at(-1)?.to, 'full');
  assert.is(path.at(-1)?.fact, 'queue.full');
});

t.run();
