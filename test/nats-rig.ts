/** A whole controller for tests of the ways in and out: real log, door, blobs and tenants; guests as the test wants. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KeyPair, newKeyPair } from '../src/attestation/keys.ts';
import { type Blobs, openBlobs } from '../src/blobs/blobs.ts';
import { randomIds, systemClock } from '../src/clock.ts';
import { Controller } from '../src/controller.ts';
import type { FactRecord } from '../src/events/record.ts';
import type { Backend, Probe, Run, RunOutcome, RunRequest } from '../src/executor/backend.ts';
import { Door } from '../src/intake/door.ts';
import { adminName } from '../src/intake/submission.ts';
import { openFileLog } from '../src/log/file.ts';
import { nodeSha256 } from '../src/log/hash-node.ts';
import { openMemoryLog } from '../src/log/memory.ts';
import { nodeDisk } from '../src/log/node-disk.ts';
import { fleetOfPreset } from '../src/slots/fleet-setting.ts';
import { defaultTerms } from '../src/tenants/tenants.ts';

/** Guests that end at once, with code 0 and no output. No process is started. */
export class SimulatedBackend implements Backend {
  readonly runners = 8;
  probe(): Probe {
    return { name: 'simulated', isolation: 'L0', notes: ['no process is started'] };
  }
  run({ fence }: RunRequest): Run {
    const started = new Promise<{ runner: string }>((resolve) =>
      setImmediate(resolve, { runner: 'simulated' }),
    );
    const exited: RunOutcome = { how: 'exited', exitCode: 0, stdout: new Uint8Array() };
    return { fence, started, ended: started.then(() => exited), logs: () => '', kill: () => undefined };
  }
  async stop(): Promise<void> {}
}

export interface RigOptions {
  /** Folder of the data; a log in memory when absent. */
  readonly dir?: string;
  readonly startBackend?: (runnersDir: string) => Promise<Backend>;
  /** globex may send unsigned JSON, as in the demo. */
  readonly queuedMax?: number;
}

export interface Rig {
  readonly door: Door;
  /** The present life; a test may put null or another one here. */
  life: Controller | null;
  readonly keys: { readonly acme: KeyPair; readonly globex: KeyPair; readonly admin: KeyPair };
  /** Begins a new life on the same data, after `life` has ended. */
  begin(): Promise<Controller>;
  /** A signed request for a job, `wasm/noop.wasm` unless said otherwise. */
  signed(
    tenant: 'acme' | 'globex',
    job?: Record<string, unknown>,
    claims?: Record<string, unknown>,
  ): Promise<string>;
  token(tenant: 'acme' | 'globex' | 'admin'): Promise<string>;
  /** Spec of a job that runs `wasm/<guest>.wasm`. */
  spec(guest?: string, more?: Record<string, unknown>): Record<string, unknown>;
  facts(): Promise<readonly FactRecord[]>;
  /** Runs so many jobs of globex to their end, without NATS. */
  runJobs(count: number): Promise<void>;
  readonly blobs: Blobs;
  /** A folder for files of this test. */
  readonly scratch: string;
  end(): Promise<void>;
}

const guests = ['noop', 'hello', 'loop'] as const;
let tokenNumber = 0;

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const scratch = await mkdtemp(join(tmpdir(), 'berth-rig-'));
  const [acme, globex, admin, own] = await Promise.all([
    newKeyPair(),
    newKeyPair(),
    newKeyPair(),
    newKeyPair(),
  ]);
  const keys = { acme: acme!, globex: globex!, admin: admin! };
  const blobs = await openBlobs({ dir: join(scratch, 'blobs'), blobBytesMax: 1e7, tenantBytesMax: 1e8 });
  const digests = await putGuests(blobs);
  const begin = (): Promise<Controller> =>
    beginLife(options, scratch, blobs, (claims) => own!.sign(claims, 'berth-report+jws'));
  const rig = { life: await begin() } as Rig;
  const adminTenant = {
    name: adminName,
    terms: defaultTerms,
    keys: [{ kid: keys.admin.kid, x: keys.admin.publicJwk.x, addedAtSeq: 0, revokedAtSeq: null }],
  };
  const claimsOf = (iss: string): Record<string, unknown> => {
    const iat = Math.floor(Date.now() / 1000);
    tokenNumber += 1;
    return { aud: 'berth', exp: iat + 300, iat, iss, jti: `token-${tokenNumber}-${process.pid}` };
  };
  const spec = (guest = 'noop', more = {}): Record<string, unknown> => ({
    module: digests.get(guest),
    slot: '1g.10gb',
    ...more,
  });
  if (!rig.life!.state.tenants.has('acme')) await addTenants(rig.life!, keys);
  return Object.assign(rig, {
    door: new Door({
      submitsPerSecondMax: 10_000,
      life: () => rig.life,
      admin: adminTenant,
      blobs,
      clock: systemClock,
      ids: randomIds,
      sha256: nodeSha256,
    }),
    blobs,
    keys,
    scratch,
    spec,
    begin,
    signed: (tenant: 'acme' | 'globex', job = spec(), claims = {}) =>
      keys[tenant].sign({ ...claimsOf(tenant), job, ...claims }, 'berth-job+jws'),
    token: (tenant: 'acme' | 'globex' | 'admin') => keys[tenant].sign(claimsOf(tenant), 'JWT'),
    facts: () => rig.life!.log.read(1, 10_000),
    async runJobs(count: number) {
      const text = JSON.stringify({ job: spec() });
      const identity = { tenant: 'globex', admin: false };
      const one = { text, form: 'json', identity, idempotencyKey: null, trace: null, via: 'http' } as const;
      const ids = await Promise.all(
        Array.from({ length: count }, async () => ((await rig.door.submit(one)).body as { id: string }).id),
      );
      await until(
        'all have ended',
        () => ids.every((id) => rig.life?.views.job(id)?.job.state === 'succeeded'),
        60_000,
      );
    },
    async end() {
      await rig.life?.end();
      await rm(scratch, { recursive: true, force: true });
    },
  });
}

async function beginLife(
  { dir, queuedMax = 100_000, startBackend }: RigOptions,
  scratch: string,
  blobs: Blobs,
  sign: (claims: Record<string, unknown>) => Promise<string>,
): Promise<Controller> {
  return Controller.begin({
    clock: systemClock,
    sha256: nodeSha256,
    blobs,
    sign,
    settings: {
      fleet: fleetOfPreset('2xH100-80GB'),
      policy: 'fifo',
      attestMs: 10_000,
      stopMs: 2_000,
      lossesMax: 3,
      queuedMax,
      retainedMax: 10_000,
      checkpointFacts: 0,
      killWaitMs: 2_000,
      version: 'test',
    },
    defer: setImmediate,
    openLog: (onRecords) =>
      dir === undefined
        ? Promise.resolve(openMemoryLog({ sha256: nodeSha256 }))
        : openFileLog({ dir: join(dir, 'log'), disk: nodeDisk, sha256: nodeSha256, onRecords }),
    killFormerGuests: async () => 0,
    startBackend: () => startBackend?.(join(scratch, 'runners')) ?? Promise.resolve(new SimulatedBackend()),
    acceptTornTail: false,
    onFault: (error) => {
      throw error;
    },
  });
}

async function putGuests(blobs: Blobs): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const guest of guests) {
    const bytes = await readFile(new URL(`../wasm/${guest}.wasm`, import.meta.url));
    for (const tenant of ['acme', 'globex']) await blobs.putBytes(tenant, bytes);
    digests.set(guest, `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  }
  return digests;
}

async function addTenants(life: Controller, keys: Rig['keys']): Promise<void> {
  for (const name of ['acme', 'globex'] as const) {
    const terms = { ...defaultTerms, queuedMax: 100_000, unsigned: name === 'globex' };
    await life.ask(
      { kind: 'Note', type: 'tenant.added', stream: `tenant.${name}`, data: { terms } },
      'controller',
    );
    const key = keys[name].publicJwk;
    await life.ask(
      { kind: 'Note', type: 'tenant.keyAdded', stream: `tenant.${name}`, data: { key } },
      'controller',
    );
  }
}

/** Waits for a condition, by looking; fails with `what` after `msMax`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  msMax = 10_000,
): Promise<void> {
  const endMs = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited ${msMax} ms in vain: ${what}`);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}
