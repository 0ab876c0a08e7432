/**
 * The Lab's form as data: what was typed, the job spec that it stands for, and the command that does the same.
 *
 * Why checked here, too, and with the server's own schema: a wrong field is told before anything is sent, beside the field, and
 * in the very words of the server. Its check stays the one that counts. Test: `test/dashboard/lab-request.test.ts`.
 */
import type { FieldError } from '../errors.ts';
import { type JobSpec, jobSpecSchema } from '../events/spec.ts';

/** What was typed. Numbers are text: an empty one leaves the default. */
export interface Draft {
  /** A sample guest; empty when `module` is a file of one's own. */
  readonly guest: string;
  readonly tenant: string;
  /** One a line. */
  readonly args: string;
  /** Text for stdin; a file, where one was chosen, takes its place. */
  readonly stdin: string;
  readonly slot: string;
  readonly gpus: string;
  readonly capabilities: readonly string[];
  /** Names of the environment that the guest may read, apart by spaces. */
  readonly env: string;
  readonly wallMs: string;
  readonly memoryMiB: string;
  readonly outputBytes: string;
  readonly queueMs: string;
  readonly startMs: string;
  readonly attempts: string;
  readonly backoffMs: string;
  readonly priority: string;
  /** `name=value`, one a line. */
  readonly labels: string;
  readonly key: string;
  readonly copies: string;
}

/** What a job may do unless told otherwise. */
export const capabilitiesDefault: readonly string[] = jobSpecSchema.shape.capabilities.parse(undefined);

export const newDraft = (tenant: string): Draft => ({
  guest: 'hello',
  tenant,
  args: '',
  stdin: '',
  slot: '',
  gpus: '',
  capabilities: capabilitiesDefault,
  env: '',
  wallMs: '',
  memoryMiB: '',
  outputBytes: '',
  queueMs: '',
  startMs: '',
  attempts: '',
  backoffMs: '',
  priority: '',
  labels: '',
  key: '',
  copies: '1',
});

/** Jobs that are sent at one press. */
export const copiesMax = 200;

/** The limits, with the flag that says the same, what each bounds, and its default. */
export const limitFields = [
  ['wallMs', 'wall-ms', 'longest run, ms', '10000'],
  ['memoryMiB', 'memory-mib', 'guest memory, MiB', '64'],
  ['outputBytes', 'output-bytes', 'largest result, bytes', '1048576'],
  ['queueMs', 'queue-ms', 'longest wait, ms', '600000'],
  ['startMs', 'start-ms', 'from slot to start, ms', '5000'],
] as const;

/** What each capability grants; the table of imports is `../attestation/capabilities.ts`. */
export const capabilityWords: readonly (readonly [name: string, grants: string])[] = [
  ['stdio', 'reads its input, writes its result and its log'],
  ['args', 'sees its arguments'],
  ['clock:virtual', 'a clock that starts at 0 and moves with what the guest does: results can be repeated'],
  ['clock:real', 'the machine’s clock: results may differ from run to run'],
  ['random:seeded', 'random numbers that follow from the job: results can be repeated'],
  ['random:crypto', 'real random numbers: results differ from run to run'],
];

/** What the villains among the sample guests try. */
export const villains: Readonly<Record<string, string>> = {
  loop: 'tries to keep its slot for ever',
  membomb: 'tries to take all memory',
  trap: 'tries to take its runner along',
  flood: 'tries to fill the disk with output',
  smuggle: 'tries to send a secret of its host away',
  recurse: 'tries to exhaust the stack',
};

/** What a guest wants besides its name, so that choosing it is enough to see it. */
export const habits: Readonly<Record<string, Partial<Draft>>> = {
  hello: { args: 'world' },
  sha256: { stdin: 'the quick brown fox' },
  flaky: { env: 'BERTH_ATTEMPT', attempts: '2' },
  loop: { wallMs: '2000' },
};

/** The draft with another guest: what the former one wanted goes with it. */
export function withGuest(draft: Draft, guest: string): Draft {
  const former = Object.keys(habits[draft.guest] ?? {});
  const blank = Object.fromEntries(former.map((name) => [name, newDraft('')[name as keyof Draft]]));
  return { ...draft, ...blank, ...habits[guest], guest };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

/** The number that was typed; what is none stays text, and the schema says so. */
const numberOf = (text: string): number | string => (/^-?\d+$/.test(text.trim()) ? Number(text) : text);

function present(members: Readonly<Record<string, string>>): Record<string, number | string> | undefined {
  const typed = Object.entries(members).filter(([, text]) => text.trim() !== '');
  return typed.length === 0
    ? undefined
    : Object.fromEntries(typed.map(([name, text]) => [name, numberOf(text)]));
}

/** All capabilities that the job declares. */
export const declared = ({ capabilities, env }: Draft): string[] => [
  ...capabilities,
  ...words(env).map((name) => `env:${name}`),
];
const isDefault = (list: readonly string[]): boolean =>
  [...list].sort().join() === [...capabilitiesDefault].sort().join();

/** The job that a draft stands for, with only what was said; and which fields are off, named as the server names them. */
export function jobOf(
  draft: Draft,
  digests: { readonly module: string; readonly input?: string },
): { readonly job: object; readonly errors: readonly FieldError[] } {
  const limits = present(Object.fromEntries(limitFields.map(([name]) => [name, draft[name]])));
  const attempts = present({ max: draft.attempts, backoffMs: draft.backoffMs });
  const labels = lines(draft.labels).map((line) => {
    const at = line.indexOf('=');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
  });
  const job = {
    ...digests,
    ...present({ gpus: draft.gpus, priority: draft.priority }),
    slot: draft.slot,
    ...(draft.args === '' ? {} : { args: lines(draft.args) }),
    ...(isDefault(declared(draft)) ? {} : { capabilities: declared(draft) }),
    ...(limits ? { limits } : {}),
    ...(attempts ? { attempts } : {}),
    ...(labels.length > 0 ? { labels: Object.fromEntries(labels) as Record<string, string> } : {}),
  };
  const parsed = jobSpecSchema.safeParse(job satisfies Partial<Record<keyof JobSpec, unknown>>);
  const issues = parsed.success ? [] : parsed.error.issues;
  return {
    job,
    errors: [
      ...issues.map(({ path, message }) => ({ field: ['job', ...path].join('.'), message: plain(message) })),
      ...copiesErrors(draft),
    ],
  };
}

/** The schema speaks of types where a person has typed text into a field for a number. */
const plain = (message: string): string =>
  message.startsWith('Invalid input: expected number') ? 'must be a whole number' : message;

function copiesErrors({ copies }: Draft): FieldError[] {
  const n = numberOf(copies);
  if (typeof n === 'number' && n >= 1 && n <= copiesMax) return [];
  return [{ field: 'copies', message: `must be a whole number from 1 to ${copiesMax}` }];
}

/** What is wrong with a field, or with a member of it; empty when nothing is. */
export const errorOf = (errors: readonly FieldError[], field: string): string =>
  errors.find((error) => error.field === field || error.field.startsWith(`${field}.`))?.message ?? '';

/** What stands outside the draft: where the module and the input come from, and which server it is. */
export interface Surroundings {
  readonly server: string;
  /** Name of the file of one's own; empty when it is a sample guest. */
  readonly moduleFile: string;
  readonly inputFile: string;
}

/** The command that submits the same, to be typed where Berth is checked out. */
export function commandOf(draft: Draft, { server, moduleFile, inputFile }: Surroundings): string {
  const flags: string[] = ['--server', server, '--tenant', draft.tenant, '--slot', draft.slot];
  const add = (flag: string, value: string): void => {
    if (value.trim() !== '') flags.push(flag, value.trim());
  };
  add('--gpus', draft.gpus);
  if (!isDefault(declared(draft))) for (const name of declared(draft)) add('--cap', name);
  for (const [name, flag] of limitFields) add(`--${flag}`, draft[name]);
  add('--attempts', draft.attempts);
  add('--backoff-ms', draft.backoffMs);
  add('--priority', draft.priority);
  for (const label of lines(draft.labels)) add('--label', label);
  add('--idempotency-key', draft.key);
  if (inputFile !== '') add('--input', inputFile);
  else if (draft.stdin !== '') add('--input', '-');
  const module = draft.guest === '' ? moduleFile || 'MODULE.wasm' : `wasm/${draft.guest}.wasm`;
  const args = lines(draft.args);
  const call = ['npx berth job submit', quoted(module), ...flags.map(quoted)];
  if (args.length > 0) call.push('--', ...args.map(quoted));
  const input = inputFile === '' && draft.stdin !== '' ? `printf %s ${quoted(draft.stdin)} | ` : '';
  const one = input + call.join(' ');
  return /^0*1?$/.test(draft.copies) ? one : `for i in $(seq ${quoted(draft.copies)}); do ${one}; done`;
}

/** A word as a shell takes it. */
const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
