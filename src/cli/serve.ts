/**
 * `berth serve`: the controller, from flags to a clean stop.
 *
 * Why so thin: every setting is checked in `config.ts` and every part is wired in `src/main.ts`. What is left
 * is to say where it listens, in the one line that scripts wait for, and to stop on a signal.
 * Test: `test/cli/operator.test.ts`.
 */
import { readSettings } from '../config.ts';
import { type Server, startServer } from '../main.ts';
import { exits } from './exit.ts';
import type { Output } from './output.ts';
import { settingsFlags } from './serve-flags.ts';

/** Serves until SIGINT or SIGTERM; a second signal ends the process at once. */
export async function serve(flags: Readonly<Record<string, unknown>>, out: Output): Promise<number> {
  const { settings } = readSettings(settingsFlags(flags));
  const asked = signalled();
  const server = await startServer(settings);
  for (const line of server.banner) await quietly(out.line(line));
  await quietly(out.line(`listening on ${server.url}`));
  const failure = await Promise.race([asked, server.failed]);
  if (typeof failure === 'string') return stopped(server, failure, out);
  await server.stop().catch(() => undefined);
  leaveSoon();
  throw failure;
}

/** A server does not end because nobody reads its stdout. */
const quietly = (writing: Promise<void>): Promise<void> => writing.catch(() => undefined);

async function stopped(server: Server, signal: string, out: Output): Promise<number> {
  out.note(`${signal}: stopping; once more ends it at once`);
  const impatient = (): void => leave(exits.interrupted);
  process.on('SIGINT', impatient);
  process.on('SIGTERM', impatient);
  try {
    await server.stop();
    return exits.done;
  } catch (error) {
    leaveSoon();
    throw error;
  } finally {
    process.off('SIGINT', impatient);
    process.off('SIGTERM', impatient);
  }
}

/** What a process that couldn't stop in order gets to print why, ms. */
const lastWordsMs = 500;
/** How often, and how many ms apart, an ending process looks whether its disk has answered. */
const looksMax = 25;
const lookMs = 20;

/** Ends the process although something still holds it. */
function leaveSoon(): void {
  setTimeout(() => leave(process.exitCode ?? exits.error), lastWordsMs).unref();
}

/**
 * Ends the process now. Why not always by `exit`: it waits for the threads that read and write files, and one
 * that a hanging disk holds comes back late or never. So it waits a little for them to come back; when they
 * don't, only the kernel ends such a process.
 */
function leave(code: number | string, looksLeft = looksMax): void {
  const waitsForDisk = process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'));
  if (!waitsForDisk) process.exit(code);
  if (looksLeft === 0) process.kill(process.pid, 'SIGKILL');
  setTimeout(() => leave(code, looksLeft - 1), lookMs);
}

/** The first signal that asks for the end. */
function signalled(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    const on = (signal: 'SIGINT' | 'SIGTERM') => (): void => {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', terminate);
      resolve(signal);
    };
    const interrupt = on('SIGINT');
    const terminate = on('SIGTERM');
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', terminate);
  });
}
