import { SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import * as assert from 'uvu/assert';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { createTraces, type Traces, type TracesParts } from '../../src/observe/trace.ts';
import { suite } from '../suite.ts';
import { replayed, World } from './world.ts';

const t = suite('observe/trace');

t('what is exported is what the page shows, span by span', async () => {
  const { exporter, traces, world } = await exporting();
  const ids = [
    await world.submit({ plan: 'exit:0:20' }),
    await world.submit({ plan: 'exit:1:20', attempts: 2 }),
    await world.submit({
      plan: 'loop',
      limits: { wallMs: 100 },
      trace: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    }),
  ];
  await world.pass(10_000);
  const exported = new Map(exporter.getFinishedSpans().map((span) => [span.spanContext().spanId, span]));
  assert.is(exported.size, 7 + 13 + 7);
  for (const id of ids) {
    const shown = traces.traceOf(id);
    assert.ok(shown);
    for (const span of shown?.spans ?? []) {
      const { parentSpanId, name, startMs, endMs, attributes, events, error } = span;
      const found = exported.get(span.spanId) as ReadableSpan;
      assert.equal([found.name, found.parentSpanContext?.spanId ?? null], [name, parentSpanId]);
      assert.is(found.spanContext().traceId, shown?.traceId);
      assert.equal([msOf(found.startTime), msOf(found.endTime)], [startMs, endMs]);
      assert.equal(found.attributes, attributes);
      assert.equal(
        found.events.map((event) => event.name),
        events.map((event) => event.name),
      );
      assert.equal(found.status.code, error === null ? SpanStatusCode.UNSET : SpanStatusCode.ERROR);
      assert.is(found.status.message, error ?? undefined);
    }
  }
  await world.end();
});

t('nothing is registered globally', async () => {
  const { world, exporter } = await exporting();
  trace.getTracer('stranger').startSpan('foreign').end();
  assert.is(exporter.getFinishedSpans().length, 0);
  await world.end();
});

t(
  'a replay exports nothing that a former life exported, and all that this life ended while it began',
  async () => {
    const { world } = await exporting();
    for (let job = 0; job < 3; job += 1) await world.submit({ plan: 'exit:0:20' });
    await world.pass(1_000);
    const facts = await world.facts();
    const former = exporterAndTraces();
    replayed(facts, (views) => former.traces.attach(views));
    former.traces.live(2);
    assert.is(former.exporter.getFinishedSpans().length, 0);
    const own = exporterAndTraces();
    replayed(facts, (views) => own.traces.attach(views));
    own.traces.live(1);
    assert.is(own.exporter.getFinishedSpans().length, 3 * 7);
    await world.end();
  },
);

t(
  'the share of exported traces is about the ratio, chosen by trace id; a flag of the request goes first',
  async () => {
    const { exporter, traces, world } = await exporting({ ratio: 0.25 });
    await Promise.all(Array.from({ length: 200 }, () => world.submit({ plan: 'exit:0:1' })));
    const traceparent = (digit: string, flags: string): string =>
      `00-${digit.repeat(32)}-${'b'.repeat(16)}-${flags}`;
    const yes = await world.submit({ plan: 'exit:0:1', trace: traceparent('f', '01') });
    const no = await world.submit({ plan: 'exit:0:1', trace: traceparent('1', '00') });
    await world.pass(10_000);
    const exported = new Set(exporter.getFinishedSpans().map((span) => span.spanContext().traceId));
    assert.ok(exported.size > 25 && exported.size < 80, `${exported.size} of 200`);
    assert.ok(exported.has('f'.repeat(32)) && !exported.has('1'.repeat(32)));
    assert.equal([traces.traceparentOf(yes)?.slice(-2), traces.traceparentOf(no)?.slice(-2)], ['01', '00']);
    assert.ok(traces.traceOf(no), 'what is not exported can still be looked at');
    assert.throws(() => createTraces({ sha256: nodeSha256, ratio: 1.5 }), /0 to 1/);
    await world.end();
  },
);

t('an exporter that throws costs its trace and nothing else', async () => {
  const errors: unknown[] = [];
  const failing = new SimpleSpanProcessor(new InMemorySpanExporter());
  failing.onEnd = () => {
    throw new Error('no route to the collector');
  };
  const { traces, world } = await exporting({
    processors: [failing],
    onError: (error) => errors.push(error),
  });
  const id = await world.submit({ plan: 'exit:0:1' });
  await world.pass(100);
  assert.is(world.stateOf(id), 'succeeded');
  assert.is(errors.length, 1);
  assert.ok(traces.traceOf(id));
  await world.end();
});

t(
  'the last thousand ended jobs are kept, open ones all; unknown jobs have neither trace nor traceparent',
  async () => {
    const { traces, world } = await exporting({}, 64);
    const open = await world.submit({ plan: 'loop', limits: { wallMs: 80_000_000 } });
    const first = await world.submit({ plan: 'exit:0:1' });
    await world.pass(10);
    assert.is(traces.traceOf(first)?.spans.length, 7);
    await Promise.all(Array.from({ length: 1_000 }, () => world.submit({ plan: 'loop', slot: '1g.5gb' })));
    await world.settle();
    assert.is(traces.traceOf(first), null);
    assert.is(traces.traceOf(open)?.spans[0]?.endMs, null);
    assert.ok(traces.traceparentOf(first));
    assert.equal([traces.traceOf('nobody'), traces.traceparentOf('nobody')], [null, null]);
    await traces.stop();
    await world.end();
  },
);

function exporterAndTraces(parts: Partial<TracesParts> = {}): {
  exporter: InMemorySpanExporter;
  traces: Traces;
} {
  const exporter = new InMemorySpanExporter();
  return {
    exporter,
    traces: createTraces({ sha256: nodeSha256, processors: [new SimpleSpanProcessor(exporter)], ...parts }),
  };
}

async function exporting(parts: Partial<TracesParts> = {}, runners = 4) {
  const own = exporterAndTraces(parts);
  const world = await World.start({ runners, observe: (views) => own.traces.attach(views) });
  own.traces.live(world.life.log.epoch);
  await world.tenant('acme');
  return { ...own, world };
}

const msOf = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;

t.run();
