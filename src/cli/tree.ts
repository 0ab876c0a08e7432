/**
 * How a verb is hung into the command tree, the same way for all: description, examples, action.
 *
 * Why one wrapper: context, errors and exit codes must come out the same on every command.
 * Test: `test/cli/usage.test.ts`.
 */
import type { Command } from 'commander';
import type { Context } from './context.ts';

/** What a verb does: returns its exit code, or throws what is to be told. */
export type Action<F = Readonly<Record<string, unknown>>> = (
  context: Context,
  args: readonly string[],
  flags: F,
) => Promise<number>;

/** Makes a commander action of ours; given by `main.ts`. */
export type Run = (action: Action) => (...args: unknown[]) => Promise<void>;

/** Adds a verb with its action. `signature` is its name and arguments. */
export function verb<F>(
  noun: Command,
  signature: string,
  description: string,
  run: Run,
  action: Action<F>,
): Command {
  return noun
    .command(signature)
    .description(description)
    .action(run(action as unknown as Action));
}

const shown = new WeakMap<Command, readonly string[]>();

/** Shows these command lines below the help. */
export function examples(command: Command, lines: readonly string[]): Command {
  shown.set(command, lines);
  return command;
}

/** Gives every level its examples: those of a noun are the first of each verb; a plain verb is its own. */
export function showExamples(command: Command): readonly string[] {
  const below = command.commands.map((child) => showExamples(child)[0] ?? '');
  const lines = shown.get(command) ?? (below.length > 0 ? below : [plainExample(command)]);
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
  return lines;
}

const plainExample = (command: Command): string =>
  [pathOf(command), ...command.registeredArguments.map((argument) => argument.name().toUpperCase())].join(
    ' ',
  );

/** `berth job list` */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
