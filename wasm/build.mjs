/**
 * Builds the sample guests: `c/NAME.c` and `assembly/NAME.ts` become `NAME.wasm`, and `SHA256SUMS` lists them.
 *
 *   node wasm/build.mjs            writes the binaries and SHA256SUMS
 *   node wasm/build.mjs --check    builds in memory; exits 1 naming each file that differs from the committed one
 *
 * Why the binaries are committed although they can be built: users run jobs without a compiler, and a job names its
 * module by SHA-256, so the bytes are part of the examples. Why they can be rebuilt byte for byte: only then does the
 * committed binary say anything about the source beside it. Both compilers come from npm, pinned by package-lock.json,
 * run inside WebAssembly themselves, and see a virtual file system with no path of this machine in it.
 * Test: `test/wasm/guests.test.ts`.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { runClang, runLLVM } from '@yowasp/clang';
import asc from 'assemblyscript/asc';

const HERE = new URL('./', import.meta.url);
const SUMS = 'SHA256SUMS';
const WASI_DECLARATIONS = 'wasi_snapshot_preview1.ts';

/**
 * Freestanding C: no libc, no libc start-up code, so that imports are those that the source calls and nothing more.
 * `-ffp-contract=off`: products and sums round separately everywhere. `-z stack-size`: C's own stack, in linear memory,
 * placed first so that overrunning it hits address 0 and traps instead of overwriting data. `-s`: no names, no tool
 * versions. SIMD128 is in every engine since 2021; reference types and exceptions are not asked for.
 */
const CLANG_FLAGS = [
  '--target=wasm32-unknown-unknown',
  '-std=c17',
  '-O2',
  '-msimd128',
  '-mbulk-memory',
  '-ffreestanding',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-nostdlib',
  '-Wl,--stack-first',
  '-Wl,-z,stack-size=16384',
  '-Wl,-s',
];

/** No garbage collector, and no `env.abort` import. */
const ASC_FLAGS = ['-O2', '--runtime', 'stub', '--noAssert', '--use', 'abort='];

/** Compiles one C guest; warnings are errors, and the compiler's words go to stderr. */
async function compileC(name, source) {
  const header = readFileSync(new URL('c/wasi.h', HERE), 'utf8');
  const said = [];
  const hear = (bytes) => bytes && said.push(Buffer.from(bytes));
  try {
    const files = await runClang(
      ['clang', ...CLANG_FLAGS, `${name}.c`, '-o', `${name}.wasm`],
      { 'wasi.h': header, [`${name}.c`]: source },
      { stdout: hear, stderr: hear },
    );
    return files[`${name}.wasm`];
  } catch (cause) {
    throw new Error(`c/${name}.c does not compile\n${Buffer.concat(said)}`, { cause });
  }
}

/** Compiles one AssemblyScript guest. */
async function compileAssemblyScript(name, source) {
  const declarations = readFileSync(new URL(`assembly/${WASI_DECLARATIONS}`, HERE), 'utf8');
  const sources = { [`${name}.ts`]: source, [WASI_DECLARATIONS]: declarations };
  let binary;
  const { error, stderr } = await asc.main([`${name}.ts`, '-o', `${name}.wasm`, ...ASC_FLAGS], {
    readFile: (path) => sources[path] ?? null,
    listFiles: () => [],
    writeFile: (path, contents) => {
      if (path === `${name}.wasm`) binary = contents;
    },
  });
  if (error) throw new Error(`assembly/${name}.ts does not compile\n${stderr}`, { cause: error });
  return binary;
}

/** All guests, by name: one source file each. */
function guests() {
  const of = (folder, ending, compile) =>
    readdirSync(new URL(folder, HERE))
      .filter((file) => file.endsWith(ending) && file !== WASI_DECLARATIONS)
      .map((file) => ({ name: file.slice(0, -ending.length), path: folder + file, compile }));
  const found = [...of('c/', '.c', compileC), ...of('assembly/', '.ts', compileAssemblyScript)];
  return found.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Builds everything. Returns file name → bytes, SHA256SUMS last, in the form that `sha256sum -c` reads. */
async function buildAll() {
  await runLLVM(null, {}, { fetchProgress: () => {} }); // loads the compiler, 105 MB, without its progress lines
  const built = new Map();
  let sums = '';
  for (const { name, path, compile } of guests()) {
    const file = `${name}.wasm`;
    if (built.has(file)) throw new Error(`two sources for ${file}`);
    const from = performance.now();
    const bytes = await compile(name, readFileSync(new URL(path, HERE), 'utf8'));
    if (!WebAssembly.validate(bytes)) throw new Error(`${path} compiles to a module that isn't valid`);
    built.set(file, bytes);
    sums += `${createHash('sha256').update(bytes).digest('hex')}  ${file}\n`;
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    console.log(`${file.padEnd(13)} ${String(bytes.length).padStart(6)} bytes  ${seconds} s  from ${path}`);
  }
  built.set(SUMS, Buffer.from(sums));
  return built;
}

/** Says how each committed file differs from the one just built; empty when none does. */
function differences(built) {
  const committed = readdirSync(HERE).filter((file) => file.endsWith('.wasm') || file === SUMS);
  const strangers = committed.filter((file) => !built.has(file)).map((file) => `${file}: has no source`);
  const changed = [...built].flatMap(([file, bytes]) => {
    if (!committed.includes(file)) return [`${file}: is missing`];
    const kept = readFileSync(new URL(file, HERE));
    return kept.equals(bytes) ? [] : [`${file}: committed ${kept.length} bytes, built ${bytes.length}`];
  });
  return [...strangers, ...changed];
}

const wrong = process.argv.slice(2).filter((argument) => argument !== '--check');
if (wrong.length > 0) {
  console.error(`unknown argument ${wrong[0]}\nusage: node wasm/build.mjs [--check]`);
  process.exit(2);
}
const built = await buildAll();
if (!process.argv.includes('--check')) {
  for (const [file, bytes] of built) writeFileSync(new URL(file, HERE), bytes);
  console.log(`wrote ${built.size - 1} guests and ${SUMS}`);
} else {
  const found = differences(built);
  for (const line of found) console.error(`differs: ${line}`);
  if (found.length > 0) {
    console.error('next: npm run build:wasm, then look at what changed');
    process.exit(1);
  }
  console.log(`${built.size - 1} guests are the ones committed`);
}
