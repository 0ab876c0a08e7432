import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import * as assert from 'uvu/assert';
import { completionScript } from '../../src/cli/completion.ts';
import { describeFailure, exits, usage, withId } from '../../src/cli/exit.ts';
import { programOf } from '../../src/cli/main.ts';
import { pathOf } from '../../src/cli/tree.ts';
import { BerthError, errors } from '../../src/errors.ts';
import { suite } from '../suite.ts';
import { run } from './berth.ts';

const t = suite('cli/usage');
const slow = { limitMs: 60_000 };
const program = programOf(() => () => Promise.resolve());

function* everyCommand(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* everyCommand(child);
}

t('every command of the contract is there', () => {
  const paths = [...everyCommand(program)].map(pathOf);
  const expected = [
    ...['serve', 'queue', 'demo', 'doctor', 'config show', 'completion', 'key new', 'blob put', 'blob get'],
    ...[
      'submit',
      'get',
      'list',
      'watch',
      'cancel',
      'result',
      'logs',
      'history',
      'explain',
      'attestation',
    ].map((verb) => `job ${verb}`),
    ...['add', 'list', 'set', 'key add', 'key list', 'key revoke'].map((verb) => `tenant ${verb}`),
    ...['list', 'drain', 'restore'].map((verb) => `slot ${verb}`),
    ...['tail', 'export', 'verify', 'replay'].map((verb) => `log ${verb}`),
    ...['list', 'show'].map((verb) => `machine ${verb}`),
  ];
  for (const path of expected) assert.ok(paths.includes(`berth ${path}`), path);
});

t('help stands on every level, with a description and examples that name real commands', () => {
  const paths = new Set([...everyCommand(program)].map(pathOf));
  for (const command of everyCommand(program)) {
    assert.ok(command.description(), pathOf(command));
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => 100 });
    command.outputHelp();
    const [, examples = ''] = help.split('\nExamples:\n');
    const named = [...examples.matchAll(/(?:^|[ (|])(berth(?: [a-z]+)+)/gm)].map(([, path = '']) => path);
    assert.ok(named.length > 0, `${pathOf(command)} has no example`);
    for (const path of named) {
      const words = path.split(' ');
      assert.ok(
        words.some((_, i) => i > 0 && paths.has(words.slice(0, i + 1).join(' '))),
        `${path} in the help of ${pathOf(command)}`,
      );
    }
  }
});

t(
  'wrong words and flags are exit 2, suggest the right ones and end with the next command',
  async () => {
    const cases: [string[], RegExp][] = [
      [['jbo'], /^error ERR_USAGE: unknown command 'jbo' \(Did you mean job\?\)\nnext: berth --help\n$/],
      [['job', 'lst'], /unknown command 'lst' \(Did you mean list\?\)\nnext: berth job --help\n$/],
      [
        ['job', 'list', '--stat', 'x'],
        /unknown option '--stat' \(Did you mean --state\?\)\nnext: berth job list --help\n$/,
      ],
      [['job', 'get'], /missing required argument 'id'\nnext: berth job get --help\n$/],
      [['job', 'get', 'a', 'b'], /too many arguments.*\nnext: berth job get --help\n$/],
      [['job', 'list', '-o', 'xml'], /^error ERR_USAGE: -o xml: must be one of table, wide, json, jsonl\n/],
      [['job', 'list', '--limit', 'x'], /must be a whole number.*\nnext: berth job list --help\n$/],
      [['job', 'list', '--server', 'nowhere'], /--server nowhere: must be an http/],
      [['completion', 'fish'], /fish: must be bash or zsh/],
      [['log', 'replay', '.', '--to', '0'], /--to 0: must be 1 or more/],
    ];
    const ran = await Promise.all(cases.map(([args]) => run(args)));
    for (const [i, { code, text, stderr }] of ran.entries()) {
      assert.is(code, 2, `${cases[i]?.[0].join(' ')}: ${stderr}`);
      assert.is(text, '');
      assert.match(stderr, cases[i]?.[1] ?? /never/);
    }
  },
  slow,
);

t(
  'a noun alone prints its help and is exit 2; --help and --version are exit 0',
  async () => {
    const [alone, help, version] = await Promise.all([
      run(['job']),
      run(['job', '--help']),
      run(['--version']),
    ]);
    assert.is(alone?.code, 2);
    assert.match(alone?.stderr ?? '', /^Usage: berth job/);
    assert.is(help?.code, 0);
    assert.match(help?.text ?? '', /^Usage: berth job/);
    assert.match(version?.text ?? '', /^\d+\.\d+\.\d+\n$/);
  },
  slow,
);

t(
  'a server that is not there is exit 1 and says how to start one',
  async () => {
    const { code, stderr } = await run(['job', 'list'], { env: { BERTH_SERVER: 'http://127.0.0.1:1' } });
    assert.is(code, 1);
    assert.is(
      stderr,
      'error ERR_UNREACHABLE: http://127.0.0.1:1: nothing listens there\nnext: npm start, or pass --server URL; berth doctor says what is wrong\n',
    );
  },
  slow,
);

t('every failure has a code, a next command and the right exit', () => {
  for (const code of Object.keys(errors) as (keyof typeof errors)[]) {
    const { lines, exit } = describeFailure(new BerthError(code, 'what was wrong'));
    assert.is(lines[0], `error ${code}: what was wrong`);
    assert.match(lines.at(-1) ?? '', /^next: \S/);
    assert.is(exit, code === 'ERR_USAGE' ? exits.usage : exits.error);
  }
  assert.is(describeFailure(usage('x')).exit, 2);
  assert.is(describeFailure(new TypeError('boom')).exit, 1);
  assert.is(
    describeFailure(withId(new BerthError('ERR_JOB_ENDED', 'x'), 'abc')).lines.at(-1),
    'next: berth job get abc',
  );
});

t('completion offers nouns, verbs and flags', () => {
  const file = join(tmpdir(), `berth-completion-${process.pid}.bash`);
  writeFileSync(file, completionScript(program, 'bash'));
  const complete = (...words: string[]): string[] => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const script =
      `source ${file}; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _berth; echo "$` +
      '{COMPREPLY[@]}"';
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split(' ');
  };
  assert.equal(complete('berth', 'jo'), ['job']);
  assert.equal(
    complete('berth', 'job', 'h'),
    ['history', 'help'].filter((word) => complete('berth', 'job', '').includes(word)),
  );
  assert.equal(complete('berth', 'job', 'submit', '--wait'), ['--wait', '--wait-timeout']);
  assert.equal(complete('berth', 'job', 'submit', 'm.wasm', '--gp'), ['--gpus']);
  assert.equal(complete('berth', 'tenant', 'key', 'rev'), ['revoke']);
  rmSync(file);
  assert.match(completionScript(program, 'zsh'), /^autoload -U \+X bashcompinit && bashcompinit\n/);
});

t.run();
