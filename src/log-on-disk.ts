/**
 * The log that a life of the server gets: on disk with checkpoints, signed heads and a scrub, or in memory. A part of
 * the composition root, apart from `main.ts` only so that both can be read at one go.
 */
import { join } from 'node:path';
import { foldsVersion, replayFrom } from './checkpointing.ts';
import { systemClock } from './clock.ts';
import type { Settings } from './config.ts';
import type { ControllerParts } from './controller.ts';
import { CheckpointFiles } from './log/checkpoints.ts';
import { nodeDigest, nodeSha256 } from './log/hash-node.ts';
import type { Heads } from './log/heads.ts';
import type { Log } from './log/log.ts';
import { openMemoryLog } from './log/memory.ts';
import { nodeDisk } from './log/node-disk.ts';
import { openLog } from './log/open.ts';
import { fromTheBeginning } from './log/replay.ts';
import { startScrub } from './log/scrub.ts';
import type { createLogger } from './observe/logger.ts';
import { startReplayCheck } from './replay-check.ts';

export interface LogOfParts {
  readonly settings: Settings;
  readonly dataDirectory: string;
  readonly trustedSeq: number | null;
  readonly logger: ReturnType<typeof createLogger>;
  readonly heads: Heads | null;
  /** Told how the checks in the background are stopped. */
  readonly onChecking: (stop: () => void) => void;
  /** A decision of a former life comes out otherwise. */
  readonly onDivergence: () => void;
  readonly timed: (log: Log) => Log;
}

/** How one life opens its log, and where its checkpoints go. */
export function logOf({
  settings,
  dataDirectory,
  trustedSeq,
  logger,
  heads,
  onChecking,
  onDivergence,
  timed,
}: LogOfParts): Pick<ControllerParts, 'openLog' | 'checkpoints'> {
  const sha256 = nodeSha256;
  if (settings.log === 'memory') {
    const opened = openMemoryLog({ sha256 });
    return { openLog: async () => ({ ...opened, log: timed(opened.log) }) };
  }
  const place = { dir: join(dataDirectory, 'log'), disk: nodeDisk, sha256 };
  const checkpoints = new CheckpointFiles({
    ...place,
    retiring: settings.retireSegments ? nodeDigest : null,
  });
  return {
    checkpoints,
    openLog: async (onRecords, onCheckpoint) => {
      let from = fromTheBeginning();
      const opened = await openLog({
        ...place,
        checkpoints,
        version: foldsVersion,
        onCheckpoint: (checkpoint) => {
          onCheckpoint(checkpoint);
          from = replayFrom(checkpoint);
        },
        onRecords,
        onCut: (cut) => logger('error', 'cut from the end of the log', { cut }),
        onTrouble: (message, fields) => logger('warn', message, fields),
        signed: heads?.newest?.head ?? null,
        ...(trustedSeq === null ? {} : { trustedSeq }),
      });
      const { log } = opened;
      const stopScrub = scrubHistory({ ...place, upToSeq: from.seq, logger });
      const stopCheck = checkDecisions({ log, from, upToSeq: log.head, logger, onDivergence });
      onChecking(() => {
        stopScrub();
        stopCheck();
      });
      return { ...opened, log: timed(opened.log) };
    },
  };
}

interface History extends Pick<Parameters<typeof startScrub>[0], 'dir' | 'disk' | 'sha256' | 'upToSeq'> {
  readonly logger: LogOfParts['logger'];
}

/** Verifies what this start did not read, in the background. Damage is told, not acted on: no decision rests on it. */
function scrubHistory({ logger, ...place }: History): () => void {
  if (place.upToSeq === 0) return () => undefined;
  const scrub = startScrub({
    ...place,
    clock: systemClock,
    onDamage: ({ file, offset, seq, reason }) =>
      logger('error', 'the log is damaged in history; restore it from a copy', { file, offset, seq, reason }),
  });
  scrub.done
    .then((seq) => logger('debug', 'history is verified', { upToSeq: seq }))
    .catch((error: unknown) => logger('warn', 'history could not be read', { error: String(error) }));
  return () => scrub.stop();
}

interface Decisions extends Pick<Parameters<typeof startReplayCheck>[0], 'log' | 'from' | 'upToSeq'> {
  readonly logger: LogOfParts['logger'];
  readonly onDivergence: LogOfParts['onDivergence'];
}

/** Makes the decisions of former lives again, in the background. */
function checkDecisions({ logger, onDivergence, ...what }: Decisions): () => void {
  const check = startReplayCheck({
    ...what,
    clock: systemClock,
    onDivergence: ({ seq, subject, reason, life }) => {
      onDivergence();
      logger('warn', 'a decision in the log comes out otherwise now; see berth log replay', {
        seq,
        subject,
        reason,
        life,
      });
    },
  });
  check.done
    .then((decisions) => logger('debug', 'decisions are replayed', { decisions }))
    // The log of a life that has ended can't be read: the next life begins anew.
    .catch((error: unknown) => logger('debug', 'decisions could not be replayed', { error: String(error) }));
  return () => check.stop();
}
