/**
 * `berth config show`: every setting, its value, and which source won.
 *
 * Why: with four sources, "but I set it!" needs an answer. Test: `test/cli/context.test.ts`.
 */
import type { Command } from 'commander';
import { environmentName, readSettings, type SettingName, type Source } from '../config.ts';
import { type ClientSetting, type Context, clientSettings, resolveSetting } from './context.ts';
import { exits } from './exit.ts';
import { serveFlags, settingsFlags } from './serve-flags.ts';
import { examples, type Run } from './tree.ts';

interface Row {
  readonly part: 'client' | 'server';
  readonly setting: string;
  readonly value: unknown;
  readonly source: Source;
  readonly variable: string;
}

/** Adds `berth config` and its verbs. */
export function addConfigCommands(program: Command, run: Run): void {
  const config = program.command('config').description('settings');
  const command = config
    .command('show')
    .description('each setting, its value and which source won: flag, environment, file, default');
  serveFlags(command).action(run((context, _, flags) => show(context, flags)));
  examples(command, ['berth config show', 'BERTH_RUNNERS=4 berth config show --policy fifo -o json']);
}

async function show({ out }: Context, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const names = (Object.keys(clientSettings) as ClientSetting[]).filter((name) => name !== 'data');
  const client = names.map((name): Row => {
    const { value, source } = resolveSetting(name, flags);
    return { part: 'client', setting: name, value: value ?? null, source, variable: environmentName(name) };
  });
  const { settings, sources } = readSettings(settingsFlags(flags));
  const server = (Object.keys(settings) as SettingName[]).map(
    (name): Row => ({
      part: 'server',
      setting: name,
      value: settings[name],
      source: sources[name],
      variable: environmentName(name),
    }),
  );
  await out.rows(
    [...client, ...server],
    [
      { name: 'part', value: ({ part }) => part },
      { name: 'setting', value: ({ setting }) => setting },
      { name: 'value', value: ({ value }) => (value === null || value === '' ? '(none)' : String(value)) },
      { name: 'source', value: ({ source }) => source },
      { name: 'variable', value: ({ variable }) => variable },
    ],
    'no settings',
  );
  return exits.done;
}
