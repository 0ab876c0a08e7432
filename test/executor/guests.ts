/**
 * Tiny guests, built byte by byte, and requests to run them.
 *
 * Why by hand: most of them do what no compiler would emit. `assemble` knows sections and vectors, nothing else;
 * bodies are raw opcodes, named where they stand.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RunRequest } from '../../src/executor/backend.ts';

type Bytes = readonly number[];

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...leb(Math.floor(value / 128))];
}

/** Signed LEB128 of a 32-bit number, as `i32.const` takes it. */
export function signed(value: number): number[] {
  const bits = value & 127;
  const rest = value >> 7;
  const isLast = (rest === 0 && (bits & 64) === 0) || (rest === -1 && (bits & 64) !== 0);
  return isLast ? [bits] : [bits | 128, ...signed(rest)];
}

const vector = (items: readonly Bytes[]): number[] => [...leb(items.length), ...items.flat()];
export const name = (text: string): number[] => [...leb(Buffer.byteLength(text)), ...Buffer.from(text)];
export const section = (id: number, content: Bytes): number[] => [id, ...leb(content.length), ...content];
export const header: Bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

export const i32 = 0x7f;
export const i64 = 0x7e;
export const op = {
  unreachable: 0,
  loop: 0x03,
  br: 0x0c,
  brIf: 0x0d,
  end: 0x0b,
  call: 0x10,
  drop: 0x1a,
} as const;
export const i32Const = (value: number): number[] => [0x41, ...signed(value)];

export interface Parts {
  /** WASI functions with their parameter types; all return i32 unless they are `proc_exit`. Indices from 0. */
  readonly imports?: readonly { readonly name: string; readonly params: Bytes; readonly module?: string }[];
  /** Body of `_start`, without locals and without the final `end`. */
  readonly start: Bytes;
  /** Raw content of the table section's one entry. */
  readonly table?: Bytes;
  /** Raw limits of the memory; default one page, no maximum. */
  readonly memory?: Bytes;
  /** Bytes that stand at address 0. */
  readonly data?: Bytes;
}

/** A module that exports `memory` and `_start`. */
export function assemble(parts: Parts): Uint8Array {
  const imports = parts.imports ?? [];
  const types = imports.map((each) => [
    0x60,
    ...vector(each.params.map((one) => [one])),
    ...(each.name === 'proc_exit' ? [0] : [1, i32]),
  ]);
  const data = parts.data ?? [];
  return Uint8Array.from([
    ...header,
    ...section(1, vector([...types, [0x60, 0, 0]])),
    ...section(
      2,
      vector(
        imports.map((each, index) => [
          ...name(each.module ?? 'wasi_snapshot_preview1'),
          ...name(each.name),
          0,
          index,
        ]),
      ),
    ),
    ...section(3, vector([[types.length]])),
    ...(parts.table === undefined ? [] : section(4, vector([parts.table]))),
    ...section(5, vector([parts.memory ?? [0, 1]])),
    ...section(
      7,
      vector([
        [...name('memory'), 2, 0],
        [...name('_start'), 0, ...leb(imports.length)],
      ]),
    ),
    ...section(10, vector([[...leb(parts.start.length + 2), 0, ...parts.start, op.end]])),
    ...(data.length === 0
      ? []
      : section(11, vector([[0, ...i32Const(0), op.end, ...leb(data.length), ...data]]))),
  ]);
}

/** Little-endian u32s, for data segments. */
export const u32s = (...values: number[]): number[] =>
  values.flatMap((value) => [...new Uint8Array(new Uint32Array([value]).buffer)]);

const fdWrite = { name: 'fd_write', params: [i32, i32, i32, i32] };
const call = (index: number, ...args: number[]): number[] => [...args.flatMap(i32Const), op.call, index];

/** One iovec at address 0 (16 bytes at 16), written to `fd`. */
const writeSixteen = (index: number, fd: number): number[] => [...call(index, fd, 0, 1, 8), op.drop];

export const guests = {
  loop: assemble({ start: [op.loop, 0x40, op.br, 0, op.end] }),
  /** Writes 16 bytes to stderr, then loops. */
  talkThenLoop: assemble({
    imports: [fdWrite],
    start: [...writeSixteen(0, 2), op.loop, 0x40, op.br, 0, op.end],
    data: [...u32s(16, 16, 0, 0), ...Buffer.from('I am alive here\n')],
  }),
  /** Writes 16 bytes to stderr for ever. */
  stderrFlood: assemble({
    imports: [fdWrite],
    start: [op.loop, 0x40, ...writeSixteen(0, 2), op.br, 0, op.end],
    data: [...u32s(16, 16, 0, 0), ...Buffer.from('I am alive here\n')],
  }),
  /** Grows a table of externref by 65,536 entries until that fails, then returns. */
  tableBomb: assemble({
    table: [0x6f, 0, 1],
    // loop; ref.null extern; i32.const 65536; table.grow 0; i32.const -1; i32.ne; br_if 0; end
    start: [
      op.loop,
      0x40,
      0xd0,
      0x6f,
      ...i32Const(65_536),
      0xfc,
      0x0f,
      0,
      ...i32Const(-1),
      0x47,
      op.brIf,
      0,
      op.end,
    ],
  }),
  /** Declares a table of ten million entries. */
  hugeTable: assemble({ table: [0x6f, 0, ...leb(10_000_000)], start: [] }),
  /** memory.fill of the whole of its 64 MiB, for ever: a worker thread could not be stopped in it. */
  fillLoop: assemble({
    memory: [0, ...leb(1024)],
    start: [
      op.loop,
      0x40,
      ...i32Const(0),
      ...i32Const(7),
      ...i32Const(64 * 2 ** 20),
      0xfc,
      0x0b,
      0,
      op.br,
      0,
      op.end,
    ],
  }),
  /** random_get of 16 bytes, then writes them to stdout. */
  random: assemble({
    imports: [{ name: 'random_get', params: [i32, i32] }, fdWrite],
    start: [...call(0, 16, 16), op.drop, ...writeSixteen(1, 1)],
    data: u32s(16, 16),
  }),
  /** Two clock readings of 8 bytes each, written to stdout. */
  clock: assemble({
    imports: [{ name: 'clock_time_get', params: [i32, i64, i32] }, fdWrite],
    start: [
      ...[16, 24].flatMap((at) => [...i32Const(0), 0x42, 0, ...i32Const(at), op.call, 0, op.drop]),
      ...writeSixteen(1, 1),
    ],
    data: u32s(16, 16),
  }),
  exit42: assemble({ imports: [{ name: 'proc_exit', params: [i32] }], start: call(0, 42) }),
  /** Writes to stdout for ever, and catches the exception by which the host ends it. */
  stubborn: assemble({
    imports: [fdWrite],
    // loop; try; (write); catch_all; return; end; br 0; end
    start: [op.loop, 0x40, 0x06, 0x40, ...writeSixteen(0, 1), 0x19, 0x0f, op.end, op.br, 0, op.end],
    data: [...u32s(16, 16, 0, 0), ...Buffer.from('I am alive here\n')],
  }),
  /** Copies 16 bytes of the model (descriptor 3), from offset 4 on, to stdout. */
  model: assemble({
    imports: [
      { name: 'fd_seek', params: [i32, i64, i32, i32] },
      { name: 'fd_read', params: [i32, i32, i32, i32] },
      fdWrite,
    ],
    start: [
      ...[...i32Const(3), 0x42, 4, ...i32Const(0), ...i32Const(48), op.call, 0, op.drop],
      ...[...call(1, 3, 0, 1, 8), op.drop],
      ...writeSixteen(2, 1),
    ],
    data: u32s(16, 16),
  }),
  /** A body that is no valid code: `i32.add` on an empty stack. */
  invalid: assemble({ start: [0x6a] }),
} as const;

/** A module of about `bytes` bytes that does nothing, most of it a custom section. */
export function heavyModule(bytes: number): Uint8Array {
  const small = assemble({ start: [] });
  const head = Uint8Array.from([0, ...leb(bytes + 2), 1, 0x78]);
  const heavy = new Uint8Array(small.length + head.length + bytes);
  heavy.set(small);
  heavy.set(head, small.length);
  heavy.fill(7, small.length + head.length);
  return heavy;
}

/** A body of that many nested blocks: small to send, but compiling it takes an engine hundreds of MiB. */
export function deepModule(depth: number): Uint8Array {
  const body = new Uint8Array(3 * depth + 2);
  for (let at = 1; at < 2 * depth; at += 2) body.set([0x02, 0x40], at);
  body.fill(op.end, 2 * depth + 1);
  const function_ = [1, ...leb(body.length)];
  const head = [
    ...header,
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name('_start'), 0, 0]),
    ...[10, ...leb(function_.length + body.length), ...function_],
  ];
  const module = new Uint8Array(head.length + body.length);
  module.set(head);
  module.set(body, head.length);
  return module;
}

/** One of the sample guests that are built from source in `wasm/`. */
export function sampleGuest(of: string): Uint8Array {
  return readFileSync(new URL(`../../wasm/${of}.wasm`, import.meta.url));
}

let fence = 0;

/** A request with the usual capabilities; each has a fence of its own. */
export function requestFor(module: Uint8Array, more: Partial<RunRequest> = {}): RunRequest {
  fence += 1;
  return {
    fence,
    tenant: 'alice',
    seed: 'job-1',
    module,
    moduleSha256: createHash('sha256').update(module).digest('hex'),
    input: new Uint8Array(0),
    model: null,
    args: [],
    env: {},
    capabilities: ['stdio', 'args', 'clock:virtual', 'random:seeded'],
    memoryMiBMax: 64,
    outputBytesMax: 1_048_576,
    ...more,
  };
}
