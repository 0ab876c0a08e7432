/** Scenarios of jobs that go well, and of requests that are sent twice. */

import { good, type Scenario } from './scenario.ts';
import type { Stage } from './stage.ts';
import { sha256Of } from './stage.ts';

const slot = '1g.10gb';
const setting = 'two-gpus';

/** Matrix product in f32, summed in the guest's order: every product and every sum is rounded. */
function product(a: Float32Array, b: Float32Array, n: number): Float32Array {
  const c = new Float32Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < n; k += 1) {
      const factor = a[i * n + k] ?? 0;
      for (let j = 0; j < n; j += 1) {
        c[i * n + j] = Math.fround((c[i * n + j] ?? 0) + Math.fround(factor * (b[k * n + j] ?? 0)));
      }
    }
  }
  return c;
}

/** u32 n, then two n × n matrices of f32, row-major, little-endian (all machines that run Node are). */
export function matrices(n: number, a: Float32Array, b: Float32Array): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * n * n);
  new DataView(bytes.buffer).setUint32(0, n, true);
  bytes.set(new Uint8Array(a.buffer), 4);
  bytes.set(new Uint8Array(b.buffer), 4 + 4 * n * n);
  return bytes;
}

const hello = { guest: 'hello', slot, args: ['world'] };

const success: Scenario = {
  name: 'success',
  setting,
  learns: 'a job goes in, runs on a slot, and its result comes back byte for byte: nine facts',
  async play(stage) {
    const id = await stage.submit({ ...hello, input: Buffer.from('and stdin\n') });
    await stage.ends(id, 'succeeded');
    const text = (await stage.result(id)).toString();
    const wanted = 'hello world\nand stdin\n';
    stage.check(text === wanted, 'the result is what the guest wrote', JSON.stringify(text));
    return { jobs: { job: id }, results: { job: sha256Of(wanted) } };
  },
  expect: { jobs: { job: { facts: good } } },
};

const matmul: Scenario = {
  name: 'matmul-success',
  setting,
  learns: 'the product of two matrices is the same to the last bit as the one computed here',
  async play(stage) {
    const n = 96;
    const a = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i));
    const b = Float32Array.from({ length: n * n }, (_, i) => Math.cos(3 * i));
    const id = await stage.submit({ guest: 'matmul', slot, input: matrices(n, a, b) });
    await stage.ends(id, 'succeeded');
    const wanted = new Uint8Array(product(a, b, n).buffer);
    stage.check(
      wanted.some((byte) => byte !== 0),
      'the product computed here is not all zeros',
    );
    const same = Buffer.compare(await stage.result(id), wanted) === 0;
    stage.check(same, `all ${n * n} values are equal`);
    return { jobs: { job: id }, results: { job: sha256Of(wanted) } };
  },
  expect: { jobs: { job: { facts: good } } },
};

async function sameAnswer(stage: Stage, request: string, id: string, what: string): Promise<void> {
  const again = await stage.send(request);
  const { headers, status } = again;
  const same = status === 202 && again.id === id && headers.get('location') === `/v1/jobs/${id}`;
  stage.check(same, `${what} is answered with the same job`, `${status} ${again.code ?? again.id}`);
}

const repeat: Scenario = {
  name: 'idempotent-repeat',
  setting,
  learns: 'whoever lost the answer sends the request again: same answer, still one job',
  async play(stage) {
    const spec = await stage.spec(hello);
    const request = await stage.signed(spec, { key: 'tour-once' });
    const id = await stage.accepted(request);
    await sameAnswer(stage, request, id, 'the very same request');
    await sameAnswer(stage, await stage.signed(spec, { key: 'tour-once' }), id, 'a new signature, same key');
    await stage.ends(id, 'succeeded');
    await sameAnswer(stage, request, id, 'the request after the end');
    return { jobs: { job: id } };
  },
  expect: { jobs: { job: { facts: good } } },
};

const replayed: Scenario = {
  name: 'replay-other-digest',
  setting,
  learns: 'a key or a token that stands for one job cannot be used for another: 422',
  async play(stage) {
    const spec = await stage.spec(hello);
    const request = await stage.signed(spec, { key: 'tour-digest' });
    const id = await stage.accepted(request);
    const other = { ...spec, args: ['someone else'] };
    const byKey = await stage.send(await stage.signed(other, { key: 'tour-digest' }));
    stage.check(
      byKey.status === 422 && byKey.code === 'ERR_IDEMPOTENCY',
      'same key, other job: 422',
      `${byKey.status}`,
    );
    // The thief of nothing less than the key itself: the old token id around another job, signed properly.
    const claims = JSON.parse(Buffer.from(request.split('.')[1] ?? '', 'base64url').toString()) as object;
    const { key } = await stage.as('acme');
    const forged = await key.sign({ ...claims, idem: 'tour-other-key', job: other }, 'berth-job+jws');
    const byToken = await stage.send(forged);
    const refused = byToken.status === 422 && byToken.code === 'ERR_IDEMPOTENCY';
    stage.check(refused, 'same token id, other job: 422', `${byToken.status} ${byToken.code}`);
    await stage.ends(id, 'succeeded');
    return { jobs: { job: id } };
  },
  expect: {
    jobs: { job: { facts: good } },
    refused: [{ tenant: 'acme', code: 'ERR_IDEMPOTENCY', count: 2 }],
  },
};

/** In the order of the tour. */
export const wellScenarios: readonly Scenario[] = [success, matmul, repeat, replayed];
