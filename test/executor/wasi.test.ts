/** The guest's operating system: pointers that lie are errors, not exceptions; nothing grows without bound. */
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import { createWasi, GuestEnded, type WasiParts } from '../../src/executor/wasi.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('executor/wasi');
const [ok, badf, fault, inval, spipe] = [0, 8, 21, 28, 70];
const everything = ['stdio', 'args', 'env:A', 'env:B', 'clock:virtual', 'random:seeded'];

type Call = (...values: (number | bigint)[]) => number;

function host(more: Partial<WasiParts> = {}) {
  const memory = new ArrayBuffer(65_536);
  const logs: Uint8Array[] = [];
  const wasi = createWasi({
    capabilities: everything,
    args: [],
    env: {},
    stdin: new Uint8Array(0),
    model: null,
    seed: 'job-1',
    outputBytesMax: 100,
    memory: () => memory,
    onStderr: (bytes) => logs.push(bytes),
    stderrBytesMax: 50,
    sha256: (bytes) => createHash('sha256').update(bytes).digest(),
    fillRandom: (bytes) => void bytes.fill(9),
    realNs: () => 123n,
    ...more,
  });
  const call = (name: string, ...values: (number | bigint)[]): number => {
    const run = wasi.functions[name] as Call | undefined;
    if (run === undefined) throw new Error(`${name} is not linked`);
    return run(...values);
  };
  return { wasi, call, logs, view: new DataView(memory), bytes: new Uint8Array(memory) };
}

t('only declared functions exist, and no inherited ones', () => {
  const { wasi } = host({ capabilities: ['clock:virtual'] });
  assert.equal(Object.keys(wasi.functions).sort(), [
    'clock_res_get',
    'clock_time_get',
    'proc_exit',
    'sched_yield',
  ]);
  assert.is(wasi.functions['toString'], undefined);
});

t('a pointer outside the memory is EFAULT in every function that takes one', () => {
  const { call } = host({ model: new Uint8Array(10) });
  const beyond = [65_535, -1, 0x7fffffff];
  for (const at of beyond) {
    assert.is(call('fd_write', 1, at, 1, 0), fault);
    assert.is(call('fd_write', 1, 0, 0, at), fault);
    assert.is(call('fd_read', 0, at, 1, 0), fault);
    assert.is(call('fd_read', 0, 0, 0, at), fault);
    assert.is(call('fd_seek', 3, 0n, 0, at), fault);
    assert.is(call('fd_tell', 3, at), fault);
    assert.is(call('fd_fdstat_get', 1, at), fault);
    assert.is(call('fd_filestat_get', 3, at), fault);
    assert.is(call('args_get', at, 0), fault);
    assert.is(call('args_get', 0, at), fault);
    assert.is(call('args_sizes_get', at, 0), fault);
    assert.is(call('args_sizes_get', 0, at), fault);
    assert.is(call('clock_time_get', 0, 0n, at), fault);
    assert.is(call('clock_res_get', 0, at), fault);
    assert.is(call('random_get', at, 10), fault);
  }
  assert.is(call('random_get', 0, -1), fault);
});

t('without a memory every pointer is EFAULT', () => {
  const { call } = host({ memory: () => null });
  assert.is(call('fd_write', 1, 0, 1, 8), fault);
  assert.is(call('random_get', 0, 1), fault);
});

t('any arguments end in an errno or in the private exception', () => {
  let state = seed();
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const kind = state >>> 29;
    return kind < 3 ? state >>> 24 : kind < 5 ? state | 0 : kind < 7 ? (state >>> 8) & 0xffff : -1;
  };
  const fresh = () => host({ model: new Uint8Array(100), args: ['a', 'b'], env: { A: '1' } });
  let { wasi, call, bytes } = fresh();
  const wide: Record<string, number> = { fd_seek: 1, clock_time_get: 1 };
  const names = Object.keys(wasi.functions).filter((name) => name !== 'proc_exit' && name !== 'fd_close');
  let good = 0;
  for (let round = 0; round < runs(20_000); round++) {
    bytes[next() & 0xffff] = next();
    const name = names[(next() >>> 0) % names.length] as string;
    const values = [0, 1, 2, 3].map((index) => (wide[name] === index ? BigInt(next()) : next()));
    if (wasi.verdict() !== null) ({ wasi, call, bytes } = fresh());
    try {
      const errno = call(name, ...values);
      assert.ok(Number.isInteger(errno), name);
      if (errno === ok) good++;
    } catch (error) {
      assert.instance(error, GuestEnded, `${name}: ${String(error)}`);
    }
  }
  assert.ok(good > 1_000, String(good));
});

t('more than 1,024 pieces are refused', () => {
  const { call } = host();
  assert.is(call('fd_write', 1, 0, 1_025, 60_000), inval);
  assert.is(call('fd_write', 1, 0, 1_024, 60_000), ok);
  assert.is(call('fd_write', 1, 0, -1, 60_000), inval);
});

t('one byte over the output limit ends the guest, and it stays ended', () => {
  const { wasi, call, view } = host({ outputBytesMax: 10 });
  view.setUint32(0, 100, true);
  view.setUint32(4, 10, true);
  assert.is(call('fd_write', 1, 0, 1, 8), ok);
  view.setUint32(4, 1, true);
  assert.throws(
    () => call('fd_write', 1, 0, 1, 8),
    (error: Error) => error instanceof GuestEnded,
  );
  assert.throws(
    () => call('sched_yield'),
    (error: Error) => error instanceof GuestEnded,
  );
  assert.throws(
    () => call('proc_exit', 0),
    (error: Error) => error instanceof GuestEnded,
  );
  assert.equal(wasi.verdict(), { how: 'outputExceeded' });
  assert.is(wasi.stdout().length, 10);
});

t('stderr passes on the end of what was written, as a copy', () => {
  const { call, view, bytes, logs } = host();
  view.setUint32(0, 1_000, true);
  view.setUint32(4, 200, true);
  bytes.fill(65, 1_000, 1_200);
  assert.is(call('fd_write', 2, 0, 1, 8), ok);
  bytes.fill(66, 1_000, 1_200);
  assert.is(view.getUint32(8, true), 200);
  assert.equal(logs, [new Uint8Array(50).fill(65)]);
});

t('descriptors: stdin and model can be read, stdout and stderr written, and nothing else', () => {
  const { call, view } = host({ stdin: Buffer.from('abc'), model: Buffer.from('0123456789') });
  view.setUint32(0, 500, true);
  view.setUint32(4, 4, true);
  assert.is(call('fd_read', 0, 0, 1, 8), ok);
  assert.is(view.getUint32(8, true), 3);
  assert.is(call('fd_read', 0, 0, 1, 8), ok);
  assert.is(view.getUint32(8, true), 0);
  assert.is(call('fd_read', 1, 0, 1, 8), badf);
  assert.is(call('fd_write', 0, 0, 1, 8), badf);
  assert.is(call('fd_write', 3, 0, 1, 8), badf);
  assert.is(call('fd_seek', 0, 0n, 0, 8), spipe);
  assert.is(call('fd_seek', 3, -2n, 2, 8), ok);
  assert.is(view.getBigUint64(8, true), 8n);
  assert.is(call('fd_seek', 3, -1n, 0, 8), inval);
  assert.is(call('fd_seek', 3, 0n, 3, 8), inval);
  assert.is(call('fd_seek', 3, 1_000n, 0, 8), ok);
  assert.is(call('fd_read', 3, 0, 1, 8), ok);
  assert.is(view.getUint32(8, true), 0);
  assert.is(call('fd_filestat_get', 3, 64), ok);
  assert.is(view.getBigUint64(96, true), 10n);
  assert.is(call('fd_close', 3), ok);
  assert.is(call('fd_close', 3), badf);
  assert.is(call('fd_read', 3, 0, 1, 8), badf);
  assert.is(call('fd_prestat_get', 3, 0), badf);
  assert.is(call('fd_fdstat_set_flags', 1, 4), ok);
  assert.is(host().call('fd_read', 3, 0, 1, 8), badf);
});

t('the environment shows declared keys only, and never an inherited property', () => {
  const { call, view, bytes } = host({
    env: { A: 'ä', C: 'no' },
    capabilities: ['env:A', 'env:B', 'env:A', 'env:CONSTRUCTOR'],
  });
  assert.is(call('environ_sizes_get', 0, 4), ok);
  assert.equal([view.getUint32(0, true), view.getUint32(4, true)], [1, 5]);
  assert.is(call('environ_get', 16, 32), ok);
  assert.is(view.getUint32(16, true), 32);
  assert.is(Buffer.from(bytes.subarray(32, 37)).toString(), 'A=ä\0');
});

t('the seeded stream is SHA-256 in counter mode, however it is cut', () => {
  const whole = host();
  whole.call('random_get', 0, 100);
  const pieces = host();
  for (const [at, length] of [
    [0, 1],
    [1, 31],
    [32, 40],
    [72, 28],
  ] as const)
    pieces.call('random_get', at, length);
  assert.equal(pieces.bytes.slice(0, 100), whole.bytes.slice(0, 100));
  const first = createHash('sha256').update('berth-random-v1\0job-1').update(Buffer.alloc(8)).digest();
  assert.equal(Buffer.from(whole.bytes.subarray(0, 32)), first);
});

t('where both kinds are declared, the reproducible one wins', () => {
  const { call, view, bytes } = host({
    capabilities: ['clock:virtual', 'clock:real', 'random:seeded', 'random:crypto'],
  });
  call('clock_time_get', 1, 0n, 0);
  call('clock_time_get', 0, 0n, 8);
  assert.equal([view.getBigUint64(0, true), view.getBigUint64(8, true)], [0n, 1_000_000n]);
  call('random_get', 16, 8);
  assert.not.equal([...bytes.subarray(16, 24)], new Array(8).fill(9));
  assert.is(call('clock_time_get', 4, 0n, 0), inval);
});

t.run();
