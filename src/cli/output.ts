/**
 * What goes to stdout: tables for people, JSON for programs; bytes as they are.
 *
 * Why stdout is so strict: `berth job submit --wait m.wasm > result` must give the result's bytes and nothing
 * else. So hints, progress and errors go to stderr, and colour only to a terminal. A slow reader slows us
 * down (every write is awaited), and one that went away ends us quietly. Test: `test/cli/output.test.ts`.
 */
import { StdoutClosed } from './exit.ts';
import { safeJson, visible, visibleLines } from './text.ts';

export const formats = ['table', 'wide', 'json', 'jsonl'] as const;
export type Format = (typeof formats)[number];

/** One column of a table. */
export interface Column<T> {
  readonly name: string;
  readonly value: (row: T) => string;
  /** Shown by `-o wide` only. */
  readonly wide?: boolean;
  readonly right?: boolean;
}

/** The part of a stream that we write to; a test hands in its own. */
export type Sink = NodeJS.WritableStream & { readonly isTTY?: boolean };

export class Output {
  readonly format: Format;
  readonly #stdout: Sink;
  readonly #stderr: Sink;
  readonly #environment: NodeJS.ProcessEnv;
  #closed = false;

  constructor(options: { format: Format; stdout?: Sink; stderr?: Sink; environment?: NodeJS.ProcessEnv }) {
    this.format = options.format;
    this.#stdout = options.stdout ?? process.stdout;
    this.#stderr = options.stderr ?? process.stderr;
    this.#environment = options.environment ?? process.env;
    this.#stdout.on('error', this.#onError);
    // Nobody reads our complaints: nothing to complain about that to.
    this.#stderr.on('error', ignore);
  }

  /** Lets go of the streams: in a process that runs several commands, listeners would pile up. */
  release(): void {
    this.#stdout.off('error', this.#onError);
    this.#stderr.off('error', ignore);
  }

  /** Is a person watching stdout? */
  get terminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** May progress be drawn on stderr? */
  get animated(): boolean {
    return this.#stderr.isTTY === true && this.#environment['TERM'] !== 'dumb';
  }

  /** Is the format one that a program reads? */
  get machine(): boolean {
    return this.format === 'json' || this.format === 'jsonl';
  }

  /** Writes to stdout and waits until there is room again. Throws StdoutClosed when the reader went away. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#closed) throw new StdoutClosed();
    if (this.#stdout.write(chunk)) return;
    await roomIn(this.#stdout);
    if (this.#closed) throw new StdoutClosed();
  }

  line(text: string): Promise<void> {
    return this.write(`${visible(text)}\n`);
  }

  /** One JSON object on one line: for streams, which have no last line and so can be no array. */
  object(value: unknown): Promise<void> {
    return this.write(`${safeJson(value)}\n`);
  }

  /** A sentence for a person, on stderr. */
  note(text: string): void {
    this.#stderr.write(`${visibleLines(text)}\n`);
  }

  /** Draws on stderr as it is; only for our own text, only when `animated`. */
  draw(text: string): void {
    if (this.animated) this.#stderr.write(text);
  }

  /** Bytes to stdout: exact for a pipe; on a terminal with unsafe characters made visible, unless `raw`. */
  async bytes(chunks: AsyncIterable<Uint8Array>, raw = false): Promise<void> {
    const decoder = this.terminal && !raw ? new TextDecoder() : null;
    for await (const chunk of chunks) {
      await this.write(decoder ? visibleLines(decoder.decode(chunk, { stream: true })) : chunk);
    }
    const rest = decoder?.decode();
    if (rest) await this.write(visibleLines(rest));
  }

  /** Rows in the chosen format: a table, one JSON array, or one JSON object a line. */
  async rows<T>(rows: readonly T[], columns: readonly Column<T>[], empty: string): Promise<void> {
    if (this.format === 'json') return this.write(`${safeJson(rows, 2)}\n`);
    if (this.format === 'jsonl') {
      for (const row of rows) await this.object(row);
      return;
    }
    if (rows.length === 0) return this.note(empty);
    await this.write(this.table(rows, columns));
  }

  /** One thing in the chosen format; `lines` are its name-value pairs for a person. */
  async one(value: unknown, lines: readonly (readonly [string, string])[]): Promise<void> {
    if (this.format === 'json') return this.write(`${safeJson(value, 2)}\n`);
    if (this.format === 'jsonl') return this.object(value);
    const width = Math.max(0, ...lines.map(([name]) => name.length));
    const text = lines.map(([name, shown]) => `${this.bold(name.padEnd(width))}  ${visible(shown)}\n`);
    await this.write(text.join(''));
  }

  table<T>(rows: readonly T[], columns: readonly Column<T>[], header = true): string {
    const shown = columns.filter(({ wide }) => this.format === 'wide' || !wide);
    const cells = rows.map((row) => shown.map(({ value }) => visible(value(row))));
    const widths = shown.map(({ name }, at) => {
      let width = header ? name.length : 0;
      for (const line of cells) width = Math.max(width, line[at]?.length ?? 0);
      return width;
    });
    const pad = (line: readonly string[]): string =>
      line
        .map((cell, at) => (shown[at]?.right ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
        .join('  ')
        .trimEnd();
    const head = header ? [this.bold(pad(shown.map(({ name }) => name.toUpperCase())))] : [];
    return [...head, ...cells.map(pad), ''].join('\n');
  }

  /** Bold on a terminal that may show it; see no-color.org. */
  bold(text: string): string {
    const plain = !this.terminal || this.#environment['NO_COLOR'] || this.#environment['TERM'] === 'dumb';
    return plain ? text : `\u001b[1m${text}\u001b[0m`;
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
    this.#closed = true;
  };
}

const ignore = (): void => undefined;

/** What ends the waiting for a slow reader: it read on, or it went away. */
const wakers = ['drain', 'close', 'error'] as const;

/** Resolves when more can be written, or never can. Leaves no listener behind: a large result waits a thousand times. */
function roomIn(stream: Sink): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of wakers) stream.off(event, done);
      resolve();
    };
    for (const event of wakers) stream.on(event, done);
  });
}

/** An instant for a person: `2026-01-31 12:00:00.123Z`; empty when there is none. */
export const instantText = (ms: number | null | undefined): string =>
  ms === null || ms === undefined ? '' : new Date(ms).toISOString().replace('T', ' ');

/** A duration for a person: `340 ms`, `12.3 s`, `4 m 10 s`, `2 h 5 m`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} m`;
}
