/**
 * Verifies one old segment alone, given where the chain stood before it.
 *
 * Why alone: history is checked again piece by piece, when a segment is retired or scrubbed, in memory that one
 * segment bounds. Versions of streams are then checked from the first one seen. Tests: `test/log/retire.test.ts`,
 * `test/log/scrub.test.ts`.
 */
import { genesis, type Sha256 } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { LogStart } from './retired.ts';
import { type Damage, scanSegments } from './scan.ts';
import type { Segment } from './segment.ts';

/** Before the first segment. */
export const logBegin: LogStart = { seq: 0, hash: genesis, epoch: 0, group: 0 };

/**
 * Reads `segment` to its end.
 * @param lastSeq  what the name of the next segment says
 * @param between  awaited after each piece of about a mebibyte; false ends the reading
 * @returns where the chain stands behind it, or what is wrong; null when `between` ended it
 */
export async function verifySegment(
  segment: Segment,
  lastSeq: number,
  before: LogStart,
  sha256: Sha256,
  between: () => Promise<boolean> = async () => true,
): Promise<LogStart | Damage | null> {
  const { seq, hash, epoch, group } = before;
  const chain = new Chain(sha256, { seq, hash, epoch });
  const scan = scanSegments([segment], chain, sha256, Number.MAX_SAFE_INTEGER, group);
  let step = await scan.next();
  while (!step.done) {
    if (!(await between())) return null;
    step = await scan.next();
  }
  const { damage, group: last } = step.value;
  // A last group that was cut short ends the segment for good; the log went on in the next one.
  if (damage && (chain.head !== lastSeq || damage.offset !== segment.end)) return { ...damage, sealed: true };
  if (chain.head === lastSeq)
    return { seq: lastSeq, hash: chain.headHash, epoch: chain.epochMax, group: last };
  const reason = `the segment ends with seq ${chain.head}, the next one follows seq ${lastSeq}`;
  return { file: segment.path, offset: segment.end, seq: chain.head + 1, reason, sealed: true };
}
