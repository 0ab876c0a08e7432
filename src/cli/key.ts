/** `berth key new`: a key pair for a tenant; only the public half ever leaves the machine. Test: `test/cli/operator.test.ts`. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { newKeyPair, saveKey } from '../attestation/keys.ts';
import type { Context } from './context.ts';
import { exits, usage } from './exit.ts';
import { examples, type Run, verb } from './tree.ts';

/** Adds `berth key` and its verbs. */
export function addKeyCommands(program: Command, run: Run): void {
  const key = program.command('key').description('key pairs');
  examples(
    verb(
      key,
      'new [file]',
      'make an Ed25519 pair; the file (mode 0600) is private, stdout is public',
      run,
      newKey,
    ),
    ['berth key new team.jwk', 'berth key new team.jwk -o json > team.public.jwk'],
  );
}

async function newKey({ out }: Context, [file = 'tenant.jwk']: readonly string[]): Promise<number> {
  // Overwriting a private key loses it for good.
  if (existsSync(file)) throw usage(`${file} is there already`, `berth key new ANOTHER.jwk`);
  const pair = await newKeyPair();
  await saveKey(file, pair).catch((cause: Error) => {
    throw usage(`${file}: ${cause.message}`);
  });
  await out.one(pair.publicJwk, [
    ['file', file],
    ['kid', pair.kid],
    ['public', JSON.stringify(pair.publicJwk)],
  ]);
  out.note(`next: berth tenant key add NAME ${file}`);
  return exits.done;
}
