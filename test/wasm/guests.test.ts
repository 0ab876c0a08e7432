/**
 * The committed guests are what their sources say, ask for what `wasm/README.md` says, and compute what is true.
 *
 * The import table below is data written by hand: it is the promise, the binaries are what is checked.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { engine, type Module, runGuest } from './minimal-host.ts';

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL('../../wasm/', import.meta.url));

const WASI = 'wasi_snapshot_preview1';
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  flaky: [`${WASI}.environ_get`, `${WASI}.environ_sizes_get`, `${WASI}.fd_write`, `${WASI}.proc_exit`],
  flood: [`${WASI}.fd_write`],
  hello: [
    `${WASI}.args_get`,
    `${WASI}.args_sizes_get`,
    `${WASI}.fd_read`,
    `${WASI}.fd_write`,
    `${WASI}.proc_exit`,
  ],
  loop: [],
  matmul: [`${WASI}.fd_read`, `${WASI}.fd_write`, `${WASI}.proc_exit`],
  membomb: [],
  noop: [],
  recurse: [],
  sha256: [`${WASI}.fd_read`, `${WASI}.fd_write`, `${WASI}.proc_exit`],
  smuggle: ['env.host_secret', `${WASI}.fd_write`, `${WASI}.sock_send`],
  trap: [],
};
const NAMES = Object.keys(IMPORTS);

const bytesOf = (name: string): Buffer => readFileSync(`${FOLDER}${name}.wasm`);
const moduleOf = (name: string): Module => new engine.Module(bytesOf(name));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Bytes that repeat only after 2^32; the same in every run. */
function pattern(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let x = 12_345;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** `count` numbers from -1 to 1 that f32 can hold exactly only after rounding. */
const cells = (count: number): Float32Array =>
  Float32Array.from(pattern(count), (byte) => (byte - 127.5) / 127.5);

/** matmul's stdin: u32 n, A, B, little-endian. */
function matmulInput(n: number, a: Float32Array, b: Float32Array): Buffer {
  const input = Buffer.alloc(4 + 4 * (a.length + b.length));
  input.writeUInt32LE(n, 0);
  for (const [i, value] of [...a, ...b].entries()) input.writeFloatLE(value, 4 + 4 * i);
  return input;
}

/** A · B, every product and every sum rounded to f32, sums over k from 0: the order that the guest promises. */
function product(n: number, a: Float32Array, b: Float32Array): Buffer {
  const output = Buffer.alloc(4 * n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum = Math.fround(sum + Math.fround(a[i * n + k]! * b[k * n + j]!));
      output.writeFloatLE(sum, 4 * (i * n + j));
    }
  }
  return output;
}

const t = suite('sample guests');

t('every committed binary has the digest that SHA256SUMS names, and no binary is left out', () => {
  const sums = readFileSync(`${FOLDER}SHA256SUMS`, 'utf8').trimEnd().split(/\r?\n/);
  const found = readdirSync(FOLDER).filter((file) => file.endsWith('.wasm'));
  assert.ok(NAMES.every((name) => found.includes(`${name}.wasm`)));
  assert.equal(
    sums,
    found.sort().map((file) => `${sha256(readFileSync(FOLDER + file))}  ${file}`),
  );
});

for (const name of NAMES) {
  t(`${name} imports what the table says and exports a memory and _start`, () => {
    const imports = engine.Module.imports(moduleOf(name)).map((one) => `${one.module}.${one.name}`);
    assert.equal(imports.sort(), IMPORTS[name]);
    const exports = engine.Module.exports(moduleOf(name)).map((one) => `${one.name}: ${one.kind}`);
    assert.equal(exports.sort(), ['_start: function', 'memory: memory']);
  });
}

t('hello greets with its arguments and then copies stdin, whatever the host gives at a time', () => {
  const stdin = pattern(200_000);
  for (const callBytesMax of [7, 65_536]) {
    const { exitCode, stdout } = runGuest(moduleOf('hello'), {
      stdin,
      args: ['big', 'wörld', ''],
      callBytesMax,
    });
    assert.is(exitCode, 0);
    assert.ok(stdout.equals(Buffer.concat([Buffer.from('hello big wörld \n'), stdin])));
  }
  assert.is(runGuest(moduleOf('hello')).stdout.toString(), 'hello\n');
});

t('hello refuses more arguments than it has room for', () => {
  assert.is(runGuest(moduleOf('hello'), { args: Array.from({ length: 1024 }, () => 'x') }).exitCode, 1);
  assert.is(runGuest(moduleOf('hello'), { args: ['x'.repeat(65_536)] }).exitCode, 1);
});

t('sha256 agrees with node:crypto at every length around its padding, its chunk and a megabyte', () => {
  const lengths = [0, 3, 55, 56, 57, 63, 64, 65, 119, 120, 65_535, 65_536, 65_537, 131_072, 2 ** 20];
  for (const length of lengths) {
    const stdin = length === 3 ? Buffer.from('abc') : pattern(length);
    const { exitCode, stdout } = runGuest(moduleOf('sha256'), { stdin, callBytesMax: 1_000 });
    assert.is(exitCode, 0);
    assert.is(stdout.toString(), `${sha256(stdin)}\n`, `length ${length}`);
  }
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n';
  assert.is(runGuest(moduleOf('sha256')).stdout.toString(), empty);
});

t('matmul agrees bit for bit with plain JavaScript that rounds to f32', () => {
  for (const n of [0, 1, 2, 3, 5, 17, 64, 127]) {
    const both = cells(2 * n * n);
    const [a, b] = [both.subarray(0, n * n), both.subarray(n * n)];
    const { exitCode, stdout, stderr } = runGuest(moduleOf('matmul'), { stdin: matmulInput(n, a, b) });
    assert.is(exitCode, 0, stderr);
    assert.ok(stdout.equals(product(n, a, b)), `n = ${n}`);
  }
});

t('matmul ends with code 2, a reason and no output when its input is malformed', () => {
  const two = matmulInput(2, cells(4), cells(4));
  const large = matmulInput(2049, cells(0), cells(0));
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [Buffer.alloc(0), 'before n'],
    [two.subarray(0, 3), 'before n'],
    [two.subarray(0, 4), 'before two'],
    [two.subarray(0, two.length - 1), 'before two'],
    [Buffer.concat([two, Buffer.alloc(1)]), 'goes on after'],
    [large, 'over 2048'],
    [Buffer.alloc(4, 0xff), 'over 2048'],
  ];
  for (const [stdin, reason] of cases) {
    const { exitCode, stdout, stderr } = runGuest(moduleOf('matmul'), { stdin });
    assert.is(exitCode, 2, reason);
    assert.match(stderr, reason);
    assert.is(stdout.length, 0);
  }
});

t('noop writes nothing and exits with 0', () => {
  const { exitCode, stdout, stderr } = runGuest(moduleOf('noop'));
  assert.equal([exitCode, stdout.length, stderr], [0, 0, '']);
});

t('flaky fails until BERTH_ATTEMPT is 2 or more', () => {
  const lucky = { BERTH_ATTEMPT_X: '1', OTHER: '', BERTH_ATTEMPT: '2' };
  for (const env of [lucky, { BERTH_ATTEMPT: '10' }, { BERTH_ATTEMPT: '99999999999' }]) {
    const { exitCode, stdout } = runGuest(moduleOf('flaky'), { env });
    assert.equal([exitCode, stdout.toString()], [0, 'second time lucky\n']);
  }
  const unlucky = ['1', '0', '', 'two', '2x', '-2'].map((value) => ({ BERTH_ATTEMPT: value }));
  for (const env of [{}, { BERTH_ATTEMPT_X: '2' }, { BERTH: '2' }, ...unlucky]) {
    const { exitCode, stdout, stderr } = runGuest(moduleOf('flaky'), { env });
    assert.equal([exitCode, stdout.length], [1, 0], JSON.stringify(env));
    assert.match(stderr, 'on purpose');
  }
});

t('trap traps', () => {
  assert.throws(
    () => runGuest(moduleOf('trap')),
    (thrown: unknown) => thrown instanceof engine.RuntimeError,
  );
});

t('recurse fills the call stack', () => {
  assert.throws(
    () => runGuest(moduleOf('recurse')),
    (thrown: unknown) => thrown instanceof RangeError,
  );
});

t('flood goes on until the host throws', () => {
  assert.throws(() => runGuest(moduleOf('flood'), { outputBytesMax: 10 * 2 ** 20 }), 'too much output');
});

t('smuggle does not link where only WASI is offered', () => {
  assert.throws(() => runGuest(moduleOf('smuggle')), /"env"/);
});

t('membomb takes and touches all the memory there is, then traps', async () => {
  const program = `
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const { _start, memory } = new WebAssembly.Instance(module).exports;
    let message = 'returned';
    try { _start() } catch (thrown) { message = thrown.message }
    const bytes = new Uint8Array(memory.buffer);
    let touched = 0;
    for (let at = 0; at < bytes.length; at += 65536) touched += bytes[at];
    console.log(JSON.stringify({ message, pages: bytes.length / 65536, touched }));`;
  const flags = ['--wasm-max-mem-pages=64', '-e', program, `${FOLDER}membomb.wasm`];
  const { message, pages, touched } = JSON.parse((await run(process.execPath, flags)).stdout);
  const pagesAtStart = 1;
  assert.equal([message, pages, touched], ['unreachable', 64, 64 - pagesAtStart]);
});

t('loop is still running when it is killed, and only a signal ends it', async () => {
  const program = `
    const module = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));
    const { _start } = new WebAssembly.Instance(module).exports;
    require('fs').writeSync(1, 'entered');
    _start();
    require('fs').writeSync(1, 'returned');`;
  const child = spawn(process.execPath, ['-e', program, `${FOLDER}loop.wasm`], {
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
    setTimeout(() => child.kill('SIGUSR2'), 200); // time to return, if it could; not the signal of the time limit
  });
  const signal = await new Promise((resolve) => child.once('close', (_code, how) => resolve(how)));
  assert.equal([said, signal], ['entered', 'SIGUSR2']);
});

t(
  'a rebuild from source gives the committed bytes',
  async () => {
    const { stdout } = await run(process.execPath, [`${FOLDER}build.mjs`, '--check']);
    assert.match(stdout, 'guests are the ones committed');
  },
  { limitMs: 180_000 }, // 11 s on 2 shared cores
);

t.run();
