/**
 * `berth log replay`: folds a log on disk, makes every decision in it again, and prints the state that it leads to;
 * with `--diff` it finds the first record in which two logs differ.
 *
 * Why a file apart from the other verbs: they move records about, this one re-executes them.
 * Test: `test/cli/log.test.ts`, `test/cli/log-replay.test.ts`.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { FactRecord } from '../events/record.ts';
import type { Candidate } from '../log/checkpoints.ts';
import type { Divergence, Life, Said } from '../log/replay.ts';
import type { Compared } from './compare.ts';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import type { Output } from './output.ts';
import type { RecordedHash, Replayed } from './refold.ts';
import { wholeNumber } from './spec.ts';
import { examples, type Run, verb } from './tree.ts';

/** Verified records of a data directory, a log folder or an export. */
type RecordsIn = (path: string) => AsyncIterable<readonly FactRecord[]>;

interface ReplayFlags {
  readonly to?: number;
  readonly diff?: string;
  readonly all?: boolean;
}

/** Adds `berth log replay` to `berth log`. */
export function addReplayCommand(log: Command, run: Run, recordsIn: RecordsIn): void {
  const replayed = verb(
    log,
    'replay [path]',
    'fold a log, make every decision in it again, print the state that it leads to',
    run,
    (context: Context, args, flags: ReplayFlags) => replayLog(context, args, flags, recordsIn),
  )
    .option('--to <seq>', 'go no further (default: the end)', wholeNumber)
    .option('--all', 'count every record that does not follow, not only up to the first')
    .option('--diff <path>', 'find the first record in which this log differs from that one');
  examples(replayed, [
    'berth log replay data',
    'berth log replay data --to 120 -o json',
    'berth log replay data --diff copy/log.jsonl',
  ]);
}

async function replayLog(
  context: Context,
  [path = context.data]: readonly string[],
  flags: ReplayFlags,
  recordsIn: RecordsIn,
): Promise<number> {
  const { to } = flags;
  if (to !== undefined && to < 1) throw usage(`--to ${to}: must be 1 or more`, 'berth log replay --help');
  const progress = progressOf(context.out);
  const options = { ...(to === undefined ? {} : { to }), onSeq: progress.show };
  if (flags.diff !== undefined) {
    const { compare } = await import('./compare.ts');
    const compared = await compare(recordsIn(path), recordsIn(flags.diff), options).finally(progress.clear);
    return tellCompared(context.out, compared, path, flags.diff);
  }
  // Loaded only here: the fold is most of the controller.
  const { replay } = await import('./refold.ts');
  const { from, records } = await beginningOf(path, recordsIn(path));
  const replayed = await replay(records, {
    ...options,
    all: flags.all === true,
    ...(from ? { from } : {}),
  }).finally(progress.clear);
  if (to !== undefined && replayed.seq < to && !replayed.halted)
    throw usage(`--to ${to}: the log ends at seq ${replayed.seq}`, `berth log replay ${path}`);
  if (to !== undefined && from && from.checkpoint.base.seq > to)
    throw usage(`--to ${to}: what is left of this log can be folded from seq ${replayed.seq} on`);
  return tellReplayed(context.out, replayed);
}

/**
 * Where a replay can begin: with the first record, or, when the oldest segments are retired, from the oldest checkpoint.
 */
export async function beginningOf(
  path: string,
  records: AsyncIterable<readonly FactRecord[]>,
): Promise<{ readonly from: Candidate | null; readonly records: AsyncIterable<readonly FactRecord[]> }> {
  const iterator = records[Symbol.asyncIterator]();
  const step = await iterator.next();
  const first = step.done ? [] : step.value;
  const all = async function* (): AsyncGenerator<readonly FactRecord[]> {
    try {
      yield first;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  };
  const firstSeq = first[0]?.seq ?? 1;
  return { from: firstSeq === 1 ? null : await oldestCheckpoint(path, firstSeq), records: all() };
}

async function oldestCheckpoint(path: string, firstSeq: number): Promise<Candidate> {
  const [{ foldsVersion }, { CheckpointFiles }, { nodeSha256 }, { nodeDisk }] = await Promise.all([
    import('../checkpointing.ts'),
    import('../log/checkpoints.ts'),
    import('../log/hash-node.ts'),
    import('../log/node-disk.ts'),
  ]);
  const dir = existsSync(join(path, 'log')) ? join(path, 'log') : path;
  let oldest: Candidate | null = null;
  if (statSync(dir).isDirectory()) {
    const files = new CheckpointFiles({ dir, disk: nodeDisk, sha256: nodeSha256, retiring: null });
    for await (const candidate of files.candidates())
      if ('checkpoint' in candidate && candidate.checkpoint.version === foldsVersion) oldest = candidate;
  }
  if (oldest) return oldest;
  throw new CommandError(
    'ERR_LOG_CORRUPT',
    `the log begins with seq ${firstSeq}, and no checkpoint leads there`,
    {
      next: 'put the retired segments back, or replay with the version that took the checkpoint',
    },
  );
}

async function tellReplayed(out: Output, replayed: Replayed): Promise<number> {
  const { checkpoints, decisions, diverged, diverging, divergences, epoch, fromSeq, inputs } = replayed;
  const { gpus, halted, jobs, otherFolds, recoveries, seq, stateHash, tenants } = replayed;
  const [first] = divergences;
  const hashes = `${recoveries} restarts and ${checkpoints} checkpoints recorded, ${diverged.length} with another state hash`;
  await out.one(replayed, [
    ['seq', halted ? `${seq}; the next record has no place` : String(seq)],
    ...(fromSeq > 0 ? ([['from', `the checkpoint of seq ${fromSeq}`]] as const) : []),
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
    ['hashes', otherFolds > 0 ? `${hashes}, ${otherFolds} not comparable: made by other folds` : hashes],
    ['decisions', `${decisions} made again, with the consequences of ${inputs} inputs; ${diverging} diverge`],
    ...divergences.flatMap((each) => divergenceLines(each)),
  ]);
  if (first) throw divergedAt(first);
  const [wrong] = diverged;
  if (wrong) throw otherState(wrong);
  return exits.done;
}

const divergenceLines = ({ expected, found, life, reason, seq }: Divergence): [string, string][] => [
  ['diverges', `seq ${seq}: ${reason}`],
  ['  recorded', saidText(found)],
  ['  expected', expected ? saidText(expected) : 'nothing'],
  ['  written by', lifeText(life)],
];

const saidText = ({ author, data, subject }: Said): string =>
  `${subject} by ${author}: ${JSON.stringify(data)}`;

const lifeText = ({ epoch, machines, placement, policy, version }: Life): string =>
  version === null
    ? `life ${epoch}, before it told its settings`
    : `life ${epoch}: Berth ${version}, ${machines ? Object.values(machines).join(', ') : 'machines not recorded'}, ` +
      `policy ${policy}, placement ${placement}`;

function divergedAt({ kind, life, reason, seq, subject }: Divergence): CommandError {
  const what = kind === 'illegal' ? 'is no legal fact here' : 'does not follow from what was known';
  const message = `seq ${seq}, ${subject}, ${what}: ${reason}; written by ${lifeText(life)}`;
  return new CommandError('ERR_LOG_DIVERGED', message);
}

function otherState({ ofSeq, seq }: RecordedHash): CommandError {
  const message = `seq ${seq} recorded another state of seq ${ofSeq} than is folded here, by the same folds`;
  return new CommandError('ERR_LOG_DIVERGED', message, {
    next: 'replay with the version of Berth that wrote it: see controller.configured in berth log tail --offline',
  });
}

async function tellCompared(out: Output, compared: Compared, path: string, other: string): Promise<number> {
  const { differs, first, relation, second, stateHash, upTo } = compared;
  const shown = (record: FactRecord | null): string =>
    record ? `seq ${record.seq}, ${saidText(record)}` : 'ends';
  const sentence = relation.replace('first', path).replace('second', other);
  await out.one({ path, other, ...compared }, [
    ['relation', relation === 'differ' ? `${path} and ${other} differ` : sentence],
    ['equal up to', `seq ${upTo}`],
    ['state hash', stateHash ?? 'none: it can not be folded from the first record on'],
    ...(relation === 'equal'
      ? []
      : ([
          [path, shown(first)],
          [other, shown(second)],
        ] as const)),
    ...(differs.length > 0 ? ([['members', differs.join(', ')]] as const) : []),
  ]);
  if (relation !== 'differ') return exits.done;
  throw new CommandError(
    'ERR_LOG_DIVERGED',
    `from seq ${first?.seq} on ${path} and ${other} are two histories`,
    {
      next: `berth log replay ${path} --to ${Math.max(1, upTo)} shows the state before it`,
    },
  );
}

/** How often a line on a terminal is drawn anew, records. */
const drawnEvery = 20_000;

/** One line on stderr, drawn over itself, for logs that take a while; off a terminal nothing. */
function progressOf(out: Output): { readonly show: (seq: number) => void; readonly clear: () => void } {
  const clear = '\r\u001b[K';
  let drawn = 0;
  return {
    show: (seq) => {
      if (seq - drawn < drawnEvery) return;
      drawn = seq;
      out.draw(`${clear}seq ${seq}`);
    },
    clear: () => {
      if (drawn > 0) out.draw(clear);
    },
  };
}
