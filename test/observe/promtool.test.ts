/** Prometheus's own tool has the last word: on what is scraped, and on the rules that read it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { advice } from '../../src/observe/advice.ts';
import { catalogue } from '../../src/observe/catalogue.ts';
import { createMetrics, type ObservedLife } from '../../src/observe/metrics.ts';
import { suite } from '../suite.ts';
import { World } from './world.ts';

const t = suite('observe/promtool');
const rules = fileURLToPath(new URL('../../src/observe/alerts.yml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'berth-promtool-'));
t.after(() => rmSync(folder, { recursive: true }));

function promtool(args: readonly string[], input = ''): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

/** What a scrape of a controller shows that has seen good and bad ends, refusals and a queue. */
async function scraped(): Promise<string> {
  let life: ObservedLife | null = null;
  const clock = { wallMs: () => 0, monotonicMs: () => 0, after: () => () => undefined };
  const metrics = createMetrics({ life: () => life, clock });
  const world = await World.start({ observe: (views) => metrics.attach(views), wrap: metrics.timed });
  life = world.life;
  for (const tenant of ['acme', 'bolt']) await world.tenant(tenant);
  for (const plan of ['exit:0:40', 'exit:3:20', 'crash:70', 'lose:30'])
    await world.submit({ plan, limits: { wallMs: 500 } });
  await world.submit({ plan: 'loop', tenant: 'bolt', limits: { wallMs: 500 } });
  await world.submit({ plan: 'exit:0:1', slot: '1g.5gb' });
  await world.refuse('bolt', 'ERR_RATE', 3);
  await world.pass(5_000);
  // Ended already: the writer refuses it.
  await world.cancel('job000001');
  for (let job = 0; job < 9; job += 1) await world.submit({ plan: 'loop', slot: '3g.40gb' });
  await world.settle();
  metrics.observeReplay(0);
  const text = await metrics.text();
  await world.end();
  return text;
}

t.needing('promtool', 'what is scraped after work passes promtool check metrics without a word', async () => {
  const text = await scraped();
  for (const { name } of catalogue)
    assert.match(text, new RegExp(`^${name}(_count)?[ {]`, 'm'), `no sample of ${name}`);
  assert.equal(promtool(['check', 'metrics'], text), { status: 0, said: '' });
  const spoilt = text.replace('# HELP berth_log_seq', '# HELP berth_log_sex');
  assert.is.not(promtool(['check', 'metrics'], spoilt).status, 0, 'promtool lets everything pass');
});

t.needing('promtool', 'the alert rules pass promtool check rules', () => {
  const { status, said } = promtool(['check', 'rules', rules]);
  assert.is(status, 0, said);
  const alerts = Object.values(advice).flatMap((each) => each.alerts);
  assert.match(said, new RegExp(`SUCCESS: ${alerts.length} rules found`));
});

interface Given {
  readonly series: string;
  readonly values: string;
}

/** Holds which alert fires half an hour into these series, a sample a minute. */
function holdsFiring(input_series: readonly Given[], firing: Readonly<Record<string, boolean>>): void {
  const file = join(folder, 'rules.test.json');
  const found = Object.values(advice).flatMap((each) => each.alerts);
  const alert_rule_test = Object.entries(firing).map(([alertname, fires]) => {
    const { severity, summary } = found.find(({ name }) => name === alertname) ?? {};
    assert.ok(severity, alertname);
    const exp_alerts = fires ? [{ exp_labels: { severity }, exp_annotations: { summary } }] : [];
    return { eval_time: '30m', alertname, exp_alerts };
  });
  // JSON is YAML, too.
  const tests = [{ interval: '1m', input_series, alert_rule_test }];
  writeFileSync(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests }));
  const { status, said } = promtool(['test', 'rules', file]);
  assert.is(status, 0, said);
}

t.needing('promtool', 'alerts fire on what they are for, and are silent on a healthy controller', () => {
  holdsFiring(
    [
      { series: 'berth_controller_state_none', values: '1x40' },
      { series: 'berth_queue_depth{tenant="acme"}', values: '5x40' },
      { series: 'berth_pending_jobs{reason="NoExecutor"}', values: '4x40' },
      { series: 'berth_pending_jobs{reason="NotBefore"}', values: '1x40' },
      { series: 'berth_jobs{state="queued"}', values: '5x40' },
      { series: 'berth_jobs_ended_total{state="failed",cause="ERR_EXIT_CODE"}', values: '0+3x40' },
      { series: 'berth_jobs_ended_total{state="succeeded",cause="none"}', values: '0+7x40' },
      { series: 'berth_log_append_seconds_bucket{le="0.5"}', values: '0+1x40' },
      { series: 'berth_log_append_seconds_bucket{le="1"}', values: '0+9x40' },
      { series: 'berth_log_append_seconds_bucket{le="+Inf"}', values: '0+9x40' },
    ],
    {
      BerthStandsStill: true,
      BerthIsGone: true,
      BerthJobsFail: true,
      BerthDiskIsSlow: true,
      BerthDiverges: false,
    },
  );
  holdsFiring(
    [
      { series: 'berth_controller_state{state="accepting"}', values: '1x40' },
      { series: 'berth_queue_depth{tenant="acme"}', values: '5x40' },
      { series: 'berth_pending_jobs{reason="NoFreeSlice"}', values: '5x40' },
      { series: 'berth_jobs{state="running"}', values: '2x40' },
      { series: 'berth_jobs_ended_total{state="failed",cause="ERR_EXIT_CODE"}', values: '0+1x40' },
      { series: 'berth_jobs_ended_total{state="succeeded",cause="none"}', values: '0+9x40' },
      { series: 'berth_log_append_seconds_bucket{le="0.5"}', values: '0+9x40' },
      { series: 'berth_log_append_seconds_bucket{le="+Inf"}', values: '0+9x40' },
      { series: 'berth_replay_divergence_total', values: '0x20 1x20' },
    ],
    {
      BerthStandsStill: false,
      BerthIsGone: false,
      BerthTakesNoJobs: false,
      BerthJobsFail: false,
      BerthDiskIsSlow: false,
      BerthDiverges: true,
    },
  );
});

t.run();
