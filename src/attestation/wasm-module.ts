/**
 * Reads what a WebAssembly module asks for, without running or compiling it.
 *
 * Why our own parser: a core module can reach nothing but its imports, so the import list *is* the
 * list of powers that it wants; and an engine should see a stranger's bytes only after we have. It
 * reads the section table, imports, tables, memories and exports, skips the rest by its length, and
 * answers any byte sequence with a value, never with a crash. No Node import: it also runs in a page.
 * Test: `test/attestation/wasm-module.test.ts`.
 */

export { capabilityFunctions, isCapability, undeclaredImports } from './capabilities.ts';

/** Bounds of what is read at all. A real 58 MB module (Haskell) stays far below each of them. */
export const moduleLimits = {
  moduleBytesMax: 64 * 1024 * 1024,
  importsMax: 1_000,
  exportsMax: 10_000,
  tablesMax: 16,
  memoriesMax: 16,
  nameBytesMax: 1_024,
  customSectionsMax: 1_000,
} as const;

/** One WebAssembly page, bytes. */
export const pageBytes = 65_536;

export type ImportKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

export interface ModuleImport {
  readonly module: string;
  readonly name: string;
  readonly kind: ImportKind;
}

export interface ModuleExport {
  readonly name: string;
  readonly kind: ImportKind;
}

/** A memory's declaration, in pages of 64 KiB; `maxPages` is null when the module sets none. */
export interface ModuleMemory {
  readonly minPages: number;
  readonly maxPages: number | null;
  readonly shared: boolean;
  readonly memory64: boolean;
}

/** A table's declaration, in entries. */
export interface ModuleTable {
  readonly minEntries: number;
  readonly maxEntries: number | null;
}

export interface WasmModule {
  readonly bytes: number;
  readonly imports: readonly ModuleImport[];
  readonly tables: readonly ModuleTable[];
  readonly memories: readonly ModuleMemory[];
  readonly exports: readonly ModuleExport[];
  /** The module has a start function: guest code runs as soon as it is instantiated. */
  readonly hasStart: boolean;
  /** Where the memory section lies, its id byte included; null when there is none. */
  readonly memorySection: { readonly from: number; readonly to: number } | null;
}

/** What is wrong with a module, and where: the section's name and the byte offset in the module. */
export interface ModuleError {
  readonly section: string;
  readonly offset: number;
  readonly message: string;
}

export type Parsed =
  | { readonly ok: true; readonly module: WasmModule }
  | { readonly ok: false; readonly error: ModuleError };
export type Clamped =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly error: ModuleError };

/**
 * Lists imports, tables, memories and exports of a module.
 *
 * @param bytes a binary module, version 1
 * @returns the lists, or where and why the bytes are no module that we take. Throws: never.
 * Source: WebAssembly core specification, chapter 5 (binary format).
 */
export function parseModule(bytes: Uint8Array): Parsed {
  const cursor = new Cursor(bytes);
  try {
    return { ok: true, module: readModule(cursor) };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ok: false, error: { section: cursor.section, offset: cursor.at, message: error.message } };
  }
}

/**
 * Rewrites the memory section so that the guest can never grow beyond `pagesMax`.
 *
 * Why rewrite: a module without a maximum may grow to 4 GiB, and then the sandbox process, not the
 * guest, meets the limit. With a maximum of its own `memory.grow` answers −1 and the guest can cope.
 *
 * @param pagesMax cap, pages of 64 KiB, 0 to 65,536
 * @returns the same bytes when nothing had to change, else a copy
 * Refuses: a minimum above the cap; shared or 64-bit memory; more than one memory; any import but functions.
 */
export function clampMemory(bytes: Uint8Array, pagesMax: number): Clamped {
  const parsed = parseModule(bytes);
  if (!parsed.ok) return parsed;
  const { module } = parsed;
  const refuse = (section: string, message: string): Clamped => ({
    ok: false,
    error: { section, offset: section === 'memory' ? (module.memorySection?.from ?? 0) : 0, message },
  });
  const alien = module.imports.find((wanted) => wanted.kind !== 'function');
  if (alien !== undefined)
    return refuse(
      'import',
      `only functions may be imported; ${alien.module}.${alien.name} is a ${alien.kind}`,
    );
  if (module.memories.length > 1)
    return refuse('memory', `${module.memories.length} memories; one is the most`);
  const [memory] = module.memories;
  if (memory === undefined || module.memorySection === null) return { ok: true, bytes };
  if (memory.shared) return refuse('memory', 'shared memory is refused: guests have one thread');
  if (memory.memory64) return refuse('memory', '64-bit memory is refused');
  if (memory.minPages > pagesMax)
    return refuse('memory', `wants at least ${memory.minPages} pages; the limit is ${pagesMax}`);
  if (memory.maxPages !== null && memory.maxPages <= pagesMax) return { ok: true, bytes };
  const content = [1, 1, ...leb(memory.minPages), ...leb(pagesMax)];
  const section = [5, ...leb(content.length), ...content];
  const { from, to } = module.memorySection;
  const clamped = new Uint8Array(bytes.length - (to - from) + section.length);
  clamped.set(bytes.subarray(0, from));
  clamped.set(section, from);
  clamped.set(bytes.subarray(to), from + section.length);
  return { ok: true, bytes: clamped };
}

/** Section ids in the only order in which they may stand; the custom section (0) may stand anywhere. */
const sectionOrder = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
const sectionNames = [
  'custom',
  'type',
  'import',
  'function',
  'table',
  'memory',
  'global',
  'export',
  'start',
  'element',
  'code',
  'data',
  'data count',
  'tag',
];
const kinds: readonly ImportKind[] = ['function', 'table', 'memory', 'global', 'tag'];

class Malformed extends Error {}

function readModule(cursor: Cursor): WasmModule {
  if (cursor.end > moduleLimits.moduleBytesMax)
    cursor.fail(`${cursor.end} bytes; the limit is ${moduleLimits.moduleBytesMax}`);
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  for (const expected of header)
    if (cursor.byte() !== expected) cursor.fail('not a core module of version 1');
  const imports: ModuleImport[] = [];
  const tables: ModuleTable[] = [];
  const memories: ModuleMemory[] = [];
  const exports: ModuleExport[] = [];
  let hasStart = false;
  let memorySection: WasmModule['memorySection'] = null;
  let rank = -1;
  let customSections = 0;
  while (cursor.at < cursor.length) {
    const from = cursor.at;
    const id = cursor.byte();
    cursor.section = sectionNames[id] ?? `unknown ${id}`;
    if (id === 0) {
      if (++customSections > moduleLimits.customSectionsMax) cursor.fail('too many custom sections');
    } else {
      // Twice the same section would let a second memory slip past the clamp; the order rules that out.
      const place = sectionOrder.indexOf(id);
      if (place < 0) cursor.fail('unknown section');
      if (place <= rank) cursor.fail('section stands twice or out of order');
      rank = place;
    }
    const to = cursor.enter(cursor.u32());
    if (id === 2) cursor.list(moduleLimits.importsMax, () => imports.push(readImport(cursor)));
    else if (id === 4) cursor.list(moduleLimits.tablesMax, () => tables.push(readTable(cursor)));
    else if (id === 5) {
      memorySection = { from, to };
      cursor.list(moduleLimits.memoriesMax, () => memories.push(readMemory(cursor)));
    } else if (id === 7) cursor.list(moduleLimits.exportsMax, () => exports.push(readExport(cursor)));
    else {
      hasStart ||= id === 8;
      cursor.at = to;
    }
    if (cursor.at !== to) cursor.fail(`section has ${to - cursor.at} bytes too many`);
    cursor.leave();
  }
  return { bytes: cursor.end, imports, tables, memories, exports, hasStart, memorySection };
}

function readImport(cursor: Cursor): ModuleImport {
  const module = cursor.name();
  const name = cursor.name();
  const kind = readKind(cursor);
  if (kind === 'function') cursor.u32();
  else if (kind === 'table') readTable(cursor);
  else if (kind === 'memory') readMemory(cursor);
  else if (kind === 'global') {
    const type = cursor.byte();
    if (type < 0x65) cursor.fail('typed references are not taken');
    if (cursor.byte() > 1) cursor.fail('bad mutability');
  } else {
    cursor.byte();
    cursor.u32();
  }
  return { module, name, kind };
}

function readExport(cursor: Cursor): ModuleExport {
  const name = cursor.name();
  const kind = readKind(cursor);
  cursor.u32();
  return { name, kind };
}

function readKind(cursor: Cursor): ImportKind {
  return kinds[cursor.byte()] ?? cursor.fail('unknown kind of import or export');
}

function readTable(cursor: Cursor): ModuleTable {
  const type = cursor.byte();
  if (type !== 0x70 && type !== 0x6f) cursor.fail('tables hold funcref or externref');
  const flags = cursor.byte();
  if (flags > 1) cursor.fail('bad table limits');
  const minEntries = cursor.u32();
  return { minEntries, maxEntries: flags === 1 ? cursor.u32() : null };
}

function readMemory(cursor: Cursor): ModuleMemory {
  const flags = cursor.byte();
  if (flags > 7) cursor.fail('bad memory limits');
  const memory64 = (flags & 4) !== 0;
  const minPages = memory64 ? cursor.u64() : cursor.u32();
  const maxPages = (flags & 1) === 0 ? null : memory64 ? cursor.u64() : cursor.u32();
  return { minPages, maxPages, shared: (flags & 2) !== 0, memory64 };
}

/** Unsigned LEB128 of a number below 2^32. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A position in the bytes that can't leave the section it is in. Every misstep ends in `Malformed`. */
class Cursor {
  at = 0;
  section = 'header';
  /** End of what may be read now: the section's end inside a section, else the module's. */
  length: number;
  readonly end: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.end = bytes.length;
    this.length = bytes.length;
  }

  fail(message: string): never {
    throw new Malformed(message);
  }

  enter(size: number): number {
    if (size > this.end - this.at) this.fail('section is longer than the module');
    this.length = this.at + size;
    return this.length;
  }

  leave(): void {
    this.length = this.end;
  }

  byte(): number {
    if (this.at >= this.length) this.fail('ends too early');
    return this.#bytes[this.at++] as number;
  }

  u32(): number {
    const value = this.#leb(5);
    return value < 2 ** 32 ? value : this.fail('number does not fit 32 bits');
  }

  /** Numbers above 2^53 are refused: no memory is that large, and they would lose digits here. */
  u64(): number {
    const value = this.#leb(10);
    return Number.isSafeInteger(value) ? value : this.fail('number is too large');
  }

  name(): string {
    const size = this.u32();
    if (size > moduleLimits.nameBytesMax)
      this.fail(`name of ${size} bytes; the limit is ${moduleLimits.nameBytesMax}`);
    if (size > this.length - this.at) this.fail('ends too early');
    const slice = this.#bytes.subarray(this.at, this.at + size);
    try {
      const text = utf8.decode(slice);
      this.at += size;
      return text;
    } catch {
      return this.fail('name is not UTF-8');
    }
  }

  list(countMax: number, readOne: () => void): void {
    const count = this.u32();
    if (count > countMax) this.fail(`${count} entries; the limit is ${countMax}`);
    for (let index = 0; index < count; index++) readOne();
  }

  #leb(bytesMax: number): number {
    let value = 0;
    for (let index = 0; index < bytesMax; index++) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value;
    }
    return this.fail(`number longer than ${bytesMax} bytes`);
  }
}
