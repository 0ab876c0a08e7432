import * as assert from 'uvu/assert';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { JobSpan, JobTrace } from '../../src/observe/job-spans.ts';
import { createTraces, type Traces } from '../../src/observe/trace.ts';
import { suite } from '../suite.ts';
import { type JobOptions, replayed, type VirtualClock, World } from './world.ts';

const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

const t = suite('observe/job-spans');

t('a job that succeeds is admit, wait, place, start, run, finalise, end to end', async () => {
  const { trace, world } = await traced({ plan: 'exit:0:250' });
  assert.equal(namesOf(trace), ['job', 'admit', 'wait', 'place', 'start', 'run', 'finalise']);
  const [root, ...children] = trace.spans;
  assert.is(durationOf(spanOf(trace, 'run')), 250);
  assert.is(root?.error, null);
  assert.equal([root?.attributes['berth.state'], root?.attributes['berth.attempts']], ['succeeded', 1]);
  assert.equal(
    [root?.attributes['berth.tenant'], root?.attributes['berth.slot.profile']],
    ['acme', '1g.10gb'],
  );
  abut(root, children);
  await world.end();
});

t(
  'a job that is tried three times has three of each, with back-offs between, numbered by attempt',
  async () => {
    const { trace, world } = await traced({ plan: 'exit:7:20', attempts: 3, backoffMs: 500 });
    const attempt = ['wait', 'place', 'start', 'run', 'finalise'];
    assert.equal(namesOf(trace), ['job', 'admit', ...attempt, 'backoff', ...attempt, 'backoff', ...attempt]);
    const runs = trace.spans.filter(({ name }) => name === 'run');
    assert.equal(
      runs.map(({ attributes }) => attributes['berth.attempt']),
      [1, 2, 3],
    );
    assert.equal(trace.spans.filter(({ name }) => name === 'backoff').map(durationOf), [500, 1_000]);
    const [root, ...children] = trace.spans;
    assert.is(root?.attributes['berth.cause.code'], 'ERR_EXIT_CODE');
    assert.ok(root?.error);
    abut(root, children);
    await world.end();
  },
);

t('a job that runs too long is stopped within its run, and its trace says why', async () => {
  const { trace, world } = await traced({ plan: 'loop', limits: { wallMs: 300 } });
  assert.equal(namesOf(trace), ['job', 'admit', 'wait', 'place', 'start', 'run', 'finalise']);
  const run = spanOf(trace, 'run');
  assert.is(durationOf(run), 300);
  assert.equal(
    run.events.map(({ name }) => name),
    ['overdue'],
  );
  assert.equal(
    [trace.spans[0]?.attributes['berth.cause.code'], trace.spans[0]?.error],
    ['ERR_RUN_TIMEOUT', 'ran longer than limits.wallMs'],
  );
  await world.end();
});

t('a job that is not fit for this fleet ends in admit', async () => {
  const { trace, world } = await traced({ plan: 'loop', slot: '1g.5gb' });
  assert.equal(namesOf(trace), ['job', 'admit']);
  assert.is(trace.spans[0]?.attributes['berth.cause.code'], 'ERR_NEVER_FITS');
  await world.end();
});

t('a request with a traceparent is the parent, and its trace goes on', async () => {
  const { trace, traces, id, world } = await traced({ plan: 'exit:0:1', trace: parent });
  assert.is(trace.traceId, 'a'.repeat(32));
  assert.is(trace.spans[0]?.parentSpanId, 'b'.repeat(16));
  assert.is(traces.traceparentOf(id), `00-${'a'.repeat(32)}-${trace.spans[0]?.spanId}-01`);
  assert.is(trace.traceparent, traces.traceparentOf(id));
  await world.end();
});

t('a malformed or all-zero traceparent counts as none', async () => {
  for (const bad of [
    'rubbish',
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
  ]) {
    const { trace, world } = await traced({ plan: 'exit:0:1', trace: bad });
    assert.is(trace.spans[0]?.parentSpanId, null);
    assert.match(trace.traceId, /^[0-9a-f]{32}$/);
    assert.not.match(trace.traceId, /^(0+|a+)$/);
    await world.end();
  }
});

t('ids are well-formed, unique within the trace, and the same when built again from the log', async () => {
  const { trace, world, id } = await traced({ plan: 'crash:5', attempts: 3 });
  const ids = trace.spans.map(({ spanId }) => spanId);
  assert.ok(ids.every((each) => /^[0-9a-f]{16}$/.test(each)));
  assert.is(new Set(ids).size, ids.length);
  const again = createTraces({ sha256: nodeSha256 });
  replayed(await world.facts(), (views) => again.attach(views));
  assert.equal(again.traceOf(id), trace);
  await world.end();
});

t('a job under way has its open stretch', async () => {
  const { trace, world } = await traced({ plan: 'loop' }, 50);
  assert.equal(namesOf(trace), ['job', 'admit', 'wait', 'place', 'start', 'run']);
  assert.equal(
    trace.spans.filter(({ endMs }) => endMs === null).map(({ name }) => name),
    ['job', 'run'],
  );
  await world.end();
});

t('no span ends before it begins, though the wall clock was set back', async () => {
  const setBack = (clock: VirtualClock): void =>
    void clock.after(100, () => (clock.wallOffsetMs -= 3_600_000));
  const { trace, world } = await traced({ plan: 'exit:0:250' }, 10_000, setBack);
  for (const span of trace.spans) assert.ok((span.endMs ?? 0) >= span.startMs, span.name);
  await world.end();
});

async function traced(
  job: JobOptions,
  ms = 10_000,
  prepare: (clock: VirtualClock) => void = () => undefined,
): Promise<{ trace: JobTrace; traces: Traces; id: string; world: World }> {
  const traces = createTraces({ sha256: nodeSha256 });
  const world = await World.start({ observe: (views) => traces.attach(views) });
  await world.tenant('acme');
  prepare(world.clock);
  const id = await world.submit(job);
  await world.pass(ms);
  const trace = traces.traceOf(id);
  assert.ok(trace);
  return { trace: trace as JobTrace, traces, id, world };
}

const namesOf = ({ spans }: JobTrace): string[] => spans.map(({ name }) => name);
const durationOf = ({ startMs, endMs }: JobSpan): number => (endMs ?? Number.NaN) - startMs;

function spanOf({ spans }: JobTrace, name: string): JobSpan {
  const found = spans.find((span) => span.name === name);
  assert.ok(found, `no span ${name}`);
  return found as JobSpan;
}

/** Each child begins where the one before it ended; together they fill the job's span. */
function abut(root: JobSpan | undefined, children: readonly JobSpan[]): void {
  let atMs = root?.startMs;
  for (const child of children) {
    assert.is(child.parentSpanId, root?.spanId);
    assert.is(child.startMs, atMs);
    atMs = child.endMs ?? Number.NaN;
  }
  assert.is(atMs, root?.endMs);
}

t.run();
