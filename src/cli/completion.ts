/**
 * `berth completion bash|zsh`: a script that completes nouns, verbs and flags.
 *
 * Why generated from the command tree: a list kept by hand is wrong after the next flag. Names of files are
 * left to the shell. Test: `test/cli/usage.test.ts`.
 */
import type { Command } from 'commander';

export const shells = ['bash', 'zsh'] as const;
export type Shell = (typeof shells)[number];

/** The script for a shell; zsh runs the one for bash. */
export function completionScript(program: Command, shell: Shell): string {
  const cases = [...casesOf(program, '')].map(
    ([path, words]) => `    '${path}') words='${words.join(' ')}' ;;`,
  );
  const script = [
    '_berth() {',
    '  local current=$' + '{COMP_WORDS[COMP_CWORD]} path= word words=',
    '  for word in "$' + '{COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case $word in -*) break ;; esac',
    '    path="$path $word"',
    '  done',
    '  # Arguments follow the command: the longest known path is the one meant.',
    '  while :; do',
    '    case "$' + '{path# }" in',
    ...cases.map((line) => `  ${line}`),
    '    esac',
    '    if [ -n "$words" ] || [ -z "$path" ]; then break; fi',
    '    path=$' + '{path% *}',
    '  done',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _berth berth',
    '',
  ];
  const head = shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit'] : [];
  return [...head, ...script].join('\n');
}

function* casesOf(command: Command, path: string): Generator<[string, string[]]> {
  const verbs = command.commands.map((child) => child.name());
  yield [path, [...verbs, ...flagsOf(command)]];
  for (const child of command.commands) yield* casesOf(child, `${path} ${child.name()}`.trim());
}

function flagsOf(command: Command): string[] {
  const flags: string[] = [];
  for (let at: Command | null = command; at; at = at.parent) {
    for (const { long, hidden } of at.options) if (long && !hidden) flags.push(long);
  }
  return [...new Set([...flags, '--help'])];
}
