/**
 * `berth tenant …`: who may submit, with which keys, and how much. For the operator.
 *
 * Why changes take effect from a seq on: terms and keys are facts, so a job of last month is still judged by
 * the keys of last month. Test: `test/cli/operator.test.ts`.
 */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadKey } from '../attestation/keys.ts';
import { publicKeySchema, type TenantTerms } from '../events/facts.ts';
import type { TenantView } from '../views/tenants-view.ts';
import type { Context } from './context.ts';
import { exits, usage } from './exit.ts';
import type { Column } from './output.ts';
import { several, wholeNumber } from './spec.ts';
import { examples, type Run, verb } from './tree.ts';

/** Adds `berth tenant` and its verbs. */
export function addTenantCommands(program: Command, run: Run): void {
  const tenant = program.command('tenant').description('who may submit, with which keys, and how much');
  verb(tenant, 'list', 'tenants with their terms', run, list);
  const add = termFlags(
    verb(tenant, 'add <name>', 'a new tenant; terms not given have their defaults', run, addTenant),
  );
  add.option('--public-key <file>', 'its first key: a public or private JWK file');
  examples(add, ['berth key new team.jwk', 'berth tenant add team --weight 2 --public-key team.jwk']);
  examples(termFlags(verb(tenant, 'set <name>', 'change terms; what is not given stays', run, set)), [
    'berth tenant set acme --slices-max 16',
  ]);
  const key = tenant.command('key').description("a tenant's public keys");
  verb(key, 'list <name>', 'keys, and between which seqs each was good', run, listKeys);
  examples(verb(key, 'add <name> <file>', 'register the public half of a JWK file', run, addKey), [
    'berth tenant key add team team.jwk',
  ]);
  const revoke = verb(key, 'revoke <name> <kid>', 'refuse what this key signs from now on', run, revokeKey);
  revoke.option('--reason <text>', 'for the log', 'revoked by the operator');
}

function termFlags(command: Command): Command {
  return command
    .option('--weight <n>', 'share under round robin, 1 to 1000', wholeNumber)
    .option('--slices-max <n>', 'MIG memory slices held at once', wholeNumber)
    .option('--jobs-max <n>', 'jobs holding slots at once', wholeNumber)
    .option('--queued-max <n>', 'jobs waiting at once', wholeNumber)
    .option('--cap <name>', 'allowed capability, repeatable; replaces the list', several)
    .option('--unsigned', 'take JSON with a bearer token, too')
    .option('--no-unsigned', 'take signed requests only');
}

type TermFlags = Partial<Omit<TenantTerms, 'capabilities'>> & {
  readonly cap?: readonly string[];
  readonly publicKey?: string;
};

/** Terms that were given. */
function termsOf({ cap, jobsMax, queuedMax, slicesMax, unsigned, weight }: TermFlags): Partial<TenantTerms> {
  const given = { capabilities: cap && [...cap].sort(), jobsMax, queuedMax, slicesMax, unsigned, weight };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

const columns: readonly Column<TenantView>[] = [
  { name: 'name', value: ({ name }) => name },
  { name: 'weight', value: ({ terms }) => String(terms.weight), right: true },
  { name: 'slices max', value: ({ terms }) => String(terms.slicesMax), right: true },
  { name: 'jobs max', value: ({ terms }) => String(terms.jobsMax), right: true },
  { name: 'queued max', value: ({ terms }) => String(terms.queuedMax), right: true },
  { name: 'held', value: ({ usage }) => `${usage.jobs} jobs, ${usage.slices} slices` },
  { name: 'waiting', value: ({ usage }) => String(usage.waiting), right: true },
  { name: 'unsigned', value: ({ terms }) => (terms.unsigned ? 'yes' : 'no') },
  {
    name: 'keys',
    value: ({ keys }) => String(keys.filter(({ revokedAtSeq }) => revokedAtSeq === null).length),
    right: true,
  },
  { name: 'capabilities', value: ({ terms }) => terms.capabilities.join(','), wide: true },
];

const pathOf = (name: string): string => `/v1/tenants/${encodeURIComponent(name)}`;

async function tenantsFor(context: Context): Promise<readonly TenantView[]> {
  const client = await context.adminClient();
  return (await client.json<{ tenants: TenantView[] }>('GET', '/v1/tenants')).tenants;
}

async function list(context: Context): Promise<number> {
  await context.out.rows(await tenantsFor(context), columns, 'no tenants; add one: berth tenant add NAME');
  return exits.done;
}

/** Sends a change and shows the tenant as it is then. */
async function change(context: Context, method: string, path: string, body: unknown): Promise<void> {
  const client = await context.adminClient();
  const headers = { 'content-type': 'application/json' };
  const tenant = await client.json<TenantView>(
    method,
    path,
    body === undefined ? {} : { body: JSON.stringify(body), headers },
  );
  await context.out.rows([tenant], columns, '');
}

async function addTenant(
  context: Context,
  [name = '']: readonly string[],
  flags: TermFlags,
): Promise<number> {
  const key = flags.publicKey === undefined ? undefined : await publicKeyIn(flags.publicKey);
  await change(context, 'POST', '/v1/tenants', { name, ...(key ? { key } : {}), terms: termsOf(flags) });
  if (!key) context.out.note(`next: berth tenant key add ${name} FILE`);
  return exits.done;
}

async function set(context: Context, [name = '']: readonly string[], flags: TermFlags): Promise<number> {
  const terms = termsOf(flags);
  if (Object.keys(terms).length === 0) throw usage('nothing to change was given', 'berth tenant set --help');
  await change(context, 'PATCH', pathOf(name), { terms });
  return exits.done;
}

async function listKeys(context: Context, [name = '']: readonly string[]): Promise<number> {
  const tenant = (await tenantsFor(context)).find((each) => each.name === name);
  if (!tenant) throw usage(`no tenant ${name}`, 'berth tenant list');
  await context.out.rows(
    tenant.keys,
    [
      { name: 'kid', value: ({ kid }) => kid },
      { name: 'from seq', value: ({ addedAtSeq }) => String(addedAtSeq), right: true },
      { name: 'revoked at', value: ({ revokedAtSeq }) => String(revokedAtSeq ?? ''), right: true },
      { name: 'x', value: ({ x }) => x, wide: true },
    ],
    `no keys; add one: berth tenant key add ${name} FILE`,
  );
  return exits.done;
}

async function addKey(context: Context, [name = '', file = '']: readonly string[]): Promise<number> {
  await change(context, 'POST', `${pathOf(name)}/keys`, { key: await publicKeyIn(file) });
  return exits.done;
}

async function revokeKey(
  context: Context,
  [name = '', kid = '']: readonly string[],
  flags: { reason: string },
): Promise<number> {
  await change(context, 'DELETE', `${pathOf(name)}/keys/${encodeURIComponent(kid)}`, {
    reason: flags.reason,
  });
  return exits.done;
}

/** The public half of a key in a file; of a private one nothing else is sent. */
async function publicKeyIn(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw usage(`${file}: ${cause.message}`, 'berth key new FILE');
  });
  try {
    const parsed = publicKeySchema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
  } catch {
    throw usage(`${file}: is not JSON`, 'berth key new FILE');
  }
  return (await loadKey(file)).publicJwk;
}
