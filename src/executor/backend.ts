/**
 * The port between the executor and whatever really runs a guest.
 *
 * Why a port: the executor decides *that* an attempt runs and *when* it must die; how a process is
 * made, fed and killed is another matter, with other failures. A CPU or GPU backend is one more file
 * that implements this interface; a simulated one never starts a process at all.
 * Test: `test/executor/pool.test.ts`.
 */

/** Everything one attempt needs, resolved to bytes. */
export interface RunRequest {
  /** The attempt's fence: seq of its `reserved` fact. Names the run; never used twice. */
  readonly fence: number;
  readonly tenant: string;
  /** Reproducible randomness (`random:seeded`) starts from it: the job id. */
  readonly seed: string;
  /** Lower-case hex SHA-256 of `module`; the runner hashes what it got and refuses a mismatch. */
  readonly moduleSha256: string;
  readonly module: Uint8Array;
  /** Guest's stdin; empty when the job has none. */
  readonly input: Uint8Array;
  /** Readable by the guest at file descriptor 3; null when the job has none. */
  readonly model: Uint8Array | null;
  /** Arguments after argv[0], which is always `guest.wasm`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The declared capabilities: only their functions are linked. */
  readonly capabilities: readonly string[];
  /** Cap on the guest's linear memory, MiB (2^20 bytes). */
  readonly memoryMiBMax: number;
  /** Cap on stdout, bytes; one more ends the run as a crash, ERR_GUEST_OUTPUT. */
  readonly outputBytesMax: number;
}

/** Ways a guest fails by its own doing. */
export type GuestErrorCode =
  | 'ERR_GUEST_TRAP' // unreachable, out of bounds, division by zero …
  | 'ERR_GUEST_STACK' // call stack exhausted
  | 'ERR_GUEST_MEMORY' // wanted more memory than its limit, or took its sandbox down with memory
  | 'ERR_GUEST_OUTPUT' // wrote more than outputBytesMax
  | 'ERR_GUEST_LINK' // can't be compiled or instantiated
  | 'ERR_GUEST_SANDBOX'; // the sandbox process itself died under the guest

/** How a run ended. But for `lost`, someone saw the guest go; after `lost`, too, it runs no more. */
export type RunOutcome =
  | { readonly how: 'exited'; readonly exitCode: number; readonly stdout: Uint8Array }
  | { readonly how: 'crashed'; readonly code: GuestErrorCode; readonly message: string }
  | { readonly how: 'killed' } // by `kill()`
  | { readonly how: 'lost'; readonly message: string }; // runner gone or silent unasked, or killed but not seen to end

/** One run under way. */
export interface Run {
  readonly fence: number;
  /** Resolves once, when the guest is about to be entered; never rejects; stays pending if it never started. */
  readonly started: Promise<{ readonly runner: string }>;
  /** Resolves once, when the guest is certainly gone (result sent, or process seen dead). Never rejects. */
  readonly ended: Promise<RunOutcome>;
  /** The guest's stderr so far, last 64 KiB, as text. Not a fact: lives in memory only. */
  logs(): string;
  /** SIGKILL to the runner, at once. Idempotent. `ended` then says `killed`, what came first, or `lost` when no exit was seen. */
  kill(): void;
}

/** What a backend found out about this machine when it started. */
export interface Probe {
  readonly name: string;
  /** L0 a process of its own · L1 also memory limits by the kernel. */
  readonly isolation: 'L0' | 'L1';
  /** Sentences for the banner: what is missing here and what follows from it. */
  readonly notes: readonly string[];
}

/** Runs guests. At most `runners` at once. */
export interface Backend {
  readonly runners: number;
  probe(): Probe;
  /** Starts a run, or returns null when every runner is busy. Throws never. */
  run(request: RunRequest): Run | null;
  /**
   * Kills the process under this run as an accident would: nothing here expects it, so the run ends as `lost`. For demos.
   * False when no process runs it; absent where a run has none.
   */
  strike?(fence: number): boolean;
  /** Kills every guest and waits until all processes are gone. Idempotent. */
  stop(): Promise<void>;
}
