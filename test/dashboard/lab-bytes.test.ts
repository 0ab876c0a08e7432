/** The bytes that the Lab makes: modules that attestation passes, of which one compiles and one does not. */
import * as assert from 'uvu/assert';
import { undeclaredImports } from '../../src/attestation/capabilities.ts';
import { parseModule, type WasmModule } from '../../src/attestation/wasm-module.ts';
import { brokenGuest, heavyGuest, longInput, newInput } from '../../src/dashboard/lab-bytes.ts';
import { suite } from '../suite.ts';

/** What attestation reads in it. */
function read(guest: Uint8Array): WasmModule {
  const parsed = parseModule(guest);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.module;
}

/** Does an engine take it? */
const compiles = (guest: Uint8Array): boolean => {
  try {
    return new WebAssembly.Module(guest) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
};

const t = suite('dashboard: bytes of the Lab');

for (const [name, guest] of [
  ['broken', brokenGuest()],
  ['heavy', heavyGuest(256)],
] as const) {
  t(`the ${name} guest passes attestation: in order, without imports`, () => {
    const { imports, exports } = read(guest);
    assert.equal(undeclaredImports(imports, []), []);
    assert.equal(exports.map((each) => each.name).sort(), ['_start', 'memory']);
  });
}

t('an engine compiles the heavy guest and not the broken one', () => {
  assert.ok(compiles(heavyGuest(256)));
  assert.not(compiles(brokenGuest()));
});

t('the heavy guest declares the memory that it is said to take', () => {
  const [memory] = read(heavyGuest(256)).memories;
  assert.is((memory?.minPages ?? 0) * 65_536, 256 * 1_048_576);
});

t('no two inputs are equal', () => {
  assert.not.equal(newInput(64), newInput(64));
  assert.is(newInput(1_000).length, 1_000);
});

t('the long input is n, the identity, and a matrix', () => {
  const bytes = longInput(2);
  const view = new DataView(bytes.buffer);
  assert.is(bytes.length, 4 + 8 * 4);
  assert.is(view.getUint32(0, true), 2);
  const values = Array.from({ length: 8 }, (_, i) => view.getFloat32(4 + 4 * i, true));
  assert.equal(values, [1, 0, 0, 1, 0, 1 / 64, 2 / 64, 3 / 64]);
});

t.run();
