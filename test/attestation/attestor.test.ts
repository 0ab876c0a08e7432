/** The attestor: every cause for rejection with a real module, a report that verifies, and no work done twice for nothing. */
import { readFileSync } from 'node:fs';
import { compactVerify, importJWK } from 'jose';
import * as assert from 'uvu/assert';
import { Attestor, type VerifiedBlobs } from '../../src/attestation/attestor.ts';
import { type KeyPair, newKeyPair } from '../../src/attestation/keys.ts';
import type { TenantTerms } from '../../src/events/facts.ts';
import { type JobSpec, jobSpecSchema } from '../../src/events/spec.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { Desk, submission } from '../jobs/desk.ts';
import { suite } from '../suite.ts';

const t = suite('attestor');

const guest = (name: string): Uint8Array => readFileSync(new URL(`../../wasm/${name}.wasm`, import.meta.url));
const digestOf = 'a'.repeat(64);
let controller: KeyPair;
t.before(async () => {
  controller = await newKeyPair();
});

interface Case {
  readonly module?: Uint8Array;
  readonly spec?: Partial<JobSpec>;
  readonly terms?: Partial<TenantTerms>;
  readonly missing?: 'module' | 'input' | 'model';
  readonly request?: string;
  readonly blobs?: Partial<VerifiedBlobs>;
}

interface Verdict {
  readonly state: string;
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly report: Record<string, unknown>;
  readonly imports: readonly string[];
}

const names = { module: digestOf, input: 'b'.repeat(64), model: 'd'.repeat(64) };

/** Submits one job and lets the attestor come to its finding. */
async function verdictOn({
  module = guest('hello'),
  spec = {},
  terms = {},
  missing,
  request,
  blobs,
}: Case): Promise<Verdict> {
  const desk = new Desk({ tenants: { acme: terms } });
  let woken = (): void => undefined;
  const attestor = new Attestor({
    blobs: {
      read: async () => module,
      verify: async (_tenant, sha256) => !missing || sha256 !== names[missing],
      ...blobs,
    },
    sign: (claims) => controller.sign(claims, 'berth-report+jws'),
    wake: () => woken(),
  });
  const command = submission('a');
  const whole = jobSpecSchema.parse({ ...command.spec, limits: { ...command.spec.limits }, ...spec });
  desk.do({ ...command, spec: whole, request: request ?? null });
  for (const change of desk.news()) attestor.fold(change);
  attestor.start();
  for (let turn = 0; turn < 20; turn += 1) {
    const next = new Promise<void>((resolve) => {
      woken = resolve;
    });
    const found = attestor.decide();
    if (found) {
      const { data } = desk.do(found) as unknown as { data: { report: string; imports?: string[] } };
      const { payload } = await compactVerify(data.report, await importJWK(controller.publicJwk, 'EdDSA'));
      const { state, context } = desk.job('a');
      const report = JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
      return {
        state,
        code: context.cause?.code,
        message: context.cause?.message,
        report,
        imports: data.imports ?? [],
      };
    }
    await next;
  }
  throw new Error('no finding');
}

t(
  'a good module is affirmed, with its imports, by a report that verifies and says what is simulated',
  async () => {
    const { state, report, imports } = await verdictOn({});
    assert.is(state, 'attesting');
    assert.ok(imports.length > 0 && imports.every((name) => name.startsWith('wasi_snapshot_preview1.')));
    assert.equal(imports, [...new Set(imports)].sort());
    assert.equal(
      [report['verdict'], report['sub'], report['tenant'], report['hardware']],
      ['affirming', 'a', 'acme', 'simulated'],
    );
    assert.equal(report['imports'], imports);
  },
);

t('every cause for rejection is told by its code, with a signed report', async () => {
  const long = Array.from({ length: 60 }, (_, i) => `env:${'K'.repeat(60)}_${i}`);
  const cases: readonly (readonly [string, string, Case, RegExp])[] = [
    ['smuggled import', 'ERR_CAPABILITY_UNDECLARED', { module: guest('smuggle') }, /imports /],
    ['undeclared capability', 'ERR_CAPABILITY_UNDECLARED', { spec: { capabilities: [] } }, /needs stdio/],
    ['forbidden capability', 'ERR_CAPABILITY_DENIED', { terms: { capabilities: ['args'] } }, /stdio/],
    [
      'many forbidden capabilities',
      'ERR_CAPABILITY_DENIED',
      { terms: { capabilities: [] }, spec: { capabilities: long } },
      /env:K/,
    ],
    ['no WebAssembly', 'ERR_MODULE_INVALID', { module: new TextEncoder().encode('MZ') }, /at byte /],
    ['cut short', 'ERR_MODULE_INVALID', { module: guest('hello').slice(0, 100) }, /section/],
    ['no _start', 'ERR_MODULE_INVALID', { module: Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0) }, /_start/],
    [
      'too much memory at once',
      'ERR_MODULE_INVALID',
      {
        module: withMemory(17),
        spec: { limits: { ...jobSpecSchema.parse(submission('x').spec).limits, memoryMiB: 1 } },
      },
      /pages/,
    ],
    ['module gone', 'ERR_DIGEST_MISMATCH', { missing: 'module' }, /module/],
    [
      'input gone',
      'ERR_DIGEST_MISMATCH',
      { missing: 'input', spec: { input: `sha256:${names.input}` } },
      /input/,
    ],
    [
      'model gone',
      'ERR_DIGEST_MISMATCH',
      { missing: 'model', spec: { model: `sha256:${names.model}` } },
      /model/,
    ],
    ['no such slot', 'ERR_NEVER_FITS', { spec: { slot: '1g.6gb' } }, /1g\.6gb/],
    ['more GPUs than there are', 'ERR_NEVER_FITS', { spec: { gpus: 2 } }, /2 × 1g\.10gb/],
    [
      'larger than the quota',
      'ERR_OVER_QUOTA',
      { spec: { slot: '7g.80gb' }, terms: { slicesMax: 7 } },
      /8 slices.*7/,
    ],
    ['no jobs at all', 'ERR_OVER_QUOTA', { terms: { jobsMax: 0 } }, /0 jobs/],
    ['unsigned', 'ERR_UNSIGNED', { terms: { unsigned: false } }, /signed/],
    ['bad signature', 'ERR_BAD_REQUEST', { request: 'a.b.c' }, /compact/],
  ];
  for (const [name, code, given, message] of cases) {
    const verdict = await verdictOn(given);
    assert.equal([verdict.state, verdict.code], ['rejected', code], `${name}: ${verdict.message}`);
    assert.match(verdict.message ?? '', message, name);
    assert.equal([verdict.report['verdict'], verdict.report['code']], ['contraindicated', code]);
  }
});

t('every sample guest but the smuggler is affirmed', async () => {
  for (const name of ['noop', 'sha256', 'matmul', 'loop', 'trap', 'flood', 'recurse', 'membomb']) {
    const { state, message } = await verdictOn({
      module: guest(name),
      spec: { limits: { ...submission('x').spec.limits, memoryMiB: 1_024 } },
    });
    assert.is(state, 'attesting', `${name}: ${message}`);
  }
});

t('a module that imports one function a thousand times is one import in the report', async () => {
  const { imports } = await verdictOn({ module: repetitive(900) });
  assert.equal(imports, ['wasi_snapshot_preview1.fd_write']);
});

t(
  'a store that fails is asked again only when something happens, says nothing about the job, and is told of once',
  async () => {
    let reads = 0;
    let wakes = 0;
    const told: string[] = [];
    const desk = new Desk();
    const attestor = new Attestor({
      blobs: {
        read: async () => guest('hello'),
        verify: async () => {
          reads += 1;
          throw new Error('EIO');
        },
      },
      sign: async () => 'r',
      onTrouble: (_message, { job, error }) => told.push(`${job}: ${error}`),
      wake: () => {
        wakes += 1;
        attestor.decide();
      },
    });
    desk.do(submission('a'));
    for (const change of desk.news()) attestor.fold(change);
    attestor.start();
    assert.is(attestor.decide(), null);
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(reads <= 2 && wakes <= 1, `${reads} reads, ${wakes} wakes: it spins`);
    attestor.decide();
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(reads >= 2, 'the next turn tries again');
    assert.equal(told, ['a: EIO']);
  },
);

t('nothing is verified before the start or after the stop, and a cancelled job is forgotten', async () => {
  let reads = 0;
  const desk = new Desk();
  const verify = async (): Promise<boolean> => {
    reads += 1;
    return true;
  };
  const attestor = new Attestor({
    blobs: { read: async () => guest('hello'), verify },
    sign: async () => 'r',
    wake: () => undefined,
  });
  desk.do(submission('a'));
  desk.do(submission('b'));
  desk.do(desk.step('CancelJob', 'a'));
  for (const change of desk.news()) attestor.fold(change);
  assert.equal([attestor.decide(), reads], [null, 0]);
  attestor.start();
  attestor.decide();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const found = attestor.decide();
  assert.ok(found?.kind === 'AttestJob' && found.id === 'b');
  assert.is(reads, 1);
  assert.is(nodeSha256('').length, 64);
});

/** A module that exports `_start` and wants so many pages at once. */
function withMemory(pages: number): Uint8Array {
  const start = [7, 10, 1, 6, ...Buffer.from('_start'), 0, 0];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, pages],
    ...[...start, 10, 4, 1, 2, 0, 0x0b],
  ]);
}

/** A module that imports `fd_write` `count` times and exports `_start`. */
function repetitive(count: number): Uint8Array {
  const leb = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
  const text = (name: string): number[] => [name.length, ...Buffer.from(name)];
  const section = (id: number, content: number[]): number[] => [id, ...leb(content.length), ...content];
  const imported = [...text('wasi_snapshot_preview1'), ...text('fd_write'), 0, 0];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f, 0x60, 0, 0]),
    ...section(2, [...leb(count), ...Array.from({ length: count }, () => imported).flat()]),
    ...section(3, [1, 1]),
    ...section(7, [1, ...text('_start'), 0, ...leb(count)]),
    ...section(10, [1, 2, 0, 0x0b]),
  ]);
}

t.run();
