/**
 * How a command ends: the exit codes, and the errors that carry what the user does next.
 *
 * Why so many codes: a script must tell "the job failed" from "the network failed" without reading text.
 * Each code means one thing, on every command. Test: `test/cli/usage.test.ts`.
 */
import { BerthError, type ErrorCode, errors, type FieldError } from '../errors.ts';
import { visible } from './text.ts';

/** The codes of the contract. */
export const exits = {
  done: 0,
  error: 1,
  usage: 2,
  /** The job ended, and not by success. */
  unsuccessful: 3,
  /** The time given for waiting is over; the job goes on. */
  waitedInVain: 4,
  /** The door refused the job: it does not exist. */
  refused: 5,
  interrupted: 130,
} as const;

/** A failure with its exit code and the next command to type. */
export class CommandError extends BerthError {
  readonly exit: number;
  readonly next: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { exit?: number; next?: string; fields?: readonly FieldError[]; cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.exit = options.exit ?? (code === 'ERR_USAGE' ? exits.usage : exits.error);
    this.next = options.next ?? errors[code].next;
  }
}

/** The error with the id at hand in its hint, where the table of errors can only say `ID`. */
export function withId(error: unknown, id: string): unknown {
  if (!(error instanceof BerthError)) return error;
  const { code, cause, fields, message } = error;
  const { exit, next } = error instanceof CommandError ? error : plainFailure(code);
  return new CommandError(code, message, { exit, fields, cause, next: next.replaceAll(/\bID\b/g, id) });
}

/** What the command line says wrongly: exit 2. */
export const usage = (message: string, next = 'berth --help'): CommandError =>
  new CommandError('ERR_USAGE', message, { next });

/** The reader of stdout went away (`| head`): nobody is left to write to, and that is no failure. */
export class StdoutClosed extends Error {}

/** What stderr says about a failure: what, which fields, and the next command, one a line. */
export function describeFailure(error: unknown): {
  readonly lines: readonly string[];
  readonly exit: number;
} {
  if (!(error instanceof BerthError)) {
    const message = error instanceof Error ? error.message : String(error);
    return { lines: [`error: ${visible(message)}`, 'next: berth doctor'], exit: exits.error };
  }
  const { exit, next } = error instanceof CommandError ? error : plainFailure(error.code);
  const fields = error.fields.map(({ field, message }) => `  ${visible(field)}: ${visible(message)}`);
  return {
    lines: [`error ${error.code}: ${visible(error.message)}`, ...fields, `next: ${visible(next)}`],
    exit,
  };
}

const plainFailure = (code: ErrorCode): { exit: number; next: string } => ({
  exit: code === 'ERR_USAGE' ? exits.usage : exits.error,
  next: errors[code].next,
});
