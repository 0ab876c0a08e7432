/** The Lab's form as data: the job it stands for, what is wrong with it, and a command that makes the very same job. */
import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import * as assert from 'uvu/assert';
import { specOf } from '../../src/cli/spec.ts';
import { type SubmitFlags, submitFlags } from '../../src/cli/submit.ts';
import {
  capabilityWords,
  commandOf,
  copiesMax,
  type Draft,
  errorOf,
  habits,
  jobOf,
  newDraft,
  villains,
  withGuest,
} from '../../src/dashboard/lab-request.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: the form of the Lab');

const module = `sha256:${'a'.repeat(64)}`;
const here = { server: 'http://127.0.0.1:7070', moduleFile: '', inputFile: '' };
const blank: Draft = { ...newDraft('acme'), slot: '1g.10gb' };
const full: Draft = {
  ...blank,
  guest: 'flaky',
  args: "it's\n--two words",
  stdin: "a 'quoted'\nline",
  gpus: '2',
  capabilities: ['stdio', 'clock:real'],
  env: 'BERTH_ATTEMPT, HOME',
  wallMs: '700',
  memoryMiB: '16',
  outputBytes: '0',
  queueMs: '500',
  startMs: '900',
  attempts: '3',
  backoffMs: '20',
  priority: '-5',
  labels: 'made=lab\nwhat=a b',
  key: 'once',
  copies: '1',
};

/** What the shell makes of a command: its words, and what goes to its stdin. */
function typed(command: string): { words: string[]; stdin: string } {
  const shown = command.replace('npx berth', 'shown');
  const script = 'shown() { printf "%s\\0" "$@"; printf "\\1"; cat; }\n';
  const { stdout } = spawnSync('sh', ['-c', script + shown], { input: '' });
  const [words = '', stdin = ''] = stdout.toString().split('\u0001');
  return { words: words.split('\0').slice(0, -1), stdin };
}

/** The job that the real command line makes of a command. */
async function jobByCli(command: string): Promise<object> {
  let job: object = {};
  const program = submitFlags(new Command('submit').argument('<module>').argument('[args...]'))
    .option('--server <url>')
    .option('--tenant <name>')
    .action((_module: string, args: string[], flags: SubmitFlags) => {
      job = specOf(flags, args, { module });
    });
  await program.parseAsync(typed(command).words.slice(2), { from: 'user' });
  return job;
}

t('a draft with nothing but a guest leaves every default to the schema', () => {
  const { job, errors } = jobOf(blank, { module });
  assert.equal(errors, []);
  assert.equal(job, { module, slot: '1g.10gb' });
});

for (const [name, draft] of [
  ['blank', blank],
  ['full', full],
] as const) {
  t(`the command shown for a ${name} form makes the same job as the form`, async () => {
    const { job, errors } = jobOf(draft, { module });
    assert.equal(errors, []);
    const byCli = await jobByCli(commandOf(draft, here));
    assert.equal(jobSpecSchema.parse(byCli), jobSpecSchema.parse(job));
  });
}

t('the command brings stdin, tenant, server and key along, whatever quotes are in them', () => {
  const { words, stdin } = typed(commandOf(full, here));
  assert.is(stdin, full.stdin);
  for (const [flag, value] of [
    ['--tenant', 'acme'],
    ['--server', here.server],
    ['--idempotency-key', 'once'],
    ['--input', '-'],
  ] as const)
    assert.is(words[words.indexOf(flag) + 1], value);
  assert.equal(words.slice(words.indexOf('--') + 1), ["it's", '--two words']);
});

t('files and copies stand in the command', () => {
  const own = { ...blank, guest: '', copies: '3' };
  const command = commandOf(own, { ...here, moduleFile: 'my guest.wasm', inputFile: 'in.bin' });
  assert.match(command, "submit 'my guest.wasm'");
  assert.match(command, '--input in.bin');
  assert.match(command, /^for i in \$\(seq 3\); do .*; done$/);
});

t('what is wrong is told by the name of the field that the server uses', () => {
  const wrong = {
    ...blank,
    wallMs: 'soon',
    slot: 'big',
    labels: '1=x',
    copies: String(copiesMax + 1),
    priority: '101',
  };
  const { errors } = jobOf(wrong, { module });
  for (const field of ['job.limits.wallMs', 'job.slot', 'job.labels', 'job.priority', 'copies'])
    assert.ok(errorOf(errors, field) !== '', field);
  assert.is(errorOf(errors, 'job.limits.wallMs'), 'must be a whole number');
  assert.is(errorOf(errors, 'job.gpus'), '');
});

t('another guest brings what it wants, and takes along what the former wanted', () => {
  const flaky = withGuest(blank, 'flaky');
  assert.equal([flaky.attempts, flaky.env], ['2', 'BERTH_ATTEMPT']);
  assert.equal(withGuest(flaky, 'noop'), { ...blank, guest: 'noop' });
  for (const guest of Object.keys(habits))
    assert.equal(jobOf(withGuest(blank, guest), { module }).errors, []);
});

t('every capability that is offered exists, and the villains are the six of the contract', () => {
  for (const [name] of capabilityWords)
    assert.ok(jobSpecSchema.shape.capabilities.safeParse([name]).success, name);
  assert.equal(Object.keys(villains).sort(), ['flood', 'loop', 'membomb', 'recurse', 'smuggle', 'trap']);
});

t.run();
