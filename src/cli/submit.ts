/**
 * `berth job submit`: upload what is missing, sign, submit, and on request wait for the result.
 *
 * Why the request is signed once and sent again as it is when the connection breaks: the server knows it by
 * its token id, so a job is never submitted twice because an answer got lost.
 * Test: `test/cli/submit.test.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { JobView } from '../views/job-view.ts';
import { type Client, Problem, problemOf } from './client.ts';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import { followToEnd, jobPath, progressOn, unsuccessful } from './follow.ts';
import { type Identity, signJob } from './sign.ts';
import { type SpecDigests, type SpecFlags, several, specOf, wholeNumber } from './spec.ts';
import { blobOf, ensureUploaded } from './upload.ts';

/** How often a request whose answer got lost is sent again. */
const sendsMax = 3;
const resendMs = 300;

export interface SubmitFlags extends SpecFlags {
  readonly input?: string;
  readonly model?: string;
  readonly idempotencyKey?: string;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly waitTimeout?: number;
  readonly via: string;
  readonly nats?: string;
  readonly raw?: boolean;
}

/** The flags of `berth job submit`. */
export function submitFlags(command: Command): Command {
  return command
    .option('--slot <profile>', 'MIG profile; `berth slot list` shows what there is', '1g.10gb')
    .option('--gpus <n>', 'slots, each on a GPU of its own', wholeNumber)
    .option('--input <file>', "the guest's stdin; - reads ours")
    .option('--model <file>', 'file the guest may read as its model; - reads stdin')
    .option(
      '--cap <name>',
      'capability, repeatable; replaces stdio,args,clock:virtual,random:seeded',
      several,
    )
    .option('--env <name=value>', 'environment of the guest, repeatable', several)
    .option('--label <name=value>', 'label to find the job by, repeatable', several)
    .option('--name <text>', 'name for people')
    .option('--wall-ms <ms>', 'longest run (default 10000)', wholeNumber)
    .option('--memory-mib <mib>', 'guest memory, MiB (default 64)', wholeNumber)
    .option('--output-bytes <bytes>', 'largest result (default 1048576)', wholeNumber)
    .option('--queue-ms <ms>', 'longest wait in the queue (default 600000)', wholeNumber)
    .option('--start-ms <ms>', 'longest time from slot to running guest (default 5000)', wholeNumber)
    .option('--priority <n>', '-100 to 100', wholeNumber)
    .option('--attempts <n>', 'tries if the guest crashes or exits with a code other than 0', wholeNumber)
    .option('--backoff-ms <ms>', 'wait between two tries (default 1000)', wholeNumber)
    .option('--idempotency-key <key>', 'the same key is the same job, however often it is submitted')
    .option('--dry-run', 'ask whether it would be admitted and could fit; submit nothing')
    .option('--wait', 'wait for the end; stdout is the result, byte for byte')
    .option('--wait-timeout <ms>', 'wait at most so long, then exit with 4', wholeNumber)
    .option('--raw', 'with --wait: control characters reach the terminal as they are')
    .addOption(new Option('--via <way>', 'send the request by').choices(['http', 'nats']).default('http'))
    .addOption(new Option('--nats <url>', 'NATS server, for --via nats').env('BERTH_NATS'));
}

/** Runs `berth job submit`. Returns the exit code; throws what is to be told on stderr. */
export async function submit(
  context: Context,
  module: string,
  args: readonly string[],
  flags: SubmitFlags,
): Promise<number> {
  if ([module, flags.input, flags.model].filter((file) => file === '-').length > 1) {
    throw usage('standard input can be only one of MODULE, --input and --model', 'berth job submit --help');
  }
  if (flags.waitTimeout !== undefined && !(flags.waitTimeout >= 1 && flags.waitTimeout <= 2 ** 31 - 1)) {
    throw usage(
      `--wait-timeout ${flags.waitTimeout}: must be from 1 to ${2 ** 31 - 1} ms`,
      'berth job submit --help',
    );
  }
  if (flags.via === 'nats' && flags.nats === undefined) {
    throw usage('--via nats needs the server: --nats URL or BERTH_NATS', 'berth job submit --help');
  }
  // The flags are checked before any file is read or sent.
  specOf(flags, args, { module: `sha256:${'0'.repeat(64)}` });
  const identity = await context.requiredIdentity();
  const client = context.clientFor(identity);
  const files = [
    ['module', module, 'MODULE'],
    ['input', flags.input, '--input'],
    ['model', flags.model, '--model'],
  ] as const;
  const digests: Record<string, string> = {};
  for (const [member, file, flag] of files) {
    if (file === undefined) continue;
    const blob = await blobOf(file, flag);
    await refusable(insistently(() => ensureUploaded(client, blob, context.signal)));
    digests[member] = `sha256:${blob.sha256}`;
  }
  const job = specOf(flags, args, digests as unknown as SpecDigests);
  const request = await signJob(identity, job, { idempotencyKey: flags.idempotencyKey });
  if (flags.dryRun) return dryRun(context, client, request);
  const send =
    flags.via === 'nats' ? () => byNats(flags.nats ?? '', identity, request) : () => byHttp(client, request);
  const view = await refusable(insistently(send));
  if (!flags.wait && flags.waitTimeout === undefined) return told(context, view);
  return waited(context, client, view, flags);
}

async function byHttp(client: Client, request: string): Promise<JobView> {
  const headers = { 'content-type': 'application/jose' };
  return client.json<JobView>('POST', '/v1/jobs', { body: request, headers });
}

async function byNats(url: string, { name }: Identity, request: string): Promise<JobView> {
  // Loaded only here: the client of NATS takes longer to load than an HTTP request takes.
  const { requestByNats } = await import('./nats.ts');
  const { status, ...body } = await requestByNats(url, `berth.v1.${name}.submit`, request);
  if (status >= 400) throw problemOf(status, body, url);
  return body as unknown as JobView;
}

/** Sends again when the connection broke before the answer came: the same request, so at most one job. */
async function insistently<T>(send: () => Promise<T>): Promise<T> {
  for (let sends = 1; ; sends += 1) {
    try {
      return await send();
    } catch (error) {
      if (!mayHaveArrived(error) || sends >= sendsMax) throw error;
      await sleep(resendMs);
    }
  }
}

/** The other side may have acted, and only its answer got lost. Where nothing listens, nothing has happened. */
function mayHaveArrived(error: unknown): boolean {
  if (!(error instanceof CommandError) || (error.code !== 'ERR_UNREACHABLE' && error.code !== 'ERR_NATS'))
    return false;
  const { code } = (error.cause ?? {}) as { code?: string };
  return code !== 'ECONNREFUSED' && code !== 'ENOTFOUND' && code !== 'CONNECTION_REFUSED';
}

/** What the door answers with a problem is refused at admission: exit 5. A fault of the server is not. */
async function refusable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof CommandError) || error.code === 'ERR_INTERNAL') throw error;
    const answered = error instanceof Problem;
    if (!answered) throw error;
    throw new CommandError(error.code, error.message, {
      exit: exits.refused,
      next: error.next,
      fields: error.fields,
      cause: error,
    });
  }
}

async function dryRun(context: Context, client: Client, request: string): Promise<number> {
  interface Verdict {
    readonly admitted: boolean;
    readonly everFits: boolean;
    readonly fitsNow: boolean;
  }
  const headers = { 'content-type': 'application/jose' };
  const verdict = await refusable(
    client.json<Verdict>('POST', '/v1/jobs:validate', { body: request, headers }),
  );
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  await context.out.one(verdict, [
    ['admitted', yes(verdict.admitted)],
    ['could ever fit', yes(verdict.everFits)],
    ['fits now', yes(verdict.fitsNow)],
  ]);
  return verdict.admitted && verdict.everFits ? exits.done : exits.refused;
}

async function told({ out }: Context, view: JobView): Promise<number> {
  if (out.machine) await out.one(view, []);
  else await out.line(view.id);
  out.note(`next: berth job watch ${view.id}`);
  return exits.done;
}

async function waited(
  context: Context,
  client: Client,
  { id }: JobView,
  flags: SubmitFlags,
): Promise<number> {
  const { out, signal } = context;
  const progress = progressOn(out, id);
  if (out.animated) out.note(`job ${id}`);
  try {
    const view = await followToEnd({
      client,
      id,
      timeoutMs: flags.waitTimeout,
      signal,
      onFact: (record) => progress.show(record),
      onAway: (reason) => out.note(`waiting for the server to be back: ${reason}`),
    });
    progress.clear();
    if (view.state !== 'succeeded') throw unsuccessful(view);
  } catch (error) {
    progress.clear();
    throw error;
  }
  await out.bytes(client.bytes(`${jobPath(id)}/result`, { signal }), flags.raw);
  return exits.done;
}
