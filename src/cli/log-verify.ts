/**
 * `berth log verify`: whether a log is sound, and if not, what was done to it and where.
 *
 * Why so thin: the judgement is `src/log/verify.ts`, which runs without this program. Here its verdict gets a face,
 * and of a folder that is sound the reader of the server is asked too: it knows rules beyond the chain (versions, epochs).
 * Test: `test/cli/log.test.ts`, `test/cli/log-move.test.ts`.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nodeSha256 } from '../log/hash-node.ts';
import { nodeDisk } from '../log/node-disk.ts';
import { verifyLogFolder } from '../log/scan.ts';
import type { Fault, Verdict } from '../log/verdict.ts';
import { keysIn, verifyLog } from '../log/verify.ts';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import { folderOf, isExport } from './log-paths.ts';

/** Faults shown to a person; `-o json` has all. */
const shownMax = 20;

export interface VerifyFlags {
  readonly key?: string;
  readonly heads?: string;
}

export async function verifyLogAt(
  { out, data }: Context,
  [path = data]: readonly string[],
  flags: VerifyFlags,
): Promise<number> {
  const folder = isExport(path) ? null : folderOf(path);
  const keys = keysFor(path, folder, flags);
  if (flags.heads !== undefined && !isExport(flags.heads))
    throw usage(`--heads ${flags.heads}: no such file`, 'berth log verify --help');
  if (flags.heads !== undefined && keys.length === 0)
    throw usage('--heads prove nothing without the public key they are signed with', 'add --key FILE');
  const mustBeSigned = flags.key !== undefined || flags.heads !== undefined;
  const verdict = await verifyLog(path, keys, flags.heads, mustBeSigned).catch(noLog);
  const faults = [...verdict.faults, ...(folder === null ? [] : await brokenRules(folder, verdict))];
  const [first] = faults;
  const damage = first ? { ...first, offset: first.byte } : null;
  const { headHash, headSeq, notes, records, signed } = verdict;
  const whole = { ok: !first, path, records, headSeq, headHash, signed, damage, faults, notes };
  await out.one(whole, [
    ['path', path],
    ['records', String(records)],
    ['head', `seq ${headSeq}, hash ${headHash}`],
    ['signed', signed ? `seq ${signed.seq}, ${new Date(signed.at).toISOString()}` : 'no head'],
    ...notes.map((note) => ['note', note] as const),
    ...faults.slice(0, shownMax).map((fault) => ['damage', sentenceOf(fault)] as const),
    ...(faults.length > shownMax ? [['and', `${faults.length - shownMax} more; see -o json`] as const] : []),
    ...(first ? [] : [['damage', 'none'] as const]),
  ]);
  if (!first) return exits.done;
  throw new CommandError('ERR_LOG_CORRUPT', sentenceOf(first), {
    next: nextAfter(path, faults),
  });
}

/** A folder without a segment is no sound log, but no log. */
function noLog(error: NodeJS.ErrnoException): never {
  if (error.code !== 'ENOENT') throw error;
  const next = 'name the data directory of a server, its folder log, or an export';
  throw new CommandError('ERR_NOT_FOUND', error.message, { next, cause: error });
}

function nextAfter(path: string, faults: readonly Fault[]): string {
  const [first] = faults;
  if (first?.kind === 'unsigned')
    return 'wait for the next head, or stop the controller: both sign one; or name --heads FILE that a witness kept';
  if (first?.kind === 'head')
    return 'berth log head -o json of the running controller tells the head that counts';
  return faults.some(({ sealed }) => sealed)
    ? `restore the log from a copy; berth log replay ${path} --to ${(first?.seq ?? 1) - 1} shows the state before it`
    : 'nothing, if a controller writes here now; else berth serve cuts the unsealed end and says so';
}

const sentenceOf = ({ byte, file, reason, seq }: Fault): string =>
  `${file}, byte ${byte}, seq ${seq}: ${reason}`;

/** The key that is named; else the one beside the log, which proves something only to whoever trusts that folder. */
function keysFor(path: string, folder: string | null, { key }: VerifyFlags): object[] {
  if (key !== undefined) {
    try {
      return keysIn(key);
    } catch (error) {
      throw usage(`--key ${key}: ${(error as Error).message}`, 'berth log verify --help');
    }
  }
  const beside = join(folder === path ? join(path, '..') : path, 'keys', 'controller.jwk');
  return folder !== null && existsSync(beside) && statSync(beside).isFile() ? keysIn(beside) : [];
}

/** Rules that hold beyond the chain. Only of a log that is sound: else they follow from what was told. */
async function brokenRules(folder: string, { faults }: Verdict): Promise<Fault[]> {
  if (faults.length > 0) return [];
  const { damage } = await verifyLogFolder(folder, nodeDisk, nodeSha256);
  // A controller may have written in between: the unsealed end was sound a moment ago.
  if (!damage?.sealed) return [];
  const { file, offset, reason, seq } = damage;
  return [{ kind: 'edited', file, byte: offset, seq, toSeq: seq, reason, sealed: true }];
}
