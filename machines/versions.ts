/**
 * Versions of the machines, recorded in `controller.configured` by each life.
 *
 * Why in the log: whoever replays a log of last year must know by which rules its facts were judged. A number
 * rises whenever the same facts would lead elsewhere; `test/machines/versions.test.ts` fails when it was forgotten.
 */
export const machineVersions = {
  controller: 'controller/1',
  job: 'job/1',
  run: 'run/1',
  slot: 'slot/1',
} as const;
