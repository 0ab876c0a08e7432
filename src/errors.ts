/**
 * The one table of error codes: what each means, whether trying again can help, how HTTP says it.
 *
 * Why one table: a code is a promise to whoever scripts against it. Strings that live where they
 * are thrown drift apart; a closed union is checked by the compiler and printed into the OpenAPI
 * document. Test: `test/errors.test.ts`.
 */

interface ErrorRow {
  /** Can the same request succeed later, unchanged? */
  readonly retryable: boolean;
  /** Status of the HTTP answer that carries it. */
  readonly http: number;
  readonly meaning: string;
  /** What the user does next; the CLI prints it below the error. */
  readonly next: string;
}

const row = (http: number, retryable: boolean, meaning: string, next: string): ErrorRow => ({
  retryable,
  http,
  meaning,
  next,
});

export const errors = {
  // The door
  ERR_BAD_REQUEST: row(400, false, 'the request is not well-formed', 'see `errors` for field and limit'),
  ERR_BAD_SPEC: row(400, false, 'the job spec breaks its schema', 'compare the spec with /openapi.json'),
  ERR_TOO_LARGE: row(
    413,
    false,
    'a body or a blob is over its limit',
    'send less, or ask for a higher limit',
  ),
  ERR_UNSUPPORTED_TYPE: row(
    415,
    false,
    'the content type is not served here',
    'use application/jose or application/json',
  ),
  ERR_NOT_FOUND: row(
    404,
    false,
    'nothing by this name that you may see',
    'list what there is: berth job list',
  ),
  ERR_METHOD: row(405, false, 'this path does not take this method', 'see /openapi.json'),
  ERR_UNAUTHENTICATED: row(
    401,
    false,
    'no valid bearer token or signature',
    'pass --tenant and --key, or start the server with --demo',
  ),
  ERR_FORBIDDEN: row(403, false, 'your key does not reach this', 'use the admin key: data/keys/admin.jwk'),
  ERR_SIGNATURE: row(
    401,
    false,
    'the signature does not verify',
    'sign with a key that is registered for this tenant',
  ),
  ERR_UNSIGNED: row(
    403,
    false,
    'this tenant accepts signed requests only',
    'send application/jose; the CLI does so with --key',
  ),
  ERR_IDEMPOTENCY: row(422, false, 'the same key came with another job', 'use a new idempotency key'),
  ERR_BLOB_MISSING: row(
    422,
    false,
    'a blob that the job names is not here',
    'upload it first: berth blob put FILE',
  ),
  ERR_BLOB_DIGEST: row(
    422,
    false,
    'the bytes do not hash to the digest in the path',
    'send the bytes that belong to the digest',
  ),
  ERR_BLOB_QUOTA: row(413, false, "the tenant's blob space is used up", 'ask for more space'),
  ERR_QUEUE_FULL: row(429, true, 'the queue is at its bound', 'try again after Retry-After seconds'),
  ERR_RATE: row(429, true, 'too many requests', 'try again after Retry-After seconds'),
  ERR_BUSY: row(503, true, 'the controller is behind with its commands', 'try again in a second'),
  ERR_DRAINING: row(503, true, 'the controller is shutting down', 'try again when it is back'),
  ERR_READ_ONLY: row(
    503,
    true,
    'the log cannot be written',
    'make room on the disk; the controller mends itself',
  ),
  ERR_TORN_TAIL: row(
    503,
    false,
    'the log lost records at its end',
    'read the report on stderr, then restart with --accept-torn-tail',
  ),
  ERR_NOT_YET: row(404, true, 'the job has not come that far yet', 'berth job watch ID, then ask again'),
  ERR_NO_RESULT: row(409, false, 'the job ended without a result', 'berth job get ID says why'),
  ERR_STREAMS: row(503, true, 'too many event streams are open', 'close one, or ask for JSON pages'),
  ERR_EXISTS: row(409, false, 'there is one by this name already', 'choose another name'),
  ERR_INTERNAL: row(500, true, 'a fault of ours', 'look at the server log for this request'),
  // Commands on a job
  ERR_JOB_ENDED: row(409, false, 'the job has ended', 'berth job get ID'),
  ERR_STALE_FENCE: row(409, false, 'speaks of an attempt that is over', 'nothing: the job moved on'),
  ERR_STALE_VISIT: row(409, false, 'rests on a state that was left', 'nothing: the job moved on'),
  ERR_NOT_IN_STATE: row(409, false, 'this cannot happen in the present state', 'berth job get ID'),
  ERR_QUOTA: row(
    409,
    true,
    "the tenant's slot quota is used up",
    'wait for own jobs to end, or raise the quota',
  ),
  ERR_NO_PLACE: row(409, true, 'the chosen slot is taken', 'nothing: the job is queued again'),
  // Causes: why a job ended without success
  ERR_ATTEST_TIMEOUT: row(422, true, 'attestation took too long', 'submit again'),
  ERR_QUEUE_TIMEOUT: row(
    422,
    true,
    'waited longer than limits.queueMs',
    'raise --queue-ms or submit when there is room',
  ),
  ERR_RUN_TIMEOUT: row(422, false, 'ran longer than limits.wallMs', 'raise --wall-ms'),
  ERR_CANCELLED: row(422, false, 'cancelled on request', 'submit again'),
  ERR_RUNNER_LOST: row(422, true, 'runners were lost or late too often', 'submit again; berth doctor'),
  ERR_EXIT_CODE: row(422, false, 'the guest exited with a code other than 0', 'berth job logs ID'),
  ERR_MODULE_INVALID: row(
    422,
    false,
    'the module is not WebAssembly that Berth can run',
    'see the message for section and offset',
  ),
  ERR_CAPABILITY_UNDECLARED: row(
    422,
    false,
    'the module imports what the job does not declare',
    'declare it with --cap, or remove the import',
  ),
  ERR_CAPABILITY_DENIED: row(
    422,
    false,
    "the tenant's policy forbids a declared capability",
    'drop the capability, or ask for it',
  ),
  ERR_NEVER_FITS: row(
    422,
    false,
    'no GPU of the fleet could ever hold this slot',
    'berth slot list shows the profiles',
  ),
  ERR_OVER_QUOTA: row(
    422,
    false,
    'the job alone is larger than the quota',
    'ask for a smaller slot or a larger quota',
  ),
  ERR_DIGEST_MISMATCH: row(422, false, 'a stored blob does not hash to its name', 'upload it again'),
  ERR_GUEST_TRAP: row(422, false, 'the guest trapped', 'berth job logs ID'),
  ERR_GUEST_STACK: row(422, false, 'the guest exhausted its call stack', 'bound its recursion'),
  ERR_GUEST_MEMORY: row(422, false, 'the guest wanted more memory than its limit', 'raise --memory-mib'),
  ERR_GUEST_OUTPUT: row(422, false, 'the guest wrote more than limits.outputBytes', 'raise --output-bytes'),
  ERR_GUEST_LINK: row(422, false, 'the module cannot be compiled or linked', 'see the message'),
  ERR_GUEST_SANDBOX: row(422, false, 'the sandbox died under the guest', 'berth job logs ID'),
  // The log and the data directory
  ERR_LOG_CONFLICT: row(409, true, 'someone wrote to this stream first', 'read it again and decide anew'),
  ERR_LOG_FAILED: row(503, true, 'a write or sync of the log failed', 'make room on the disk, or replace it'),
  ERR_LOG_CORRUPT: row(
    500,
    false,
    'a sealed part of the log does not verify',
    'berth log verify PATH says where; restore from a copy',
  ),
  ERR_LOG_DIVERGED: row(
    500,
    false,
    'a log does not follow from itself, or from another one',
    'compare with the version that wrote it: berth log replay PATH -o json names it',
  ),
  ERR_LOG_FENCED: row(409, false, 'a newer controller has taken over this log', 'stop this one'),
  ERR_DATA_LOCKED: row(
    409,
    false,
    'another controller uses this data directory',
    'stop it, or use --data DIR',
  ),
  // Command line and set-up
  ERR_USAGE: row(400, false, 'the command line is off', 'berth --help'),
  ERR_CONFIG: row(400, false, 'a setting is off', 'berth config show'),
  ERR_UNREACHABLE: row(503, true, 'no controller answers there', 'start one: npm start'),
  ERR_NATS: row(
    503,
    true,
    'the NATS server does not do what is needed',
    'check --nats URL and that JetStream is on',
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errors;

/** One field that is wrong, for `errors[]` of a problem document. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** A failure of the world or of the caller, with a code from the table. Broken invariants are plain assertions instead. */
export class BerthError extends Error {
  override readonly name = 'BerthError';
  readonly code: ErrorCode;
  readonly fields: readonly FieldError[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; fields?: readonly FieldError[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? [];
  }
}

/** Why a job ended without success: what every end but `succeeded` carries. */
export interface Cause {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** Longest message of a fact, characters. */
export const messageCharsMax = 2_000;

/**
 * `text` cut to what a fact may hold.
 *
 * Why cut and not refused: these texts come from guests, runners and modules. A fact with one character too many
 * is a broken schema, which ends the controller's life, and the next life would meet the same text again.
 */
export const cutTo = (charsMax: number, text: string): string =>
  text.length > charsMax ? `${text.slice(0, charsMax - 1)}…` : text;

/** The cause for `code`; `message` defaults to the code's meaning, and is cut to `messageCharsMax`. */
export function causeOf(code: ErrorCode, message: string = errors[code].meaning): Cause {
  return { code, message: cutTo(messageCharsMax, message), retryable: errors[code].retryable };
}

/** Stops the process part that finds its own rules broken: continuing would write nonsense into the log. */
export function invariant(holds: unknown, message: string): asserts holds {
  if (!holds) throw new Error(`broken invariant: ${message}`);
}
