/**
 * `berth serve`: the controller, from flags to a clean stop.
 *
 * Why so thin: every setting is checked in `config.ts` and every part is wired in `src/main.ts`. What is left
 * is to say where it listens, in the one line that scripts wait for, and to stop on a signal.
 * Test: `test/cli/operator.test.ts`.
 */
import { systemClock } from '../clock.ts';
import { readSettings } from '../config.ts';
import { startServer } from '../main.ts';
import { exits } from './exit.ts';
import type { Output } from './output.ts';
import { settingsFlags } from './serve-flags.ts';

/** Serves until SIGINT or SIGTERM; a second signal ends the process at once. */
export async function serve(flags: Readonly<Record<string, unknown>>, out: Output): Promise<number> {
  const { settings } = readSettings(settingsFlags(flags));
  const signals = listenForSignals();
  try {
    const server = await startServer(settings);
    for (const line of server.banner) await quietly(out.line(line));
    await quietly(out.line(`listening on ${server.url}`));
    const reason = await Promise.race([signals.first, server.failed]);
    if (typeof reason === 'string') out.note(`${reason}: stopping; once more ends it at once`);
    const stopping = server.stop();
    if (typeof reason !== 'string') {
      await stopping.catch(() => undefined);
      throw reason;
    }
    await stopping;
    return exits.done;
  } catch (error) {
    leaveSoon();
    throw error;
  } finally {
    signals.off();
  }
}

/** A server does not end because nobody reads its stdout. */
const quietly = (writing: Promise<void>): Promise<void> => writing.catch(() => undefined);

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

/**
 * One keystroke may arrive twice: the terminal tells every process of its group, and npm, one of them, passes on
 * what it was told. A signal so soon after the first, ms, is its echo; a hurried user is slower.
 */
const echoMsMax = 300;

/**
 * The first signal asks for the end, the second leaves at once. Why one listener for both, and never none in
 * between: without a listener a signal ends the process on the spot, and with it the stop that has just begun.
 */
function listenForSignals(): { readonly first: Promise<'SIGINT' | 'SIGTERM'>; off(): void } {
  let resolve: (signal: 'SIGINT' | 'SIGTERM') => void;
  let askedAtMs: number | null = null;
  const first = new Promise<'SIGINT' | 'SIGTERM'>((resolved) => {
    resolve = resolved;
  });
  const on = (signal: NodeJS.Signals): void => {
    const nowMs = systemClock.monotonicMs();
    if (askedAtMs === null) resolve(signal as 'SIGINT' | 'SIGTERM');
    else if (nowMs - askedAtMs > echoMsMax) leave(exits.interrupted);
    askedAtMs ??= nowMs;
  };
  process.on('SIGINT', on);
  process.on('SIGTERM', on);
  return {
    first,
    off() {
      process.off('SIGINT', on);
      process.off('SIGTERM', on);
    },
  };
}
