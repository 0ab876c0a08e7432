/**
 * The command line: one tree of commands, one way to fail, one set of exit codes.
 *
 * Why the composition happens here: each noun brings its own verbs; what all share (who asks, how to print,
 * Ctrl-C, a reader of stdout that goes away) is set up once around them. Read `tree.ts`, then one noun.
 * Tests: `test/cli/`.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { BerthError } from '../errors.ts';
import { addBlobCommands } from './blob.ts';
import { completionScript, type Shell, shells } from './completion.ts';
import { addConfigCommands } from './config.ts';
import { Context, flagsOf } from './context.ts';
import { doctor } from './doctor.ts';
import { CommandError, describeFailure, exits, StdoutClosed, usage, withId } from './exit.ts';
import { addJobCommands } from './job.ts';
import { addKeyCommands } from './key.ts';
import { addLogCommands } from './log.ts';
import { addMachineCommands } from './machine.ts';
import { formats } from './output.ts';
import { serveFlags } from './serve-flags.ts';
import { addSlotCommands } from './slot.ts';
import { addTenantCommands } from './tenant.ts';
import { examples, pathOf, type Run, showExamples } from './tree.ts';

/** How long a command may take to end by itself after Ctrl-C, ms. */
const interruptMsMax = 500;
/** Commands that have others to end first, and therefore hear signals themselves. */
const ownSignals: ReadonlySet<string> = new Set(['serve', 'demo']);

/** Runs one command line. Resolves to the exit code; never rejects. */
export async function main(argv: string[]): Promise<number> {
  let code: number = exits.done;
  const program = programOf((action) => async (...args) => {
    code = await runAction(action, args);
  });
  forgiveClosedStreams();
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof StdoutClosed) return exits.done;
    if (error instanceof CommanderError && error.exitCode === 0) return exits.done;
    // The help that a lone noun prints is answer enough.
    if (error instanceof CommanderError && error.code === 'commander.help') return exits.usage;
    const { lines, exit } = describeFailure(error);
    process.stderr.write(`${lines.join('\n')}\n`);
    return exit;
  }
}

async function runAction(action: Parameters<Run>[0], args: readonly unknown[]): Promise<number> {
  const command = args.at(-1) as Command;
  const flags = flagsOf(command);
  const abort = new AbortController();
  const context = new Context(flags, abort.signal);
  const off = ownSignals.has(command.name()) ? () => undefined : onInterrupt(abort);
  try {
    const code = await action(context, args.slice(0, -2) as string[], flags);
    return abort.signal.aborted ? exits.interrupted : code;
  } catch (error) {
    const { exit } = describeFailure(error);
    // Whatever broke because of Ctrl-C needs no words, unless the command has its own.
    if (abort.signal.aborted && exit !== exits.interrupted) return exits.interrupted;
    // A flag whose value is off is told by what checks the settings, which knows nothing of commands.
    if (error instanceof BerthError && error.code === 'ERR_USAGE' && !(error instanceof CommandError))
      throw usage(error.message, `${pathOf(command)} --help`);
    const [first] = command.registeredArguments;
    throw first?.name() === 'id' ? withId(error, String(args[0])) : error;
  } finally {
    off();
    context.out.release();
  }
}

/** The first Ctrl-C asks the command to end and waits a little; the second one is the system's. */
function onInterrupt(abort: AbortController): () => void {
  let timer: NodeJS.Timeout | undefined;
  const on = (): void => {
    abort.abort(new Error('interrupted'));
    timer = setTimeout(() => process.exit(exits.interrupted), interruptMsMax);
  };
  process.once('SIGINT', on);
  return () => {
    process.off('SIGINT', on);
    clearTimeout(timer);
  };
}

let forgiving = false;

/** Help and tables may be piped to a reader that leaves early: no stack trace for that. */
function forgiveClosedStreams(): void {
  if (forgiving) return;
  forgiving = true;
  const forgive = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
  };
  process.stdout.on('error', forgive);
  process.stderr.on('error', forgive);
}

/** The whole tree; `run` makes each action. */
export function programOf(run: Run): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('berth')
    .description('Berth: an event-sourced controller for GPU jobs')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .option('--server <url>', 'controller (BERTH_SERVER, default http://127.0.0.1:7070)')
    .option('--tenant <name>', 'who asks (BERTH_TENANT, default: the first demo tenant)')
    .option('--key <file>', 'private key, JWK (BERTH_KEY, default DATA/tenants/TENANT.jwk)')
    .option('--data <dir>', 'data directory of the server (BERTH_DATA, default data)')
    .option('--config <file>', 'settings as JSON (BERTH_CONFIG, default berth.json)')
    .addOption(new Option('-o, --output <format>', `${formats.join(', ')} (BERTH_OUTPUT, default table)`))
    .option('--json', 'the same as -o json')
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true });
  addServe(program, run);
  addJobCommands(program, run);
  addBlobCommands(program, run);
  addTenantCommands(program, run);
  addKeyCommands(program, run);
  addSlotCommands(program, run);
  addLogCommands(program, run);
  addMachineCommands(program, run);
  addConfigCommands(program, run);
  addRest(program, run);
  examples(program, [
    'npm start',
    'berth job submit wasm/hello.wasm --wait -- world',
    'berth job list',
    'berth doctor',
  ]);
  showExamples(program);
  for (const command of everyCommand(program)) failAsOurs(command);
  return program;
}

function addServe(program: Command, run: Run): void {
  const serve = program.command('serve').description('run the controller');
  // Loaded only when asked for: the server is most of the code.
  serveFlags(serve).action(
    run(async (context, _, flags) => (await import('./serve.ts')).serve(flags, context.out)),
  );
  examples(serve, [
    'berth serve --demo',
    'berth serve --listen 127.0.0.1:0 --data /tmp/berth --fleet 1xA30-24GB --runners 2',
  ]);
}

function addRest(program: Command, run: Run): void {
  const check = program.command('doctor').description('what is wrong here and how to mend it');
  check.action(run((context, _, flags) => doctor(context, flags)));
  const tour = program
    .command('demo [names...]')
    .description('a scripted tour, end to end, against fresh controllers; with NAMES only these scenarios')
    .option('--list', 'list the scenarios')
    .option('--keep', 'keep the data directories and say where they are');
  tour.action(
    run(async (context, [names], flags) => {
      const given = ['keep', 'list'].filter((flag) => flags[flag] === true);
      if (context.out.machine) given.push('json');
      // Loaded only when asked for, as the server is.
      const { demo } = await import('./demo.ts');
      return demo([...given.map((flag) => `--${flag}`), ...(names as unknown as string[])]);
    }),
  );
  examples(tour, ['berth demo', 'berth demo kill-9-restart --keep', 'berth demo --list']);
  const completion = program
    .command('completion <shell>')
    .description(`completion script for ${shells.join(' or ')}`);
  completion.action(
    run(async (context, [shell]) => {
      if (!shells.includes(shell as Shell))
        throw usage(`${shell}: must be ${shells.join(' or ')}`, 'berth completion bash');
      await context.out.write(completionScript(program, shell as Shell));
      return exits.done;
    }),
  );
  examples(completion, ['source <(berth completion bash)']);
}

function* everyCommand(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* everyCommand(child);
}

/** Wrong flags and unknown verbs fail as everything does: code, sentence, next command. */
function failAsOurs(command: Command): void {
  command.configureOutput({ outputError: () => undefined });
  command.exitOverride((error) => {
    if (error.exitCode === 0 || error.code === 'commander.help') throw error;
    const sentence = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    throw usage(sentence, `${pathOf(command)} --help`);
  });
}
