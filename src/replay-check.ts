/**
 * The replay check: makes the decisions of the log's tail again while the controller runs, and counts those that come
 * out otherwise.
 *
 * Why: a controller whose rules were changed without a new version, or whose log was written by another one, shows it
 * here, in a metric and a warning, and not in a dispute about who was overtaken. It is told and not acted on: what was
 * decided was decided. Why in the background: a start must not wait for it. Test: `test/replay-check.test.ts`.
 */
import type { Clock } from './clock.ts';
import type { Log } from './log/log.ts';
import { type Divergence, Replayer, type ReplayFrom } from './log/replay.ts';

/** Records judged in one turn, and the pause between two turns, ms: about a tenth of a core. */
const batchMax = 256;
const pauseMs = 50;

export interface ReplayCheckParts {
  readonly log: Pick<Log, 'read'>;
  /** Where to begin: the folds of the checkpoint that the life began from, or none. */
  readonly from: ReplayFrom;
  /** The last seq to judge: what former lives wrote. */
  readonly upToSeq: number;
  readonly clock: Pick<Clock, 'after'>;
  /** Told of the first divergence; the check ends with it, for what follows may follow from it. */
  readonly onDivergence: (divergence: Divergence) => void;
}

export interface ReplayCheck {
  /** Decisions judged, when it is through, stopped or has found a divergence. Rejects when the log can't be read. */
  readonly done: Promise<number>;
  stop(): void;
}

/** Begins one pass. */
export function startReplayCheck({ log, from, upToSeq, clock, onDivergence }: ReplayCheckParts): ReplayCheck {
  let stopped = false;
  let wake = (): void => undefined;
  const pause = (): Promise<void> =>
    new Promise((resume) => {
      const off = clock.after(pauseMs, resume);
      wake = () => {
        off();
        resume();
      };
    });
  const check = async (): Promise<number> => {
    const replayer = new Replayer(from);
    for (let seq = from.seq + 1; seq <= upToSeq; seq += batchMax) {
      await pause();
      if (stopped) break;
      for (const record of await log.read(seq, Math.min(batchMax, upToSeq - seq + 1))) {
        const { divergence } = replayer.feed(record);
        if (!divergence) continue;
        onDivergence(divergence);
        return replayer.counts.decisions;
      }
    }
    return replayer.counts.decisions;
  };
  return {
    done: check(),
    stop() {
      stopped = true;
      wake();
    },
  };
}
