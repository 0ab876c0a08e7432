/**
 * Run inside a copy: all unit tests that are named, in one process, up to the first that fails.
 *
 * Why one process: a file of its own each costs a second of start, forty bugs over. Why uvu is driven here: its own
 * runner would start each suite while the next file still loads.
 */
import { pathToFileURL } from 'node:url';

Object.assign(globalThis, { UVU_DEFER: 1 });
const { exec } = await import('uvu');
const queue = (globalThis as unknown as { UVU_QUEUE: unknown[][] }).UVU_QUEUE;
for (const file of process.argv.slice(2)) {
  Object.assign(globalThis, { UVU_INDEX: queue.push([file]) - 1 });
  await import(pathToFileURL(`test/${file}`).href);
}
await exec(true);
