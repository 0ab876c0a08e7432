/** Answers of the door, the same for HTTP and NATS: a status and a body. Errors are RFC 9457 problem documents. */
import { BerthError, type ErrorCode, errors, type FieldError } from '../errors.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Seconds after which trying again is worth it. */
const retryAfterSeconds = 1;

/** A problem document for `code`; `detail` says what was wrong this time. */
export function problem(code: ErrorCode, detail: string, fields: readonly FieldError[] = []): Answer {
  const { http, meaning, next, retryable } = errors[code];
  return {
    status: http,
    body: {
      type: `urn:berth:error:${code}`,
      title: meaning,
      status: http,
      code,
      detail,
      retryable,
      next,
      ...(fields.length > 0 ? { errors: fields } : {}),
    },
    headers: retryable ? { 'retry-after': String(retryAfterSeconds) } : {},
  };
}

/** A failure of the world as its problem; anything else is a fault of ours and goes on. */
export function problemOf(error: unknown): Answer {
  if (error instanceof BerthError) return problem(error.code, error.message, error.fields);
  throw error;
}

/** Did the door refuse? */
export const isProblem = (answer: Answer): boolean => answer.status >= 400;
