import { Command } from 'commander';
import * as assert from 'uvu/assert';
import type { CommandError } from '../../src/cli/exit.ts';
import { type SpecFlags, specOf } from '../../src/cli/spec.ts';
import { submitFlags } from '../../src/cli/submit.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import { suite } from '../suite.ts';

const t = suite('cli/spec');
const module = `sha256:${'0'.repeat(64)}`;

function flagsOf(args: readonly string[]): SpecFlags {
  const command = submitFlags(new Command('submit')).exitOverride().argument('[module]');
  command.configureOutput({ writeErr: () => undefined });
  return command.parse(args, { from: 'user' }).opts();
}
const spec = (args: readonly string[], rest: readonly string[] = []) =>
  specOf(flagsOf(args), rest, { module });

t('without flags only what has no default is sent', () => {
  assert.equal(spec([]), { module, slot: '1g.10gb' });
});

t('every flag sets its field, and the result passes the schema of the server', () => {
  const args =
    '--slot 3g.40gb --gpus 2 --cap stdio,args --cap env:A --env A=b=c --label x=1 --name n --wall-ms 1 --memory-mib 2 ' +
    '--output-bytes 0 --queue-ms 4 --start-ms 5 --priority -6 --attempts 7 --backoff-ms 8';
  const given = spec(args.split(' '), ['a', '-b']);
  assert.equal(given, {
    args: ['a', '-b'],
    attempts: { backoffMs: 8, max: 7 },
    capabilities: ['stdio', 'args', 'env:A'],
    env: { A: 'b=c' },
    gpus: 2,
    labels: { x: '1' },
    limits: { memoryMiB: 2, outputBytes: 0, queueMs: 4, startMs: 5, wallMs: 1 },
    module,
    name: 'n',
    priority: -6,
    slot: '3g.40gb',
  });
  assert.ok(jobSpecSchema.safeParse(given).success);
});

t('naming an environment variable declares it beside the default capabilities', () => {
  assert.equal(spec(['--env', 'A=1']).capabilities, [
    'args',
    'clock:virtual',
    'random:seeded',
    'stdio',
    'env:A',
  ]);
});

t('what breaks the schema is exit 2 and names the flag and its limit', () => {
  const cases: [string[], RegExp][] = [
    [['--wall-ms', '0'], /^--wall-ms: .*1/],
    [['--memory-mib', '4096'], /^--memory-mib: .*1024/],
    [['--attempts', '21'], /^--attempts: .*20/],
    [['--cap', 'network'], /^--cap: must be stdio/],
    [['--slot', '99'], /^--slot: must be a MIG profile/],
    [['--gpus', '9'], /^--gpus: .*8/],
  ];
  for (const [args, pattern] of cases) {
    try {
      spec(args);
      assert.unreachable(args.join(' '));
    } catch (error) {
      assert.match((error as CommandError).message, pattern);
      assert.is((error as CommandError).exit, 2);
    }
  }
});

t('a number is a whole number', () => {
  for (const text of ['1.5', 'abc', '1e3', ''])
    assert.throws(() => flagsOf(['--wall-ms', text]), /must be a whole number/);
});

t.run();
