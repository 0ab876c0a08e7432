import * as assert from 'uvu/assert';
import { isEnd } from '../../machines/job.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { Buckets } from '../../src/observe/buckets.ts';
import { createMetrics, type Metrics, type ObservedLife } from '../../src/observe/metrics.ts';
import { runs, seed, suite } from '../suite.ts';
import { replayed, World } from './world.ts';

/** CONTRACT: names that dashboards rely on. */
const promised = [
  'berth_jobs_submitted_total',
  'berth_jobs_ended_total',
  'berth_queue_depth',
  'berth_queue_wait_seconds',
  'berth_run_seconds',
  'berth_dispatch_seconds',
  'berth_pending_jobs',
  'berth_slots',
  'berth_slot_busy_seconds_total',
  'berth_fragmentation_ratio',
  'berth_log_append_seconds',
  'berth_log_seq',
  'berth_lease_expiries_total',
  'berth_attestation_total',
  'berth_replay_divergence_total',
];
const added = [
  'berth_build_info',
  'berth_commands_refused_total',
  'berth_controller_state',
  'berth_intake_refused_total',
  'berth_jobs',
  'berth_log_checkpoint_seq',
  'berth_torn_tail_bytes_total',
];
/** Histories looked through at most for everything there is to count. */
const historiesMax = 100;
const labelNames = [
  'result',
  'code',
  'state',
  'cause',
  'tenant',
  'reason',
  'profile',
  'le',
  'version',
  'policy',
  'placement',
];

const t = suite('observe/metrics');

t('the names are those of the contract and the few that were added, each with help and type', async () => {
  const { world, metrics } = await observed();
  await randomHistory(world, seed());
  const text = await metrics.text();
  const named = [...text.matchAll(/^# TYPE (\S+) (counter|gauge|histogram)$/gm)].map(([, name]) => name);
  assert.equal(named.toSorted(), [...promised, ...added].toSorted());
  assert.is([...text.matchAll(/^# HELP \S+ .+$/gm)].length, named.length);
  assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
  await world.end();
});

t(
  'every line is a sample of a declared metric, in base units, with known label names and no job id',
  async () => {
    const { world, metrics } = await observed();
    const ids = await randomHistory(world, seed());
    const text = await metrics.text();
    const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const found = [...samplesOf(text).keys()];
    assert.ok(found.length > 60, 'few samples');
    for (const key of found) {
      const [, name = '', labels = ''] = /^([a-z_]+)(?:\{(.*)\})?$/.exec(key) ?? [];
      assert.ok(names.has(name) || names.has(name.replace(/_(bucket|sum|count)$/, '')), key);
      for (const [, label = ''] of labels.matchAll(/([a-z]+)="/g)) assert.ok(labelNames.includes(label), key);
      assert.ok(!/_(ms|milliseconds|mib|kb)(_|$)/.test(name), key);
      assert.ok(!ids.some((id) => key.includes(id)), key);
    }
    for (const value of samplesOf(text).values()) assert.ok(Number.isFinite(value) && value >= 0);
    await world.end();
  },
);

t(
  'after any history each counter equals the number of its facts, and the histograms their differences',
  async () => {
    const unseen = new Set(['job.lost', 'job.timedOut']);
    for (const part of ['rejected', 'ERR_RUN_TIMEOUT', 'ERR_GUEST_TRAP', 'ERR_EXIT_CODE']) unseen.add(part);
    // More histories for a seed whose first ones lack something to count.
    for (let run = 0; run < runs(4) || (unseen.size > 0 && run < historiesMax); run += 1) {
      const { world, metrics } = await observed();
      await randomHistory(world, seed() + run);
      const facts = await world.facts();
      for (const { type } of facts) unseen.delete(type);
      const samples = samplesOf(await metrics.text());
      const expected = expectedOf(facts);
      for (const [key, value] of expected) assert.is(rounded(samples.get(key)), rounded(value), key);
      const counted = [...samples].filter(([key]) =>
        /^berth_(jobs_(sub|end)|intake|attest|slot_busy|lease)/.test(key),
      );
      for (const [key, value] of counted) assert.is(rounded(value), rounded(expected.get(key) ?? 0), key);
      for (const part of unseen) if (counted.some(([key]) => key.includes(part))) unseen.delete(part);
      assert.is(samples.get('berth_log_seq'), facts.length);
      assert.is(
        samples.get('berth_build_info{version="0.0.0",policy="round-robin",placement="first-fit/1"}'),
        1,
      );
      await world.end();
    }
    assert.equal([...unseen], [], 'never seen in any history');
  },
);

t('gauges equal the views: depth is what waits, and the reasons add up to it', async () => {
  let waited = 0;
  // Some histories keep nobody waiting long; the law is checked in each, until one has shown a queue.
  for (let run = 0; run < 20 && waited <= 3; run += 1) {
    const { world, metrics } = await observed();
    await randomHistory(world, seed() + run, async () => {
      const samples = samplesOf(await metrics.text());
      const { state } = world.life.views;
      waited = Math.max(waited, state.waiting.total);
      assert.is(sumOf(samples, 'berth_queue_depth'), state.waiting.total);
      assert.is(sumOf(samples, 'berth_pending_jobs'), state.waiting.total);
      assert.is(
        sumOf(samples, 'berth_jobs{'),
        [...state.jobs.values()].filter((job) => !isEnd(job.state)).length,
      );
      const held = [...state.fleet.values()].flatMap(({ holdings }) => holdings).length;
      assert.is(
        sumOf(samples, 'berth_slots{', 'state="held"') + sumOf(samples, 'berth_slots{', 'state="draining"'),
        held,
      );
      assert.is(sumOf(samples, 'berth_controller_state'), 1);
    });
    await world.end();
  }
  assert.ok(waited > 3, 'no job ever waited');
});

t('replaying the log counts the same as having been there', async () => {
  const { world, metrics } = await observed();
  await randomHistory(world, seed());
  const facts = await world.facts();
  const again = observer();
  again.life = {
    views: replayed(facts, (views) => again.metrics.attach(views)),
    gate: world.life.gate,
    refusals: world.life.refusals,
  };
  const ofProcess = /^(# .*|berth_log_append_seconds.*)\n/gm;
  assert.is(
    (await again.metrics.text()).replaceAll(ofProcess, ''),
    (await metrics.text()).replaceAll(ofProcess, ''),
  );
  await world.end();
});

t('while a new life replays, the counts stay at what the former life knew', async () => {
  const { world, observer: own, metrics } = await observed();
  await randomHistory(world, seed());
  const before = samplesOf(await metrics.text());
  const facts = await world.facts();
  const half = replayed(facts.slice(0, Math.floor(facts.length / 2)), (views) => metrics.attach(views));
  assert.equal(samplesOf(await metrics.text()), before);
  own.life = null;
  const recovering = samplesOf(await metrics.text());
  assert.is(recovering.get('berth_controller_state{state="recovering"}'), 1);
  assert.is(
    recovering.get('berth_jobs_submitted_total{result="accepted"}'),
    before.get('berth_jobs_submitted_total{result="accepted"}'),
  );
  for (const record of facts.slice(Math.floor(facts.length / 2)))
    half.fold({ record, before: null, after: null });
  own.life = { views: half, gate: world.life.gate, refusals: world.life.refusals };
  assert.equal(samplesOf(await metrics.text()), before);
  await world.end();
});

t('before the first life nothing is claimed but that it recovers', async () => {
  const own = observer();
  const samples = samplesOf(await own.metrics.text());
  assert.is(samples.get('berth_controller_state{state="recovering"}'), 1);
  assert.is(samples.get('berth_jobs_submitted_total{result="accepted"}'), undefined);
  assert.is(samples.get('berth_replay_divergence_total'), 0);
  own.metrics.observeReplay(2);
  assert.is(samplesOf(await own.metrics.text()).get('berth_replay_divergence_total'), 2);
});

t('attached late, counts begin there, but no gauge is wrong', async () => {
  const world = await World.start();
  await world.tenant('acme');
  for (let job = 0; job < 6; job += 1) await world.submit({ plan: 'exit:0:100' });
  await world.settle();
  const own = observer();
  own.life = world.life;
  own.metrics.attach(world.life.views);
  const running = samplesOf(await own.metrics.text());
  assert.is(running.get('berth_jobs{state="running"}'), 4);
  assert.is(running.get('berth_jobs_submitted_total{result="accepted"}'), 0);
  await world.pass(1_000);
  const done = samplesOf(await own.metrics.text());
  assert.is(done.get('berth_jobs_ended_total{state="succeeded",cause="none"}'), 6);
  assert.is(done.get('berth_jobs{state="running"}'), 0);
  await world.end();
});

t('two hundred tenants make fifty names and other, the same fifty at each scrape', async () => {
  const { world, metrics } = await observed({ runners: 1 });
  for (let index = 0; index < 200; index += 1) await world.tenant(`t${index}`);
  const depths = async () =>
    [...samplesOf(await metrics.text())].filter(([key]) => key.startsWith('berth_queue_depth'));
  const empty = await depths();
  assert.is(empty.length, 51);
  for (let index = 199; index >= 0; index -= 1) await world.submit({ tenant: `t${index}`, plan: 'loop' });
  await world.settle();
  const full = await depths();
  assert.equal(
    full.map(([key]) => key),
    empty.map(([key]) => key),
  );
  assert.is(full.at(-1)?.[0], 'berth_queue_depth{tenant="other"}');
  assert.is(
    full.reduce((sum, [, value]) => sum + value, 0),
    199,
  );
  assert.is((await metrics.text()).includes('t199'), false);
  await world.end();
});

t('a histogram counts up to and including its bounds, and no value that is no number', () => {
  const buckets = new Buckets([1, 2]);
  for (const value of [0, 1, 1.5, 2, 3, Number.NaN, Number.POSITIVE_INFINITY]) buckets.observe(value);
  assert.equal([buckets.cumulated(), buckets.count, buckets.sum], [[2, 4], 5, 7.5]);
});

interface Observer {
  life: ObservedLife | null;
  readonly metrics: Metrics;
}

function observer(): Observer {
  const own: { life: ObservedLife | null } = { life: null };
  const clock = { wallMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
  return Object.assign(own, { metrics: createMetrics({ life: () => own.life, clock }) });
}

async function observed(
  options: { runners?: number } = {},
): Promise<{ world: World; observer: Observer; metrics: Metrics }> {
  const own = observer();
  const world = await World.start({
    ...options,
    policy: 'round-robin',
    observe: (views) => own.metrics.attach(views),
    wrap: own.metrics.timed,
  });
  own.life = world.life;
  return { world, observer: own, metrics: own.metrics };
}

const plans = ['exit:0:40', 'exit:0:900', 'exit:3:20', 'crash:70', 'lose:30', 'loop', 'exit:0:5'];
const slots = ['1g.10gb', '2g.20gb', '3g.40gb', '7g.80gb', '1g.10gb+me'];

/** Jobs of three tenants with all manner of fates, some cancelled, some refused. Returns their ids. */
async function randomHistory(
  world: World,
  from: number,
  look: () => Promise<void> = async () => undefined,
): Promise<string[]> {
  let state = from >>> 0;
  const pick = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (const name of ['acme', 'bolt', 'cyan']) await world.tenant(name, { jobsMax: 3 });
  const ids: string[] = [];
  // One of each fate for certain, then whatever comes.
  for (let index = 0; index < 30; index += 1) {
    const plan = plans[index < plans.length ? index : pick(plans.length)] ?? '';
    ids.push(
      await world.submit({
        tenant: ['acme', 'bolt', 'cyan'][pick(3)] ?? '',
        plan,
        slot: (index < plans.length ? slots[0] : index === 9 ? '1g.5gb' : slots[pick(slots.length)]) ?? '',
        attempts: 1 + pick(3),
        limits: { wallMs: 500 + pick(1_000), queueMs: index < plans.length ? 600_000 : 500 + pick(5_000) },
      }),
    );
    if (pick(6) === 0) await world.cancel(ids[pick(ids.length)] ?? '');
    if (pick(6) === 0)
      await world.refuse('acme', pick(2) ? 'ERR_QUEUE_FULL' : 'ERR_UNAUTHENTICATED', 1 + pick(5));
    if (pick(4) === 0) await world.pass(pick(400));
    await look();
  }
  await world.pass(60_000);
  assert.ok(
    ids.every((id) => isEnd(world.stateOf(id) as 'failed')),
    'a job did not end',
  );
  await look();
  return ids;
}

/** Key `name{labels}` → value. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

const sumOf = (samples: Map<string, number>, start: string, part = ''): number =>
  [...samples]
    .filter(([key]) => key.startsWith(start) && key.includes(part))
    .reduce((sum, [, value]) => sum + value, 0);

const rounded = (value = Number.NaN): number => Math.round(value * 1e6) / 1e6;

/** The same counts by another way: filters over the raw facts, without states and without views. */
function expectedOf(facts: readonly FactRecord[]): Map<string, number> {
  const expected = new Map<string, number>();
  const add = (key: string, by = 1): void => void expected.set(key, (expected.get(key) ?? 0) + by);
  const since = new Map<string, FactRecord>();
  const duration = (name: string, stream: string, from: string, to: FactRecord): void => {
    const start = since.get(`${stream} ${from}`);
    if (!start) return;
    add(`${name}_sum`, (to.at - start.at) / 1000);
    add(`${name}_count`);
    since.delete(`${stream} ${from}`);
  };
  for (const record of facts) {
    const { type, subject, data } = record;
    const stream = subject.slice(0, subject.lastIndexOf('.'));
    if (type === 'intake.refused') {
      add(`berth_intake_refused_total{code="${data['code']}"}`, data['count'] as number);
      if (data['code'] !== 'ERR_UNAUTHENTICATED')
        add('berth_jobs_submitted_total{result="refused"}', data['count'] as number);
    }
    if (type === 'job.submitted') add('berth_jobs_submitted_total{result="accepted"}');
    if (type === 'job.attested') add('berth_attestation_total{result="affirmed"}');
    if (type === 'job.rejected') add('berth_attestation_total{result="rejected"}');
    if (type === 'job.lost') add('berth_lease_expiries_total');
    if (/^job\.(succeeded|failed|timedOut|expired|cancelled|rejected)$/.test(type)) {
      const cause = (data['cause'] as { code: string } | undefined)?.code ?? 'none';
      add(`berth_jobs_ended_total{state="${type.slice(4)}",cause="${cause}"}`);
    }
    if (type === 'job.reserved') duration('berth_queue_wait_seconds', stream, 'job.queued', record);
    if (type === 'job.started') duration('berth_dispatch_seconds', stream, 'job.reserved', record);
    if (/^job\.(exited|crashed|stopped|lost)$/.test(type))
      duration('berth_run_seconds', stream, 'job.started', record);
    if (type === 'job.released') {
      const held = since.get(`${stream} held`);
      for (const { profile } of data['slots'] as { profile: string }[]) {
        add(`berth_slot_busy_seconds_total{profile="${profile}"}`, (record.at - (held?.at ?? 0)) / 1000);
      }
    }
    since.set(`${stream} ${type}`, record);
    if (type === 'job.reserved') since.set(`${stream} held`, record);
  }
  return expected;
}

t.run();
