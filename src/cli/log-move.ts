/**
 * `berth log export`, `import` and `head`: a log leaves, arrives, and is witnessed. With `--html` it leaves as a page.
 *
 * Why an export keeps the lines as they stand: whoever gets it can check every hash, and the log that is made of it
 * is the same log. Why blobs stay behind: they are found by digest and are many times larger; `berth blob get` has them.
 * Test: `test/cli/log-move.test.ts`.
 */
import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BerthError } from '../errors.ts';
import { type FactRecord, sealRecord } from '../events/record.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { newestSignedHead, type SignedHead } from '../log/heads.ts';
import { type Imported, importLog } from '../log/import.ts';
import { lockDataDirectory } from '../log/lock.ts';
import { nodeDisk } from '../log/node-disk.ts';
import type { Head } from '../log/verdict.ts';
import { keysIn, openHead } from '../log/verify.ts';
import type { Begin } from '../views/begin-view.ts';
import type { FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import { exportHtml, logAt, type Piece, type Told, withoutGone } from './log-html.ts';
import { folderOf, isExport, rawLinesIn, verifyExport, wholeLogIn } from './log-paths.ts';
import { factsFrom } from './pages.ts';
import { saveTo } from './save.ts';

export interface OfflineFlag {
  readonly offline?: boolean;
}

interface ExportFlags extends OfflineFlag {
  /** One page with the log in it, instead of its lines. */
  readonly html?: boolean;
  /** Path of the log; the server's otherwise. */
  readonly from?: string;
}

export async function exportLog(
  context: Context,
  [file = '']: readonly string[],
  { from, html, offline }: ExportFlags,
): Promise<number> {
  if (from !== undefined && offline)
    throw usage('--from and --offline both name a log', 'berth log export --help');
  if (html) {
    const path = offline ? context.data : from;
    return exportHtml(context, file, path === undefined ? await logOfServer(context) : logAt(path));
  }
  if (from !== undefined)
    throw usage('--from is for --html', `berth log export ${file} --offline --data ${from}`);
  // Before the records: what is signed by then is surely among them.
  const newest = file === '-' ? null : await newestHead(context, offline === true);
  const source = offline ? wholeLogIn(context.data) : recordsOf(await context.adminClient(), context.signal);
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
  if (file === '-')
    throw usage('stdin is not supported: an import reads the export twice', 'save it to a file');
  if (!existsSync(file)) throw new CommandError('ERR_NOT_FOUND', `${file}: no such file`);
  if (!isExport(file))
    throw usage(`${file}: no file, and an export is one`, 'berth log export FILE makes one');
  // Before anything is made: a bad export leaves no trace.
  await verifyExport(file);
  const data = resolve(context.data);
  const isNew = !existsSync(data);
  const { makeDataDirectory } = await import('../data-directory.ts');
  await makeDataDirectory(data);
  const lock = await lockDataDirectory(data);
  let isThere = true;
  try {
    const imported = await importFile(file, data);
    const { added, headHash, headSeq, same } = imported;
    await context.out.one({ path: data, ...imported }, [
      ['path', data],
      ['same', `${same} records were there already`],
      ['added', `${added} records`],
      ['head', `seq ${headSeq}, hash ${headHash}`],
    ]);
    context.out.note(`blobs are no part of an export: copy ${data}/blobs from where it was made, too`);
  } catch (error) {
    if (isNew) {
      await unmake(data);
      isThere = false;
    }
    throw error;
  } finally {
    if (isThere) await lock.release();
  }
  return exits.done;
}

async function importFile(file: string, data: string): Promise<Imported> {
  const draftDir = join(data, 'log.import');
  try {
    const folders = { dir: join(data, 'log'), draftDir };
    return await importLog({ ...folders, disk: nodeDisk, sha256: nodeSha256, lines: rawLinesIn(file) });
  } catch (error) {
    if (error instanceof BerthError) {
      const next = `nothing was changed; berth log replay ${data} --diff ${file} shows where the two part`;
      throw new CommandError(error.code, error.message, { next, cause: error });
    }
    const message = `${data} can't be written: ${(error as Error).message}`;
    const next = 'what was there is still there; make room, then import again';
    throw new CommandError('ERR_LOG_FAILED', message, { next, cause: error });
  } finally {
    await rm(draftDir, { recursive: true, force: true });
  }
}

/** Takes back a data directory that was made a moment ago; whoever has put something into it keeps it. */
async function unmake(data: string): Promise<void> {
  // The lock goes with its folder, held: nobody can begin here in between.
  for (const name of await readdir(data)) if (/^lock\./.test(name)) await rm(join(data, name));
  await rmdir(data).catch(() => undefined);
}

export async function showHead(context: Context, _: readonly string[], flags: OfflineFlag): Promise<number> {
  const newest = await newestHead(context, flags.offline === true);
  if (newest === null)
    throw new CommandError('ERR_NOT_FOUND', 'no head of the log is signed yet', {
      next: 'berth serve signs one at a clean stop and every headEvery records: see berth config show',
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
  if (offline) return headOnDisk(context);
  const client = await context.client();
  return client.json<SignedHead>('GET', '/v1/log/head', {}).catch((error: unknown) => {
    if (error instanceof BerthError && error.code === 'ERR_NOT_FOUND') return null;
    throw error;
  });
}

/** A directory that was copied or imported has no key: the head is then shown as it stands, and that is said. */
async function headOnDisk({ data, out }: Context): Promise<SignedHead | null> {
  const folder = folderOf(data);
  const key = join(data, 'keys', 'controller.jwk');
  if (existsSync(key)) {
    const keys = keysIn(key);
    return newestSignedHead(folder, nodeDisk, (jws) => openHead(jws, keys));
  }
  const newest = await newestSignedHead(folder, nodeDisk, readHead);
  if (newest) out.note(`${key} is not there: the head is as it stands in the file, not verified`);
  return newest;
}

/** What a head says, whoever wrote it; null when it is none. */
function readHead(jws: string): Head | null {
  try {
    const head = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as Head;
    return Number.isSafeInteger(head.seq) && typeof head.hash === 'string' ? head : null;
  } catch {
    return null;
  }
}

async function* one(text: string): AsyncGenerator<string> {
  yield text;
}

async function* recordsOf(
  client: Client,
  signal: AbortSignal,
  from = 1,
): AsyncGenerator<readonly FactRecord[]> {
  for await (const facts of factsFrom(client, '/v1/log', { from, signal })) yield facts.map(asRecord);
}

/** The server's log for a recording, from its checkpoint on when the oldest facts are retired. */
async function logOfServer(context: Context): Promise<Told> {
  const { server, signal } = context;
  const client = await context.adminClient();
  const rest = async function* (): AsyncGenerator<Piece> {
    const { checkpoint } = await client.json<Begin>('GET', '/v1/log/begin');
    const { seq } = checkpoint!.base;
    yield { folds: checkpoint!.folds, seq };
    yield* recordsOf(client, signal, seq + 1);
  };
  return { name: new URL(server).host, pieces: withoutGone(recordsOf(client, signal), rest) };
}

/** With the operator's key a fact comes with its links. */
function asRecord(fact: FactView): FactRecord {
  const { hash, prev } = fact;
  if (hash === undefined || prev === undefined)
    throw new CommandError('ERR_FORBIDDEN', 'the facts come without their hashes');
  return { ...fact, hash, prev };
}
