/**
 * `berth log …`: the facts, live over HTTP or from a data directory, server running or not.
 *
 * Why offline works without the server: the log is the truth and the server only its writer. Whoever has the
 * files can verify the chain and compute the state. Test: `test/cli/log.test.ts`.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { type FactRecord, genesis, openRecord, sealRecord } from '../events/record.ts';
import { subjectMatcher } from '../events/subject.ts';
import { nodeSha256 } from '../log/hash-node.ts';
import { nodeDisk } from '../log/node-disk.ts';
import { readLogFolder, type Verified, verifyLogFolder } from '../log/scan.ts';
import type { FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import { factSentence, type ListedFact, logColumns } from './facts.ts';
import { instantText } from './output.ts';
import { factsFrom } from './pages.ts';
import { addReplayCommand } from './replay.ts';
import { saveTo } from './save.ts';
import { wholeNumber } from './spec.ts';
import { tailLive } from './tail.ts';
import { examples, type Run, verb } from './tree.ts';

/** Adds `berth log` and its verbs. */
export function addLogCommands(program: Command, run: Run): void {
  const log = program.command('log').description('the facts: live, or on disk without a server');
  const tail = verb(
    log,
    'tail',
    'facts in order, from the server or (--offline) from the data directory',
    run,
    tailLog,
  )
    .option('--subject <pattern>', 'only these; * is one token, > the rest', '>')
    .option('--from <seq>', 'first seq (default 1)', wholeNumber)
    .option('--follow', 'and those that come, until Ctrl-C')
    .option('--offline', 'read the log of --data DIR, server running or not');
  examples(tail, [
    "berth log tail --subject 'job.acme.>' --follow",
    'berth log tail --offline --data data -o jsonl',
  ]);
  const exported = verb(
    log,
    'export <file>',
    'all records as JSON lines that verify on their own; - is stdout',
    run,
    exportLog,
  );
  exported.option('--offline', 'read the log of --data DIR, server running or not');
  examples(exported, ['berth log export log.jsonl', 'berth log export - --offline | wc -l']);
  examples(
    verb(
      log,
      'verify [path]',
      'check every hash, link and mark of a data directory, log folder or export',
      run,
      verifyLog,
    ),
    ['berth log verify data', 'berth log verify log.jsonl'],
  );
  addReplayCommand(log, run, recordsIn);
}

interface TailFlags {
  readonly subject: string;
  readonly from?: number;
  readonly follow?: boolean;
  readonly offline?: boolean;
}

async function tailLog(context: Context, _: readonly string[], flags: TailFlags): Promise<number> {
  const { out, signal } = context;
  const matches = subjectMatcher(flags.subject);
  if (!matches)
    throw usage(`--subject ${flags.subject}: not a pattern of tokens, * and >`, 'berth log tail --help');
  const from = positive(flags.from ?? 1, '--from');
  const show = (facts: readonly ListedFact[]): Promise<void> => showFacts(context, facts);
  if (!flags.offline) {
    await tailLive({
      client: await context.client(),
      subject: flags.subject,
      from,
      follow: flags.follow === true,
      signal,
      show,
      note: (text) => out.note(text),
    });
    return exits.done;
  }
  if (flags.follow) throw usage('--follow needs the server; leave out --offline', 'berth log tail --follow');
  for await (const batch of recordsIn(context.data)) {
    await show(batch.filter(({ seq, subject }) => seq >= from && matches(subject)));
  }
  return exits.done;
}

/** Lines leave as they come: a tail has no last line, so columns have fixed widths. */
async function showFacts({ out }: Context, facts: readonly ListedFact[]): Promise<void> {
  if (out.machine) {
    for (const fact of facts) await out.object(fact);
    return;
  }
  for (const fact of facts) {
    const wide =
      out.format === 'wide' ? logColumns.filter(({ wide }) => wide).map(({ value }) => value(fact)) : [];
    const { seq, at, subject } = fact;
    await out.line(
      [String(seq).padStart(8), instantText(at), subject.padEnd(44), ...wide, factSentence(fact)]
        .join('  ')
        .trimEnd(),
    );
  }
}

async function exportLog(
  context: Context,
  [file = '']: readonly string[],
  flags: { offline?: boolean },
): Promise<number> {
  const source = flags.offline
    ? recordsIn(context.data)
    : recordsOf(await context.adminClient(), context.signal);
  let records = 0;
  const lines = async function* (): AsyncGenerator<string> {
    for await (const batch of source) {
      records += batch.length;
      // The line as it stands on disk: whoever gets it can check its hash.
      if (batch.length > 0) yield batch.map((record) => `${sealRecord(record, nodeSha256).line}\n`).join('');
    }
  };
  if (file === '-') for await (const text of lines()) await context.out.write(text);
  else {
    const bytes = await saveTo(file, lines());
    context.out.note(`${records} records, ${bytes} bytes; next: berth log verify ${file}`);
  }
  return exits.done;
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

async function verifyLog(context: Context, [path = context.data]: readonly string[]): Promise<number> {
  const { out } = context;
  const found = isExport(path)
    ? await verifyExport(path)
    : await verifyLogFolder(folderOf(path), nodeDisk, nodeSha256);
  const { damage, headHash, headSeq, records } = found;
  await out.one({ ok: damage === null, path, ...found }, [
    ['path', path],
    ['records', String(records)],
    ['head', `seq ${headSeq}, hash ${headHash}`],
    [
      'damage',
      damage ? `${damage.file}, byte ${damage.offset}, seq ${damage.seq}: ${damage.reason}` : 'none',
    ],
  ]);
  if (damage === null) return exits.done;
  const { file, offset, seq, reason, sealed } = damage;
  throw new CommandError('ERR_LOG_CORRUPT', `${file}, byte ${offset}, seq ${seq}: ${reason}`, {
    next: sealed
      ? `restore the log from a copy; berth log replay ${path} --to ${seq - 1} shows the state before it`
      : 'nothing, if a controller writes here now; else berth serve cuts the unsealed end and says so',
  });
}

/** Verifies JSON lines as `export` writes them. */
async function verifyExport(path: string): Promise<Verified> {
  const head = { seq: 0, hash: genesis };
  let offset = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: 0 })) {
    const record = openRecord(line, { seq: head.seq + 1, prev: head.hash }, nodeSha256);
    if (typeof record === 'string') {
      const damage = { file: path, offset, seq: head.seq + 1, reason: `the record ${record}`, sealed: true };
      return { records: head.seq, headSeq: head.seq, headHash: head.hash, damage };
    }
    head.seq = record.seq;
    head.hash = record.hash;
    offset += Buffer.byteLength(line) + 1;
  }
  return { records: head.seq, headSeq: head.seq, headHash: head.hash, damage: null };
}

const isExport = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** Verified records of a data directory, a log folder or an export. */
async function* recordsIn(path: string): AsyncGenerator<readonly FactRecord[]> {
  if (!isExport(path)) return yield* readLogFolder(folderOf(path), nodeDisk, nodeSha256);
  const { damage } = await verifyExport(path);
  if (damage)
    throw new CommandError(
      'ERR_LOG_CORRUPT',
      `${path}, byte ${damage.offset}, seq ${damage.seq}: ${damage.reason}`,
    );
  for await (const line of createInterface({ input: createReadStream(path) }))
    yield [JSON.parse(line) as FactRecord];
  return null;
}

/** `DIR/log` of a data directory, or the folder itself. */
function folderOf(path: string): string {
  const inside = join(path, 'log');
  if (existsSync(inside)) return inside;
  if (existsSync(path)) return path;
  throw new CommandError('ERR_NOT_FOUND', `${path}: no such file or folder`, {
    next: 'name the data directory of the server, data by default',
  });
}

function positive(value: number, flag: string): number {
  if (value >= 1) return value;
  throw usage(`${flag} ${value}: must be 1 or more`, 'berth log --help');
}
