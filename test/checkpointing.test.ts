/** Checkpoints: at whatever seq they are taken, folding goes on from them as if it had never stopped. */
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { castAround, jobText, stateText } from '../src/cast.ts';
import { foldsVersion, freezeFolds, type LifeFolds, restoreFolds } from '../src/checkpointing.ts';
import type { ControllerSettings } from '../src/controller.ts';
import { canonicalJson } from '../src/events/canonical.ts';
import type { FactData } from '../src/events/facts.ts';
import { freeze } from '../src/events/frozen.ts';
import type { FactRecord } from '../src/events/record.ts';
import { Gate } from '../src/intake/gate.ts';
import { fold, newState, type State } from '../src/jobs/state.ts';
import type { Checkpoint, CheckpointDraft, Checkpoints } from '../src/log/checkpoint.ts';
import { nodeSha256 } from '../src/log/hash-node.ts';
import { createMetrics } from '../src/observe/metrics.ts';
import { createTraces } from '../src/observe/trace.ts';
import { Views } from '../src/views/views.ts';
import { LifeOnDisk } from './life.ts';
import { anyScript, anyWorld, played } from './log/replay-scripts.ts';
import { runs, seed, suite } from './suite.ts';

const t = suite('checkpointing');

/** Every fold that a life has, with those of metrics and traces. */
class Folds implements LifeFolds {
  readonly state: State = newState();
  readonly actors;
  readonly gate = new Gate();
  readonly views = new Views();
  readonly metrics;
  readonly traces = createTraces({ sha256: nodeSha256 });

  /** @param leaning  as a recovery folds: the views look at the writer's folds and stand alone at the end */
  constructor(leaning = false) {
    const { blobs, sign, clock } = new LifeOnDisk().parts();
    const cast = castAround(this.state, { blobs, sign, clock, killWaitMs: 1, wake: () => undefined });
    this.actors = cast.all;
    if (leaning) this.views.leanOn(this.state, cast.scheduler);
    this.metrics = createMetrics({
      life: () => ({ views: this.views, gate: this.gate, refusals: new Map() }),
      clock,
    });
    this.metrics.attach(this.views);
    this.traces.attach(this.views);
  }

  fold(records: readonly FactRecord[]): this {
    for (const record of records) {
      const change = fold(this.state, record);
      for (const actor of [...this.actors, this.gate, this.views]) actor.fold(change);
    }
    return this;
  }

  get text(): string {
    return JSON.stringify(freezeFolds(this));
  }
}

/** As it is after a way over the disk. */
const copyOf = (folds: Folds): Folds => {
  const copy = new Folds();
  restoreFolds(JSON.parse(folds.text), copy);
  return copy;
};

/** The same log as if its lives had kept only so many ended jobs. */
const keeping = (records: readonly FactRecord[], retainedMax: number): FactRecord[] =>
  records.map((record) =>
    record.type === 'controller.configured' ? { ...record, data: { ...record.data, retainedMax } } : record,
  );

t(
  'from a checkpoint at any seq all folds, metrics and traces come out as from the whole log, byte for byte',
  async () => {
    let forgotten = 0;
    await fc.assert(
      fc.asyncProperty(anyScript, anyWorld, fc.nat(4), fc.nat(), async (script, world, retainedMax, at) => {
        const records = keeping(await played(script, world), retainedMax);
        const split = 1 + (at % records.length);
        const whole = new Folds().fold(records.slice(0, split));
        const restored = copyOf(whole);
        const leaning = new Folds(true).fold(records.slice(0, split));
        leaning.views.standAlone();
        assert.is(leaning.text, whole.text, `views that leaned on the writer up to ${split}`);
        assert.is(
          JSON.stringify([freeze(leaning.views.state), freeze(leaning.views.scheduler.snapshot())]),
          JSON.stringify([freeze(whole.views.state), freeze(whole.views.scheduler.snapshot())]),
        );
        assert.is(restored.text, whole.text, `restored at ${split}`);
        for (const record of records.slice(split)) {
          whole.fold([record]);
          restored.fold([record]);
        }
        assert.is(restored.text, whole.text, `from ${split} to the end`);
        assert.is(stateText(restored.state, restored.actors), stateText(whole.state, whole.actors));
        // The fast way to a job's canonical text rests on how jobs are built.
        for (const job of whole.state.jobs.values()) assert.is(jobText(job), canonicalJson(job));
        assert.is(await restored.metrics.text(), await whole.metrics.text());
        for (const id of whole.state.jobs.keys()) {
          const trail = whole.views.job(id)?.trail;
          assert.equal(restored.views.job(id)?.trail, trail);
        }
        forgotten += records.filter(({ type }) => type === 'job.submitted').length - whole.state.jobs.size;
      }),
      { seed: seed(), numRuns: runs(40) },
    );
    assert.ok(forgotten > 20, `only ${forgotten} jobs were ever forgotten`);
  },
  { limitMs: 120_000 },
);

/** Names of all members in frozen folds, however many entries there are. */
function shapeOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => shapeOf(item, `${path}[]`));
  if (value === null || typeof value !== 'object') return [path];
  const entries = Object.entries(value);
  // Text that tenants name is no shape of ours.
  if (/\.(env|labels)$/.test(path)) return [path];
  return entries.length === 0 ? [path] : entries.flatMap(([key, item]) => shapeOf(item, `${path}.${key}`));
}

/** By version of the folds: the digest of their shape over the golden logs. */
const shapes: Readonly<Record<string, string>> = {
  'folds/2': 'cbe6840e4ef539c82c772684078928891bb7b8586eb720cf9513d6acf7f3c391',
};

t('whoever changes what a checkpoint holds raises the version of the folds', () => {
  const paths = new Set<string>();
  for (const version of ['v1', 'v2']) {
    const file = new URL(`./golden/${version}/lives.jsonl`, import.meta.url);
    const records = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as FactRecord);
    const folds = new Folds();
    for (const record of records) {
      folds.fold([record]);
      if (record.seq % 5 === 0) for (const path of shapeOf(JSON.parse(folds.text))) paths.add(path);
    }
  }
  assert.ok(paths.size > 150, `${paths.size} members seen`);
  const digest = nodeSha256([...paths].sort().join('\n'));
  const [version = ''] = foldsVersion.split(' ');
  assert.is(
    digest,
    shapes[version],
    'members came, went or changed their place: raise `foldsVersion`, and note its digest here',
  );
});

/** Keeps checkpoints in memory, as text, as a disk would. */
class Shelf implements Checkpoints {
  readonly written: CheckpointDraft[] = [];
  readonly retired: number[] = [];
  fails = false;
  draft(checkpoint: Checkpoint): CheckpointDraft {
    const text = JSON.stringify(checkpoint);
    return { seq: checkpoint.base.seq, text, sha256: nodeSha256(text) };
  }
  async write(draft: CheckpointDraft): Promise<void> {
    if (this.fails) throw Object.assign(new Error('ENOSPC: no room'), { code: 'ENOSPC' });
    this.written.push(draft);
  }
  async retire(upToSeq: number): Promise<void> {
    this.retired.push(upToSeq);
  }
  async oldest(): Promise<null> {
    return null;
  }
}

const settingsWith = (life: LifeOnDisk, over: Partial<ControllerSettings>): ControllerSettings => ({
  ...life.parts().settings,
  ...over,
});

async function runJobs(life: LifeOnDisk, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await life.run(name);
    life.backend.live.at(-1)?.finish({ how: 'exited', exitCode: 0, stdout: new Uint8Array() });
    await life.settle();
  }
}

t(
  'a life takes a checkpoint every so many facts, and the next fact in the log holds its digest',
  async () => {
    const life = new LifeOnDisk();
    const checkpoints = new Shelf();
    await life.begin({ checkpoints, settings: settingsWith(life, { checkpointFacts: 20 }) });
    await runJobs(life, ['a', 'b', 'c', 'd', 'e', 'f']);
    assert.ok(checkpoints.written.length >= 2, `only ${checkpoints.written.length} were taken`);
    for (const draft of checkpoints.written) {
      const fact = life.disk.records[draft.seq];
      assert.is(fact?.type, 'controller.checkpointed');
      const data = fact?.data as FactData<'controller.checkpointed'>;
      assert.equal([data.ofSeq, data.sha256], [draft.seq, draft.sha256]);
      const { base, folds, version } = JSON.parse(draft.text) as Checkpoint;
      assert.is(version, foldsVersion);
      assert.is(base.hash, life.disk.records[draft.seq - 1]?.hash);
      const restored = new Folds();
      restoreFolds(folds, restored);
      const folded = new Folds().fold(life.disk.records.slice(0, draft.seq));
      assert.is(stateText(restored.state, restored.actors), stateText(folded.state, folded.actors));
      assert.is(data.stateHash, nodeSha256(stateText(folded.state, folded.actors)));
    }
    await life.through(life.controller.end());
  },
);

t('a life that begins from a checkpoint holds what one that folded everything holds', async () => {
  const life = new LifeOnDisk();
  const checkpoints = new Shelf();
  const settings = settingsWith(life, { checkpointFacts: 25 });
  await life.begin({ checkpoints, settings });
  await runJobs(life, ['a', 'b', 'c', 'd']);
  await life.run('e');
  const draft = checkpoints.written.at(-1) as CheckpointDraft;
  assert.ok(draft);
  life.powerCut();
  const folded = new Folds().fold(life.disk.records);
  const expected = nodeSha256(stateText(folded.state, folded.actors));
  const plain = life.parts().openLog;
  const controller = await life.begin({
    settings,
    openLog: async (onRecords, onCheckpoint) => {
      onCheckpoint(JSON.parse(draft.text) as Checkpoint);
      return plain((batch) => onRecords(batch.filter(({ seq }) => seq > draft.seq)), onCheckpoint);
    },
  });
  assert.is(controller.recovered.stateHash, expected);
  assert.is(controller.fromSeq, draft.seq);
  await life.settle();
  assert.is(life.stateOf('e'), 'failed', 'its guest died with the machine, and no loss is allowed here');
  assert.is(controller.views.job('a')?.job.state, 'succeeded');
  await life.through(controller.end());
});

t('a checkpoint that can not be written costs nothing but its own trouble', async () => {
  const life = new LifeOnDisk();
  const checkpoints = new Shelf();
  checkpoints.fails = true;
  const troubles: string[] = [];
  const settings = settingsWith(life, { checkpointFacts: 10 });
  await life.begin({ checkpoints, settings, onTrouble: (message) => void troubles.push(message) });
  await runJobs(life, ['a', 'b', 'c']);
  assert.ok(troubles.length >= 1 && troubles.length <= 4, `${troubles.length} troubles`);
  assert.equal(
    ['a', 'b', 'c'].map((id) => life.stateOf(id)),
    ['succeeded', 'succeeded', 'succeeded'],
  );
  assert.equal(life.faults, []);
  await life.through(life.controller.end());
});

t('segments may go up to the first fact of the oldest job that is still known', async () => {
  const life = new LifeOnDisk();
  const checkpoints = new Shelf();
  await life.begin({ checkpoints, settings: settingsWith(life, { checkpointFacts: 20, retainedMax: 1 }) });
  await runJobs(life, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
  const upTo = checkpoints.retired.at(-1) ?? 0;
  const draft = checkpoints.written.at(-1) as CheckpointDraft;
  const known = new Folds();
  restoreFolds((JSON.parse(draft.text) as Checkpoint).folds, known);
  const first = life.disk.records.find(
    ({ subject, type }) => type === 'job.submitted' && known.state.jobs.has(subject.split('.')[2] ?? ''),
  );
  assert.is(upTo, Math.min(draft.seq, (first?.seq ?? Number.POSITIVE_INFINITY) - 1));
  assert.ok(upTo > 10, `nothing may go: ${upTo}`);
  await life.through(life.controller.end());
});

t('a clean stop leaves a checkpoint when the tail is long, and none when it is short', async () => {
  const life = new LifeOnDisk();
  const checkpoints = new Shelf();
  const controller = await life.begin({ checkpoints, settings: settingsWith(life, { checkpointFacts: 30 }) });
  await runJobs(life, ['a', 'b', 'c']);
  const before = checkpoints.written.length;
  await life.through(controller.drain('finish', 1_000), 5);
  assert.is(checkpoints.written.length, before, 'the tail is shorter than checkpointFacts');
  assert.is(life.types.at(-1), 'controller.stopped');
});

t.run();
