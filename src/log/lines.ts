/**
 * Reads a file line by line in bounded memory, and strictly: bytes that are no UTF-8 are no line.
 *
 * Why strict: hashes are over text. A lenient decoder turns different broken bytes into the same
 * replacement sign, and then a changed byte could pass. Test: `test/log/torn.test.ts`.
 */
import { lineBytesMax } from './chain.ts';
import type { DiskFile } from './disk.ts';
import { chunkBytes } from './segment.ts';

/** One line without its newline, or the sentence that says why it is none. */
export interface Line {
  readonly offset: number;
  readonly text: string | null;
  readonly problem: string | null;
}

// A byte-order mark is a byte like others here: dropped silently it would escape the hash.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const newline = 10;

/** Lines of the first `size` bytes, an array for each chunk. Ends after the first line with a problem. */
export async function* readLines(file: DiskFile, size: number): AsyncGenerator<Line[]> {
  let carry = new Uint8Array(0);
  let offset = 0;
  for (let position = 0; position < size; ) {
    const chunk = await file.read(position, Math.min(chunkBytes, size - position));
    if (chunk.length === 0) break;
    position += chunk.length;
    const bytes = carry.length === 0 ? chunk : joined(carry, chunk);
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) {
      const lines = linesOf(bytes.subarray(0, end), offset);
      yield lines;
      if (lines.at(-1)?.problem) return;
      offset += end;
    }
    carry = bytes.slice(end);
    if (carry.length > lineBytesMax) return yield [bad(offset, `is longer than ${lineBytesMax} bytes`)];
  }
  if (carry.length > 0) yield [bad(offset, 'has no newline at its end', lenient(carry))];
}

/** All lines of `bytes`, which ends in a newline. Ends after the first one with a problem. */
export function linesOf(bytes: Uint8Array, start: number): Line[] {
  const text = decoded(bytes);
  if (text === null) return linesOneByOne(bytes, start);
  const ascii = text.length === bytes.length;
  const lines: Line[] = [];
  let offset = start;
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end);
    lines.push({ offset, text: line, problem: null });
    offset += (ascii ? line.length : encoder.encode(line).length) + 1;
    from = end + 1;
  }
  return lines;
}

/** The slow way, for a chunk with a bad byte somewhere: finds the line. */
function linesOneByOne(bytes: Uint8Array, start: number): Line[] {
  const lines: Line[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(newline, from);
    const text = decoded(bytes.subarray(from, end));
    if (text === null)
      return [...lines, bad(start + from, 'is not UTF-8', lenient(bytes.subarray(from, end)))];
    lines.push({ offset: start + from, text, problem: null });
    from = end + 1;
  }
  return lines;
}

function decoded(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

const bad = (offset: number, problem: string, text: string | null = null): Line => ({
  offset,
  text,
  problem,
});
/** For looking into broken bytes: one character a byte. */
const lenient = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes.subarray(0, 4096));

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
