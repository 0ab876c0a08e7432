/**
 * Bytes that some failures of the Lab need: modules that no sample guest is, and inputs that take a while to read.
 * Test: `test/dashboard/lab-bytes.test.ts`.
 */

/** Text of a module's code: instructions of its one function, without `end`. */
type Code = readonly number[];

/** WebAssembly page, bytes. */
const pageBytes = 65_536;

const text = (words: string): number[] => Array.from(new TextEncoder().encode(words));

/** Unsigned LEB128: how WebAssembly writes counts. */
function count(n: number): number[] {
  const rest = Math.floor(n / 128);
  return rest === 0 ? [n] : [(n % 128) + 128, ...count(rest)];
}

const vector = (items: readonly (readonly number[])[]): number[] => [...count(items.length), ...items.flat()];
const sized = (bytes: readonly number[]): number[] => [...count(bytes.length), ...bytes];
const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)];
const named = (name: string): number[] => sized(text(name));

/** A guest of one function, `_start`, and a memory of so many pages. */
function guestOf(code: Code, pages: number): Uint8Array {
  const body = sized([...vector([]), ...code, 0x0b]);
  return Uint8Array.from([
    ...[0x00, ...text('asm'), 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector([[0x60, 0x00, 0x00]])),
    ...section(3, vector([[0x00]])),
    ...section(5, vector([[0x00, ...count(pages)]])),
    ...section(
      7,
      vector([
        [...named('_start'), 0x00, 0x00],
        [...named('memory'), 0x02, 0x00],
      ]),
    ),
    ...section(10, vector([body])),
  ]);
}

/** Adds two numbers that nobody put there: its sections are in order, its code can't be compiled. */
export const brokenGuest = (): Uint8Array => guestOf([0x6a], 1);

/** Writes to each page of `mebibytes`, then never returns: such a process takes a moment to die. */
export function heavyGuest(mebibytes: number): Uint8Array {
  const pages = (mebibytes * 1_048_576) / pageBytes;
  const i32 = (n: number): number[] => [0x41, ...signed(n)];
  const fill = [...i32(0), ...i32(1), ...i32(pages * pageBytes), 0xfc, 0x0b, 0x00];
  const forever = [0x03, 0x40, 0x0c, 0x00, 0x0b];
  return guestOf([...fill, ...forever], pages);
}

/** Signed LEB128 of a number that is not negative. */
function signed(n: number): number[] {
  if (n < 64) return [n];
  return [(n % 128) + 128, ...signed(Math.floor(n / 128))];
}

/** Mostly zeros, and never the same twice: the server has not seen it yet, and has to read all of it. */
export function newInput(bytes: number): Uint8Array {
  const input = new Uint8Array(bytes);
  crypto.getRandomValues(input.subarray(0, 16));
  return input;
}

/** The identity times a matrix, as `matmul` reads it: about a second of work, and a result that is that matrix. */
export function longInput(n = 1_152): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * n * n);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, n, true);
  for (let i = 0; i < n; i += 1) view.setFloat32(4 + 4 * (i * n + i), 1, true);
  for (let i = 0; i < n * n; i += 1) view.setFloat32(4 + 4 * (n * n + i), (i % 8_191) / 64, true);
  return bytes;
}
