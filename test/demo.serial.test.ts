/** The tour passes, cleans up behind itself, and its judge is no rubber stamp. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import * as assert from 'uvu/assert';
import { systemClock } from '../src/clock.ts';
import type { Case } from '../src/demo/judge.ts';
import { walkOf } from '../src/demo/judge.ts';
import { slotFindings } from '../src/demo/judge-slots.ts';
import { DemoServer, JudgeProcess, Leftovers } from '../src/demo/processes.ts';
import { type Expectation, good, type Played, type Scenario } from '../src/demo/scenario.ts';
import { scenarios, settings } from '../src/demo/scenarios.ts';
import { Stage } from '../src/demo/stage.ts';
import type { Whole } from '../src/demo/telling.ts';
import { type Outcome, tour } from '../src/demo/tour.ts';
import type { FactRecord } from '../src/events/record.ts';
import { lineOf, root } from './cli/berth.ts';
import { suite } from './suite.ts';

const t = suite('demo');

/** Users type them, so they stay. */
const names = [
  'success',
  'matmul-success',
  'idempotent-repeat',
  'replay-other-digest',
  'bad-signature',
  'wrong-module-hash',
  'undeclared-capability',
  'run-timeout',
  'trap',
  'memory-bomb',
  'output-flood',
  'recursion',
  'retry-then-success',
  'retries-exhausted',
  'runner-killed',
  'cancel-running',
  'queue-overflow',
  'slot-exhaustion',
  'quota',
  'queue-timeout',
  'cancel-queued',
  'shutdown-during-run',
  'kill-9-restart',
];

const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('BERTH_')),
) as Record<string, string>;

/** Starts `berth demo` with a folder of its own for all that it makes. */
async function begin(args: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'berth-demo-test-'));
  const child = spawn(process.execPath, [join(root, 'bin', 'berth.js'), 'demo', ...args], {
    cwd: root,
    env: { ...env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, as a terminal gives it: Ctrl-C then reaches all that the tour has started, too.
    detached: true,
  });
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, code, folder };
}

/** Lines of `ps` on which a path stands: processes that were started on it. */
function processesOn(path: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    const file = `/proc/${pid}/cmdline`;
    try {
      return pid !== String(process.pid) && readFileSync(file, 'utf8').includes(path);
    } catch {
      return false;
    }
  });
}

async function run(args: readonly string[]) {
  const { child, code, folder } = await begin(args);
  const [text, errors] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
  const left = readdirSync(folder).filter(isOurs);
  const alive = existsSync('/proc') ? processesOn(folder) : [];
  await rm(folder, { recursive: true });
  return { code: await code, text: text.toString(), errors: errors.toString(), left, alive };
}

/** tsx and others may keep a cache in the folder; what the tour makes is called so. */
const isOurs = (name: string): boolean => name.startsWith('berth-demo-');

t(
  'every scenario of the tour passes, and nothing that it made is left',
  async () => {
    const { alive, code, errors, left, text } = await run(['--json']);
    const whole = JSON.parse(text || 'null') as Whole | null;
    const failed = whole?.scenarios.filter((each) => !each.passed) ?? [];
    assert.is(code, 0, `${errors}\n${JSON.stringify(failed, null, 2)}`);
    const passed = whole?.scenarios.filter((each) => each.passed).map(({ name }) => name);
    assert.equal(passed, names);
    assert.ok(names.length >= 15);
    for (const { name, steps, walks } of whole?.scenarios ?? []) {
      assert.ok(steps.length > 0, `${name} looked at nothing`);
      assert.ok(name === 'bad-signature' || Object.keys(walks).length > 0, `${name} has no job`);
    }
    assert.equal(
      whole?.controllers.map(({ setting, passed: sound }) => [setting, sound]),
      Object.keys(settings).map((setting) => [setting, true]),
    );
    for (const { fleet } of whole?.controllers ?? []) assert.match(fleet, /slots simulated/);
    assert.equal({ left, alive }, { left: [], alive: [] });
  },
  { limitMs: 280_000 },
);

/** A controller on which `success` and `trap` have been played, and what is true of them. */
class Truth {
  readonly leftovers = new Leftovers();
  readonly judge = new JudgeProcess(this.leftovers, root, env);
  server!: DemoServer;
  played: Played = { jobs: {} };
  expectation: Expectation = { jobs: {} };

  async begin(): Promise<void> {
    const flags = settings['two-gpus'];
    this.server = await DemoServer.make(this.leftovers, { flags, env, clock: systemClock });
    const stage = new Stage(this.server, systemClock);
    const first = await scenario('success').play(stage);
    const second = await scenario('trap').play(stage);
    this.played = { jobs: { ...first.jobs, ...second.jobs }, results: first.results ?? {} };
    const jobs = { ...scenario('success').expect.jobs, ...scenario('trap').expect.jobs };
    this.expectation = { jobs, controller: 'recovered configured' };
  }

  /** What the judge finds when told this instead of the truth. */
  async findings(lie: Partial<Case> & { expectation?: Expectation } = {}): Promise<string> {
    const { data, url } = this.server;
    const { jobs, results = {} } = this.played;
    const { expectation } = this;
    const asked = { data, url, fromSeq: 1, expectation, jobs, results, settleMs: 0, ...lie };
    return (await this.judge.judge(asked)).findings.join('\n');
  }

  /** The expectation with one job changed. */
  changed(role: string, change: object): Expectation {
    const { jobs } = this.expectation;
    return {
      ...this.expectation,
      jobs: { ...jobs, [role]: { ...jobs[role], facts: '', ...jobs[role], ...change } },
    };
  }
}

function scenario(name: string): Scenario {
  const found = scenarios.find((each) => each.name === name);
  if (!found) throw new Error(`no scenario ${name}`);
  return found;
}

t(
  'the judge passes the truth and finds each of twelve lies',
  async () => {
    const truth = new Truth();
    try {
      await truth.begin();
      assert.is(await truth.findings({ settleMs: 2_000 }), '');
      const { job = '', villain = '' } = truth.played.jobs;
      const { expectation } = truth;
      const tells = async (lie: Partial<Case>, finding: RegExp): Promise<void> =>
        assert.match(await truth.findings(lie), finding);

      // Another scenario's expectation, on the right job and on the wrong one.
      await tells(
        { expectation: truth.changed('job', { facts: scenario('trap').expect.jobs['villain']?.facts }) },
        /its facts are/,
      );
      await tells({ jobs: { job: villain, villain: job } }, /its facts are .*crashed/);
      await tells(
        { expectation: truth.changed('villain', { cause: 'ERR_GUEST_STACK' }) },
        /because of ERR_GUEST_TRAP/,
      );
      await tells({ expectation: truth.changed('job', { cause: 'ERR_GUEST_TRAP' }) }, /because of nothing/);
      // The same facts in another order.
      const swapped = good.replace('exited released', 'released exited');
      await tells({ expectation: truth.changed('job', { facts: swapped }) }, /its facts are/);
      const order = [['villain.queued', 'job.queued']] as const;
      await tells({ expectation: { ...expectation, order } }, /is not before/);
      // A job that nobody promised, and one that is not there.
      await tells(
        { jobs: { job }, expectation: { ...expectation, jobs: { job: { facts: good } } } },
        /does not have/,
      );
      await tells(
        {
          jobs: { ...truth.played.jobs, ghost: 'nobody' },
          expectation: { ...expectation, jobs: { ...expectation.jobs, ghost: { facts: good } } },
        },
        /ghost: there is no such job/,
      );
      await tells({ results: { job: '0'.repeat(64) } }, /HTTP says result/);
      await tells({ expectation: { ...expectation, controller: 'recovered' } }, /controller's facts/);
      const refused = [{ tenant: 'acme', code: 'ERR_SIGNATURE', count: 1 }] as const;
      await tells({ expectation: { ...expectation, refused } }, /refused with ERR_SIGNATURE 0 times/);
      // One byte of the log, far from its end, once the controller is gone.
      const stopped = { ...expectation, controller: 'recovered configured draining stopped' };
      await truth.server.halt('SIGTERM');
      assert.is(await truth.findings({ url: null, expectation: stopped }), '');
      const [segment = ''] = readdirSync(join(truth.server.data, 'log'));
      const file = join(truth.server.data, 'log', segment);
      const bytes = readFileSync(file);
      const at = bytes.indexOf('"job.started"') + 5;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(file, bytes);
      await tells({ url: null, expectation: stopped }, /the log does not verify/);
    } finally {
      await truth.leftovers.clear(false);
    }
  },
  { limitMs: 120_000 },
);

t(
  'a scenario judged against the expectation of another fails, and the one after it gets a fresh controller',
  async () => {
    const leftovers = new Leftovers();
    const outcomes: Outcome[] = [];
    const urls: string[] = [];
    const wrong = { ...scenario('success'), expect: scenario('cancel-running').expect };
    try {
      await tour([wrong, scenario('trap')], {
        clock: systemClock,
        env,
        leftovers,
        onOpened: async ({ url }) => void urls.push(url),
        onOutcome: async (outcome) => void outcomes.push(outcome),
        onClosed: async ({ findings }) => assert.equal(findings, []),
      });
    } finally {
      await leftovers.clear(false);
    }
    assert.equal(
      outcomes.map(({ passed }) => passed),
      [false, true],
    );
    assert.match(outcomes[0]?.findings.join('\n') ?? '', /loop: there is no such job in the log/);
    assert.is(new Set(urls).size, 2);
  },
  { limitMs: 120_000 },
);

t('slots: two holders of a slice, a foreign release and a slot never freed are all found', () => {
  const fact = (type: string, job: string, start: number, size: number): FactRecord =>
    ({
      seq: start + 1,
      subject: `job.acme.${job}.${type}`,
      type: `job.${type}`,
      data: { slots: [{ gpu: 'gpu-0', profile: 'p', size, start }] },
    }) as unknown as FactRecord;
  assert.equal(slotFindings([fact('reserved', 'a', 0, 2), fact('released', 'a', 0, 2)]), []);
  assert.match(
    slotFindings([fact('reserved', 'a', 0, 2), fact('reserved', 'b', 1, 1)])[0] ?? '',
    /job\.acme\.a holds/,
  );
  assert.match(slotFindings([fact('released', 'a', 0, 1)])[0] ?? '', /does not hold/);
  assert.match(slotFindings([fact('reserved', 'a', 3, 1)])[0] ?? '', /still held by job\.acme\.a/);
});

t('the walk of a good job has seven states', () => {
  const walk = ['attesting', 'queued', 'reserving', 'starting', 'running', 'releasing', 'succeeded'];
  assert.equal(walkOf(good.split(' ')), walk);
});

t(
  'Ctrl-C in the middle ends the tour with 130 and leaves neither process nor folder',
  async () => {
    const { child, code, folder } = await begin(['slot-exhaustion']);
    await lineOf(child.stdout, /^one-gpu {2}http:.*slots simulated/m);
    assert.ok(!existsSync('/proc') || processesOn(folder).length > 0, 'no controller runs on the folder');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    assert.is(await code, 130);
    assert.equal(readdirSync(folder).filter(isOurs), []);
    if (existsSync('/proc')) assert.equal(processesOn(folder), []);
    await rm(folder, { recursive: true });
  },
  { limitMs: 120_000 },
);

t('the list names every scenario with what one learns; an unknown name is a usage error', async () => {
  const list = await run(['--list']);
  const lines = list.text.trim().split('\n');
  assert.equal(
    lines.map((line) => line.split(' ')[0]),
    names,
  );
  const { code, errors } = await run(['sucess']);
  assert.is(code, 2);
  assert.match(errors, /sucess: there is no such scenario/);
  assert.match(errors, /next: berth demo --list/);
});

t.run();
