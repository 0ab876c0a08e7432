/** Traces that leave: what a real collector receives, and that a bad one costs the controller nothing. */
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { otlpProcessor, stopMsMax, tracesUrl, waitingMax } from '../../src/observe/otlp.ts';
import { createTraces } from '../../src/observe/trace.ts';
import { Caller, eventually, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { attributesOf, Collector, type Manner } from './collector.ts';
import { World } from './world.ts';

const t = suite('observe/otlp');
const traceId = 'a'.repeat(32);
const callerSpan = 'b'.repeat(16);
const traceparent = `00-${traceId}-${callerSpan}-01`;

/** A controller in virtual time whose traces go to a real collector. */
async function exporting(manner: Manner = 200, runners = 4) {
  const collector = await Collector.start();
  collector.manner = manner;
  const told: string[] = [];
  const traces = createTraces({
    sha256: nodeSha256,
    version: '1.2.3',
    processors: [
      otlpProcessor({
        endpoint: collector.endpoint,
        clock: systemClock,
        onTrouble: (message, { error = '', spansLost = 0 }) => told.push(`${message}: ${error}${spansLost}`),
      }),
    ],
  });
  const world = await World.start({ runners, observe: (views) => traces.attach(views) });
  traces.live(world.life.log.epoch);
  await world.tenant('acme');
  const end = async (): Promise<void> => {
    await world.end();
    await traces.stop();
    await collector.stop();
  };
  return { collector, traces, world, told, end };
}

t('a collector gets the spans that the page shows, under the span of the request', async () => {
  const { collector, traces, world, told, end } = await exporting();
  const good = await world.submit({ plan: 'exit:0:20', trace: traceparent });
  const bad = await world.submit({ plan: 'crash:20' });
  await world.pass(1_000);
  const shown = [...(traces.traceOf(good)?.spans ?? []), ...(traces.traceOf(bad)?.spans ?? [])];
  assert.is(shown.length, 14);
  await eventually('all spans arrive', () => collector.spans.length === shown.length);
  const byId = new Map(collector.spans.map((span) => [span.spanId, span]));
  for (const { spanId, parentSpanId, name, startMs, endMs, attributes, events, error } of shown) {
    const found = byId.get(spanId);
    assert.ok(found, name);
    assert.equal([found.name, found.parentSpanId ?? null], [name, parentSpanId]);
    assert.equal(
      [found.startTimeUnixNano, found.endTimeUnixNano],
      [`${startMs}000000`, `${endMs ?? startMs}000000`],
    );
    assert.equal(attributesOf(found), attributes);
    assert.equal(
      found.events.map((event) => event.name),
      events.map((event) => event.name),
    );
    // 2 is ERROR in OTLP.
    assert.equal([found.status.code === 2, found.status.message], [error !== null, error ?? undefined]);
  }
  const root = collector.spans.find((span) => span.parentSpanId === callerSpan);
  assert.is(root?.traceId, traceId);
  assert.ok(
    collector.spans.some((span) => span.status.code === 2),
    'the failed job is an error',
  );
  assert.equal([...collector.paths], ['POST /v1/traces application/json']);
  assert.equal([...collector.resources], ['{"service.name":"berth","service.version":"1.2.3"}']);
  assert.equal(told, []);
  await end();
});

t('what a stop finds unsent is sent before it is over', async () => {
  const { collector, traces, world, end } = await exporting();
  await world.submit({ plan: 'exit:0:1' });
  await world.pass(100);
  assert.is(collector.spans.length, 0, 'sent before it was gathered');
  await traces.stop();
  assert.is(collector.spans.length, 7);
  await end();
});

t('a collector that refuses is told of once, as is that it takes again; the jobs do not notice', async () => {
  const { collector, world, told, end } = await exporting(500);
  for (let round = 0; round < 3; round += 1) {
    const id = await world.submit({ plan: 'exit:0:1' });
    await world.pass(100);
    assert.is(world.stateOf(id), 'succeeded');
    await eventually('it is asked again', () => collector.requests > round);
  }
  await eventually('the failure is told', () => told.length > 0);
  assert.is(told.length, 1, told.join('; '));
  assert.match(told[0] ?? '', /^traces can not be sent: Internal Server Error/);
  collector.manner = 200;
  await world.submit({ plan: 'exit:0:1' });
  await world.pass(100);
  await eventually('it takes again', () => collector.spans.length === 7);
  await eventually('that is told', () => told.length === 2);
  assert.is(told[1], 'traces are sent again: 21');
  await end();
});

t(
  'with a collector that hangs, waiting spans are bounded and a stop takes no longer than it may',
  async () => {
    const { collector, traces, world, told, end } = await exporting('hang', 64);
    const jobs = 1_000;
    const ids = await Promise.all(Array.from({ length: jobs }, () => world.submit({ plan: 'exit:0:1' })));
    await world.pass(60_000);
    assert.ok(ids.every((id) => world.stateOf(id) === 'succeeded'));
    assert.ok(jobs * 7 > waitingMax, 'the queue is never full');
    await eventually('it was asked', () => collector.requests > 0);
    const startMs = performance.now();
    await traces.stop();
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < stopMsMax + 1_500, `${tookMs} ms`);
    assert.match(told[0] ?? '', /^traces can not be sent: (no answer before the stop|Request timed out)/);
    assert.ok(collector.requests <= 2 + waitingMax / 256, `${collector.requests} requests`);
    await end();
  },
);

t('the address of the collector is a base, as the standard variable has it', () => {
  assert.is(tracesUrl('http://c:4318'), 'http://c:4318/v1/traces');
  assert.is(tracesUrl('http://c:4318/'), 'http://c:4318/v1/traces');
  assert.is(tracesUrl('https://c/otlp/?k=1'), 'https://c/otlp/v1/traces?k=1');
});

t(
  'a server exports to the endpoint of its environment, and ends in time with a collector that hangs',
  async () => {
    const collector = await Collector.start();
    const server = await ServerProcess.begin({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } });
    const acme = new Caller(server);
    try {
      const module = await acme.put(sampleGuest('noop'));
      const { id } = await acme.submit({ module });
      await acme.until(id, 'succeeded');
      await eventually('its spans arrive', () => collector.spans.length === 7);
      assert.ok(collector.spans.some((span) => attributesOf(span)['berth.job.id'] === id));
      collector.manner = 'hang';
      await acme.until((await acme.submit({ module })).id, 'succeeded');
      await eventually('the next batch hangs', () => collector.requests >= 2);
      const startMs = performance.now();
      const { code } = await server.end();
      const tookMs = performance.now() - startMs;
      assert.is(code, 0, server.stderr);
      assert.ok(tookMs < stopMsMax + 3_000, `the stop took ${tookMs} ms`);
      assert.match(server.stderr, /traces can not be sent/);
    } finally {
      acme.close();
      await server.remove();
      await collector.stop();
    }
  },
  { limitMs: 60_000 },
);

t.run();
