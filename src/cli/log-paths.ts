/** Where a log is that someone named: an export, a log folder, or the data directory around it. Test: `test/cli/log.test.ts`. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';
import type { FactRecord } from '../events/record.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { nodeDisk } from '../log/node-disk.ts';
import { readLogFolder } from '../log/scan.ts';
import { itemsOf, verifyLog } from '../log/verify.ts';
import { readWholeLog } from '../log/whole.ts';
import { CommandError, usage } from './exit.ts';

export const isExport = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** `DIR/log` of a data directory, or the folder itself. Throws ERR_NOT_FOUND, ERR_USAGE. */
export function folderOf(path: string): string {
  const inside = join(path, 'log');
  if (existsSync(inside)) return inside;
  if (existsSync(path) && statSync(path).isDirectory()) return path;
  if (existsSync(path)) throw usage(`${path}: neither a file nor a folder`, 'write it to a file first');
  throw new CommandError('ERR_NOT_FOUND', `${path}: no such file or folder`, {
    next: 'name the data directory of the server, data by default',
  });
}

/** Lines of an export that was verified before. Throws ERR_LOG_CORRUPT with the first fault. */
export async function* linesIn(path: string): AsyncGenerator<readonly string[]> {
  await verifyExport(path);
  yield* rawLinesIn(path);
}

/** Throws ERR_LOG_CORRUPT with the first fault. */
export async function verifyExport(path: string): Promise<void> {
  const {
    faults: [fault],
  } = await verifyLog(path);
  if (fault)
    throw new CommandError(
      'ERR_LOG_CORRUPT',
      `${path}, byte ${fault.byte}, seq ${fault.seq}: ${fault.reason}`,
    );
}

/** Lines of an export, for whoever verifies them. */
export async function* rawLinesIn(path: string): AsyncGenerator<readonly string[]> {
  for await (const items of itemsOf(path, true)) yield items.map(({ text }) => text);
}

/** Verified records of a data directory, a log folder or an export. */
export async function* recordsIn(path: string): AsyncGenerator<readonly FactRecord[]> {
  if (!isExport(path)) return yield* readLogFolder(folderOf(path), nodeDisk, nodeSha256);
  for await (const lines of linesIn(path)) yield lines.map((line) => JSON.parse(line) as FactRecord);
  return null;
}

/** Verified records from the first one on, retired ones included. Throws ERR_NOT_FOUND when some of these are not there. */
export async function* wholeLogIn(path: string): AsyncGenerator<readonly FactRecord[]> {
  if (isExport(path)) return yield* recordsIn(path);
  try {
    yield* readWholeLog(folderOf(path), nodeDisk, nodeSha256);
  } catch (error) {
    if (!(error instanceof BerthError) || error.code !== 'ERR_NOT_FOUND') throw error;
    throw new CommandError(error.code, error.message, {
      next: 'put the retired files back, then export again',
      cause: error,
    });
  }
}
