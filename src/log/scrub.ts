/**
 * The scrub: reads history again, slowly, while the controller runs.
 *
 * Why: a start from a checkpoint verifies the tail and nothing before, so a disk that rots in old segments would be
 * noticed only by the reader who needs them. It is what an ECC scrub does for memory that nobody touches: find
 * the bad row while there is still a copy to restore it from. Test: `test/log/scrub.test.ts`.
 */
import type { Clock } from '../clock.ts';
import type { Sha256 } from '../events/record.ts';
import type { Disk } from './disk.ts';
import { type LogStart, startOf } from './retired.ts';
import { closeSegments, type Damage, openSegments } from './scan.ts';
import { chunkBytes, type Segment } from './segment.ts';
import { logBegin, verifySegment } from './verify-segment.ts';

/** Bytes read and hashed a second, at most: about a twentieth of a core. */
const bytesPerSecondMax = 8 * 1024 * 1024;
const pauseMs = (chunkBytes * 1000) / bytesPerSecondMax;

export interface ScrubParts {
  readonly dir: string;
  readonly disk: Disk;
  readonly sha256: Sha256;
  readonly clock: Pick<Clock, 'after'>;
  /** Segments that end at or before it are read: those that the start did not. */
  readonly upToSeq: number;
  /** Told once of the first damage; the scrub ends with it, for behind it nothing can be said. */
  readonly onDamage: (damage: Damage) => void;
}

export interface Scrub {
  /** Seq up to which history is known to be sound, when the scrub is through, stopped or has found damage. Rejects when the disk can't be read. */
  readonly done: Promise<number>;
  stop(): void;
}

/** Begins one pass over all sealed history up to `upToSeq`. Changes nothing on disk. */
export function startScrub(parts: ScrubParts): Scrub {
  let stopped = false;
  let wake = (): void => undefined;
  const pause = (): Promise<boolean> =>
    new Promise((resume) => {
      if (stopped) return resume(false);
      const off = parts.clock.after(pauseMs, () => resume(!stopped));
      wake = () => {
        off();
        resume(false);
      };
    });
  const stop = (): void => {
    stopped = true;
    wake();
  };
  return { done: scrubAll(parts, pause), stop };
}

async function scrubAll(parts: ScrubParts, pause: () => Promise<boolean>): Promise<number> {
  let at: LogStart = logBegin;
  for (;;) {
    // Listed anew for each segment: some may have been retired meanwhile, each of them verified when it was.
    const segments = await openSegments(parts.dir, parts.disk, undefined, Number.MAX_SAFE_INTEGER);
    try {
      at = (await startBefore(parts, segments, at)) ?? at;
      const index = segments.findIndex(({ firstSeq }) => firstSeq === at.seq + 1);
      const [segment, next] = [segments[index], segments[index + 1]];
      if (!segment || !next || next.firstSeq - 1 > parts.upToSeq) return at.seq;
      segment.end = await segment.file.size();
      const end = await verifySegment(segment, next.firstSeq - 1, at, parts.sha256, pause);
      if (end === null) return at.seq;
      if ('reason' in end) {
        parts.onDamage(end);
        return at.seq;
      }
      at = end;
    } finally {
      await closeSegments(segments);
    }
  }
}

/** Where the chain stands before the first segment that is left, when that lies behind `at`. */
async function startBefore(
  { dir, disk }: ScrubParts,
  segments: readonly Segment[],
  at: LogStart,
): Promise<LogStart | undefined> {
  return (segments[0]?.firstSeq ?? 1) > at.seq + 1 ? startOf(dir, disk, segments) : undefined;
}
