/**
 * What every command is handed: where the server is, who asks, how to print. Read once from flags,
 * environment and the config file; `berth config show` prints the winners.
 *
 * Test: `test/cli/context.test.ts`.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Client } from './client.ts';
import { CommandError, usage } from './exit.ts';
import { type Format, formats, Output } from './output.ts';
import { adminIdentity, type Claimed, type Identity, identityOf, TokenSource } from './sign.ts';

/** Settings of the client, with their defaults. The server's own are in `src/config.ts`. */
export const clientSettings = {
  server: 'http://127.0.0.1:7070',
  tenant: undefined,
  key: undefined,
  data: 'data',
  output: 'table',
} as const satisfies Record<string, string | undefined>;
export type ClientSetting = keyof typeof clientSettings;

export interface Resolved {
  readonly value: string | undefined;
  readonly source: 'flag' | 'environment' | 'file' | 'default';
}

/** Flag beats environment beats `client` (for `data`: the top level) of the config file beats default. */
export function resolveSetting(
  name: ClientSetting,
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv = process.env,
): Resolved {
  const flag = flags[name];
  if (typeof flag === 'string') return { value: flag, source: 'flag' };
  const variable = environment[`BERTH_${name.toUpperCase()}`];
  if (variable !== undefined && variable !== '') return { value: variable, source: 'environment' };
  const filed = fromFile(name, (flags['config'] as string | undefined) ?? environment['BERTH_CONFIG']);
  if (filed !== undefined) return { value: filed, source: 'file' };
  return { value: clientSettings[name], source: 'default' };
}

function fromFile(name: ClientSetting, named: string | undefined): string | undefined {
  const path = named ?? 'berth.json';
  if (named === undefined && !existsSync(path)) return undefined;
  let value: unknown;
  try {
    const all = JSON.parse(readFileSync(path, 'utf8')) as {
      client?: Record<string, unknown>;
      data?: unknown;
    };
    value = all.client?.[name] ?? (name === 'data' ? all.data : undefined);
  } catch (cause) {
    throw new CommandError('ERR_CONFIG', `${path}: ${(cause as Error).message}`, { cause });
  }
  if (value === undefined || typeof value === 'string') return value;
  throw new CommandError('ERR_CONFIG', `${path}: client.${name} must be a string`);
}

export class Context {
  readonly out: Output;
  readonly server: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly #claimed: Claimed;
  readonly #explicitKey: string | undefined;

  constructor(flags: Readonly<Record<string, unknown>>, signal: AbortSignal) {
    const value = (name: ClientSetting): string | undefined => resolveSetting(name, flags).value;
    this.out = new Output({ format: flags['json'] === true ? 'json' : formatOf(value('output') ?? 'table') });
    this.server = value('server') ?? clientSettings.server;
    this.#claimed = {
      tenant: value('tenant'),
      key: value('key'),
      data: value('data') ?? clientSettings.data,
    };
    this.#explicitKey = typeof flags['key'] === 'string' ? flags['key'] : undefined;
    this.signal = signal;
  }

  get data(): string {
    return this.#claimed.data;
  }

  /** Who asks; null when nobody said and no demo key is there. */
  identity(): Promise<Identity | null> {
    return identityOf(this.#claimed);
  }

  /** Who asks; an error that says how to say it, when nobody did. */
  async requiredIdentity(): Promise<Identity> {
    const identity = await this.identity();
    if (identity) return identity;
    throw new CommandError(
      'ERR_UNAUTHENTICATED',
      `no key given, and no demo tenant's key under ${this.data}/tenants`,
    );
  }

  /** A client that speaks for the tenant, or for nobody. */
  async client(): Promise<Client> {
    const identity = await this.identity();
    return new Client(this.server, identity && new TokenSource(identity));
  }

  clientFor(identity: Identity): Client {
    return new Client(this.server, new TokenSource(identity));
  }

  /** A client that speaks for the operator. A tenant's key in BERTH_KEY is not meant here; `--key` is. */
  async adminClient(): Promise<Client> {
    return this.clientFor(await adminIdentity({ ...this.#claimed, key: this.#explicitKey }));
  }
}

function formatOf(text: string): Format {
  const found = formats.find((format) => format === text);
  if (found) return found;
  throw usage(`-o ${text}: must be one of ${formats.join(', ')}`);
}

/** All flags given on the way to `command`; what stands nearer to the end wins. */
export function flagsOf(command: Command): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (let at: Command | null = command; at; at = at.parent) {
    for (const [name, value] of Object.entries(at.opts())) flags[name] ??= value;
  }
  return flags;
}
