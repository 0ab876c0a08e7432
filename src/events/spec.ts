/**
 * The job spec: what a tenant may ask for. This schema is the one source for the check at the door,
 * the OpenAPI document and the type. Keys are declared in sorted order, because a parsed value keeps
 * the order of its schema and canonical bytes follow from that. Test: `test/events/facts.test.ts`.
 */
import { z } from 'zod';

/** `sha256:` and 64 lower-case hex digits. */
export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 lower-case hex digits');

const profileSchema = z
  .string()
  .regex(/^[1-9]g\.[1-9][0-9]{0,2}gb(\+me)?$/, 'must be a MIG profile such as 1g.10gb');

const capabilitySchema = z
  .string()
  .regex(
    /^(stdio|args|clock:(virtual|real)|random:(seeded|crypto)|env:[A-Z_][A-Z0-9_]{0,63})$/,
    'must be stdio, args, env:NAME, clock:virtual, clock:real, random:seeded or random:crypto',
  );

/** Text that stays out of trouble in terminals and logs: no control characters. */
const plainText = (charsMax: number) =>
  z
    .string()
    .max(charsMax)
    .refine((text) => !/\p{Cc}/u.test(text), 'must not hold control characters');

const sortedRecord = (key: RegExp, charsMax: number, entriesMax: number) =>
  z
    .record(z.string().regex(key), z.string().max(charsMax))
    .refine((map) => Object.keys(map).length <= entriesMax, `at most ${entriesMax} entries`)
    .transform((map) => Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))));

const whole = (min: number, max: number) => z.number().int().min(min).max(max);

export const limitsSchema = z.strictObject({
  /** Guest memory, MiB of 2^20 bytes. */
  memoryMiB: whole(1, 1024).default(64),
  outputBytes: whole(0, 64 * 1024 * 1024).default(1_048_576),
  /** One wait in the queue; starts anew with each `queued`. */
  queueMs: whole(1, 7 * 86_400_000).default(600_000),
  /** From the reserved slot to the started guest. */
  startMs: whole(1, 600_000).default(5_000),
  /** From the started guest to its end. */
  wallMs: whole(1, 86_400_000).default(10_000),
});

export const jobSpecSchema = z.strictObject({
  args: z.array(z.string().max(4096)).max(64).default([]),
  attempts: z
    .strictObject({ backoffMs: whole(0, 3_600_000).default(1_000), max: whole(1, 20).default(1) })
    .prefault({}),
  backend: z.enum(['wasm']).default('wasm'),
  capabilities: z
    .array(capabilitySchema)
    .max(64)
    .default(['stdio', 'args', 'clock:virtual', 'random:seeded'])
    .transform((list) => [...new Set(list)].sort()),
  env: sortedRecord(/^[A-Z_][A-Z0-9_]{0,63}$/, 4096, 64).default({}),
  gpus: whole(1, 8).default(1),
  input: digestSchema.exactOptional(),
  // A letter first: engines put keys that look like whole numbers before all others, whatever their order.
  labels: sortedRecord(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/, 128, 16).default({}),
  limits: limitsSchema.prefault({}),
  model: digestSchema.exactOptional(),
  module: digestSchema,
  name: plainText(128).exactOptional(),
  /** Recorded; neither `fifo` nor `round-robin` reads it. */
  priority: whole(-100, 100).default(0),
  slot: profileSchema,
});

/** A complete job spec, all defaults filled in, keys in canonical order. */
export type JobSpec = z.infer<typeof jobSpecSchema>;
