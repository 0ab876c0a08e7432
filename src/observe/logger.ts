/**
 * The logger: one line of JSON an entry, for what happens to this process. What happens to jobs is in the log of facts.
 *
 * Why JSON lines: they are cut by machines without guessing. Why so careful: texts in an entry come from
 * guests, clients and the kernel. None of them may break a line, colour a terminal, fill a disk, or throw
 * into the code that only wanted to say that something went wrong.
 * Test: `test/observe/logger.test.ts`.
 */
import type { Clock } from '../clock.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Writes an entry when its level is asked for. Never throws. */
export type Logger = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

const levels: readonly LogLevel[] = ['error', 'warn', 'info', 'debug'];

/** Characters of one text, members of one object or list, nesting, characters of one line. */
const textCharsMax = 4_096;
const membersMax = 64;
const depthMax = 4;
const lineCharsMax = 32_768;

export interface LoggerParts {
  /** Takes one line, newline included. */
  readonly write: (line: string) => void;
  readonly clock: Clock;
  /** Entries below this level are dropped; `error` is the highest. */
  readonly level: LogLevel;
  /** `json` for machines (default), `text` for a person at a terminal. */
  readonly form?: 'json' | 'text';
}

/** A logger that writes `{at, level, message, …fields}` lines. */
export function createLogger({ write, clock, level: least, form = 'json' }: LoggerParts): Logger {
  return (level, message, fields = {}) => {
    if (levels.indexOf(level) > levels.indexOf(least)) return;
    try {
      const entry = { at: new Date(clock.wallMs()).toISOString(), level, message: capped(message) };
      write(`${lineOf(entry, fields, form)}\n`);
    } catch {
      // Where this would have been reported is just what failed: a closed pipe, a full disk.
    }
  };
}

interface Entry {
  readonly at: string;
  readonly level: LogLevel;
  readonly message: string;
}

function lineOf(entry: Entry, fields: Readonly<Record<string, unknown>>, form: 'json' | 'text'): string {
  const plain = plainFields(entry, fields);
  const line = form === 'json' ? oneLine({ ...entry, ...plain }) : textOf(entry, plain);
  if (line.length <= lineCharsMax) return line;
  const cut = {
    fieldsLeftOut: `the entry had ${line.length} characters, at most ${lineCharsMax} are written`,
  };
  return form === 'json' ? oneLine({ ...entry, ...cut }) : textOf(entry, cut);
}

/** Fields as data that JSON can say. A field can't pass for the entry's own time, level or message. */
function plainFields(entry: Entry, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    const plain = plainOf(fields, 0) as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(plain).map(([name, value]) => [name in entry ? `${name}_` : name, value]),
    );
  } catch (error) {
    // A getter or a proxy that throws.
    return { fieldsLeftOut: `they can't be read: ${capped(String(error))}` };
  }
}

function plainOf(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return capped(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  if (typeof value !== 'object') return capped(String(value));
  if (depth >= depthMax) return '[nested deeper]';
  if (value instanceof Error) return plainError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (Array.isArray(value)) return value.slice(0, membersMax).map((item) => plainOf(item, depth + 1));
  const entries = Object.entries(value).slice(0, membersMax);
  return Object.fromEntries(entries.map(([name, item]) => [capped(name), plainOf(item, depth + 1)]));
}

function plainError(error: Error, depth: number): unknown {
  const { code } = error as { code?: unknown };
  return {
    name: capped(error.name),
    message: capped(error.message),
    ...(code === undefined ? {} : { code: plainOf(code, depth + 1) }),
    ...(error.stack === undefined ? {} : { stack: capped(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: plainOf(error.cause, depth + 1) }),
  };
}

const capped = (text: string): string =>
  text.length <= textCharsMax ? text : `${text.slice(0, textCharsMax)}… (${text.length} characters)`;

/** JSON escapes the control characters below 0x20; a terminal obeys DEL and those from 0x80 to 0x9f as well. */
const oneLine = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** `12:00:00.000 WARN  message  name=value …`, each value as JSON so that it stays on the line. */
function textOf({ at, level, message }: Entry, fields: Readonly<Record<string, unknown>>): string {
  const values = Object.entries(fields).map(
    ([name, value]) => `  ${oneLine(name).slice(1, -1)}=${oneLine(value ?? null)}`,
  );
  return `${at.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${oneLine(message).slice(1, -1)}${values.join('')}`;
}
