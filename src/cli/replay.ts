/**
 * `berth log replay`: folds a log on disk and prints the state that it leads to.
 *
 * Why a file apart from the other verbs: they move records about, this one re-executes them.
 * Test: `test/cli/log.test.ts`.
 */
import type { Command } from 'commander';
import type { FactRecord } from '../events/record.ts';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import { wholeNumber } from './spec.ts';
import { examples, type Run, verb } from './tree.ts';

/** Verified records of a data directory, a log folder or an export. */
type RecordsIn = (path: string) => AsyncIterable<readonly FactRecord[]>;

/** Adds `berth log replay` to `berth log`. */
export function addReplayCommand(log: Command, run: Run, recordsIn: RecordsIn): void {
  const replayed = verb(
    log,
    'replay [path]',
    'fold a log and print the state that it leads to',
    run,
    (context: Context, args, flags: { to?: number }) => replayLog(context, args, flags, recordsIn),
  );
  replayed.option('--to <seq>', 'fold no further (default: the end)', wholeNumber);
  examples(replayed, ['berth log replay data', 'berth log replay data --to 120 -o json']);
}

async function replayLog(
  context: Context,
  [path = context.data]: readonly string[],
  flags: { to?: number },
  recordsIn: RecordsIn,
): Promise<number> {
  const { out } = context;
  const { to } = flags;
  if (to !== undefined && to < 1) throw usage(`--to ${to}: must be 1 or more`, 'berth log replay --help');
  // Loaded only here: the fold is most of the controller.
  const { replay } = await import('./refold.ts');
  const replayed = await replay(recordsIn(path), to);
  if (to !== undefined && replayed.seq < to)
    throw usage(`--to ${to}: the log ends at seq ${replayed.seq}`, `berth log replay ${path}`);
  const { diverged, epoch, gpus, jobs, recoveries, seq, stateHash, tenants } = replayed;
  await out.one(replayed, [
    ['seq', String(seq)],
    ['state hash', stateHash],
    [
      'jobs',
      Object.entries(jobs)
        .map(([state, count]) => `${count} ${state}`)
        .join(', ') || 'none',
    ],
    ['tenants', String(tenants)],
    ['gpus', String(gpus)],
    ['epoch', String(epoch)],
    ['recoveries', `${recoveries} recorded, ${diverged.length} with another state hash`],
  ]);
  const [first] = diverged;
  if (!first) return exits.done;
  throw new CommandError(
    'ERR_LOG_CORRUPT',
    `the recovery at seq ${first.seq} recorded another state of seq ${first.ofSeq} than is folded here`,
    {
      next: 'replay with the version of Berth that wrote it: see controller.configured in berth log tail --offline',
    },
  );
}
