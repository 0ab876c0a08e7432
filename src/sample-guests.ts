/**
 * The sample guests as the page's Lab offers them: read from their folder once, when somebody first asks.
 *
 * Why the server hands them out: a page can't reach files on the machine, and nobody should have to find a module before
 * their first job. They are public as the source is. Test: `test/sample-guests.test.ts`.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SampleGuest } from './intake/route.ts';

/** Larger files in the folder are left out, and so are files beyond so many: these stay in memory. */
const guestBytesMax = 1024 * 1024;
const guestsMax = 64;

const namePattern = /^([a-z0-9][a-z0-9-]{0,31})\.wasm$/;

/** What each one does. `wasm/README.md` tells more. */
const about: Readonly<Record<string, string>> = {
  flaky: 'Fails at its first attempt and succeeds at the second: give it two.',
  flood: 'Writes output for ever, until its limit ends it.',
  hello: 'Prints hello and its arguments, then copies its input.',
  loop: 'Never returns: its deadline or a cancel ends it.',
  matmul: 'Multiplies two matrices of f32 that come as its input.',
  membomb: 'Takes memory until it is refused, then traps.',
  noop: 'Returns at once: the shortest job there is.',
  recurse: 'Calls itself until the stack is used up.',
  sha256: 'Prints the SHA-256 of its input.',
  smuggle: 'Wants what no capability grants: rejected before it runs.',
  trap: 'Stops at an instruction that may not be reached.',
};

/** Reads the guests of `folder` at the first call, and gives the same ones ever after; none when there is no folder. */
export function sampleGuests(folder: string): () => Promise<readonly SampleGuest[]> {
  let guests: Promise<readonly SampleGuest[]> | null = null;
  return () =>
    (guests ??= guestsIn(folder).catch((error: unknown) => {
      // A failure is not kept: the next one who asks tries anew.
      guests = null;
      throw error;
    }));
}

async function guestsIn(folder: string): Promise<readonly SampleGuest[]> {
  const names = await readdir(folder).catch(() => []);
  const guests: SampleGuest[] = [];
  for (const file of names.sort()) {
    const name = namePattern.exec(file)?.[1];
    if (name === undefined || guests.length === guestsMax) continue;
    const path = join(folder, file);
    const { size } = await stat(path);
    if (size > guestBytesMax) continue;
    const bytes = await readFile(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    guests.push({ about: about[name] ?? '', bytes, name, sha256 });
  }
  return guests;
}
