/** The facts of single jobs: found without searching, folded by the production machine, cut at any moment. */
import * as assert from 'uvu/assert';
import { freezeFolds } from '../../src/checkpointing.ts';
import {
  attemptsOf,
  courseOf,
  factsOf,
  indexOf,
  jobPath,
  stepsOf,
  stepsUpTo,
} from '../../src/dashboard/job-course.ts';
import { Model } from '../../src/dashboard/model.ts';
import { type PlayedRecord, Player } from '../../src/dashboard/player.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { jobSpans, traceIdsOf } from '../../src/observe/job-spans.ts';
import { suite } from '../suite.ts';
import { goldenRecords } from './logs.ts';

const t = suite('dashboard: the course of a job');

const records = goldenRecords(2);
const ids = [...indexOf(records).jobs.keys()];

t("a job's facts are exactly those of its stream", () => {
  assert.ok(ids.length > 10, `${ids.length} jobs in the golden log`);
  for (const id of ids)
    assert.equal(
      factsOf(records, id).map(({ seq }) => seq),
      records
        .filter(({ subject }) => subject.startsWith('job.') && subject.split('.')[2] === id)
        .map(({ seq }) => seq),
    );
});

t('an index that saw the log grow is that of the whole log', () => {
  const growing: PlayedRecord[] = [];
  for (const record of records) {
    growing.push(record);
    if (record.seq % 7 === 0) indexOf(growing);
  }
  const { jobs, gpus, controller, count } = indexOf(growing);
  const whole = indexOf([...records]);
  assert.equal(count, records.length);
  assert.equal([...jobs.keys()], [...whole.jobs.keys()]);
  assert.equal(
    [...gpus].map(([gpu, facts]) => [gpu, facts.length]),
    [...whole.gpus].map(([gpu, facts]) => [gpu, facts.length]),
  );
  assert.equal(controller.length, records.filter(({ type }) => type.startsWith('controller.')).length);
});

t('at every fact of every job, the last step is the job that the player holds', () => {
  const player = new Player(nodeSha256);
  player.append(records);
  let compared = 0;
  for (const id of ids) {
    const steps = stepsOf(factsOf(records, id), id, null);
    assert.is(steps.length, factsOf(records, id).length, `${id} is folded to its end`);
    for (const { record } of steps) {
      player.seek(record.seq);
      const held = player.moment.state.jobs.get(id);
      // An ended job may be forgotten with its last fact; the steps keep it.
      if (held) assert.equal(stepsUpTo(steps, record.seq).at(-1)?.after, held);
      compared += Number(held !== undefined);
    }
  }
  assert.ok(compared > 50, `${compared} moments compared`);
});

t('the path is connected, and ends in the state of the job', () => {
  for (const id of ids) {
    const path = jobPath(stepsOf(factsOf(records, id), id, null));
    assert.is(path[0]?.from, 'new');
    for (const [i, edge] of path.entries()) if (i > 0) assert.is(edge.from, path[i - 1]!.to);
  }
});

t('attempts are those that the production view remembers', () => {
  const player = new Player(nodeSha256);
  player.append(records);
  player.seek(player.headSeq);
  let seen = 0;
  for (const id of ids) {
    const known = player.moment.views.job(id)?.trail.attempts;
    if (!known) continue;
    const own = attemptsOf(stepsOf(factsOf(records, id), id, null));
    assert.equal(
      own.map(({ run }) => run),
      known,
    );
    seen += known.length;
    for (const { walked, run } of own) assert.is(walked.at(-1)?.to, run.state);
  }
  assert.ok(seen > 5, `${seen} attempts`);
});

t("the page's spans have the ids that the server's have", () => {
  const isPlain = (each: string): boolean =>
    factsOf(records, each).length === 9 && factsOf(records, each).at(-1)?.type === 'job.succeeded';
  const id = ids.find(isPlain)!;
  const course = courseOf(stepsOf(factsOf(records, id), id, null))!;
  const spans = jobSpans(course, traceIdsOf(id, course.trace, nodeSha256), nodeSha256);
  assert.is(spans[0]?.spanId, nodeSha256(`${id} job`).slice(0, 16));
  assert.equal(
    spans.slice(1).map(({ name }) => name),
    ['admit', 'wait', 'place', 'start', 'run', 'finalise'],
  );
});

t('before the first fact there is no step, and after a refused fact none follows', () => {
  const facts = factsOf(records, ids[0]!);
  const steps = stepsOf(facts, ids[0]!, null);
  assert.equal(stepsUpTo(steps, facts[0]!.seq - 1), []);
  const broken = [facts[0]!, facts[facts.length - 1]!, facts[1]!];
  assert.is(stepsOf(broken, ids[0]!, null).length, 1);
});

t('where the log begins with a checkpoint, a job goes on from what the checkpoint holds', () => {
  const player = new Player(nodeSha256);
  player.append(records);
  const id = ids.find((each) => factsOf(records, each).length > 6)!;
  const cut = factsOf(records, id)[3]!.seq;
  player.seek(cut);
  const { moment } = player;
  const folds = JSON.parse(JSON.stringify(freezeFolds({ ...moment, actors: moment.cast.all })));
  const later = new Player(nodeSha256, { seq: cut, folds });
  later.append(records.filter(({ seq }) => seq > cut));
  const model = new Model({
    player: later,
    address: { view: 'job', job: id, at: null },
    server: null,
    navigate: () => undefined,
    soon: (draw) => draw(),
  });
  const base = model.stateAtBegin?.jobs.get(id);
  assert.ok(base, 'the checkpoint holds the job');
  const steps = stepsOf(factsOf(model.records, id), id, base);
  const whole = stepsOf(factsOf(records, id), id, null);
  assert.is(steps.length, whole.length - 4);
  assert.equal(steps.at(-1)?.after, whole.at(-1)?.after);
});

t(
  'facts whose data is not what it should be break nothing, before or behind the one that can not be folded',
  () => {
    let halts = 0;
    const datas: PlayedRecord['data'][] = [
      {},
      [] as never,
      { slots: [null, { gpu: 7 }, {}] },
      { slots: 'x' },
    ];
    for (const data of datas)
      for (const type of new Set(records.map((record) => record.type))) {
        const hostile = records.map(
          (record): PlayedRecord => (record.type === type ? { ...record, data } : record),
        );
        const player = new Player(nodeSha256);
        player.append(hostile);
        player.seek(player.headSeq);
        if (player.halt) halts += 1;
        const { jobs, gpus } = indexOf(player.records);
        assert.ok([...gpus.keys()].every((gpu) => typeof gpu === 'string'));
        for (const id of jobs.keys()) {
          const steps = stepsOf(factsOf(player.records, id), id, null);
          attemptsOf(steps);
          courseOf(steps);
        }
      }
    assert.ok(halts > 5, `${halts}`);
  },
);

t.run();
