/**
 * `berth job …`: the life of a job from outside. Submitting and waiting are in `submit.ts` and `follow.ts`.
 * Test: `test/cli/job.test.ts`.
 */
import type { Command } from 'commander';
import type { Explanation } from '../scheduler/explain.ts';
import type { JobView } from '../views/job-view.ts';
import type { FactView } from '../views/log-view.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import { CommandError, exits } from './exit.ts';
import { factSentence, historyColumns } from './facts.ts';
import { followToEnd, hasEnded, jobPath, unsuccessful } from './follow.ts';
import { addJobList } from './job-list.ts';
import { instantText } from './output.ts';
import { factsFrom } from './pages.ts';
import { saveTo } from './save.ts';
import { wholeNumber } from './spec.ts';
import { type SubmitFlags, submit, submitFlags } from './submit.ts';
import { examples, type Run, verb } from './tree.ts';

/** Adds `berth job` and its verbs. */
export function addJobCommands(program: Command, run: Run): void {
  const job = program.command('job').description('submit jobs and see what becomes of them');
  addSubmit(job, run);
  verb(job, 'get <id>', 'state, attempts, slots and cause of a job', run, get);
  addJobList(job, run);
  const watch = verb(job, 'watch <id>', 'the facts of a job as they happen, until it ends', run, watchJob);
  watch.option('--wait-timeout <ms>', 'watch at most so long, then exit with 4', wholeNumber);
  verb(job, 'cancel <id>', 'end a job, wherever it is', run, cancel);
  const result = verb(job, 'result <id>', 'the bytes of the result', run, resultOf);
  result
    .option('--out <file>', 'write to a file, whole or not at all')
    .option('--raw', 'to a terminal as they are');
  verb(job, 'logs <id>', "the guest's stderr, its last 64 KiB", run, logs).option(
    '--raw',
    'to a terminal as they are',
  );
  verb(job, 'history <id>', 'every fact of a job', run, history);
  verb(job, 'explain <id>', 'why a job waits: every reason, and what would lift it', run, explainJob);
  const attestation = verb(
    job,
    'attestation <id>',
    'the signed report: what was verified before it ran',
    run,
    attestationOf,
  );
  examples(attestation, ['berth job attestation ID -o json']);
}

function addSubmit(job: Command, run: Run): void {
  const command = job.command('submit <module> [args...]').description('upload if needed, sign, submit');
  submitFlags(command).action(
    run((context, [module, args], flags) =>
      submit(context, module as string, args as unknown as string[], flags as unknown as SubmitFlags),
    ),
  );
  examples(command, [
    'berth job submit wasm/hello.wasm --wait -- world',
    'echo abc | berth job submit wasm/sha256.wasm --input - --wait',
    'berth job submit wasm/loop.wasm --wall-ms 500 --slot 3g.40gb',
    'berth job submit wasm/noop.wasm --dry-run -o json',
  ]);
}

async function get(context: Context, [id]: readonly string[]): Promise<number> {
  const client = await context.client();
  const view = await client.json<JobView>('GET', jobPath(id ?? ''));
  await context.out.one(view, jobLines(view));
  return exits.done;
}

function jobLines(view: JobView): [string, string][] {
  const { id, tenant, state, cause, attempt, spec, slots, result, times } = view;
  const held = slots.map(({ gpu, profile, start }) => `${gpu} ${profile}@${start}`).join(' ');
  const lines: [string, string][] = [
    ['id', id],
    ['tenant', tenant],
    ['state', state],
    ['cause', cause ? `${cause.code}: ${cause.message}${cause.retryable ? ' (worth another try)' : ''}` : ''],
    ['attempt', `${attempt} of ${spec.attempts.max}`],
    ['slot', held || `${spec.gpus} × ${spec.slot}${hasEnded(state) ? '' : ', not held'}`],
    ['module', spec.module],
    ['result', result ? `${result.bytes} bytes, sha256 ${result.sha256}` : ''],
    ['submitted', instantText(times.submittedAtMs)],
    ['started', instantText(times.startedAtMs)],
    ['ended', instantText(times.endedAtMs)],
  ];
  return lines.filter(([, value]) => value !== '');
}

async function watchJob(
  context: Context,
  [id = '']: readonly string[],
  flags: { waitTimeout?: number },
): Promise<number> {
  const { out, signal } = context;
  const client = await context.client();
  await client.json('GET', jobPath(id));
  const show = async (fact: FactView): Promise<void> => {
    if (out.machine) return out.object(fact);
    await out.line(
      `${String(fact.seq).padStart(8)}  ${instantText(fact.at)}  ${fact.type.padEnd(20)} ${factSentence(fact)}`,
    );
  };
  const view = await followToEnd({
    client,
    id,
    timeoutMs: flags.waitTimeout,
    signal,
    onFact: show,
    onAway: (reason) => out.note(`waiting for the server to be back: ${reason}`),
  });
  if (view.state !== 'succeeded') throw unsuccessful(view);
  out.note(`next: berth job result ${id}`);
  return exits.done;
}

async function cancel(context: Context, [id = '']: readonly string[]): Promise<number> {
  const client = await context.client();
  const view = await client.json<JobView>('POST', `${jobPath(id)}/cancel`);
  await context.out.one(view, [
    ['id', view.id],
    ['state', view.state],
  ]);
  if (!hasEnded(view.state)) context.out.note(`next: berth job watch ${id}`);
  return exits.done;
}

async function resultOf(
  context: Context,
  [id = '']: readonly string[],
  flags: { out?: string; raw?: boolean },
): Promise<number> {
  const client = await context.client();
  try {
    const chunks = client.bytes(`${jobPath(id)}/result`, { signal: context.signal });
    if (flags.out === undefined || flags.out === '-') await context.out.bytes(chunks, flags.raw);
    else await saveTo(flags.out, chunks);
    return exits.done;
  } catch (error) {
    throw await resultless(client, id, error);
  }
}

/** Why there is no result: the job ended otherwise (exit 3), or goes on. */
async function resultless(client: Client, id: string, error: unknown): Promise<unknown> {
  if (!(error instanceof CommandError)) return error;
  if (error.code === 'ERR_NOT_YET')
    return new CommandError(error.code, error.message, { next: `berth job watch ${id}` });
  if (error.code !== 'ERR_NO_RESULT') return error;
  return unsuccessful(await client.json<JobView>('GET', jobPath(id)));
}

async function logs(
  context: Context,
  [id = '']: readonly string[],
  flags: { raw?: boolean },
): Promise<number> {
  const client = await context.client();
  await context.out.bytes(client.bytes(`${jobPath(id)}/logs`, { signal: context.signal }), flags.raw);
  return exits.done;
}

async function history(context: Context, [id = '']: readonly string[]): Promise<number> {
  const client = await context.client();
  const facts: FactView[] = [];
  for await (const page of factsFrom(client, `${jobPath(id)}/events`, { signal: context.signal }))
    facts.push(...page);
  await context.out.rows(facts, historyColumns(facts[0]?.at ?? 0), `job ${id} has no facts`);
  return exits.done;
}

async function explainJob(context: Context, [id = '']: readonly string[]): Promise<number> {
  const client = await context.client();
  const { out } = context;
  const explanation = await client.json<Explanation>('GET', `${jobPath(id)}/explain`);
  if (out.machine) {
    await out.one(explanation, []);
    return exits.done;
  }
  const { state, reasons, position } = explanation;
  await out.line(`job ${id} is ${state}${position === null ? '' : `, number ${position} in the queue`}`);
  if (reasons.length === 0) out.note(`it does not wait; next: berth job get ${id}`);
  else {
    await out.rows(
      reasons,
      [
        { name: 'tier', value: ({ tier }) => tier },
        { name: 'reason', value: ({ code }) => code },
        { name: 'because', value: ({ message }) => message },
        { name: 'what lifts it', value: ({ action }) => action },
      ],
      '',
    );
  }
  return exits.done;
}

async function attestationOf(context: Context, [id = '']: readonly string[]): Promise<number> {
  const client = await context.client();
  const attestation = await client.json<{ report: string | null }>('GET', `${jobPath(id)}/attestation`);
  const { report, ...finding } = attestation;
  // Whoever pipes it on wants the signed text; whoever reads it, what it says.
  const claims = report === null ? {} : claimsOf(report);
  const lines = Object.entries({ ...finding, ...claims }).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  await context.out.one(attestation, lines);
  return exits.done;
}

/** The claims of a compact JWS, unverified: the server that sent it is the one that signed it. */
function claimsOf(compact: string): Record<string, unknown> {
  const body = Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString('utf8');
  return JSON.parse(body) as Record<string, unknown>;
}
