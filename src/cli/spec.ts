/**
 * A job spec from flags, checked here with the schema that the server checks with.
 *
 * Why check twice: a wrong flag should be told before 64 MiB are uploaded, and by the name of the flag.
 * The server's check stays the one that counts. Test: `test/cli/spec.test.ts`.
 */
import { InvalidArgumentError } from 'commander';
import { type JobSpec, jobSpecSchema } from '../events/spec.ts';
import { CommandError, exits } from './exit.ts';

/** What `berth job submit` was told; absent means the schema's default. */
export interface SpecFlags {
  readonly slot: string;
  readonly cap?: readonly string[];
  readonly env?: readonly string[];
  readonly label?: readonly string[];
  readonly name?: string;
  readonly wallMs?: number;
  readonly memoryMib?: number;
  readonly outputBytes?: number;
  readonly queueMs?: number;
  readonly startMs?: number;
  readonly priority?: number;
  readonly attempts?: number;
  readonly backoffMs?: number;
  readonly gpus?: number;
}

export interface SpecDigests {
  readonly module: string;
  readonly model?: string;
  readonly input?: string;
}

/** Which flag sets a field: errors name what the user typed. */
const flagOf: Readonly<Record<string, string>> = {
  'limits.wallMs': '--wall-ms',
  'limits.memoryMiB': '--memory-mib',
  'limits.outputBytes': '--output-bytes',
  'limits.queueMs': '--queue-ms',
  'limits.startMs': '--start-ms',
  'attempts.max': '--attempts',
  'attempts.backoffMs': '--backoff-ms',
  capabilities: '--cap',
  labels: '--label',
  args: 'ARGS',
};

/** The spec with exactly what was asked for. Throws exit 2, naming flag and limit. */
export function specOf(flags: SpecFlags, args: readonly string[], digests: SpecDigests): Partial<JobSpec> {
  const env = pairs(flags.env ?? [], '--env');
  const limits = present({
    memoryMiB: flags.memoryMib,
    outputBytes: flags.outputBytes,
    queueMs: flags.queueMs,
    startMs: flags.startMs,
    wallMs: flags.wallMs,
  });
  const spec = present({
    args: args.length > 0 ? args : undefined,
    attempts: nonEmpty(present({ backoffMs: flags.backoffMs, max: flags.attempts })),
    capabilities: capabilitiesOf(flags.cap, Object.keys(env)),
    env: nonEmpty(env),
    gpus: flags.gpus,
    input: digests.input,
    labels: nonEmpty(pairs(flags.label ?? [], '--label')),
    limits: nonEmpty(limits),
    model: digests.model,
    module: digests.module,
    name: flags.name,
    priority: flags.priority,
    slot: flags.slot,
  });
  const parsed = jobSpecSchema.safeParse(spec);
  if (parsed.success) return spec as Partial<JobSpec>;
  const fields = parsed.error.issues.map(({ path, message }) => ({ field: flagName(path), message }));
  const [first] = fields;
  throw new CommandError('ERR_BAD_SPEC', `${first?.field}: ${first?.message}`, {
    exit: exits.usage,
    fields: fields.slice(1),
    next: 'berth job submit --help',
  });
}

function flagName(path: readonly PropertyKey[]): string {
  const whole = path.join('.');
  return flagOf[whole] ?? flagOf[String(path[0])] ?? `--${String(path[0])}`;
}

/** `--cap` replaces the default set; without it, naming an environment variable declares just that one more. */
function capabilitiesOf(cap: readonly string[] | undefined, names: readonly string[]): string[] | undefined {
  if (cap) return cap.flatMap((each) => each.split(',')).filter((each) => each !== '');
  if (names.length === 0) return undefined;
  return [...jobSpecSchema.shape.capabilities.parse(undefined), ...names.map((name) => `env:${name}`)];
}

function pairs(list: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    list.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1)
        throw new CommandError('ERR_USAGE', `${flag} ${pair}: must be NAME=VALUE`, {
          next: 'berth job submit --help',
        });
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function present<T extends object>(value: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

const nonEmpty = <T extends object>(value: T): T | undefined =>
  Object.keys(value).length > 0 ? value : undefined;

/** Reads a flag that takes a whole number; the schema knows the bounds. */
export function wholeNumber(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new InvalidArgumentError('must be a whole number.');
  return Number(text);
}

/** Collects a flag that may be given several times. */
export const several = (value: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  value,
];
