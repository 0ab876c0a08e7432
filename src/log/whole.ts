/**
 * Reads a log from its first fact on, retired segments included.
 *
 * Why: an export is a copy that stands alone, and one that begins in the middle proves nothing to whoever gets it. What
 * lies in `retired/` is read in front of the rest as one chain, so it is verified against the links that stayed and
 * against the digest lines. Test: `test/log/retire.test.ts`.
 */
import { BerthError } from '../errors.ts';
import type { FactRecord, Sha256 } from '../events/record.ts';
import { Chain } from './chain.ts';
import type { Disk } from './disk.ts';
import { Handles } from './handles.ts';
import { readRetired } from './retired.ts';
import { closeSegments, corrupt, openSegments, scanSegments } from './scan.ts';
import type { Segment } from './segment.ts';

/**
 * Verified records from seq 1 on, in batches. An unsealed damaged end is left out.
 * Throws: `ERR_NOT_FOUND` when the folder or a retired segment is not there, naming the seqs; `ERR_LOG_CORRUPT` at
 * sealed damage, after all records before it.
 */
export async function* readWholeLog(dir: string, disk: Disk, sha256: Sha256): AsyncGenerator<FactRecord[]> {
  const present = await openSegments(dir, disk);
  try {
    const retired = await retiredSegments(dir, disk, present[0]?.firstSeq ?? 1);
    const expected = new Map(retired.map(({ lastSeq, hash }) => [lastSeq, hash]));
    const segments = [...retired.map(({ segment }) => segment), ...present];
    const scan = scanSegments(segments, new Chain(sha256), sha256, Number.MAX_SAFE_INTEGER);
    for (;;) {
      const step = await scan.next();
      if (step.done) {
        if (step.value.damage?.sealed) throw corrupt(step.value.damage);
        return;
      }
      const { records, segment, offsets } = step.value;
      const wrong = records.findIndex(({ hash, seq }) => (expected.get(seq) ?? hash) !== hash);
      if (wrong >= 0) {
        const reason = 'retired.jsonl names another hash for this record';
        const place = { file: segment.path, offset: offsets[wrong]!, seq: records[wrong]!.seq };
        throw corrupt({ ...place, reason, sealed: true });
      }
      yield records;
    }
  } finally {
    await closeSegments(present);
  }
}

interface Retired {
  readonly segment: Segment;
  readonly lastSeq: number;
  readonly hash: string;
}

/** The segments that were moved aside and end before `firstSeq`, oldest first. They are opened when they are read. */
async function retiredSegments(dir: string, disk: Disk, firstSeq: number): Promise<Retired[]> {
  if (firstSeq === 1) return [];
  const { lines } = await readRetired(dir, disk);
  const handles = new Handles(disk);
  const found: Retired[] = [];
  const missing: string[] = [];
  for (const { firstSeq: from, file, hash, lastSeq } of lines.filter((line) => line.lastSeq < firstSeq)) {
    const path = `${dir}/${file}`;
    const segment: Segment = { firstSeq: from, path, file: handles.file(path), end: 0 };
    try {
      segment.end = await segment.file.size();
      found.push({ segment, lastSeq, hash });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      missing.push(`seq ${from} to ${lastSeq} (${path})`);
    }
  }
  const known = lines.find(({ lastSeq }) => lastSeq === firstSeq - 1) !== undefined;
  if (!known) missing.push(`what comes before seq ${firstSeq}, of which no line in retired.jsonl tells`);
  if (missing.length === 0) return found;
  await closeSegments(found.map(({ segment }) => segment));
  throw new BerthError('ERR_NOT_FOUND', `a whole log needs what was retired; missing: ${missing.join(', ')}`);
}
