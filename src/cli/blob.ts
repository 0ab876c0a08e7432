/** `berth blob …`: content-addressed modules, models, inputs, results. Test: `test/cli/operator.test.ts`. */
import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import type { Context } from './context.ts';
import { CommandError, exits, usage } from './exit.ts';
import { saveTo } from './save.ts';
import { examples, type Run, verb } from './tree.ts';
import { blobOf, ensureUploaded } from './upload.ts';

/** Adds `berth blob` and its verbs. */
export function addBlobCommands(program: Command, run: Run): void {
  const blob = program.command('blob').description('modules, models, inputs and results, by digest');
  examples(verb(blob, 'put <file>', 'upload a file; prints its digest; - reads stdin', run, put), [
    'berth blob put wasm/hello.wasm',
    'head -c 1000 /dev/urandom | berth blob put -',
  ]);
  const command = verb(blob, 'get <sha256>', 'download a blob; what comes is hashed and compared', run, get);
  command
    .option('--out <file>', 'write to a file, whole or not at all')
    .option('--raw', 'to a terminal as it is');
  examples(command, ['berth blob get $(berth blob put model.bin) --out copy.bin']);
}

async function put(context: Context, [file = '']: readonly string[]): Promise<number> {
  const client = await context.client();
  const blob = await blobOf(file, 'FILE');
  const sent = await ensureUploaded(client, blob, context.signal);
  const { sha256, bytes } = blob;
  if (context.out.machine) await context.out.one({ sha256, bytes, sent }, []);
  else await context.out.line(sha256);
  return exits.done;
}

async function get(
  context: Context,
  [digest = '']: readonly string[],
  flags: { out?: string; raw?: boolean },
): Promise<number> {
  const sha256 = digest.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw usage(`${digest}: a digest has 64 characters of 0-9a-f`, 'berth blob get --help');
  const client = await context.client();
  const chunks = verified(client.bytes(`/v1/blobs/${sha256}`, { signal: context.signal }), sha256);
  if (flags.out === undefined || flags.out === '-') await context.out.bytes(chunks, flags.raw);
  else await saveTo(flags.out, chunks);
  return exits.done;
}

/** The chunks, and an error at the end when they are not what their name says. */
async function* verified(chunks: AsyncIterable<Uint8Array>, sha256: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest('hex');
  if (found !== sha256) throw new CommandError('ERR_DIGEST_MISMATCH', `the bytes that came hash to ${found}`);
}
