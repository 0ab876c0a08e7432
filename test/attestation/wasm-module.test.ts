/** The parser agrees with the engine on good modules, survives every bad one, and the clamp holds in the engine. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import {
  capabilityFunctions,
  clampMemory,
  isCapability,
  moduleLimits,
  parseModule,
  undeclaredImports,
} from '../../src/attestation/wasm-module.ts';
import { assemble, header, i32, leb, name, section } from '../executor/guests.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('attestation/wasm-module');
const folder = new URL('../../wasm/', import.meta.url);
const samples = readdirSync(folder)
  .filter((file) => file.endsWith('.wasm'))
  .map((file) => ({ file, bytes: new Uint8Array(readFileSync(new URL(file, folder))) }));

/** What the tests ask of the engine; its types come with the browser's, which are not here. */
interface Engine {
  validate(bytes: Uint8Array): boolean;
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): { module: string; name: string; kind: string }[];
    exports(module: object): { name: string; kind: string }[];
  };
  readonly Instance: new (module: object) => { readonly exports: Record<string, unknown> };
}
const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

function parsed(bytes: Uint8Array) {
  const result = parseModule(bytes);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.module;
}

const errorOf = (bytes: readonly number[] | Uint8Array): string => {
  const result = parseModule(Uint8Array.from(bytes));
  return result.ok ? 'ok' : `${result.error.section}@${result.error.offset}: ${result.error.message}`;
};

const clampErrorOf = (bytes: Uint8Array, pagesMax = 16): string => {
  const result = clampMemory(bytes, pagesMax);
  return result.ok ? 'ok' : result.error.message;
};

const memories = (...entries: number[][]): Uint8Array =>
  Uint8Array.from([...header, ...section(5, [entries.length, ...entries.flat()])]);
const importing = (...descriptor: number[]): Uint8Array =>
  Uint8Array.from([...header, ...section(2, [1, ...name('env'), ...name('x'), ...descriptor])]);

t('parser and engine agree on imports and exports of every sample guest', () => {
  assert.ok(samples.length >= 5, `${samples.length} samples`);
  for (const { file, bytes } of samples) {
    const module = new engine.Module(bytes);
    const ours = parsed(bytes);
    assert.equal(ours.imports, engine.Module.imports(module), file);
    assert.equal(ours.exports, engine.Module.exports(module), file);
    assert.is(ours.bytes, bytes.length);
  }
});

t('memories, tables and start functions are told with their limits', () => {
  const module = parsed(
    Uint8Array.from([
      ...header,
      ...section(4, [2, 0x70, 1, 3, 9, 0x6f, 0, 1]),
      ...section(5, [2, 3, 1, 200, 1, 4, 1]),
      ...section(8, [0]),
    ]),
  );
  assert.equal(module.tables, [
    { minEntries: 3, maxEntries: 9 },
    { minEntries: 1, maxEntries: null },
  ]);
  assert.equal(module.memories, [
    { minPages: 1, maxPages: 200, shared: true, memory64: false },
    { minPages: 1, maxPages: null, shared: false, memory64: true },
  ]);
  assert.ok(module.hasStart);
});

t('errors name the section and the byte', () => {
  assert.match(errorOf([]), /^header@0: ends too early/);
  assert.match(errorOf([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), /^header@5: not a core module of version 1/);
  assert.match(errorOf([...header, 99, 0]), /^unknown 99@9: /);
  assert.match(errorOf([...header, 1, 50]), /^type@10: section is longer than the module/);
  assert.match(
    errorOf([...header, ...section(5, [1, 0, 1]), ...section(5, [0])]),
    /^memory@14: section stands twice/,
  );
  assert.match(errorOf([...header, ...section(5, [0]), ...section(2, [0])]), /^import@12: .* out of order/);
  assert.match(errorOf([...header, ...section(5, [1, 0, 1, 7])]), /^memory@13: section has 1 bytes too many/);
  assert.match(errorOf([...header, ...section(5, [1, 0])]), /^memory@12: ends too early/);
  assert.match(
    errorOf([...header, ...section(5, [1, 0, 128, 128, 128, 128, 128, 0])]),
    /longer than 5 bytes/,
  );
  assert.match(errorOf([...header, ...section(5, [1, 0, 255, 255, 255, 255, 31])]), /32 bits/);
  assert.match(errorOf([...header, ...section(5, [1, 4, ...Array(9).fill(255), 1])]), /too large/);
  assert.match(errorOf(importing(9)), /unknown kind/);
  assert.match(errorOf([...header, ...section(2, [1, 2, 0xff, 0xfe, 0, 0, 0])]), /not UTF-8/);
});

t('every count and length has a limit', () => {
  assert.match(
    errorOf([...header, ...section(2, leb(moduleLimits.importsMax + 1))]),
    /1001 entries; the limit is 1000/,
  );
  assert.match(errorOf([...header, ...section(7, leb(4_000_000_000))]), /entries; the limit is 10000/);
  assert.match(errorOf([...header, ...section(4, leb(17))]), /17 entries/);
  assert.match(errorOf([...header, ...section(2, [1, ...leb(1_025)])]), /name of 1025 bytes/);
  assert.match(errorOf([...header, ...Array(1_001).fill([0, 1, 0]).flat()]), /too many custom sections/);
  assert.match(errorOf(new Uint8Array(moduleLimits.moduleBytesMax + 1)), /the limit is 67108864/);
});

t('changed modules are answered with a value, never with an exception', () => {
  const bases = [...samples.map(({ bytes }) => bytes), assemble({ table: [0x70, 1, 1, 5], start: [] })];
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  let good = 0;
  let bad = 0;
  for (let round = 0; round < runs(10_000); round++) {
    const dice = hash(`${seed()}:${round}`);
    const base = bases[round % bases.length] as Uint8Array;
    // Most of the structure stands in the first bytes; half of the changes go there.
    const reach = (dice[0] as number) < 128 ? Math.min(64, base.length) : base.length;
    const changed = base.slice(0, (dice[1] as number) < 40 ? dice.readUInt32LE(2) % base.length : undefined);
    for (let index = 8; index < 8 + 6 * (((dice[6] as number) % 3) + 1); index += 6) {
      if (changed.length > 0)
        changed[dice.readUInt32LE(index) % Math.min(reach, changed.length)] = dice[index + 4] as number;
    }
    const result = parseModule(changed);
    if (result.ok) good++;
    else {
      bad++;
      assert.ok(
        result.error.offset <= changed.length && result.error.section !== '' && result.error.message !== '',
      );
    }
    const clamped = clampMemory(changed, 16);
    if (clamped.ok) assert.ok(result.ok && parseModule(clamped.bytes).ok);
  }
  assert.ok(good > 500 && bad > 500, `${good} good, ${bad} bad`);
});

t(
  'what the parser takes for imports is what the engine takes, on every changed module that the engine accepts',
  () => {
    let compared = 0;
    for (const { bytes } of samples) {
      for (let at = 8; at < Math.min(bytes.length, 400); at++) {
        for (const value of [0, 1, 2, 0x7f, ((bytes[at] as number) + 1) & 255]) {
          const changed = bytes.slice();
          changed[at] = value;
          const result = parseModule(changed);
          if (!engine.validate(changed)) continue;
          // The engine knows more than we take (typed references, for one); never the other way round in what is listed.
          if (!result.ok) continue;
          assert.equal(result.module.imports, engine.Module.imports(new engine.Module(changed)));
          compared++;
        }
      }
    }
    assert.ok(compared > 1_000, String(compared));
  },
);

t('a clamped memory can not grow beyond the cap in the engine', () => {
  for (const limits of [
    [0, 1],
    [1, 1, ...leb(60_000)],
    [1, 1, 200, 1],
  ]) {
    const clamped = clampMemory(assemble({ start: [], memory: limits }), 16);
    if (!clamped.ok) throw new Error(clamped.error.message);
    assert.equal(parsed(clamped.bytes).memories, [
      { minPages: 1, maxPages: 16, shared: false, memory64: false },
    ]);
    const memory = new engine.Instance(new engine.Module(clamped.bytes)).exports['memory'] as {
      grow(pages: number): number;
    };
    assert.is(memory.grow(15), 1);
    assert.throws(() => memory.grow(1));
  }
});

t('a module that asks for less, or for no memory, is not touched', () => {
  const modest = assemble({ start: [], memory: [1, 1, 2] });
  const clamped = clampMemory(modest, 16);
  assert.ok(clamped.ok && clamped.bytes === modest);
  assert.is(clampErrorOf(Uint8Array.from(header)), 'ok');
});

t('what can not be clamped is refused with its reason', () => {
  assert.match(clampErrorOf(memories([0, 17])), /wants at least 17 pages; the limit is 16/);
  assert.match(clampErrorOf(memories([0, 1], [0, 1])), /2 memories/);
  assert.match(clampErrorOf(memories([3, 1, 2])), /shared/);
  assert.match(clampErrorOf(memories([4, 1])), /64-bit/);
  assert.match(clampErrorOf(importing(2, 0, 1)), /env\.x is a memory/);
  assert.match(clampErrorOf(importing(1, 0x70, 0, 1)), /is a table/);
  assert.match(clampErrorOf(importing(3, i32, 0)), /is a global/);
  assert.match(clampErrorOf(importing(4, 0, 0)), /is a tag/);
  assert.match(clampErrorOf(Uint8Array.from([1])), /not a core module/);
});

t('the list of capabilities is closed', () => {
  for (const good of [
    'stdio',
    'args',
    'clock:virtual',
    'clock:real',
    'random:seeded',
    'random:crypto',
    'env:_A9',
  ]) {
    assert.ok(isCapability(good), good);
  }
  const long = `env:${'A'.repeat(65)}`;
  for (const bad of [
    '',
    'env',
    'always',
    'env:',
    'env:a',
    'env:9A',
    'env:A\n',
    long,
    'net',
    'constructor',
    'stdio ',
  ]) {
    assert.not(isCapability(bad), bad);
  }
});

t('an import is undeclared until a capability that gives it is declared, and then it is told which', () => {
  const wasi = (of: string) => ({ module: 'wasi_snapshot_preview1', name: of, kind: 'function' as const });
  const imports = [
    wasi('fd_write'),
    wasi('clock_time_get'),
    wasi('environ_get'),
    wasi('sock_send'),
    wasi('proc_exit'),
  ];
  assert.equal(undeclaredImports(imports, ['stdio']), [
    { module: 'wasi_snapshot_preview1', name: 'clock_time_get', needs: ['clock:virtual', 'clock:real'] },
    { module: 'wasi_snapshot_preview1', name: 'environ_get', needs: ['env:*'] },
    { module: 'wasi_snapshot_preview1', name: 'sock_send', needs: [] },
  ]);
  assert.equal(undeclaredImports(imports.slice(0, 3), ['stdio', 'clock:real', 'env:A']), []);
  assert.equal(undeclaredImports([{ ...wasi('fd_write'), module: 'env' }], ['stdio']).length, 1);
  assert.equal(undeclaredImports([{ ...wasi('fd_write'), kind: 'global' }], ['stdio']).length, 1);
  assert.equal(
    undeclaredImports([wasi('toString'), wasi('__proto__')], ['stdio', 'net', 'always']).length,
    2,
  );
  for (const [capability, functions] of capabilityFunctions) {
    const declared = capability === 'env' ? 'env:KEY' : capability;
    assert.equal(undeclaredImports(functions.map(wasi), [declared]), []);
  }
});

t.run();
