/**
 * `berth log …`: the facts, live over HTTP or from a data directory, server running or not.
 *
 * Why offline works without the server: the log is the truth and the server only its writer. Whoever has the
 * files can verify the chain and compute the state. Test: `test/cli/log.test.ts`.
 */
import type { Command } from 'commander';
import { subjectMatcher } from '../events/subject.ts';
import type { Context } from './context.ts';
import { exits, usage } from './exit.ts';
import { factSentence, type ListedFact, logColumns } from './facts.ts';
import { exportLog, importInto, showHead } from './log-move.ts';
import { recordsIn } from './log-paths.ts';
import { verifyLogAt } from './log-verify.ts';
import { instantText } from './output.ts';
import { addReplayCommand } from './replay.ts';
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
    'all records as JSON lines that verify on their own, without blobs; or a page that plays them; - is stdout',
    run,
    exportLog,
  )
    .option('--offline', 'read the log of --data DIR, server running or not')
    .option('--html', 'one file for any browser: the log, and the page that shows it at every seq')
    .option('--from <path>', 'with --html: data directory, export, or what npm run sim --export wrote');
  examples(exported, [
    'berth log export log.jsonl',
    'berth log export - --offline | wc -l',
    'berth log export --html log.html',
    'berth log export --html log.html --from log.jsonl',
  ]);
  const imported = verb(
    log,
    'import <file>',
    'make the log of --data DIR from an export, or continue it; no server may run there; blobs are not in it',
    run,
    importInto,
  );
  examples(imported, ['berth log import log.jsonl --data copy']);
  const verified = verb(
    log,
    'verify [path]',
    'say whether a data directory, log folder or export is sound, or what was done to it (--key: public JWK or JWKS)',
    run,
    verifyLogAt,
  ).option('--heads <file>', 'signed heads that a witness kept (default: those beside the log)');
  examples(verified, ['berth log verify data', 'berth log verify log.jsonl --key controller.jwks']);
  const head = verb(log, 'head', 'the newest signed head: keep it elsewhere, as a witness', run, showHead);
  head.option('--offline', 'read that of --data DIR');
  examples(head, ['berth log head -o json', 'berth log head --offline --data data']);
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

function positive(value: number, flag: string): number {
  if (value >= 1) return value;
  throw usage(`${flag} ${value}: must be 1 or more`, 'berth log --help');
}
