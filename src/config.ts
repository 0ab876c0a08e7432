/**
 * Every setting: its bounds, its default, and what choosing otherwise costs. Read once, at start.
 *
 * Why one file: a setting that is read where it is used has no bounds, no list and no answer to "which
 * value won?". Flag beats environment beats file beats default; `berth config show` prints the winner.
 * Test: `test/config.test.ts`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { BerthError } from './errors.ts';
import { policies } from './scheduler/policies.ts';
import { type FleetGpu, fleetOfJson, fleetOfPreset } from './slots/fleet-setting.ts';

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.preprocess(
  (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value),
  z.boolean(),
);

/** One core is left to the controller: guests that starve it would starve their own deadlines. */
const runnersDefault = Math.max(1, availableParallelism() - 1);

/** The form of OTEL_EXPORTER_OTLP_ENDPOINT. Keys for a collector go into OTEL_EXPORTER_OTLP_HEADERS, never into an address. */
const collectorAddress = z
  .string()
  .refine(
    (address) => address === '' || isPlainHttp(address),
    'must be http://HOST:PORT or https://HOST:PORT, without a user',
  );

function isPlainHttp(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, username, password } = new URL(address);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

const portMax = 65_535;
const portOf = (listen: string): number => Number(listen.slice(listen.lastIndexOf(':') + 1));

export const settingsSchema = z.strictObject({
  /** HOST:PORT. Port 0 takes a free one and prints it. Beyond loopback, put TLS in front. */
  listen: z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/, 'must be HOST:PORT')
    .refine((listen) => portOf(listen) <= portMax, `the port must be 0 to ${portMax}`)
    .default('127.0.0.1:7070'),
  /** Log, blobs, keys and runner records. One controller a directory. */
  data: z.string().min(1).default('data'),
  /** `file`: accepted means on disk. `memory`: nothing survives the process; for trying out. */
  log: z.enum(['file', 'memory']).default('file'),
  /** NATS server to take requests from and publish facts to; empty: none. */
  nats: z.string().default(''),
  /** True only when the server's accounts bind each tenant's subjects to the tenant (see nats.conf). */
  natsTrustSubjects: flag.default(false),
  /** COUNTxBOARD[,…] or a JSON file. */
  fleet: z.string().min(1).default('2xH100-80GB'),
  policy: z.enum(Object.keys(policies) as [string, ...string[]]).default('round-robin'),
  /** Guests at once. More than cores − 1 makes every guest, and the controller, slower. 0: none run here. */
  runners: whole(0, 256).default(runnersDefault),
  /** Make demo tenants and their keys. */
  demo: flag.default(false),
  /** Jobs waiting at once, of all tenants. Higher absorbs longer bursts, and costs memory for every waiting job. */
  queuedMax: whole(1, 1_000_000).default(10_000),
  /**
   * Ended jobs that are answered from memory, with their idempotency keys; older ones stand in the log alone. Higher
   * costs about 5 KiB of memory a job, and checkpoints that much larger.
   */
  retainedMax: whole(1_000, 1_000_000).default(10_000),
  /** Facts between two checkpoints: more makes starts longer, fewer pauses for a moment more often. 0: none. */
  checkpointFacts: whole(0, 10_000_000).default(50_000),
  /** Move log segments aside in which no job is known any more, for an operator to ship elsewhere and keep. */
  retireSegments: flag.default(false),
  /**
   * Durable facts between two signed heads. Fewer: less that someone could cut off the end unseen. Each costs one
   * signature and one sync beside the log's own. Not fewer than 10: heads are public, and heads of neighbours would
   * tell anybody the hash of one fact.
   */
  headEvery: whole(10, 1_000_000).default(1_000),
  /** Jobs a tenant may send a second, in the long run; twice as many may come at once. */
  submitsPerSecondMax: whole(1, 1_000_000).default(1_000),
  /** Longest verification. */
  attestMs: whole(10, 600_000).default(30_000),
  /**
   * From the order to stop to the guest's end, recorded with that order. SIGKILL is sent at once; a guest that it does
   * not end counts as lost when lease and grace are over, for only then is it surely dead.
   */
  stopMs: whole(10, 60_000).default(5_000),
  /** Attempts that runners may lose before the job fails. */
  lossesMax: whole(0, 100).default(3),
  /** A runner silent for so long is taken for dead. Shorter frees its slot sooner, longer forgives a busy machine. */
  leaseMs: whole(200, 600_000).default(10_000),
  /** How much longer the controller waits than the runner itself. */
  graceMs: whole(50, 60_000).default(2_000),
  /** What SIGTERM gives running jobs before they go back to the queue. */
  shutdownMs: whole(0, 3_600_000).default(20_000),
  /** `finish`: running jobs may end first. `requeue`: they go back to the queue at once. */
  shutdown: z.enum(['finish', 'requeue']).default('finish'),
  /** Largest blob, bytes. */
  blobBytesMax: whole(1, 64 * 1024 * 1024).default(64 * 1024 * 1024),
  /** Blob space of one tenant, bytes. */
  tenantBytesMax: whole(1, 2 ** 50).default(10 * 1024 ** 3),
  /** Largest guest memory any job may ask for, MiB. */
  memoryMiBMax: whole(1, 1024).default(1024),
  /** Collector that traces of ended jobs are sent to (OTLP over HTTP, `/v1/traces` is added); empty: none. */
  otlpEndpoint: collectorAddress.default(''),
  /** Share of traces that are sent, chosen by trace id; what a request says of its own trace goes first. */
  traceRatio: z.coerce.number().min(0).max(1).default(1),
  /** Serve although the log lost records at its end that someone may have been told about. */
  acceptTornTail: flag.default(false),
  logLevel: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
});
export type Settings = z.infer<typeof settingsSchema>;
export type SettingName = keyof Settings;

export type Source = 'flag' | 'environment' | 'file' | 'default';

export interface Configuration {
  readonly settings: Settings;
  /** Who set each. */
  readonly sources: Readonly<Record<SettingName, Source>>;
}

/** `queuedMax` → `BERTH_QUEUED_MAX` */
export const environmentName = (setting: string): string =>
  `BERTH_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Names that a setting has besides, by a standard: read when the own one is not set. */
const standardNames: Readonly<Partial<Record<SettingName, string>>> = {
  otlpEndpoint: 'OTEL_EXPORTER_OTLP_ENDPOINT',
};

/** Read when neither --config nor BERTH_CONFIG names one. */
const fileDefault = 'berth.json';

/**
 * Settings from all four sources; the fleet, too, is known to be one before anything is started on its account.
 *
 * Throws ERR_USAGE when the value that is off was typed as a flag, else ERR_CONFIG; both name setting, source and bound.
 */
export function readSettings(
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv = process.env,
): Configuration {
  const { config: flagFile, ...given } = flags;
  const file = readFile((flagFile as string | undefined) ?? environment['BERTH_CONFIG']);
  const names = Object.keys(settingsSchema.shape) as SettingName[];
  const sources = {} as Record<SettingName, Source>;
  const values: Record<string, unknown> = {};
  for (const name of names) {
    // `BERTH_RUNNERS=` is how scripts say "not set"; taken as a number it would be nought.
    const fromEnvironment =
      environment[environmentName(name)] || environment[standardNames[name] ?? ''] || undefined;
    const [source, value]: [Source, unknown] =
      given[name] !== undefined
        ? ['flag', given[name]]
        : fromEnvironment !== undefined
          ? ['environment', fromEnvironment]
          : file[name] !== undefined
            ? ['file', file[name]]
            : ['default', undefined];
    sources[name] = source;
    if (source !== 'default') values[name] = value;
  }
  const wrong = (name: SettingName, message: string, cause?: unknown): BerthError =>
    new BerthError(
      sources[name] === 'flag' ? 'ERR_USAGE' : 'ERR_CONFIG',
      `${name} (from ${sources[name]}): ${message}`,
      { cause },
    );
  const parsed = settingsSchema.safeParse(values);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(String(issue?.path[0]) as SettingName, String(issue?.message));
  }
  try {
    readFleet(parsed.data.fleet);
  } catch (cause) {
    throw wrong('fleet', (cause as Error).message.replace(/^--fleet: /, ''), cause);
  }
  return { settings: Object.freeze(parsed.data), sources };
}

/** The GPUs that the fleet setting names: COUNTxBOARD[,…], or a file when it ends in `.json` or holds a slash. Throws ERR_CONFIG. */
export function readFleet(setting: string): readonly FleetGpu[] {
  if (!/\.json$|\//.test(setting)) return fleetOfPreset(setting);
  let text: string;
  try {
    text = readFileSync(setting, 'utf8');
  } catch (cause) {
    throw new BerthError('ERR_CONFIG', `--fleet: ${(cause as Error).message}`, { cause });
  }
  return fleetOfJson(text);
}

function readFile(named: string | undefined): Record<string, unknown> {
  const path = named ?? fileDefault;
  if (named === undefined && !existsSync(path)) return {};
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new BerthError('ERR_CONFIG', `${path}: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null)
    throw new BerthError('ERR_CONFIG', `${path}: must hold a JSON object`);
  // `client` holds the settings of the command line; `cli/context.ts` reads them.
  const unknown = Object.keys(value).filter(
    (name) => name !== 'client' && !Object.hasOwn(settingsSchema.shape, name),
  );
  if (unknown.length > 0)
    throw new BerthError('ERR_CONFIG', `${path}: unknown setting ${unknown.join(', ')}`);
  return value as Record<string, unknown>;
}
