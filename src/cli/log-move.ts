/**
 * `berth log export`, `import` and `head`: a log leaves, arrives, and is witnessed.
 *
 * Why an export keeps the lines as they stand: whoever gets it can check every hash, and the log that is made of it
 * is the same log. Why blobs stay behind: they are found by digest and are many times larger; `berth blob get` has them.
 * Test: `test/cli/log-move.test.ts`.
 */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BerthError } from '../errors.ts';
import { type FactRecord, sealRecord } from '../events/record.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { newestSignedHead, type SignedHead } from '../log/heads.ts';
import { importLog } from '../log/import.ts';
import { lockDataDirectory } from '../log/lock.ts';
import { nodeDisk } from '../log/node-disk.ts';
import { keysIn, openHead } from '../log/verify.ts';
import type { FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { CommandError, exits } from './exit.ts';
import { folderOf, isExport, linesIn, recordsIn } from './log-paths.ts';
import { factsFrom } from './pages.ts';
import { saveTo } from './save.ts';

export interface OfflineFlag {
  readonly offline?: boolean;
}

export async function exportLog(
  context: Context,
  [file = '']: readonly string[],
  { offline }: OfflineFlag,
): Promise<number> {
  // Before the records: what is signed by then is surely among them.
  const newest = file === '-' ? null : await newestHead(context, offline === true);
  const source = offline ? recordsIn(context.data) : recordsOf(await context.adminClient(), context.signal);
  let records = 0;
  const lines = async function* (): AsyncGenerator<string> {
    for await (const batch of source) {
      records += batch.length;
      // The line as it stands on disk: whoever gets it can check its hash.
      if (batch.length > 0) yield batch.map((record) => `${sealRecord(record, nodeSha256).line}\n`).join('');
    }
  };
  if (file === '-') {
    for await (const text of lines()) await context.out.write(text);
    return exits.done;
  }
  const bytes = await saveTo(file, lines());
  // Heads of a former export under this name would speak of another log.
  if (newest === null) await rm(`${file}.heads`, { force: true });
  else await saveTo(`${file}.heads`, one(`${newest.jws}\n`));
  const head = newest ? `, and a head signed for seq ${newest.head.seq}` : '';
  context.out.note(
    `${records} records, ${bytes} bytes${head}; blobs are not in it; next: berth log verify ${file}`,
  );
  return exits.done;
}

export async function importInto(context: Context, [file = '']: readonly string[]): Promise<number> {
  if (!isExport(file)) throw new CommandError('ERR_NOT_FOUND', `${file}: no such file`);
  const data = resolve(context.data);
  const { makeDataDirectory } = await import('../data-directory.ts');
  await makeDataDirectory(data);
  const lock = await lockDataDirectory(data);
  try {
    const imported = await importLog({
      dir: join(data, 'log'),
      draftDir: join(data, 'log.import'),
      disk: nodeDisk,
      sha256: nodeSha256,
      lines: linesIn(file),
    }).catch((error: unknown) => {
      if (!(error instanceof BerthError) || error instanceof CommandError) throw error;
      const next = `nothing was changed; berth log replay ${context.data} --diff ${file} shows where the two part`;
      throw new CommandError(error.code, error.message, { next, cause: error });
    });
    const { added, headHash, headSeq, same } = imported;
    await context.out.one({ path: data, ...imported }, [
      ['path', data],
      ['same', `${same} records were there already`],
      ['added', `${added} records`],
      ['head', `seq ${headSeq}, hash ${headHash}`],
    ]);
    context.out.note(`blobs are no part of an export: copy ${data}/blobs from where it was made, too`);
    return exits.done;
  } finally {
    await lock.release();
  }
}

export async function showHead(context: Context, _: readonly string[], flags: OfflineFlag): Promise<number> {
  const newest = await newestHead(context, flags.offline === true);
  if (newest === null)
    throw new CommandError('ERR_NOT_FOUND', 'no head of the log is signed yet', {
      next: 'wait for the next one: see headEvery in berth config show',
    });
  const { at, hash, seq } = newest.head;
  await context.out.one(newest, [
    ['seq', String(seq)],
    ['hash', hash],
    ['signed', new Date(at).toISOString()],
    ['jws', newest.jws],
  ]);
  return exits.done;
}

/** The newest signed head, from the server or from the data directory; null when there is none. */
async function newestHead(context: Context, offline: boolean): Promise<SignedHead | null> {
  if (offline) {
    const keys = keysIn(join(context.data, 'keys', 'controller.jwk'));
    return newestSignedHead(folderOf(context.data), nodeDisk, (jws) => openHead(jws, keys));
  }
  const client = await context.client();
  return client.json<SignedHead>('GET', '/v1/log/head', {}).catch((error: unknown) => {
    if (error instanceof BerthError && error.code === 'ERR_NOT_FOUND') return null;
    throw error;
  });
}

async function* one(text: string): AsyncGenerator<string> {
  yield text;
}

async function* recordsOf(client: Client, signal: AbortSignal): AsyncGenerator<readonly FactRecord[]> {
  for await (const facts of factsFrom(client, '/v1/log', { signal })) yield facts.map(asRecord);
}

/** With the operator's key a fact comes with its links. */
function asRecord(fact: FactView): FactRecord {
  const { hash, prev } = fact;
  if (hash === undefined || prev === undefined)
    throw new CommandError('ERR_FORBIDDEN', 'the facts come without their hashes');
  return { ...fact, hash, prev };
}
